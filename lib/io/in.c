/* Bytes in: see in.h.
 *
 * Layers: raw bytes (a descriptor, stook-get or memory) in `raw`; a decoder over them, chosen by the first bytes when the first byte is
 * asked for; a change of encoding, if one was asked for; plain bytes looked at ahead of time in `ahead`. Without a decoder,
 * reads go straight into the caller's memory once what was looked at is used up. */
#include "lib/io/in.h"

#include "lib/io/codec.h"
#include "lib/io/fd.h"
#include "lib/io/helper.h"
#include "lib/io/meter.h"
#include "lib/io/name.h"
#include "lib/io/pump.h"
#include "lib/io/recode.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLAME_MAX ((int64_t)1 << 30)
#define BLAME_WAIT_MS 1000
#define RAW_SIZE ((size_t)256 << 10)
#define PEEK_MAX ((size_t)64 << 10)
#define PUMP_AFTER ((int64_t)1 << 20) /* plain bytes: what is smaller needs no thread */

struct in {
	char *name;
	int fd;     /* -1: memory, or helper */
	struct helper *helper; /* brings the raw bytes; NULL: they are read here */
	bool counted; /* in the meter */
	bool waits; /* may have to wait for bytes: not a regular file */
	int64_t size;
	_Atomic int64_t taken; /* raw bytes that have left `raw` */
	int64_t plain; /* plain bytes given out */

	uint8_t *space; /* RAW_SIZE bytes under raw; NULL: memory */
	struct str raw; /* raw bytes not used yet */
	bool raw_end;

	bool detected, inside;         /* inside: in the middle of a member */
	bool pending;                  /* the decoder may have more to give without new bytes */
	const struct codec_row *codec; /* NULL: plain */
	const struct decoder *decoder;
	void *state; /* of the decoder */
	const char *bad; /* what is wrong behind the bytes that it gave */

	bool pumps;          /* decoding may have a thread of its own */
	struct pump *pump;   /* it has: what is above, but the name and what was detected, is that thread's */
	struct pump *within; /* the same, as the thread sees it */
	int64_t decoded;     /* before there was one */

	struct recode *recode; /* NULL: bytes as they are */
	bool recode_end;

	struct buf ahead; /* plain bytes looked at; from `seen` on they are still to be given out */
	size_t seen;
	bool end; /* nothing comes after `ahead` */
};

static int in_new(struct in **ret, const char *name, bool space, struct err *e)
{
	struct in *in = calloc(1, sizeof *in);

	if (in)
		in->name = strdup(name);
	if (!in || !in->name || (space && !(in->space = malloc(RAW_SIZE)))) {
		if (in)
			free(in->name);
		free(in);
		return err_oom(e);
	}
	in->fd = -1;
	in->size = -1;
	*ret = in;
	return 0;
}

static int cannot_open(const char *name, int errnum, struct err *e)
{
	if (errnum == ENOENT && strstr(name, "://"))
		err_set(e, ST_NOINPUT, "there is no such file, and URLs begin with http://, https://, s3:// or hdfs://");
	else
		err_sys(e, errnum == EACCES || errnum == EPERM ? ST_PERM : ST_NOINPUT, errnum, "cannot open");
	return err_at(e, name, 0, 0);
}

int in_open_fd(struct in **ret, int fd, const char *name, struct err *e)
{
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0) {
		rc = cannot_open(name, errno, e);
		close(fd);
		return rc;
	}
	if (S_ISDIR(st.st_mode)) {
		close(fd);
		return cannot_open(name, EISDIR, e);
	}
	if ((rc = in_new(ret, name, true, e)) < 0) {
		close(fd);
		return rc;
	}
	(*ret)->fd = fd;
	(*ret)->waits = !S_ISREG(st.st_mode);
	if (S_ISREG(st.st_mode)) {
		(*ret)->size = st.st_size;
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	} else {
		fd_widen(fd);
	}
	return 0;
}

/* Standard input as a descriptor of our own. A caller that closed it may have got something else in its place: it cannot be
 * read. */
static int open_stdin(struct in **ret, struct err *e)
{
	int flags = fcntl(STDIN_FILENO, F_GETFL), fd;

	if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH)) {
		err_set(e, ST_NOINPUT, "standard input is closed");
		return err_at(e, "-", 0, 0);
	}
	fd = fd_dup(STDIN_FILENO);
	return fd < 0 ? cannot_open("-", errno, e) : in_open_fd(ret, fd, "-", e);
}

