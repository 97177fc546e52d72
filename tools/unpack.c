/* The unpacker that stands in front of a shipped archive: this program's own file ends with a tar+zstd archive, the place where it
 * begins (16 hexadecimal digits) and "stookbox". Called with a fresh folder, it unpacks there. */
#include "lib/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* fanout/shim_unpack.h: linked in, but its folder lies behind this one. */
struct unpack;
int unpack_new(struct unpack **ret, int dirfd, struct err *e);
int unpack_feed(struct unpack *u, const void *p, size_t n, struct err *e);
int unpack_end(struct unpack *u, struct err *e);

static int say(const char *text)
{
	return write(2, text, strlen(text)) < 0 || write(2, "\n", 1) < 0 ? ST_IO : ST_STREAM;
}

/* Where the archive begins and ends in fd; -1: there is none. */
static int find_archive(int fd, off_t *from, off_t *to)
{
	char tail[25] = "";
	struct stat st;

	if (fstat(fd, &st) || st.st_size < 24 || pread(fd, tail, 24, st.st_size - 24) != 24 || memcmp(tail + 16, "stookbox", 8) != 0)
		return -1;
	tail[16] = '\0';
	*from = (off_t)strtoll(tail, NULL, 16);
	*to = st.st_size - 24;
	return *from > 0 && *from < *to ? 0 : -1;
}

static int unpack_range(struct unpack *u, int fd, off_t at, off_t to, struct err *e)
{
	char part[64 << 10];

	while (at < to) {
		size_t want = to - at < (off_t)sizeof part ? (size_t)(to - at) : sizeof part;
		ssize_t k = pread(fd, part, want, at);

		if (k <= 0)
			return err_sys(e, ST_IO, k < 0 ? errno : EIO, "cannot read the archive");
		if (unpack_feed(u, part, (size_t)k, e) < 0)
			return -e->status;
		at += k;
	}
	return unpack_end(u, e);
}

int main(int argc, char **argv)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), dir;
	struct err e = { 0 };
	struct unpack *u;
	off_t from, to;

	if (fd < 0 && argc > 0)
		fd = open(argv[0], O_RDONLY | O_CLOEXEC);
	dir = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd < 0 || dir < 0)
		return say("usage: unpack FOLDER");
	if (find_archive(fd, &from, &to))
		return say("no archive behind this program");
	if (unpack_new(&u, dir, &e) < 0 || unpack_range(u, fd, from, to, &e) < 0)
		return say(e.msg);
	return 0;
}
