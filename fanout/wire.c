/* Frames: see wire.h. Invariant of the reader: in.p[at .. in.n) is what came and was not given out. */
#include "fanout/wire.h"

static uint32_t get32(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint64_t get64(const void *p)
{
	const uint8_t *b = p;

	return get32(b) | (uint64_t)get32(b + 4) << 32;
}

static void set32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void set64(uint8_t *p, uint64_t v)
{
	set32(p, (uint32_t)v);
	set32(p + 4, (uint32_t)(v >> 32));
}

static int add32(struct buf *b, uint32_t v)
{
	uint8_t p[4];

	set32(p, v);
	return buf_add(b, p, sizeof p);
}

static int add64(struct buf *b, uint64_t v)
{
	uint8_t p[8];

	set64(p, v);
	return buf_add(b, p, sizeof p);
}

int wire_put(struct buf *b, enum wire_type type, unsigned stage, uint32_t task, const void *body, size_t n)
{
	uint8_t head[WIRE_HEAD] = { 0 };

	if (n > WIRE_MAX || stage >= WIRE_STAGES || buf_reserve(b, WIRE_HEAD + n))
		return -1;
	set32(head, (uint32_t)n);
	head[4] = (uint8_t)type;
	head[5] = (uint8_t)stage;
	set32(head + 8, task);
	return buf_add(b, head, sizeof head) || buf_add(b, body, n) ? -1 : 0;
}

int wire_feed(struct wire_reader *r, const void *p, size_t n)
{
	if (r->at && r->at >= r->in.n / 2) {
		memmove(r->in.p, r->in.p + r->at, r->in.n - r->at);
		r->in.n -= r->at;
		r->at = 0;
	}
	return buf_add(&r->in, p, n);
}

int wire_next(struct wire_reader *r, struct frame *f)
{
	const uint8_t *p = r->in.p + r->at;
	size_t have = r->in.n - r->at, n;

	if (have < WIRE_HEAD)
		return 0;
	n = get32(p);
	if (n > WIRE_MAX || p[4] < 1 || p[4] >= W_TYPES || p[5] >= WIRE_STAGES || p[6] || p[7])
		return -1;
	if (have - WIRE_HEAD < n)
		return 0;
	*f = (struct frame){ p[4], p[5], get32(p + 8), { (const char *)p + WIRE_HEAD, n } };
	r->at += WIRE_HEAD + n;
	return 1;
}

void wire_free(struct wire_reader *r)
{
	buf_free(&r->in);
	r->at = 0;
}

/* A frame of fixed 64-bit words: most control frames. */
static int put_words(struct buf *b, enum wire_type type, uint32_t task, const uint64_t *v, int n)
{
	uint8_t body[8 * 4];

	for (int i = 0; i < n; i++)
		set64(body + 8 * i, v[i]);
	return wire_put(b, type, 0, task, body, 8 * (size_t)n);
}

static int get_words(struct str body, uint64_t *v, int n)
{
	if (body.n != 8 * (size_t)n)
		return -1;
	for (int i = 0; i < n; i++)
		v[i] = get64(body.p + 8 * i);
	return 0;
}

int wire_put_hello(struct buf *b, const struct wire_hello *h)
{
	return put_words(b, W_HELLO, 0, (const uint64_t[]){ h->version, h->processors, h->memory }, 3);
}

int wire_get_hello(struct str body, struct wire_hello *h)
{
	uint64_t v[3];

	if (get_words(body, v, 3) || v[0] != WIRE_VERSION || v[1] < 1 || v[1] > 65536)
		return -1;
	*h = (struct wire_hello){ (uint32_t)v[0], (uint32_t)v[1], v[2] };
	return 0;
}

int wire_put_credit(struct buf *b, uint32_t task, uint32_t bytes)
{
	return put_words(b, W_CREDIT, task, &(uint64_t){ bytes }, 1);
}

int wire_get_credit(struct str body, uint32_t *bytes)
{
	uint64_t v;

	if (get_words(body, &v, 1) || v > WIRE_CREDIT)
		return -1;
	*bytes = (uint32_t)v;
	return 0;
}

int wire_put_beat(struct buf *b, const uint64_t counters[3])
{
	return put_words(b, W_BEAT, 0, counters, 3);
}

int wire_get_beat(struct str body, uint64_t counters[3])
{
	return get_words(body, counters, 3);
}

int wire_put_task(struct buf *b, const struct wire_task *t)
{
	size_t from = b->n;

	if (t->n < 1 || t->n > WIRE_STAGES)
		return 1;
	if (add32(b, (uint32_t)t->n))
		return -1;
	for (int i = 0; i < t->n; i++) {
		if (t->stages[i].argc < 1 || t->stages[i].argc > WIRE_ARGS)
			return 1;
		if (add32(b, (uint32_t)t->stages[i].argc))
			return -1;
		for (int k = 0; k < t->stages[i].argc; k++) {
			size_t n = strlen(t->stages[i].argv[k]);

			if (n > WIRE_MAX)
				return 1;
			if (add32(b, (uint32_t)n) || buf_add(b, t->stages[i].argv[k], n))
				return -1;
		}
	}
	return b->n - from <= WIRE_MAX ? 0 : 1;
}

/* Takes a u32 off the front of *s. */
static int take32(struct str *s, uint32_t max, uint32_t *ret)
{
	if (s->n < 4)
		return -1;
	*ret = get32(s->p);
	*s = str_from(*s, 4);
	return *ret <= max ? 0 : -1;
}

static int take_stage(struct str *s, struct arena *a, struct wire_stage *st)
{
	uint32_t argc, n;

	/* An argument takes 4 bytes at least: argc is bounded by what came before anything is allocated for it. */
	if (take32(s, WIRE_ARGS, &argc) || argc < 1 || argc > s->n / 4)
		return -1;
	st->argc = (int)argc;
	st->argv = arena_array(a, char *, argc + 1);
	for (uint32_t i = 0; st->argv && i < argc; i++) {
		if (take32(s, WIRE_MAX, &n) || n > s->n || memchr(s->p, 0, n))
			return -1;
		st->argv[i] = arena_strdup(a, (struct str){ s->p, n });
		if (!st->argv[i])
			return -1;
		*s = str_from(*s, n);
	}
	return st->argv ? 0 : -1;
}

int wire_get_task(struct str body, struct arena *a, struct wire_task *t)
{
	uint32_t n;

	if (take32(&body, WIRE_STAGES, &n) || n < 1)
		return -1;
	t->n = (int)n;
	for (uint32_t i = 0; i < n; i++)
		if (take_stage(&body, a, &t->stages[i]))
			return -1;
	return body.n ? -1 : 0;
}

int wire_put_exit(struct buf *b, uint32_t task, const struct wire_exit *x)
{
	cleanup_buf struct buf body = { 0 };

	if (add64(&body, x->in_bytes) || add64(&body, x->in_hash) || add64(&body, x->out_bytes) || add64(&body, x->out_hash))
		return -1;
	for (int i = 0; i < x->n; i++)
		if (buf_byte(&body, x->status[i].signaled) || buf_byte(&body, x->status[i].code))
			return -1;
	return wire_put(b, W_EXIT, 0, task, body.p, body.n);
}

int wire_get_exit(struct str body, struct wire_exit *x)
{
	size_t n = body.n < 32 ? 0 : (body.n - 32) / 2;

	if (n < 1 || n > WIRE_STAGES || body.n != 32 + 2 * n)
		return -1;
	*x = (struct wire_exit){ get64(body.p), get64(body.p + 8), get64(body.p + 16), get64(body.p + 24), (int)n, { { 0, 0 } } };
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = (const uint8_t *)body.p + 32 + 2 * i;

		if (p[0] > 1)
			return -1;
		x->status[i] = (struct wire_status){ p[0], p[1] };
	}
	return 0;
}
