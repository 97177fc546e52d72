/* A loser tree over cursors. Each cursor holds one batch of its source with encoded keys; the winner's row is noted as a reference
 * and rows are moved when a batch of output is full, so batches stay alive (`held`) until the references into them are used.
 * Invariant: the cursor at the root is not before any other; equal keys go by the cursor's number. */
#include "lib/op/merger.h"

#include "lib/op/grow.h"
#include "lib/op/loser.h"
#include "lib/op/order.h"
#include "lib/op/pick.h"
#include "lib/op/rowstore.h"

struct cursor {
	struct source *from;
	struct arena arena;    /* of keys */
	struct keys keys;
	uint64_t word;         /* of row `at` */
	int64_t at, n;         /* n: rows that may be given out */
	uint32_t slot;         /* of the current batch in held */
	bool done;
	struct order order;
	struct err *pending;   /* to be raised when at == n */
};

struct merger {
	struct source source;
	struct merge_opts opts;
	const struct key *key;
	struct cursor *cursors;
	int n;
	int *tree;             /* tree[0]: the winner; tree[1 .. n): losers */
	bool started;
	struct batch **held;
	uint32_t nheld, held_cap;
	struct rowref *refs;   /* BATCH_ROWS of them, and one */
	int64_t nrefs, bytes, seen; /* bytes and rows of the batches seen so far: how many rows make a batch */
	struct buf last;       /* unique: key of the last row given out */
	bool any;
	int64_t left;
	bool failed;           /* `failure` is to be raised after the rows before it */
	struct err failure;
};

static void cursor_close(struct cursor *c)
{
	source_close(c->from);
	c->from = NULL;
	c->done = true;
	arena_free(&c->arena);
	order_free(&c->order);
	free(c->pending);
	c->pending = NULL;
}

static void merger_close(struct source *s)
{
	struct merger *m = (struct merger *)s;

	for (int i = 0; i < m->n; i++)
		cursor_close(&m->cursors[i]);
	for (uint32_t i = 0; i < m->nheld; i++)
		batch_unref(m->held[i]);
	buf_free(&m->last);
	free(m->held);
	free(m->refs);
	free(m->cursors);
	free(m->tree);
	schema_unref(s->schema);
	free(m);
}

static int hold(struct merger *m, struct batch *b, uint32_t *slot, struct err *e)
{
	if (m->nheld == m->held_cap) {
		uint32_t cap = m->held_cap ? m->held_cap * 2 : 16;
		int rc = GROW(m->held, cap, e);

		if (rc < 0)
			return rc;
		m->held_cap = cap;
	}
	m->held[m->nheld] = batch_ref(b);
	*slot = m->nheld++;
	return 0;
}

/* Row `row` is the end of what this cursor gives; *e is raised after it. */
static int stop_at(struct cursor *c, int64_t row, struct err *e)
{
	c->pending = malloc(sizeof *c->pending);
	if (!c->pending)
		return err_oom(e);
	*c->pending = *e;
	c->n = row;
	return 0;
}

static int drop_skipped(struct batch **b, const struct bad_values *bad, struct err *e)
{
	uint32_t *idx;
	int64_t n = 0;
	struct batch *kept;
	int rc;

	idx = malloc((size_t)(*b)->nrows * sizeof *idx);
	if (!idx)
		return err_oom(e);
	for (int64_t i = 0; i < (*b)->nrows; i++)
		if (!bit_get(bad->skip, i))
			idx[n++] = (uint32_t)i;
	rc = batch_gather(*b, idx, n, &kept, e);
	free(idx);
	if (rc < 0)
		return rc;
	batch_unref(*b);
	*b = kept;
	return 0;
}

static int encode(struct merger *m, struct cursor *c, struct batch **b, struct err *e)
{
	struct bad_values bad = { .policy = m->opts.on_bad, .bad_row = -1 };
	int rc;

	arena_reset(&c->arena);
	if ((rc = keys_encode(m->key, *b, &bad, &c->arena, &c->keys, e)) < 0)
		return rc;
	c->n = (*b)->nrows;
	if (bad.bad_row >= 0) {
		c->keys.n = bad.bad_row;
		return stop_at(c, bad.bad_row, e);
	}
	if ((rc = bad_values_done(&bad, *b, e)) < 0 || !bad.skip)
		return rc;
	if ((rc = drop_skipped(b, &bad, e)) < 0)
		return rc;
	return encode(m, c, b, e);
}

/* The source's next batch: encoded, its order checked. */
static int cursor_load(struct merger *m, struct cursor *c, struct err *e)
{
	cleanup_batch struct batch *b = NULL;
	int64_t wrong;
	int rc;

	if ((rc = source_next(c->from, &b, e)) < 0)
		return rc;
	if (!b) {
		cursor_close(c);
		return 0;
	}
	c->at = c->n = 0;
	if (b->nrows == 0)
		return 0;
	if ((rc = encode(m, c, &b, e)) < 0 || (rc = order_check(&c->order, &c->keys, NULL, false, &wrong, e)) < 0)
		return rc;
	if (wrong >= 0) {
		order_error(&c->order, b, wrong, m->key, ST_DATA, e);
		free(c->pending);
		if ((rc = stop_at(c, wrong, e)) < 0)
			return rc;
	}
	m->bytes += batch_bytes(b);
	m->seen += b->nrows;
	return hold(m, b, &c->slot, e);
}

