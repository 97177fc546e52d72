/* A push parser: zstd gives plain bytes, plain bytes fill 512-byte headers or the file that is open. Invariant: `left` bytes of the
 * current file are still to come, then `pad` bytes to the next 512-byte boundary, then a header. */
#include "fanout/shim_unpack.h"

#include "lib/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define BLOCK 512

struct unpack {
	int dirfd, fd;
	ZSTD_DStream *z;
	bool frame_done;      /* the zstd frame has ended, its checksum was right */
	uint8_t head[BLOCK];
	size_t nhead;
	int zero_blocks;      /* two of them end a tar archive */
	int64_t left, total;
	size_t pad;
	int nfiles;
	uint8_t plain[64 << 10];
};

int unpack_new(struct unpack **ret, int dirfd, struct err *e)
{
	struct unpack *u = calloc(1, sizeof *u);

	if (u)
		u->z = ZSTD_createDStream();
	if (!u || !u->z) {
		free(u);
		return err_oom(e);
	}
	u->dirfd = dirfd;
	u->fd = -1;
	*ret = u;
	return 0;
}

void unpack_free(struct unpack *u)
{
	if (!u)
		return;
	if (u->fd >= 0)
		close(u->fd);
	ZSTD_freeDStream(u->z);
	free(u);
}

static int refuse(struct err *e, const char *what)
{
	return err_set(e, ST_STREAM, "shipped archive: %s", what);
}

static bool plain_name(const char *p, size_t n)
{
	if (n == 0 || n > 100 || p[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z') || (p[i] >= '0' && p[i] <= '9') || p[i] == '.' ||
		      p[i] == '_' || p[i] == '-'))
			return false;
	return true;
}

/* Octal text, or base 256 when the first bit is set. -1: neither. */
static int64_t tar_number(const uint8_t *p, size_t n)
{
	int64_t v = 0;
	size_t i = 0;

	if (p[0] == 0x80) {
		for (i = 1; i < n; i++) {
			if (v >> 48)
				return -1;
			v = v << 8 | p[i];
		}
		return v;
	}
	while (i < n && p[i] == ' ')
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
		v = v << 3 | (p[i] - '0');
	return i == n || p[i] == 0 || p[i] == ' ' ? v : -1;
}

static bool checksum_right(const uint8_t *h)
{
	int64_t sum = 0;

	for (int i = 0; i < BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : h[i];
	return sum == tar_number(h + 148, 8);
}

static int open_entry(struct unpack *u, struct err *e)
{
	const char *name = (const char *)u->head;
	int64_t mode = tar_number(u->head + 100, 8), size = tar_number(u->head + 124, 12);
	size_t n = strnlen(name, 100);
	char path[128] = "";

	if (!checksum_right(u->head))
		return refuse(e, "damaged header");
	if (u->head[156] != '0' && u->head[156] != 0)
		return refuse(e, "an entry is not a regular file");
	if (u->head[345] || !plain_name(name, n))
		return refuse(e, "an entry has a name that is not allowed");
	if (size < 0 || size > UNPACK_BYTES - u->total || ++u->nfiles > UNPACK_FILES)
		return refuse(e, "too many files, or too large");
	memcpy(path, name, n);
	u->fd = openat(u->dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode > 0 && (mode & 0100) ? 0700 : 0600);
	if (u->fd < 0)
		return err_sys(e, ST_CANTCREAT, errno, "cannot create %s", path);
	u->left = size;
	u->total += size;
	u->pad = (size_t)(-size & (BLOCK - 1));
	return 0;
}

static int close_entry(struct unpack *u, struct err *e)
{
	int fd = u->fd;

	u->fd = -1;
	return close(fd) ? err_sys(e, ST_IO, errno, "cannot write a shipped file") : 0;
}

static int take_header(struct unpack *u, struct err *e)
{
	static const uint8_t zero[BLOCK];

	u->nhead = 0;
	if (memcmp(u->head, zero, BLOCK) == 0) {
		u->zero_blocks++;
		return 0;
	}
	if (u->zero_blocks)
		return refuse(e, "bytes after its end");
	if (open_entry(u, e) < 0)
		return -e->status;
	return u->left == 0 ? close_entry(u, e) : 0;
}

/* Takes as much of p as belongs to one thing: header, contents or padding. Returns how much. */
static ssize_t take_some(struct unpack *u, const uint8_t *p, size_t n, struct err *e)
{
	if (u->left) {
		ssize_t k = write(u->fd, p, (int64_t)n < u->left ? n : (size_t)u->left);

		if (k < 0)
			return errno == EINTR ? 0 : err_sys(e, ST_IO, errno, "cannot write a shipped file");
		u->left -= k;
		return u->left == 0 && close_entry(u, e) < 0 ? -e->status : k;
	}
	if (u->pad) {
		size_t k = n < u->pad ? n : u->pad;

		u->pad -= k;
		return (ssize_t)k;
	}
	size_t k = BLOCK - u->nhead;

	k = n < k ? n : k;
	memcpy(u->head + u->nhead, p, k);
	u->nhead += k;
	return u->nhead == BLOCK && take_header(u, e) < 0 ? -e->status : (ssize_t)k;
}

static int take_plain(struct unpack *u, const uint8_t *p, size_t n, struct err *e)
{
	while (n) {
		ssize_t k = take_some(u, p, n, e);

		if (k < 0)
			return (int)k;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

int unpack_feed(struct unpack *u, const void *p, size_t n, struct err *e)
{
	ZSTD_inBuffer in = { p, n, 0 };

	while (in.pos < in.size) {
		ZSTD_outBuffer out = { u->plain, sizeof u->plain, 0 };
		size_t rc;

		if (u->frame_done)
			return refuse(e, "bytes after its end");
		rc = ZSTD_decompressStream(u->z, &out, &in);
		if (ZSTD_isError(rc))
			return refuse(e, ZSTD_getErrorName(rc));
		u->frame_done = rc == 0;
		if (take_plain(u, u->plain, out.pos, e) < 0)
			return -e->status;
	}
	return 0;
}

int unpack_end(struct unpack *u, struct err *e)
{
	if (!u->frame_done || u->zero_blocks < 2 || u->nhead || u->left)
		return refuse(e, "it ends early");
	return 0;
}
