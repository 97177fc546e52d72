/* stook: the dispatcher. `stook sort ...` runs the program stook-sort that lies beside it, or else the one on PATH. */
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/io/term.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#ifndef STOOK_VERSION
#define STOOK_VERSION "0.1.0"
#endif

static const char usage[] = "Usage: stook TOOL [OPTIONS] [FILE]...\n"
			    "\n"
			    "  cat                read anything, write anything, concatenate by column name\n"
			    "  map                compute, filter, choose, rename, explode records\n"
			    "  sort               order by keys; merge, check, unique, top N\n"
			    "  join               match two inputs: inner, left, right, full, semi, anti\n"
			    "  reduce             group and aggregate; partial states as records\n"
			    "  split              one stream into many files: by hash, rows, weights, value\n"
			    "  confusion-matrix   truth against prediction, with a picture\n"
			    "  take               first, last, slice, sample\n"
			    "  fanout             the same pipeline over hosts\n"
			    "\n"
			    "stook TOOL --help shows a tool's options, man stook-TOOL its manual.\n";

static void put(int fd, const char *text)
{
	size_t n = strlen(text);

	while (n) {
		ssize_t k = write(fd, text, n);

		if (k < 0 && errno != EINTR)
			_exit(errno == EPIPE ? 0 : ST_IO);
		if (k > 0) {
			text += k;
			n -= (size_t)k;
		}
	}
}

/* The folder this program lies in, "" when unknown. */
static void own_folder(char *dir, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", dir, size - 1);
	char *slash;

	dir[n > 0 ? n : 0] = '\0';
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	else
		dir[0] = '\0';
}

static int unknown(const char *name)
{
	cleanup_buf struct buf b = { 0 };

	if (buf_puts(&b, "stook: unknown tool \"") == 0 && term_safe(&b, str_of(name)) == 0 &&
	    buf_puts(&b, "\"; there are: cat, map, sort, join, reduce, split, confusion-matrix, take, fanout\n") == 0)
		term_err(buf_view(&b));
	return ST_USAGE;
}

static int run(int argc, char **argv)
{
	char dir[4096], path[4400], name[256];
	const char *tool = argv[1];

	(void)argc;
	if (strchr(tool, '/') || strlen(tool) > 64)
		return unknown(tool);
	snprintf(name, sizeof name, "%s%s", strcmp(tool, "fanout") == 0 ? "" : "stook-", tool);
	own_folder(dir, sizeof dir);
	snprintf(path, sizeof path, "%s/%s", dir, name);
	argv[1] = name;
	if (dir[0])
		execv(path, argv + 1);
	if (errno == ENOENT)
		execvp(name, argv + 1);
	return errno == ENOENT ? unknown(tool) : (put(2, "stook: cannot run "), put(2, path), put(2, "\n"), ST_OSERR);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		put(2, usage);
		return ST_USAGE;
	}
	if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		if (argc > 2) {
			char *help[] = { argv[0], argv[2], (char[]){ "--help" }, NULL };

			return run(3, help);
		}
		put(1, usage);
		return 0;
	}
	if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0) {
		put(1, "stook " STOOK_VERSION "\n");
		return 0;
	}
	return run(argc, argv);
}
