/* Bytes out: see out.h.
 *
 * Plain bytes pass through the encoder, if there is one, into `block`, which goes to the descriptor when it is full; large
 * pieces of uncompressed output skip it. The first failure sticks: whatever follows reports it again, and the name is never
 * given. */
#include "lib/io/out.h"

#include "lib/io/codec.h"
#include "lib/io/fd.h"
#include "lib/io/meter.h"
#include "lib/io/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* What will have to be on disk is put there while the rest is written, in pieces of this size: many files side by side do not wait for
 * each other's larger ones, and little is left for the end. */
#define EARLY ((int64_t)1 << 20)
#define BLOCK ((size_t)256 << 10)
#define LARGE ((size_t)64 << 10)
/* Writes to a file end at multiples of this, for the system to keep it in large pages and to come to none of them twice. */
#define ALIGN ((size_t)64 << 10)
#define PIECES 64

struct out {
	char *name;
	int fd; /* -1: memory, or closed */
	struct buf *memory;
	bool counted; /* in the meter */
	bool atomic, regular, pipe, done;
	bool deferred;      /* out_defer() was called */
	int refs;           /* besides the first */
	int64_t written, flushed; /* bytes handed to the descriptor; those that the system was told to put on disk */
	XXH3_state_t *digest;
	bool held, stored;  /* out_hold() was called; everything has been handed to the descriptor */
	struct place place; /* atomic only */
	const struct codec_row *codec;
	void *encoder;
	size_t ahead;       /* bytes of the encoder's that have gone out already */
	struct buf block;
	int64_t bytes;
	int failed, failed_errno; /* the first failure: its status, negative */
};

static const struct packing plain = { .codec = CODEC_NONE };

static int fail(struct out *o, int errnum, struct err *e)
{
	err_sys(e, ST_IO, errnum, "cannot write");
	o->failed = err_at(e, o->name, 0, 0);
	o->failed_errno = errnum;
	return o->failed;
}

static int put(struct out *o, struct iovec *v, int n, struct err *e);

/* What all text of the codec begins with goes out at once: who reads it sees that it is not whole, should we fail before there is more. */
static int put_magic(struct out *o, struct err *e)
{
	struct str magic = o->codec->magic;
	struct iovec v = { (void *)(uintptr_t)magic.p, magic.n };
	int rc = put(o, &v, 1, e);

	o->ahead = magic.n;
	return rc;
}

/* The room for a block and the encoder. Frees o when it fails. */
static int prepare(struct out **ret, struct out *o, const struct packing *how, struct err *e)
{
	int rc;

	o->codec = codec_row(how->codec);
	if (o->codec)
		o->encoder = o->codec->encoder(how->level ? how->level : o->codec->level, how->threads);
	if ((o->codec && !o->encoder) || buf_reserve(&o->block, BLOCK)) {
		out_close(o);
		return err_oom(e);
	}
	if (o->codec && !o->atomic && !o->memory && (rc = put_magic(o, e)) < 0) {
		out_close(o);
		return rc;
	}
	*ret = o;
	return 0;
}

static struct out *out_new(int fd, const char *name)
{
	struct out *o = calloc(1, sizeof *o);

	if (o && !(o->name = strdup(name))) {
		free(o);
		o = NULL;
	}
	if (o) {
		o->fd = fd;
		o->place.dir = o->place.stage = -1;
	}
	return o;
}

static int open_through(struct out **ret, int fd, const char *name, const struct packing *how, struct err *e)
{
	struct out *o = out_new(fd, name);
	struct stat st;

	if (!o) {
		close(fd);
		return err_oom(e);
	}
	if (fstat(fd, &st) < 0) {
		int rc = fail(o, errno, e);

		out_close(o);
		return rc;
	}
	o->regular = S_ISREG(st.st_mode);
	o->pipe = S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode);
	fd_widen(fd);
	return prepare(ret, o, how, e);
}