/* What mostly decides: of the values, without the byte before them, so that one more counts. Never in another order than the keys. */
static uint64_t word_of(struct str key)
{
	if (key.n && *key.p != 1)
		return *key.p ? UINT64_MAX : 0; /* null: after or before all values */
	return key_word(key, 1);
}

/* Makes row c->at present, or c done. */
static int cursor_ready(struct merger *m, struct cursor *c, struct err *e)
{
	int rc;

	while (!c->done && c->at == c->n) {
		if (c->pending) {
			*e = *c->pending;
			return -e->status;
		}
		if ((rc = cursor_load(m, c, e)) < 0)
			return rc;
	}
	if (!c->done)
		c->word = word_of(keys_at(&c->keys, c->at));
	return 0;
}

/* Does cursor a come before cursor b? */
static bool before(const void *merge, int a, int b)
{
	const struct merger *m = merge;
	const struct cursor *x = &m->cursors[a], *y = &m->cursors[b];
	int c;

	if (x->done || y->done)
		return x->done == y->done ? a < b : y->done;
	if (x->word != y->word)
		return x->word < y->word;
	c = str_cmp(keys_at(&x->keys, x->at), keys_at(&y->keys, y->at));
	return c ? c < 0 : a < b;
}

static int start(struct merger *m, struct err *e)
{
	int rc;

	loser_clear(m->tree, m->n);
	for (int i = 0; i < m->n; i++) {
		if ((rc = cursor_ready(m, &m->cursors[i], e)) < 0)
			return rc;
		loser_play(m->tree, m->n, i, before, m);
	}
	m->started = true;
	return 0;
}

/* unique: is this the key of the row noted last? */
static int repeated(struct merger *m, const struct cursor *c, bool *ret, struct err *e)
{
	struct str key = keys_at(&c->keys, c->at);

	*ret = m->any && str_eq(key, buf_view(&m->last));
	if (*ret)
		return 0;
	m->any = true;
	m->last.n = 0;
	return buf_str(&m->last, key) ? err_oom(e) : 0;
}

static int advance(struct merger *m, struct err *e)
{
	int i = m->tree[0], rc;

	m->cursors[i].at++;
	rc = cursor_ready(m, &m->cursors[i], e);
	if (rc == 0)
		loser_play(m->tree, m->n, i, before, m);
	return rc;
}

/* Notes references to the next rows, up to `max`. */
static int collect(struct merger *m, int64_t max, struct err *e)
{
	int rc;

	max += m->opts.unique == UNIQUE_LAST; /* a row is the last of its key when the next one is known */
	while (m->nrefs < max) {
		struct cursor *c = &m->cursors[m->tree[0]];
		bool drop = false;

		if (c->done)
			return 0;
		if (m->opts.unique && (rc = repeated(m, c, &drop, e)) < 0)
			return rc;
		if (drop && m->opts.unique == UNIQUE_LAST)
			m->nrefs--;
		if (!drop || m->opts.unique == UNIQUE_LAST)
			m->refs[m->nrefs++] = (struct rowref){ c->slot, (uint32_t)c->at };
		if ((rc = advance(m, e)) < 0)
			return rc;
	}
	return 0;
}

/* Is batch `slot` needed further on? Its users learn its new place. */
static bool move_users(struct merger *m, uint32_t slot, uint32_t to)
{
	bool used = false;

	for (int c = 0; c < m->n; c++)
		if (!m->cursors[c].done && m->cursors[c].at < m->cursors[c].n && m->cursors[c].slot == slot) {
			m->cursors[c].slot = to;
			used = true;
		}
	if (m->nrefs && m->refs[0].batch == slot) {
		m->refs[0].batch = to;
		used = true;
	}
	return used;
}

/* Forgets held batches that no cursor stands in. Slots only become smaller, so none is taken for another. */
static void release(struct merger *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->nheld; i++)
		if (move_users(m, i, n))
			m->held[n++] = m->held[i];
		else
			batch_unref(m->held[i]);
	m->nheld = n;
}

/* The first n rows noted; at most one is left. */
static int flush(struct merger *m, int64_t n, struct batch **ret, struct err *e)
{
	struct rows rows;
	int rc = rows_init(&rows, m->source.schema, e);

	if (rc == 0)
		rc = pick_rows(&rows, m->held, m->refs, n, e);
	if (rc == 0)
		rc = rows_take(&rows, ret, e);
	rows_free(&rows);
	if (m->left >= 0)
		m->left -= n;
	m->nrefs -= n;
	m->refs[0] = m->refs[m->nrefs ? n : 0];
	release(m);
	return rc;
}

