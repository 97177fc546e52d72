/* Messages of an Arrow IPC stream: prefix, metadata, body.
 *
 * Lengths are claims: metadata and bodies grow as their bytes arrive. A stream in which one message carries a number or a
 * checksum is bound: each of its messages must carry both, numbered without gaps. A damaged flatbuffer may look as if it
 * had neither; then the message that follows shows the gap. */
#include "lib/format/arrow_wire.h"

#define STEP ((size_t)256 << 10)      /* read and hashed while it is in the cache */
#define FIRST_BODY ((int64_t)64 << 20)

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static int wrong(const struct framing *f, struct err *e, const char *what)
{
	err_set(e, ST_STREAM, "not a valid Arrow stream: message %llu: %s", (unsigned long long)f->nmessages, what);
	return err_at(e, in_name(f->in), 0, 0);
}

static int damaged(const struct framing *f, struct err *e, const char *what)
{
	err_set(e, ST_STREAM, "the stream was damaged on its way: message %llu: %s", (unsigned long long)f->nmessages, what);
	return err_at(e, in_name(f->in), 0, 0);
}

int framing_truncated(const struct framing *f, const char *where, struct err *e)
{
	err_set(e, ST_STREAM, "the stream ended early, %s: %lld row%s in %lld batch%s came", where, (long long)f->rows,
		f->rows == 1 ? "" : "s", (long long)f->batches, f->batches == 1 ? "" : "es");
	return err_at(e, in_name(f->in), 0, 0);
}

/* n bytes or the error that they did not come. */
static int need(struct framing *f, void *p, size_t n, const char *where, struct err *e)
{
	ssize_t got = in_read_full(f->in, p, n, e);

	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : framing_truncated(f, where, e);
}

static int at_eof(struct framing *f, struct err *e)
{
	if (!f->started)
		return NEXT_EOF;
	if (f->accept_unterminated)
		return NEXT_END;
	framing_truncated(f, "without its end marker", e);
	return err_hint(e, "if this writer never writes one: --accept-unterminated");
}

/* The size of the metadata that follows into *size: 0 is the end marker. */
static int read_size(struct framing *f, uint32_t *size, struct err *e)
{
	ssize_t got = in_read_full(f->in, f->m.prefix, 4, e);
	bool legacy;
	int rc;

	if (got < 0)
		return (int)got;
	if (got == 0)
		return at_eof(f, e);
	if (got < 4)
		return framing_truncated(f, "inside a message's prefix", e);
	legacy = u32(f->m.prefix) != ARROW_MARKER;
	if (f->started && legacy != f->legacy)
		return wrong(f, e, "it does not begin as the others do");
	f->legacy = legacy;
	if (!legacy && (rc = need(f, f->m.prefix + 4, 4, "inside a message's prefix", e)) < 0)
		return rc;
	*size = u32(f->m.prefix + (legacy ? 0 : 4));
	return *size ? NEXT_MESSAGE : NEXT_END;
}

static int read_metadata(struct framing *f, size_t size, struct err *e)
{
	struct buf *b = &f->m.meta;
	int rc;

	if (size < 8 || size > ARROW_METADATA_MAX)
		return wrong(f, e, "the size of its metadata is impossible");
	b->n = 0;
	while (b->n < size) {
		size_t step = size - b->n < STEP ? size - b->n : STEP;

		if (buf_reserve(b, step))
			return err_oom(e);
		if ((rc = need(f, b->p + b->n, step, "inside a message's metadata", e)) < 0)
			return rc;
		b->n += step;
	}
	return 0;
}

static bool read_seq(struct str s, uint64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		*ret = *ret * 10 + (uint64_t)(s.p[i] - '0');
	}
	return s.n > 0 && s.n < 20;
}

/* Takes a copy of the checksum and puts zeros in its place, as it was when the sum was made. */
static bool take_sum(struct message *m, struct str s)
{
	if (s.n != SUM_DIGITS)
		return false;
	memcpy(m->sum, s.p, SUM_DIGITS);
	memset(m->meta.p + ((const uint8_t *)s.p - m->meta.p), '0', SUM_DIGITS);
	return true;
}

static void read_keys(struct message *m, struct fb_table root)
{
	struct fb_vec v = fb_vector(&m->fb, root, 4, 4);

	for (uint32_t i = 0; i < v.n && !m->fb.bad; i++) {
		struct fb_table kv = fb_vec_table(&m->fb, v, i);
		struct str key = fb_string(&m->fb, kv, 0), value = fb_string(&m->fb, kv, 1);

		if (str_is(key, KEY_SEQ)) {
			if (m->has_seq || !read_seq(value, &m->seq))
				fb_fail(&m->fb, "its sequence number is no number");
			m->has_seq = true;
		} else if (str_is(key, KEY_SUM)) {
			if (m->has_sum || !take_sum(m, value))
				fb_fail(&m->fb, "its checksum is not 16 digits");
			m->has_sum = true;
		} else if (str_is(key, KEY_ERROR)) {
			m->error = value.p ? value : STR("");
		}
	}
}