static int open_stdout(struct out **ret, const struct packing *how, struct err *e)
{
	int fd = fd_dup(STDOUT_FILENO);

	if (fd < 0 && errno == EBADF)
		return err_set(e, ST_IO, "standard output is closed");
	if (fd < 0)
		return err_sys(e, ST_IO, errno, "cannot use standard output");
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY) { /* or closed by our caller, and something else is in its place */
		close(fd);
		return err_set(e, ST_IO, "standard output is closed");
	}
	return open_through(ret, fd, "standard output", how, e);
}

static int open_atomic(struct out **ret, const char *path, const struct packing *how, struct err *e)
{
	struct out *o = out_new(-1, path);
	int rc;

	if (!o)
		return err_oom(e);
	o->atomic = o->regular = true;
	if ((rc = place_open(&o->place, path, !how->one_of_many, e)) < 0) {
		out_close(o);
		err_at(e, path, 0, 0);
		return rc;
	}
	o->fd = rc;
	return prepare(ret, o, how, e);
}

int out_open_packed(struct out **ret, const char *path, const struct packing *how, struct err *e)
{
	struct stat st;
	int fd;

	if (!path || strcmp(path, "-") == 0)
		return open_stdout(ret, how, e);
	if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
		return open_atomic(ret, path, how, e);
	fd = S_ISDIR(st.st_mode) ? (errno = EISDIR, -1) : fd_open(path, O_WRONLY | O_NOCTTY, 0);
	if (fd < 0) {
		err_sys(e, errno == EACCES || errno == EPERM ? ST_PERM : ST_CANTCREAT, errno, "cannot open for writing");
		return err_at(e, path, 0, 0);
	}
	return open_through(ret, fd, path, how, e);
}

int out_open(struct out **ret, const char *path, enum codec codec, struct err *e)
{
	struct packing how = { .codec = codec, .threads = 1 };

	return out_open_packed(ret, path, &how, e);
}

int out_open_fd(struct out **ret, int fd, const char *name, struct err *e)
{
	return open_through(ret, fd, name, &plain, e);
}

int out_open_fd_packed(struct out **ret, int fd, const char *name, const struct packing *how, struct err *e)
{
	return open_through(ret, fd, name, how, e);
}

int out_open_mem(struct out **ret, struct buf *into, struct err *e)
{
	struct out *o = out_new(-1, "memory");

	if (!o)
		return err_oom(e);
	o->memory = into;
	return prepare(ret, o, &plain, e);
}

static void account(struct out *o, const struct iovec *v, int n)
{
	for (int i = 0; i < n; i++) {
		o->written += (int64_t)v[i].iov_len;
		if (o->digest)
			(void)XXH3_128bits_update(o->digest, v[i].iov_base, v[i].iov_len);
	}
}

static void flush_early(struct out *o)
{
	if (!o->atomic || o->written - o->flushed < EARLY)
		return;
	(void)sync_file_range(o->fd, o->flushed, o->written - o->flushed, SYNC_FILE_RANGE_WRITE);
	o->flushed = o->written;
}

static void skip_ahead(struct out *o, struct iovec *v, int n)
{
	for (int i = 0; i < n && o->ahead; i++) {
		size_t skip = o->ahead < v[i].iov_len ? o->ahead : v[i].iov_len;

		v[i].iov_base = (char *)v[i].iov_base + skip;
		v[i].iov_len -= skip;
		o->ahead -= skip;
	}
}

/* Hands v[0 .. n) to the descriptor. */
static int put(struct out *o, struct iovec *v, int n, struct err *e)
{
	skip_ahead(o, v, n);
	account(o, v, n);
	for (int i = 0; o->memory && i < n; i++)
		if (buf_add(o->memory, v[i].iov_base, v[i].iov_len))
			return fail(o, ENOMEM, e);
	for (int i = 0; o->counted && i < n; i++)
		meter_add(&meter.bytes_out, (int64_t)v[i].iov_len);
	if (!o->memory && fd_writev(o->fd, v, n) < 0)
		return fail(o, errno, e);
	flush_early(o);
	return 0;
}

