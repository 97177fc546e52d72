/* Bytes in: files, stdin, URLs and archive members (lib/io/name.h), decompression by magic bytes. The only place that opens and reads inputs.
 *
 *     struct in *in;
 *     if ((rc = in_open(&in, "sales.csv.gz", e)) < 0) return rc;     // "-" is stdin
 *     rc = in_peek(in, 8, &head, e);                                 // look ahead without consuming
 *     n = in_read(in, p, size, IN_WAIT, e);                          // > 0 bytes, 0 the end, < 0 error, IN_LATER
 *     in_close(in);
 *
 * Compressed inputs (gz incl. multi-member, bz2, xz, zst incl. multi-frame, lz4) are recognised by their first bytes, whatever
 * the name, and give the plain bytes; a truncated or damaged one is ST_DATA with the name and the offset in the compressed
 * file. Errors carry the input's name. One `in` is used by one thread at a time. */
#ifndef STOOK_IO_IN_H
#define STOOK_IO_IN_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#include <stdbool.h>
#include <sys/types.h>

struct in;

#define IN_WAIT (-1)                 /* block until there is something */
#define IN_LATER ((ssize_t)-1000000) /* nothing came within timeout_ms: try again */

/* Opens a file ("-": stdin), a URL or a member of an archive. A missing file, a directory, no permission: ST_NOINPUT or ST_PERM naming
 * it; of what comes through stook-get the first read says so. */
int in_open(struct in **ret, const char *name, struct err *e) nodiscard;
/* An open descriptor (owned from now on) under a name for messages. */
int in_open_fd(struct in **ret, int fd, const char *name, struct err *e) nodiscard;
/* Bytes in memory (borrowed), for tests and fuzzing. */
int in_open_mem(struct in **ret, const void *p, size_t n, const char *name, struct err *e) nodiscard;
void in_close(struct in *in); /* NULL is fine */

/* A compressed input that is not small may be decoded by a thread of its own, a little ahead of who reads. */
void in_set_ahead(struct in *in);

/* What has not been read yet is text in `encoding` (any iconv name): from here on it is given out as UTF-8. ST_USAGE when the
 * encoding is unknown; bytes that are not of it are ST_DATA later on. */
int in_set_encoding(struct in *in, const char *encoding, struct err *e) nodiscard;

/* At least 1 byte, or 0 at the end. timeout_ms: IN_WAIT or how long to wait for the first byte. */
ssize_t in_read(struct in *in, void *p, size_t n, int timeout_ms, struct err *e) nodiscard;
/* Exactly n bytes unless the end comes first; returns how many. Blocks. */
ssize_t in_read_full(struct in *in, void *p, size_t n, struct err *e) nodiscard;
/* Looks at up to n (<= 64 KiB) bytes ahead, fewer only at the end. Blocks. */
int in_peek(struct in *in, size_t n, struct str *ret, struct err *e) nodiscard;

/* *e says that the text read so far makes no sense. When that is compressed data which turns out to be damaged or cut, as its
 * checksums say that come later, *e becomes that. Reads on for it: 1 GiB of text at most, and not long for what has yet to
 * come. -e->status. */
int in_blame(struct in *in, struct err *e) nodiscard;

/* The last n bytes of a regular file that is read as it stands, fewer when it is shorter, none of any other input: into *tail. What
 * is read next is as before. */
int in_tail(struct in *in, size_t n, struct buf *tail, struct err *e) nodiscard;

/* A table's input, no other file that is read on the way: what has been and is read of it counts in lib/io/meter.h. `expect`: its
 * size too. */
void in_count(struct in *in, bool expect);

const char *in_name(const struct in *in);     /* for messages: "-" for stdin, no password in URLs */
int64_t in_size(const struct in *in);         /* bytes of the underlying file, -1: unknown */
int64_t in_offset(const struct in *in);       /* bytes of the underlying file consumed so far (for progress) */
int64_t in_plain_offset(const struct in *in); /* plain bytes given out so far */
bool in_is_compressed(const struct in *in);

#endif