/* What stook-get brings, under the name that messages may have. */
static int open_far(struct in **ret, const char *name, struct err *e)
{
	cleanup_buf struct buf shown = { 0 };
	int rc;

	if (name_show(&shown, name) || buf_byte(&shown, '\0'))
		return err_oom(e);
	if ((rc = in_new(ret, (const char *)shown.p, true, e)) < 0)
		return rc;
	(*ret)->waits = true;
	if ((rc = helper_start(&(*ret)->helper, HELPER_FETCH, name, e)) == 0)
		return 0;
	in_close(*ret);
	return err_at(e, (const char *)shown.p, 0, 0);
}

int in_open(struct in **ret, const char *name, struct err *e)
{
	int fd;

	if (strcmp(name, "-") == 0)
		return open_stdin(ret, e);
	if (name_is_far(name))
		return open_far(ret, name, e);
	fd = fd_open(name, O_RDONLY | O_NOCTTY, 0);
	return fd < 0 ? cannot_open(name, errno, e) : in_open_fd(ret, fd, name, e);
}

int in_open_mem(struct in **ret, const void *p, size_t n, const char *name, struct err *e)
{
	int rc = in_new(ret, name, false, e);

	if (rc < 0)
		return rc;
	(*ret)->raw = (struct str){ p, n };
	(*ret)->raw_end = true;
	(*ret)->size = (int64_t)n;
	return 0;
}

void in_close(struct in *in)
{
	if (!in)
		return;
	pump_stop(in->pump);
	if (in->state)
		in->decoder->free(in->state);
	recode_close(in->recode);
	helper_stop(in->helper);
	if (in->fd >= 0)
		close(in->fd);
	buf_free(&in->ahead);
	free(in->space);
	free(in->name);
	free(in);
}

static int read_failed(struct in *in, int errnum, struct err *e)
{
	err_sys(e, ST_IO, errnum, "cannot read");
	return err_at(e, in->name, 0, 0);
}

static ssize_t read_helper(struct in *in, void *p, size_t n, int timeout_ms, struct err *e)
{
	ssize_t got = helper_read(in->helper, p, n, timeout_ms, e);

	in->size = helper_size(in->helper);
	in->raw_end = got == 0;
	if (in->counted && got > 0)
		meter_add(&meter.bytes_in, got);
	return got < 0 && got != IN_LATER ? err_at(e, in->name, 0, 0) : got;
}

/* read() with a time limit for the first byte: > 0, 0 the end, IN_LATER, or an error. */
static ssize_t read_raw(struct in *in, void *p, size_t n, int timeout_ms, struct err *e)
{
	ssize_t got;

	if (in->helper)
		return read_helper(in, p, n, timeout_ms, e);
	if (in->waits && timeout_ms >= 0) {
		int ready = fd_wait(in->fd, POLLIN, timeout_ms);

		if (ready <= 0)
			return ready < 0 ? read_failed(in, errno, e) : IN_LATER;
	}
	if (in->waits && in->within && pump_wait(in->within, in->fd) < 0)
		return read_failed(in, errno, e);
	got = fd_read(in->fd, p, n);
	if (got < 0)
		return read_failed(in, errno, e);
	in->raw_end = got == 0;
	if (in->counted)
		meter_add(&meter.bytes_in, got);
	return got;
}

/* Adds raw bytes behind those that are left: > 0, 0 the end, IN_LATER, or an error. There is always room: raw holds less than
 * CODEC_HEAD bytes when it is called. */
static ssize_t fill_raw(struct in *in, int timeout_ms, struct err *e)
{
	ssize_t got;

	if (in->raw_end)
		return 0;
	if (in->raw.n)
		memmove(in->space, in->raw.p, in->raw.n);
	in->raw.p = (const char *)in->space;
	got = read_raw(in, in->space + in->raw.n, RAW_SIZE - in->raw.n, timeout_ms, e);
	if (got > 0)
		in->raw.n += (size_t)got;
	return got;
}

static int truncated(struct in *in, const char *codec, struct err *e)
{
	err_set(e, ST_STREAM, "the %s data ends early, at byte %lld of the compressed file: it is truncated", codec,
		(long long)in->taken);
	return err_at(e, in->name, 0, 0);
}

/* A file that was cut before its magic was complete looks plain; the name then says what it should have been. */
static int check_cut_magic(struct in *in, struct err *e)
{
	struct str name = name_path(in->name);
	size_t stem;
	const struct codec_row *row = codec_row(codec_of_suffix(name, &stem));

	if (!row || in->raw.n >= CODEC_HEAD ||
	    memcmp(in->raw.p, row->magic.p, in->raw.n < row->magic.n ? in->raw.n : row->magic.n))
		return 0;
	in->taken = (int64_t)in->raw.n;
	return truncated(in, row->name, e);
}