static int put_block(struct out *o, struct err *e)
{
	struct iovec v = { o->block.p, o->block.n };

	o->block.n = 0;
	return v.iov_len ? put(o, &v, 1, e) : 0;
}

/* What follows the last multiple of ALIGN, if it is in the last piece. */
static size_t cut_end(const struct out *o, struct iovec *v, int n)
{
	size_t end = (size_t)o->written, rest;

	for (int i = 0; i < n; i++)
		end += v[i].iov_len;
	rest = end % ALIGN;
	if (!o->atomic || rest > v[n - 1].iov_len)
		return 0;
	v[n - 1].iov_len -= rest;
	return rest;
}

/* The block and what comes behind it go out in one call; the end of it is the next block. */
static int put_large(struct out *o, const struct iovec *v, int n, struct err *e)
{
	struct iovec all[PIECES + 1] = { { o->block.p, o->block.n } };
	const uint8_t *end;
	size_t rest;
	int rc;

	for (int i = 0; i < n; i++)
		all[i + 1] = v[i];
	rest = cut_end(o, all, n + 1);
	end = (const uint8_t *)all[n].iov_base + all[n].iov_len;
	o->block.n = 0;
	if ((rc = put(o, all, n + 1, e)) < 0)
		return rc;
	memmove(o->block.p, end, rest);
	o->block.n = rest;
	return 0;
}

static int encode(struct out *o, const void *p, size_t n, bool end, struct err *e)
{
	if (o->codec->encode(o->encoder, p, n, end, &o->block))
		return fail(o, ENOMEM, e);
	return o->block.n >= BLOCK ? put_large(o, NULL, 0, e) : 0;
}

/* What is too large to be worth a copy. */
static bool is_large(const struct out *o, size_t total)
{
	return o->atomic ? o->block.n + total >= BLOCK : total >= LARGE;
}

static int write_pieces(struct out *o, const struct iovec *v, int n, size_t total, struct err *e)
{
	int rc;

	if (is_large(o, total))
		return put_large(o, v, n, e);
	if (o->block.n + total > BLOCK && (rc = put_block(o, e)) < 0)
		return rc;
	for (int i = 0; i < n; i++)
		if (buf_add(&o->block, v[i].iov_base, v[i].iov_len))
			return fail(o, ENOMEM, e);
	return 0;
}

static int write_some(struct out *o, const struct iovec *v, int n, struct err *e)
{
	size_t total = 0;
	int rc;

	for (int i = 0; i < n; i++)
		total += v[i].iov_len;
	o->bytes += (int64_t)total;
	if (!o->codec)
		return write_pieces(o, v, n, total, e);
	for (int i = 0; i < n; i++)
		if ((rc = encode(o, v[i].iov_base, v[i].iov_len, false, e)) < 0)
			return rc;
	return 0;
}

int out_writev(struct out *o, const struct iovec *v, int n, struct err *e)
{
	int rc;

	if (o->failed)
		return fail(o, o->failed_errno, e);
	for (; n > 0; v += PIECES, n -= PIECES)
		if ((rc = write_some(o, v, n < PIECES ? n : PIECES, e)) < 0)
			return rc;
	return 0;
}

int out_write(struct out *o, const void *p, size_t n, struct err *e)
{
	struct iovec v = { (void *)(uintptr_t)p, n };

	if (!o->codec && !o->failed && n < LARGE && o->block.n + n <= BLOCK) {
		if (n)
			memcpy(o->block.p + o->block.n, p, n);
		o->block.n += n;
		o->bytes += (int64_t)n;
		return 0;
	}
	return out_writev(o, &v, 1, e);
}

int out_flush(struct out *o, struct err *e)
{
	return o->failed ? fail(o, o->failed_errno, e) : put_block(o, e);
}

/* close() reports what a network file system could not store. */
static int close_fd(struct out *o, struct err *e)
{
	int fd = o->fd;

	o->fd = -1;
	return fd >= 0 && close(fd) < 0 && errno != EINTR ? fail(o, errno, e) : 0;
}

