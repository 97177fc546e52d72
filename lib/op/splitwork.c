/* Samples, shares and sizes: see splitwork.h. */
#include "lib/op/splitwork.h"

#include "lib/base/hash.h"
#include "lib/op/grow.h"
#include "lib/op/spill.h"

#include <math.h>
#include <stdlib.h>

/* Shares of classes. */

#define UNIT INT64_C(1000000000)

void strata_init(struct strata *t, const struct split_opts *o)
{
	int64_t share = (int64_t)floor(o->share * (double)UNIT + 0.5);

	keytab_init(&t->classes, true);
	t->inverted = share > UNIT / 2;
	t->share = t->inverted ? UNIT - share : share;
}

void strata_free(struct strata *t)
{
	keytab_free(&t->classes);
	free(t->seen);
}

/* Where block j begins: j / share, rounded up. */
static int64_t block_start(int64_t j, int64_t share)
{
	return (int64_t)(((__int128)j * UNIT + share - 1) / share);
}

static bool is_taken(int64_t i, int64_t share, uint64_t seed)
{
	int64_t j = (int64_t)((__int128)i * share / UNIT), from, n;

	if (share == 0)
		return false;
	from = block_start(j, share);
	n = block_start(j + 1, share) - from;
	return i == from + (int64_t)(hash64_number(j, seed) % (uint64_t)n);
}

static int class_number(struct keytab *classes, uint64_t class, uint32_t *ret, struct err *e)
{
	return keytab_add(classes, (struct str){ (const char *)&class, sizeof class }, ret, e);
}

bool strata_take(struct strata *t, uint64_t class, int *rc, struct err *e)
{
	uint32_t k;

	if ((*rc = class_number(&t->classes, class, &k, e)) < 0)
		return false;
	if (k >= t->cap) {
		uint32_t cap = t->cap ? 2 * t->cap : 64;

		if ((*rc = GROW(t->seen, cap, e)) < 0)
			return false;
		memset(t->seen + t->cap, 0, (cap - t->cap) * sizeof *t->seen);
		t->cap = cap;
	}
	return is_taken(t->seen[k]++, t->share, class) != t->inverted;
}

/* Exact samples: of each class a heap of the smallest hashes, the largest of them on top. */

struct pick {
	uint64_t hash;
	int64_t row;
};

struct heap {
	struct pick *v;
	int64_t n, cap, seen;
};

struct chooser {
	const struct split_opts *opts;
	const struct key *class;
	struct keytab classes;
	struct heap *heaps;
	uint32_t cap;
	int64_t rows, bytes;
	bool full;      /* they do not fit: drawn later, on disk */
	struct arena scratch;
	struct spill spill;
};

static bool above(const struct pick *a, const struct pick *b)
{
	return a->hash != b->hash ? a->hash > b->hash : a->row > b->row;
}

static void swap(struct pick *a, struct pick *b)
{
	struct pick t = *a;

	*a = *b;
	*b = t;
}

static void sift_down(struct heap *h)
{
	int64_t i = 0;

	for (;;) {
		int64_t big = i;

		for (int64_t k = 2 * i + 1; k <= 2 * i + 2 && k < h->n; k++)
			if (above(&h->v[k], &h->v[big]))
				big = k;
		if (big == i)
			return;
		swap(&h->v[i], &h->v[big]);
		i = big;
	}
}

