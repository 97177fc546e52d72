/* Bytes out: stdout or an atomic file. The only place that creates, writes and renames outputs.
 *
 * A named output is written to an unnamed (O_TMPFILE, else hidden ".NAME.XXXXXX") file beside it, flushed, and given its name
 * by out_commit(); until then, and after out_abort(), nothing appears under the name. FIFOs, devices and stdout are written
 * through. Late errors (full disk found at fsync or close) are reported by out_commit(). out_write() is buffered; EPIPE gives
 * ST_CLOSED. */
#ifndef STOOK_IO_OUT_H
#define STOOK_IO_OUT_H

#include "lib/base/err.h"
#include "lib/base/buf.h"

#include <stdbool.h>
#include <sys/uio.h>

struct out;

enum codec { CODEC_NONE, CODEC_GZIP, CODEC_ZSTD, CODEC_XZ, CODEC_BZ2, CODEC_LZ4, CODEC_COUNT };

/* How bytes are compressed on their way out. What comes out does not depend on the number of threads, unless that is 0: none. */
struct packing {
	enum codec codec;
	int level; /* 0: the codec's own choice */
	int threads;
	bool one_of_many; /* its folder is not searched for what killed writers of the name left */
};

/* "gz", "zst:19", "none": ST_USAGE naming `option` for anything else. */
int packing_parse(struct str text, const char *option, struct packing *ret, struct err *e) nodiscard;

int out_open(struct out **ret, const char *path, enum codec codec, struct err *e) nodiscard; /* path NULL or "-": stdout */
int out_open_packed(struct out **ret, const char *path, const struct packing *how, struct err *e) nodiscard;
int out_open_fd(struct out **ret, int fd, const char *name, struct err *e) nodiscard; /* owned from now on, written through */
int out_open_fd_packed(struct out **ret, int fd, const char *name, const struct packing *how, struct err *e) nodiscard;
int out_open_mem(struct out **ret, struct buf *into, struct err *e) nodiscard;        /* tests: appends to *into */
int out_write(struct out *o, const void *p, size_t n, struct err *e) nodiscard;
int out_writev(struct out *o, const struct iovec *v, int n, struct err *e) nodiscard; /* large pieces are not copied */
int out_flush(struct out *o, struct err *e) nodiscard;                                /* hands everything to the kernel now */
int out_commit(struct out *o, struct err *e) nodiscard;                               /* all written, on disk, under its name */
struct stage; /* place.h */

/* For many files that appear together (each also held): */
struct out *out_ref(struct out *o);        /* one more out_close() is needed */
void out_defer(struct out *o);             /* the first out_commit() leaves it to the next calls to put it on disk */
int out_sync(struct out *o, struct err *e) nodiscard; /* on disk; any thread, once the first out_commit() is done */
int out_park(struct out *o, struct stage *s, struct err *e) nodiscard; /* gives up the descriptor; stage_flush() puts it on disk */
const char *out_folder(const struct out *o); /* NULL: not a named file */
int out_sync_name(struct out *o, struct err *e) nodiscard; /* the folder is on disk */
int out_set_digest(struct out *o, struct err *e) nodiscard; /* before anything is written */
struct out_digest {
	int64_t bytes; /* as written: compressed */
	char xxh128[33];
};
void out_digest(const struct out *o, struct out_digest *ret);

void out_hold(struct out *o);  /* several files as one: the next out_commit() of a named output puts
				  everything on disk, the one after it gives the name */
void out_count(struct out *o); /* what is written from here on counts in lib/io/meter.h */
/* A whole output at once: opened (path NULL: stdout), written, committed. */
int out_put(const char *path, enum codec codec, struct str bytes, struct err *e) nodiscard;
void out_abort(struct out *o); /* forget it; what went to a pipe is gone */
void out_close(struct out *o); /* frees; aborts what was not committed */
const char *out_name(const struct out *o);
bool out_is_pipe(const struct out *o);  /* a pipe, socket, FIFO: not a regular file, not a terminal */
bool out_is_file(const struct out *o);  /* named output or stdout redirected to a regular file */
int64_t out_bytes(const struct out *o); /* plain bytes taken so far */

const char *codec_suffix(enum codec c); /* "gz", or "none" */

/* The codec of a suffix (".gz" .. ) and the length of the name before it; CODEC_NONE: n. */
enum codec codec_of_suffix(struct str name, size_t *stem);

#endif