/* The rows before an error are given out first, the error with the next call. */
static int merger_next(struct source *s, struct batch **ret, struct err *e)
{
	struct merger *m = (struct merger *)s;
	int64_t max;
	int rc = 0;

	if (m->failed) {
		*e = m->failure;
		return -e->status;
	}
	if (m->left == 0)
		return 0;
	if (!m->started)
		rc = start(m, e);
	max = rows_per_batch(m->bytes, m->seen, m->opts.batch_bytes); /* of the first batch too: how long rows are is known by now */
	if (m->left > 0 && m->left < max)
		max = m->left;
	if (rc == 0)
		rc = collect(m, max, e);
	if (m->nrefs == 0)
		return rc;
	if (rc < 0) {
		m->failed = true;
		m->failure = *e;
	}
	return flush(m, m->nrefs < max ? m->nrefs : max, ret, e);
}

int merge_open(struct source *const *from, int n, const struct schema *schema, const struct key *key, const struct merge_opts *o,
	       struct source **ret, struct err *e)
{
	struct merger *m = calloc(1, sizeof *m);

	if (m) {
		m->source = (struct source){ schema_ref(schema), merger_next, merger_close, NULL };
		m->opts = *o;
		m->key = key;
		m->left = o->limit;
		m->cursors = calloc((size_t)n, sizeof *m->cursors);
		m->tree = calloc((size_t)n, sizeof *m->tree);
		m->refs = calloc(BATCH_ROWS + 1, sizeof *m->refs);
	}
	if (!m || !m->cursors || !m->tree || !m->refs) {
		for (int i = 0; i < n; i++)
			source_close(from[i]);
		if (m)
			merger_close(&m->source);
		return err_oom(e);
	}
	m->n = n;
	for (int i = 0; i < n; i++)
		m->cursors[i].from = from[i];
	*ret = &m->source;
	return 0;
}

/* Columns in another order. */
struct conform {
	struct source source;
	struct source *from;
	int *map; /* column i of ours is column map[i] of theirs */
};

static int conform_next(struct source *s, struct batch **ret, struct err *e)
{
	struct conform *c = (struct conform *)s;
	cleanup_batch struct batch *theirs = NULL;
	struct batch *b;
	int rc = source_next(c->from, &theirs, e);

	if (rc < 0 || !theirs)
		return rc;
	b = batch_new(s->schema, theirs->nrows);
	if (!b)
		return err_oom(e);
	for (int i = 0; i < s->schema->nfields; i++) {
		b->cols[i] = theirs->cols[c->map[i]];
		b->cols[i].type = &s->schema->fields[i].type;
	}
	b->origin = (struct origin){ .name = theirs->origin.name, .row = theirs->origin.row, .line = theirs->origin.line };
	batch_keep(b, theirs);
	*ret = b;
	return 0;
}

static void conform_close(struct source *s)
{
	struct conform *c = (struct conform *)s;

	source_close(c->from);
	schema_unref(s->schema);
	free(c->map);
	free(c);
}

/* Where in theirs our field number i is. */
static int match_field(const struct field *f, int i, const struct schema *theirs, int *ret, struct err *e)
{
	char a[64], b[64];

	*ret = schema_find_near(theirs, f->name, i);
	if (*ret < 0)
		return err_set(e, ST_DATA, "the inputs differ: one has no column \"%.*s\"", STR_ARG(f->name));
	if (type_equal(&theirs->fields[*ret].type, &f->type))
		return 0;
	return err_set(e, ST_DATA, "the inputs differ: column \"%.*s\" is %s in one and %s in another", STR_ARG(f->name),
		       type_name(&f->type, a, sizeof a), type_name(&theirs->fields[*ret].type, b, sizeof b));
}

static int match_fields(const struct schema *ours, const struct schema *theirs, int *map, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < theirs->nfields; i++)
		if (schema_find_near(ours, theirs->fields[i].name, i) < 0)
			return err_set(e, ST_DATA, "the inputs differ: only one has a column \"%.*s\"", STR_ARG(theirs->fields[i].name));
	for (int i = 0; i < ours->nfields && rc == 0; i++)
		rc = match_field(&ours->fields[i], i, theirs, &map[i], e);
	return rc;
}

int conform_open(struct source *from, const struct schema *schema, struct source **ret, struct err *e)
{
	struct conform *c;
	int rc;

	if (schema_equal(from->schema, schema)) {
		*ret = from;
		return 0;
	}
	c = calloc(1, sizeof *c);
	if (!c) {
		source_close(from);
		return err_oom(e);
	}
	c->source = (struct source){ schema_ref(schema), conform_next, conform_close, NULL };
	c->from = from;
	c->map = calloc((size_t)schema->nfields + 1, sizeof *c->map);
	rc = c->map ? match_fields(schema, from->schema, c->map, e) : err_oom(e);
	if (rc < 0) {
		conform_close(&c->source);
		return rc;
	}
	*ret = &c->source;
	return 0;
}