/* Finds out what the raw bytes are: 1 when known, IN_LATER, or an error. */
static ssize_t detect(struct in *in, int timeout_ms, struct err *e)
{
	ssize_t got;
	int rc;

	while (in->raw.n == 0 || !codec_detect(in->raw, in->raw_end, &in->codec)) {
		got = fill_raw(in, timeout_ms, e);
		if (got < 0)
			return got;
		if (got == 0 && in->raw.n == 0)
			break;
	}
	if (!in->codec && in->raw_end && in->space && (rc = check_cut_magic(in, e)) < 0)
		return rc;
	if (in->codec) {
		in->decoder = codec_decoder(in->codec);
		if (!(in->state = in->decoder->open()))
			return err_oom(e);
	}
	in->detected = in->inside = true;
	return 1;
}

static ssize_t read_plain(struct in *in, void *p, size_t n, int timeout_ms, struct err *e)
{
	ssize_t got;

	if (in->raw.n) {
		if (n > in->raw.n)
			n = in->raw.n;
		memcpy(p, in->raw.p, n);
		in->raw = str_from(in->raw, n);
		got = (ssize_t)n;
	} else {
		got = in->raw_end ? 0 : read_raw(in, p, n, timeout_ms, e);
	}
	if (got > 0)
		in->taken += got;
	return got;
}

static int damaged(struct in *in, struct err *e)
{
	err_set(e, ST_DATA, "the %s data is damaged before byte %lld of the compressed file: %s", in->codec->name,
		(long long)in->taken + 1, in->bad);
	return err_at(e, in->name, 0, 0);
}

/* One call of the decoder; returns the plain bytes it gave (0: it wants more), or an error. */
static ssize_t decode_some(struct in *in, void *p, size_t n, struct err *e)
{
	struct flow f = { (const uint8_t *)in->raw.p, in->raw.n, p, n };
	const char *why = "invalid data";
	enum step step;

	if (in->raw.n)
		in->inside = true;
	step = in->decoder->step(in->state, &f, &why);
	in->taken += (int64_t)in->raw.n - (int64_t)f.nsrc;
	in->raw = (struct str){ (const char *)f.src, f.nsrc };
	if (step == STEP_BAD) {
		in->bad = why;
		return f.ndst < n ? (ssize_t)(n - f.ndst) : damaged(in, e);
	}
	if (step == STEP_NOMEM)
		return err_oom(e);
	if (step == STEP_MEMBER)
		in->inside = false;
	in->pending = f.ndst == 0 && in->inside;
	return (ssize_t)(n - f.ndst);
}

/* Zero bytes behind a member, as tape blocks leave them. */
static void skip_padding(struct in *in)
{
	while (in->raw.n && in->raw.p[0] == '\0') {
		in->raw = str_from(in->raw, 1);
		in->taken++;
	}
}

static ssize_t read_decoded(struct in *in, void *p, size_t n, int timeout_ms, struct err *e)
{
	ssize_t got;

	for (;;) {
		if (in->bad)
			return damaged(in, e);
		if (!in->inside && in->codec->padding)
			skip_padding(in);
		if (in->raw.n || in->pending) {
			if ((got = decode_some(in, p, n, e)) != 0)
				return got;
			continue;
		}
		got = fill_raw(in, timeout_ms, e);
		if (got < 0)
			return got;
		if (got == 0)
			return in->inside ? truncated(in, in->codec->name, e) : 0;
	}
}

static ssize_t read_on(void *arg, struct pump *pump, void *to, size_t n, struct err *e)
{
	struct in *in = arg;

	in->within = pump;
	return read_decoded(in, to, n, IN_WAIT, e);
}

/* Decodes here until it is clear that there is enough for a thread to do. */
static ssize_t read_codec(struct in *in, void *p, size_t n, int timeout_ms, struct err *e)
{
	ssize_t got;

	if (in->pumps && !in->pump && in->decoded >= PUMP_AFTER) {
		in->pump = pump_start(read_on, in);
		in->pumps = in->pump != NULL;
	}
	if (in->pump)
		return pump_take(in->pump, p, n, timeout_ms, e);
	got = read_decoded(in, p, n, timeout_ms, e);
	in->decoded += got > 0 ? got : 0;
	return got;
}

static ssize_t read_bytes(struct in *in, void *p, size_t n, int timeout_ms, struct err *e)
{
	ssize_t got;

	if (!in->detected && (got = detect(in, timeout_ms, e)) <= 0)
		return got;
	return in->codec ? read_codec(in, p, n, timeout_ms, e) : read_plain(in, p, n, timeout_ms, e);
}

static ssize_t read_recoded(struct in *in, void *p, size_t n, int timeout_ms, struct err *e)
{
	uint8_t bytes[16384];
	ssize_t got;
	size_t have;

	while ((have = recode_get(in->recode, p, n)) == 0 && !in->recode_end) {
		got = read_bytes(in, bytes, sizeof bytes, timeout_ms, e);
		if (got < 0)
			return got;
		in->recode_end = got == 0;
		if (recode_put(in->recode, bytes, (size_t)got, in->recode_end, e) < 0)
			return err_at(e, in->name, 0, 0);
	}
	return (ssize_t)have;
}