static int read_header(struct framing *f, struct err *e)
{
	struct message *m = &f->m;
	struct fb_table root;

	m->has_seq = m->has_sum = false;
	m->error = (struct str){ 0 };
	fb_open(&m->fb, m->meta.p, m->meta.n);
	root = fb_root(&m->fb);
	m->version = (int)fb_int(&m->fb, root, 0, 2, 0);
	m->kind = (enum arrow_kind)fb_int(&m->fb, root, 1, 1, 0);
	m->header = fb_sub(&m->fb, root, 2);
	m->body_length = fb_int(&m->fb, root, 3, 8, 0);
	read_keys(m, root);
	if (m->fb.bad)
		return wrong(f, e, m->fb.bad);
	if (m->version != 3 && m->version != 4)
		return wrong(f, e, "its metadata version is neither V4 nor V5");
	if (!m->header.at || m->kind < KIND_SCHEMA || m->kind > KIND_BATCH)
		return wrong(f, e, "it is neither a schema nor a dictionary nor a record batch");
	if (m->body_length < 0 || (m->kind == KIND_SCHEMA && m->body_length))
		return wrong(f, e, "the length of its body is impossible");
	if (m->kind == KIND_SCHEMA && f->started)
		return wrong(f, e, "a second schema");
	if (m->kind != KIND_SCHEMA && !f->started && !f->file)
		return wrong(f, e, "the stream does not begin with a schema");
	return 0;
}

/* Numbers without gaps; all messages or none. */
static int check_binding(struct framing *f, struct err *e)
{
	struct message *m = &f->m;

	if (!f->bound && !m->has_seq && !m->has_sum)
		return 0;
	if (!m->has_seq || !m->has_sum || (f->nmessages && !f->bound))
		return damaged(f, e, "a sequence number or checksum is missing");
	f->bound = true;
	if (m->seq != f->nmessages)
		return damaged(f, e, "messages are missing, doubled or out of order");
	return 0;
}

int framing_next(struct framing *f, struct err *e)
{
	uint32_t size = 0;
	int rc = read_size(f, &size, e);

	if (rc != NEXT_MESSAGE)
		return rc;
	if ((rc = read_metadata(f, size, e)) < 0 || (rc = read_header(f, e)) < 0)
		return rc;
	return NEXT_MESSAGE;
}

/* Twice the room, or what is missing if that is less. */
static int grow_body(struct arena *a, uint8_t **p, int64_t have, int64_t room, struct err *e)
{
	struct arena bigger = { 0 };
	uint8_t *q = arena_alloc(&bigger, (size_t)room + ARROW_ALIGN);

	if (!q)
		return err_oom(e);
	if (have)
		memcpy(q, *p, (size_t)have);
	arena_free(a);
	*a = bigger;
	*p = q;
	return 0;
}

static int read_body(struct framing *f, struct arena *a, struct hasher *h, struct err *e)
{
	int64_t have = 0, room = 0, want = f->m.body_length;
	uint8_t *p = NULL;
	int rc;

	while (have < want || !p) {
		size_t step;

		if (have == room) {
			room = room ? room * 2 : FIRST_BODY;
			if (room > want)
				room = want;
			if ((rc = grow_body(a, &p, have, room, e)) < 0)
				return rc;
		}
		step = (size_t)(room - have) < STEP ? (size_t)(room - have) : STEP;
		if ((rc = need(f, p + have, step, "inside a message's body", e)) < 0)
			return rc;
		if (f->bound)
			hasher_add(h, p + have, step);
		have += (int64_t)step;
	}
	memset(p + have, 0, ARROW_ALIGN); /* wide loads past the end read zeros */
	f->m.body = p;
	return 0;
}

static bool sum_agrees(const struct message *m, const struct hasher *h)
{
	uint64_t sum = hasher_end(h);

	for (int i = SUM_DIGITS - 1; i >= 0; i--, sum >>= 4)
		if (m->sum[i] != "0123456789abcdef"[sum & 15])
			return false;
	return true;
}

static int upstream_failed(const struct framing *f, struct err *e)
{
	struct str why = f->m.error;

	if (why.n > sizeof e->msg - 64)
		why.n = sizeof e->msg - 64;
	err_set(e, ST_STREAM, "%s%.*s", str_starts(why, STR(UPSTREAM_FAILED)) ? "" : UPSTREAM_FAILED, STR_ARG(why));
	return err_at(e, in_name(f->in), 0, 0);
}

int framing_body(struct framing *f, struct arena *a, struct err *e)
{
	struct message *m = &f->m;
	struct hasher h;
	int rc = check_binding(f, e);

	if (rc < 0)
		return rc;
	hasher_init(&h, 0);
	hasher_add(&h, m->prefix, 8);
	hasher_add(&h, m->meta.p, m->meta.n);
	if (!m->error.p && (rc = read_body(f, a, &h, e)) < 0)
		return rc;
	if (f->bound && !sum_agrees(m, &h))
		return damaged(f, e, "its checksum does not agree");
	if (m->error.p)
		return upstream_failed(f, e);
	f->started = true;
	f->nmessages++;
	return 0;
}

void framing_reset(struct framing *f)
{
	f->started = f->bound = f->legacy = false;
	f->nmessages = 0;
}

void framing_free(struct framing *f)
{
	buf_free(&f->m.meta);
}