static int heap_push(struct chooser *c, struct heap *h, struct pick p, struct err *e)
{
	if (h->n == h->cap) {
		int64_t cap = h->cap ? 2 * h->cap : 16;
		int rc;

		c->bytes += (cap - h->cap) * (int64_t)sizeof *h->v;
		if ((rc = GROW(h->v, cap, e)) < 0)
			return rc;
		h->cap = cap;
	}
	h->v[h->n] = p;
	for (int64_t i = h->n++; i && above(&h->v[i], &h->v[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&h->v[i], &h->v[(i - 1) / 2]);
	return 0;
}

static int consider(struct chooser *c, struct heap *h, uint64_t class, struct err *e)
{
	struct pick p = { hash64_number(h->seen++, class), c->rows++ };

	if (h->n < c->opts->n)
		return heap_push(c, h, p, e);
	if (h->n && above(&h->v[0], &p)) {
		h->v[0] = p;
		sift_down(h);
	}
	return 0;
}

static int find_heap(struct chooser *c, uint64_t class, struct heap **ret, struct err *e)
{
	uint32_t k;
	int rc = class_number(&c->classes, class, &k, e);

	if (rc == 0 && k >= c->cap) {
		uint32_t cap = c->cap ? 2 * c->cap : 16;

		if ((rc = GROW(c->heaps, cap, e)) < 0)
			return rc;
		memset(c->heaps + c->cap, 0, (cap - c->cap) * sizeof *c->heaps);
		c->cap = cap;
	}
	*ret = rc == 0 ? &c->heaps[k] : NULL;
	return rc;
}

/* The batch without the rows that are left out. */
static int keep_rows(struct batch *b, const struct bad_values *bad, struct batch **ret, struct err *e)
{
	uint32_t *idx;
	int64_t n = 0;
	int rc;

	if (!bad->skip) {
		*ret = batch_ref(b);
		return 0;
	}
	if (!(idx = malloc(((size_t)b->nrows + 1) * sizeof *idx)))
		return err_oom(e);
	for (uint32_t i = 0; i < b->nrows; i++)
		if (!bit_get(bad->skip, i))
			idx[n++] = i;
	rc = batch_gather(b, idx, n, ret, e);
	free(idx);
	return rc;
}

static void free_heaps(struct chooser *c)
{
	for (uint32_t k = 0; k < c->cap; k++)
		free(c->heaps[k].v);
	free(c->heaps);
	c->heaps = NULL;
	c->cap = 0;
	keytab_free(&c->classes);
}

static void look_at_memory(struct chooser *c)
{
	int64_t bytes = c->bytes + keytab_bytes(&c->classes) + (int64_t)(c->cap * sizeof *c->heaps);

	c->full = c->opts->memory > 0 && bytes > c->opts->memory / 4;
	if (c->full)
		free_heaps(c);
}

static int choose_from(struct chooser *c, struct batch *b, struct err *e)
{
	struct bad_values bad = { .policy = c->opts->on_bad, .bad_row = -1 };
	cleanup_batch struct batch *kept = NULL;
	uint64_t *hashes = NULL;
	int rc = 0;

	arena_reset(&c->scratch);
	if (c->class->n)
		rc = placement_hash(c->class, b, c->opts->seed, &bad, &c->scratch, &hashes, e);
	if (rc == 0 && bad.bad_row >= 0)
		return -e->status;
	for (int64_t i = 0; i < b->nrows && rc == 0 && !c->full; i++) {
		uint64_t class = hashes ? hashes[i] : c->opts->seed;
		struct heap *h;

		if (bad.skip && bit_get(bad.skip, i))
			continue;
		if ((rc = find_heap(c, class, &h, e)) == 0)
			rc = consider(c, h, class, e);
	}
	if (!c->full)
		look_at_memory(c);
	if (rc < 0 || (rc = bad_values_done(&bad, b, e)) < 0 || (rc = keep_rows(b, &bad, &kept, e)) < 0)
		return rc;
	return kept->nrows ? spill_write(&c->spill, kept, e) : 0;
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int collect(const struct chooser *c, struct chosen *ret, struct err *e)
{
	int64_t n = 0;

	for (uint32_t k = 0; k < c->classes.n; k++)
		n += c->heaps[k].n;
	if (!(ret->all = malloc(((size_t)n + 1) * sizeof *ret->all)))
		return err_oom(e);
	for (uint32_t k = 0; k < c->classes.n; k++)
		for (int64_t i = 0; i < c->heaps[k].n; i++)
			ret->all[ret->n++] = c->heaps[k].v[i].row;
	qsort(ret->all, (size_t)n, sizeof *ret->all, ascending);
	ret->rows = ret->all;
	return 0;
}

static int next_drawn(struct chosen *c, struct err *e)
{
	int rc;

	do {
		batch_unref(c->batch);
		if ((rc = source_next(c->drawn, &c->batch, e)) < 0)
			return rc;
	} while (c->batch && !c->batch->nrows);
	c->at = 0;
	c->n = c->batch ? c->batch->nrows : 0;
	if (c->n)
		c->rows = (const int64_t *)(const void *)c->batch->cols[DRAWN_ROW].values;
	return 0;
}

/* The records that were set aside are looked at once more. */
static int draw(struct chooser *c, struct chosen *ret, struct err *e)
{
	const struct split_opts *o = c->opts;
	struct source *aside;
	int rc = spill_again(&c->spill, &aside, e);

	ret->draw = (struct draw){ .n = o->n, .class = c->class, .seed = o->seed, .on_bad = o->on_bad, .memory = o->memory,
				   .tmpdir = o->tmpdir, .threads = o->threads };
	if (rc == 0 && (rc = draw_open(aside, &ret->draw, &ret->drawn, e)) == 0)
		rc = next_drawn(ret, e);
	return rc;
}

static int choose_all(struct chooser *c, struct source *from, struct err *e)
{
	int rc = spill_open(&c->spill, from->schema, c->opts->tmpdir, e);

	while (rc == 0) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(from, &b, e)) < 0 || !b)
			break;
		rc = choose_from(c, b, e);
	}
	return rc;
}

