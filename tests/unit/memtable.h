/* Random tables in memory, as arrays to reason about and as sources to run operations on: a text key k, an int64 v (both with
 * nulls), and id, the row's number from 0. */
#ifndef STOOK_TESTS_MEMTABLE_H
#define STOOK_TESTS_MEMTABLE_H

#include "lib/base/rng.h"
#include "lib/table/key.h"
#include "lib/table/stream.h"

#include <stdlib.h>

#define MEM_KEY 12

struct mem_row {
	int key_len; /* -1: null */
	char key[MEM_KEY];
	int64_t v;
	bool v_null;
	int64_t id;
};

struct mem_table {
	struct mem_row *rows;
	int64_t n;
};

/* Keys over a small alphabet with a zero byte and control characters in it, `spread` different characters, nulls every `nulls`-th (0: none). */
static inline struct mem_table mem_random(struct rng *r, int64_t n, uint64_t spread, uint64_t nulls)
{
	static const char letters[] = { 'a', '\0', 'b', '\x7f', 'A', 'c', '\x01', 'z' };
	struct mem_table t = { calloc((size_t)n + 1, sizeof *t.rows), n };

	for (int64_t i = 0; i < n; i++) {
		struct mem_row *x = &t.rows[i];

		x->id = i;
		x->key_len = (int)rng_below(r, MEM_KEY + 1);
		for (int c = 0; c < x->key_len; c++)
			x->key[c] = letters[rng_below(r, spread)];
		if (nulls && rng_below(r, nulls) == 0)
			x->key_len = -1;
		x->v = (int64_t)rng_below(r, spread * 4) - (int64_t)spread;
		x->v_null = nulls && rng_below(r, nulls) == 0;
	}
	return t;
}

static inline struct str mem_key(const struct mem_row *x)
{
	return (struct str){ x->key, (size_t)(x->key_len < 0 ? 0 : x->key_len) };
}

/* Order by k ascending, nulls last; the tests' own definition of it. */
static inline int mem_cmp_key(const struct mem_row *a, const struct mem_row *b)
{
	if ((a->key_len < 0) != (b->key_len < 0))
		return a->key_len < 0 ? 1 : -1;
	return str_cmp(mem_key(a), mem_key(b));
}

static inline int mem_cmp_v(const struct mem_row *a, const struct mem_row *b)
{
	if (a->v_null || b->v_null)
		return a->v_null - b->v_null;
	return (a->v > b->v) - (a->v < b->v);
}

static inline struct schema *mem_schema(const char *id)
{
	struct schema *s = schema_new();
	struct err e;

	if (!s || schema_add(s, STR("k"), &TYPE_TEXT, true, &e) || schema_add(s, STR("v"), &TYPE_INT64, true, &e) ||
	    schema_add(s, str_of(id), &TYPE_INT64, false, &e))
		abort();
	return s;
}

struct mem_source {
	struct source source;
	const struct mem_table *t;
	struct rng rng;
	int64_t from, to, at, largest;
	bool *closed; /* set when closed, if not NULL */
};

static inline int mem_next(struct source *s, struct batch **ret, struct err *e)
{
	struct mem_source *m = (struct mem_source *)s;
	int64_t n = (int64_t)rng_below(&m->rng, (uint64_t)m->largest + 1);
	struct rows rows;
	int rc;

	if (m->at == m->to)
		return 0;
	if (n > m->to - m->at)
		n = m->to - m->at;
	if ((rc = rows_init(&rows, s->schema, e)) < 0)
		return rc;
	for (int64_t i = m->at; i < m->at + n && rc == 0; i++) {
		const struct mem_row *x = &m->t->rows[i];

		rc = x->key_len < 0 ? builder_null(&rows.cols[0], 1, e) : builder_str(&rows.cols[0], mem_key(x), e);
		if (rc == 0)
			rc = x->v_null ? builder_null(&rows.cols[1], 1, e) : builder_fixed(&rows.cols[1], &x->v, e);
		if (rc == 0)
			rc = builder_fixed(&rows.cols[2], &x->id, e);
	}
	if (rc == 0)
		rc = rows_take(&rows, ret, e);
	rows_free(&rows);
	if (rc == 0)
		(*ret)->origin = (struct origin){ .name = "memory", .row = m->at - m->from };
	m->at += n;
	return rc;
}

static inline void mem_close(struct source *s)
{
	struct mem_source *m = (struct mem_source *)s;

	if (m->closed)
		*m->closed = true;
	schema_unref(s->schema);
	free(m);
}

/* Rows [from, to) in batches of 0 to `largest` rows. `id` names the third column. */
static inline struct source *mem_open(const struct mem_table *t, int64_t from, int64_t to, int64_t largest, uint64_t seed, const char *id)
{
	struct mem_source *m = calloc(1, sizeof *m);

	*m = (struct mem_source){ { mem_schema(id), mem_next, mem_close, NULL }, t, { { 0 } }, from, to, from, largest, NULL };
	rng_seed(&m->rng, seed);
	return &m->source;
}

/* Reads a source to its end, closes it, and gives its int64 column `col`: -1 for null. *n < 0: it failed with status -*n. */
static inline int64_t *mem_ids(struct source *s, int col, int64_t *n, struct err *e)
{
	int64_t *ids = NULL;
	int rc = 0;

	*n = 0;
	for (;;) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(s, &b, e)) < 0 || !b)
			break;
		ids = reallocarray(ids, (size_t)(*n + b->nrows + 1), sizeof *ids);
		for (int64_t i = 0; i < b->nrows; i++)
			ids[(*n)++] = column_is_null(&b->cols[col], i) ? -1 : column_i64(&b->cols[col], i);
	}
	source_close(s);
	if (rc < 0)
		*n = rc;
	return ids;
}

#endif