/* Plain bytes from below `ahead`. */
static ssize_t read_below(struct in *in, void *p, size_t n, int timeout_ms, struct err *e)
{
	ssize_t got = in->recode ? read_recoded(in, p, n, timeout_ms, e) : read_bytes(in, p, n, timeout_ms, e);

	in->end = got == 0;
	return got;
}

void in_set_ahead(struct in *in)
{
	in->pumps = !in->helper; /* whose process is busy meanwhile as it is */
}

int in_set_encoding(struct in *in, const char *encoding, struct err *e)
{
	int rc = in->recode ? err_set(e, ST_BUG, "the encoding has been set") : recode_open(&in->recode, encoding, e);

	if (rc < 0)
		return rc;
	in->recode_end = in->end;
	rc = recode_put(in->recode, in->ahead.p + in->seen, in->ahead.n - in->seen, in->end, e);
	in->ahead.n = in->seen = 0;
	in->end = false;
	return rc < 0 ? err_at(e, in->name, 0, 0) : 0;
}

ssize_t in_read(struct in *in, void *p, size_t n, int timeout_ms, struct err *e)
{
	ssize_t got;

	if (n == 0)
		return 0;
	if (in->seen < in->ahead.n) {
		if (n > in->ahead.n - in->seen)
			n = in->ahead.n - in->seen;
		memcpy(p, in->ahead.p + in->seen, n);
		in->seen += n;
		in->plain += (int64_t)n;
		return (ssize_t)n;
	}
	if (in->end)
		return 0;
	got = read_below(in, p, n, timeout_ms, e);
	if (got > 0)
		in->plain += got;
	return got;
}

int in_blame(struct in *in, struct err *e)
{
	int64_t left = in->codec ? BLAME_MAX : 0;
	int patience = in->waits || in->helper ? BLAME_WAIT_MS : IN_WAIT;
	uint8_t text[16384];
	struct err found;

	while (left > 0) {
		ssize_t got = read_bytes(in, text, sizeof text, patience, &found);

		left = got > 0 ? left - got : 0;
		if (got < 0 && got != IN_LATER)
			*e = found;
	}
	return -e->status;
}

ssize_t in_read_full(struct in *in, void *p, size_t n, struct err *e)
{
	size_t have = 0;
	ssize_t got;

	while (have < n) {
		got = in_read(in, (char *)p + have, n - have, IN_WAIT, e);
		if (got < 0)
			return got;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

int in_peek(struct in *in, size_t n, struct str *ret, struct err *e)
{
	ssize_t got;

	if (n > PEEK_MAX)
		n = PEEK_MAX;
	if (in->seen) {
		memmove(in->ahead.p, in->ahead.p + in->seen, in->ahead.n - in->seen);
		in->ahead.n -= in->seen;
		in->seen = 0;
	}
	if (buf_reserve(&in->ahead, PEEK_MAX))
		return err_oom(e);
	while (in->ahead.n < n && !in->end) {
		got = read_below(in, in->ahead.p + in->ahead.n, n - in->ahead.n, IN_WAIT, e);
		if (got < 0)
			return (int)got;
		in->ahead.n += (size_t)got;
	}
	*ret = (struct str){ (const char *)in->ahead.p, in->ahead.n < n ? in->ahead.n : n };
	return 0;
}

void in_count(struct in *in, bool expect)
{
	in->counted = true;
	meter_add(&meter.bytes_in, in->taken + (int64_t)in->raw.n);
	if (in->size < 0)
		meter_add(&meter.unknown, 1);
	else if (expect)
		meter_add(&meter.expected, in->size);
}

int in_tail(struct in *in, size_t n, struct buf *tail, struct err *e)
{
	tail->n = 0;
	if (in->fd < 0 || in->waits || in->codec || in->recode)
		return 0;
	if ((int64_t)n > in->size)
		n = (size_t)in->size;
	if (buf_reserve(tail, n))
		return err_oom(e);
	if (fd_read_at(in->fd, tail->p, n, in->size - (off_t)n) < 0)
		return read_failed(in, errno, e);
	tail->n = n;
	return 0;
}

const char *in_name(const struct in *in)
{
	return in->name;
}

int64_t in_size(const struct in *in)
{
	return in->size;
}

int64_t in_offset(const struct in *in)
{
	return in->taken;
}

int64_t in_plain_offset(const struct in *in)
{
	return in->plain;
}

bool in_is_compressed(const struct in *in)
{
	return in->codec != NULL;
}