int chosen_make(struct chosen *ret, struct source *from, const struct key *class, const struct split_opts *o, struct source **again,
		struct err *e)
{
	struct chooser c = { .opts = o, .class = class, .spill.fd = -1 };
	int rc;

	keytab_init(&c.classes, true);
	if ((rc = choose_all(&c, from, e)) == 0 && (rc = c.full ? draw(&c, ret, e) : collect(&c, ret, e)) == 0)
		rc = spill_read(&c.spill, again, e);
	free_heaps(&c);
	arena_free(&c.scratch);
	spill_close(&c.spill);
	return rc;
}

int chosen_has(struct chosen *c, int64_t row, bool *ret, struct err *e)
{
	*ret = c->at < c->n && c->rows[c->at] == row;
	c->at += *ret;
	return *ret && c->at == c->n && c->drawn ? next_drawn(c, e) : 0;
}

void chosen_free(struct chosen *c)
{
	source_close(c->drawn);
	batch_unref(c->batch);
	free(c->all);
}

/* Sizes. */

static int measure_sink(struct measure *m, const struct schema *s, bool header, struct err *e)
{
	struct write_opts w = *m->opts->write;
	const struct format *f;
	int rc = output_format(m->opts->pattern, &w, &f, e);

	if (rc < 0)
		return rc;
	if (f != &format_csv && f != &format_tsv && f != &format_jsonl && f != &format_text)
		return err_set(e, ST_USAGE, "--bytes counts text: csv, tsv, jsonl or text; cut %s by --rows", f->name);
	w.no_header |= !header;
	if ((rc = out_open_mem(&m->out, &m->bytes, e)) < 0)
		return rc;
	return f->write(out_ref(m->out), s, &w, &m->sink, e);
}

static void close_sink(struct measure *m)
{
	sink_close(m->sink);
	out_close(m->out);
	m->sink = NULL;
	m->out = NULL;
}

/* What stands before the records: the text of none. */
static int measure_header(struct measure *m, const struct schema *s, struct err *e)
{
	int rc = measure_sink(m, s, true, e);

	if (rc == 0 && (rc = m->sink->finish(m->sink, e)) == 0)
		m->header = out_bytes(m->out);
	close_sink(m);
	return rc;
}

int measure_open(struct measure *m, const struct split_opts *o, const struct schema *s, struct err *e)
{
	int rc;

	*m = (struct measure){ .limit = o->n, .opts = o, .each = 64 };
	return (rc = measure_header(m, s, e)) < 0 ? rc : measure_sink(m, s, false, e);
}

void measure_close(struct measure *m)
{
	close_sink(m);
	buf_free(&m->bytes);
}

static int text_size(struct measure *m, struct batch *b, int64_t at, int64_t n, int64_t *ret, struct err *e)
{
	cleanup_batch struct batch *some = NULL;
	int64_t before = out_bytes(m->out);
	int rc = batch_slice(b, at, n, &some, e);

	if (rc < 0 || (rc = m->sink->write(m->sink, some, e)) < 0)
		return rc;
	m->bytes.n = 0;
	*ret = out_bytes(m->out) - before;
	return 0;
}

static int too_long(const struct measure *m, const struct batch *b, int64_t at, int64_t size, struct err *e)
{
	err_set(e, ST_DATA, "a record of %lld bytes does not fit into a file of %lld%s", (long long)size, (long long)m->limit,
		m->header ? " with its header" : "");
	return batch_err_at(b, at, -1, e);
}

int measure_fit(struct measure *m, struct batch *b, int64_t at, int64_t *n, bool *fresh, struct err *e)
{
	bool empty = m->used == 0;
	int64_t size, before = empty ? m->header : m->used, guess = (m->limit - before) / m->each;
	int rc;

	*n = b->nrows - at < guess ? b->nrows - at : guess < 1 ? 1 : guess;
	for (;; *n = (*n + 1) / 2) {
		if ((rc = text_size(m, b, at, *n, &size, e)) < 0)
			return rc;
		m->each = size / *n + 1;
		*fresh = empty;
		if (before + size <= m->limit)
			break;
		if (*n > 1)
			continue;
		if (m->header + size > m->limit)
			return too_long(m, b, at, m->header + size, e);
		before = m->header;
		*fresh = true;
		break;
	}
	m->used = before + size;
	return 0;
}
