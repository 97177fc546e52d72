/* stook-get, the program that brings what lies behind a URL or inside an archive, as a child of this process.
 *
 * It is looked for beside the running program, then in ../libexec/stook, then on PATH; libcurl and libarchive are its own business.
 *
 * Its stdin says what is wanted: one letter of enum helper_ask, then the name, up to the end. No name is on its command line: a URL
 * may hold a password. Its stdout has frames: a letter, the length of what follows in 4 bytes (little-endian), and that many bytes.
 *
 *     S   8 bytes: how many data bytes will come (at most once, first; advice)
 *     D   data, 1 byte to 1 MiB
 *     E   16 bytes: how many data bytes came, and their XXH3 (lib/base/hash.h, seed 0). Nothing follows.
 *     F   why it failed: the status in 1 byte, message and hint each ended by NUL. Nothing follows.
 *
 * Data are whole only when E came, agrees with them, was the last, and the child ended with status 0. */
#ifndef STOOK_IO_HELPER_H
#define STOOK_IO_HELPER_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

#include <sys/types.h>

enum helper_ask {
	HELPER_FETCH = 'f', /* the bytes under a name */
	HELPER_LIST = 'l',  /* the names that match a pattern, in byte order, each ended by NUL */
};

#define HELPER_HEAD 5
#define HELPER_DATA_MAX (1 << 20)
#define HELPER_NAME_MAX (32 << 10)

struct helper;

/* ST_UNAVAIL when there is no such program. */
int helper_start(struct helper **ret, enum helper_ask ask, const char *name, struct err *e) nodiscard;

/* > 0 bytes, 0 the proven end, IN_LATER (lib/io/in.h) when nothing came in timeout_ms, or an error: the child's, or ST_STREAM when it
 * ended before its trailer. Errors carry no input name. */
ssize_t helper_read(struct helper *h, void *p, size_t n, int timeout_ms, struct err *e) nodiscard;

int64_t helper_size(const struct helper *h); /* as the child announced it so far; -1: unknown */
void helper_stop(struct helper *h);          /* ends the child wherever it is, and frees; NULL is fine */

/* The whole answer. */
int helper_answer(enum helper_ask ask, const char *name, struct buf *ret, struct err *e) nodiscard;

#endif