/* Nothing more is written. */
static void free_room(struct out *o)
{
	if (o->encoder)
		o->codec->encoder_free(o->encoder);
	o->encoder = NULL;
	buf_free(&o->block);
}

static int finish(struct out *o, struct err *e)
{
	int rc;

	if (o->failed)
		return fail(o, o->failed_errno, e);
	if (!o->stored && ((o->codec && (rc = encode(o, NULL, 0, true, e)) < 0) || (rc = put_block(o, e)) < 0))
		return rc;
	o->stored = true;
	if (o->held)
		return o->deferred ? (free_room(o), 0) : out_sync(o, e);
	if (o->atomic && ((rc = place_commit(&o->place, o->fd, !o->deferred, e)) < 0 || (!o->deferred && (rc = place_sync(&o->place, e)) < 0)))
		return err_at(e, o->name, 0, 0);
	return close_fd(o, e);
}

int out_sync(struct out *o, struct err *e)
{
	return o->atomic && o->fd >= 0 && fsync(o->fd) < 0 ? fail(o, errno, e) : 0;
}

int out_sync_name(struct out *o, struct err *e)
{
	return o->atomic && place_sync(&o->place, e) < 0 ? err_at(e, o->name, 0, 0) : 0;
}

struct out *out_ref(struct out *o)
{
	o->refs++;
	return o;
}

void out_defer(struct out *o)
{
	o->deferred = true;
}

const char *out_folder(const struct out *o)
{
	return o->atomic ? o->place.folder : NULL;
}

int out_park(struct out *o, struct stage *s, struct err *e)
{
	if (!o->atomic)
		return 0;
	if (place_park(&o->place, o->fd, s, e) < 0)
		return err_at(e, o->name, 0, 0);
	return close_fd(o, e);
}

int out_set_digest(struct out *o, struct err *e)
{
	if (!(o->digest = XXH3_createState()))
		return err_oom(e);
	(void)XXH3_128bits_reset(o->digest);
	return 0;
}

void out_digest(const struct out *o, struct out_digest *ret)
{
	XXH128_canonical_t sum;

	ret->bytes = o->written;
	XXH128_canonicalFromHash(&sum, XXH3_128bits_digest(o->digest));
	for (size_t i = 0; i < sizeof sum.digest; i++)
		snprintf(ret->xxh128 + 2 * i, 3, "%02x", sum.digest[i]);
}

int out_commit(struct out *o, struct err *e)
{
	int rc = finish(o, e);

	if (rc < 0)
		out_abort(o);
	else
		o->done = !o->held;
	o->held = false;
	return rc;
}

void out_hold(struct out *o)
{
	o->held = true;
}

void out_abort(struct out *o)
{
	if (o->done)
		return;
	o->done = true;
	if (!o->failed) {
		o->failed = -ST_IO;
		o->failed_errno = ECANCELED;
	}
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
	place_close(&o->place);
}

void out_close(struct out *o)
{
	if (!o || o->refs-- > 0)
		return;
	out_abort(o);
	place_close(&o->place);
	free_room(o);
	XXH3_freeState(o->digest);
	free(o->name);
	free(o);
}

void out_count(struct out *o)
{
	o->counted = true;
}

const char *out_name(const struct out *o)
{
	return o->name;
}

bool out_is_pipe(const struct out *o)
{
	return o->pipe;
}

bool out_is_file(const struct out *o)
{
	return o->regular;
}

int64_t out_bytes(const struct out *o)
{
	return o->bytes;
}

int out_put(const char *path, enum codec codec, struct str bytes, struct err *e)
{
	struct out *o;
	int rc = out_open(&o, path, codec, e);

	if (rc < 0)
		return rc;
	out_count(o);
	if ((rc = out_write(o, bytes.p, bytes.n, e)) == 0)
		rc = out_commit(o, e);
	out_close(o);
	return rc;
}
