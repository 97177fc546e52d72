/* A run in order, by ranges: splitters taken from the pieces' indexes cut every piece, and the sections between two splitters are put
 * together, sorted and given out by a job of their own. Each job reads every piece from front to back and its rows fit the cache;
 * nothing is ever sorted as a whole. Jobs may finish in any order and are waited for in theirs.
 *
 * A splitter is a row; in the order of (key, piece, row) the rows before it belong to the ranges before it, so ranges are even however
 * often a key repeats. With `unique`, rows of equal keys stay together. */
#include "lib/op/grow.h"
#include "lib/op/pick.h"
#include "lib/op/radix.h"
#include "lib/op/run.h"

#include <stdlib.h>

#define SAMPLE_STEP 4 /* index entries to a sample */

/* Where a piece has been cut last. */
struct place {
	const uint8_t *p;
	int64_t row;
};

struct section {
	const uint8_t *p;
	int64_t n;
};

struct range {
	struct job job;
	const struct ranges *of;
	struct section *sections;    /* one a piece */
	int64_t n;                   /* rows */
	struct rows rows;            /* empty between jobs */
	struct batch **batches;
	int nbatches, at, cap;       /* given out: the first `at` */
	uint8_t *packed;
	size_t packed_bytes;
	int64_t packed_rows;
	bool given;
	int rc;
	struct err e;
};

struct ranges {
	struct run *run;
	const struct schema *schema; /* of the batches; NULL: packed rows are wanted */
	struct entry *splitters;
	int64_t nsplitters, cut;     /* ranges cut so far */
	struct place *places;
	struct range *slots;         /* a ring: the oldest at `head` */
	int nslots, head;
	int64_t left;                /* rows still wanted; < 0: all */
};

static void range_run(struct job *job);

static const struct sorted *piece_of(const struct ranges *g, int i)
{
	return &g->run->pieces[i]->sorted;
}

/* Every SAMPLE_STEP-th index entry of every piece, in order. */
static int64_t samples(const struct run *r, struct entry **ret, struct err *e)
{
	int64_t n = 0, at = 0;

	for (int i = 0; i < r->npieces; i++)
		n += r->pieces[i]->sorted.nindex / SAMPLE_STEP + 1;
	*ret = malloc((size_t)(n ? n : 1) * sizeof **ret);
	if (!*ret)
		return err_oom(e);
	for (int i = 0; i < r->npieces; i++)
		for (int64_t k = 0; k < r->pieces[i]->sorted.nindex; k += SAMPLE_STEP)
			(*ret)[at++] = r->pieces[i]->sorted.index[k];
	return entries_sort(*ret, at, UNIQUE_NONE, e);
}

/* Splitters so that a range has about `rows` rows. */
static int choose_splitters(struct ranges *g, int64_t rows, struct err *e)
{
	int64_t step = rows / (INDEX_STEP * SAMPLE_STEP) + 1, n;

	if (g->run->n <= rows)
		return 0;
	n = samples(g->run, &g->splitters, e);
	if (n < 0)
		return (int)n;
	for (int64_t i = step; i < n; i += step)
		g->splitters[g->nsplitters++] = row_entry(g->splitters[i].row);
	return 0;
}

static int owner(const struct ranges *g, const uint8_t *row)
{
	int i = 0;

	while (row < piece_of(g, i)->p || row >= piece_of(g, i)->p + piece_of(g, i)->bytes)
		i++;
	return i;
}

/* Does a row of piece `piece` come before splitter x, which is a row of piece `own`? */
static bool precedes(const struct ranges *g, const struct entry *row, int piece, const struct entry *x, int own)
{
	int c = entry_cmp(row, x);

	if (c != 0 || g->run->rules.unique)
		return c < 0;
	return piece == own ? row->row < x->row : piece < own;
}

/* Moves the cut of piece i up to splitter x; first along the index, then row by row. Returns how many rows it passed. */
static int64_t move_cut(struct ranges *g, int i, const struct entry *x, int own)
{
	const struct sorted *s = piece_of(g, i);
	struct place *at = &g->places[i];
	int64_t from = at->row, k = at->row / INDEX_STEP, step = 1;

	while (k + step < s->nindex && precedes(g, &s->index[k + step], i, x, own)) {
		k += step;
		step *= 2;
	}
	for (; step; step /= 2)
		if (k + step < s->nindex && precedes(g, &s->index[k + step], i, x, own))
			k += step;
	if (k * INDEX_STEP > at->row)
		*at = (struct place){ s->index[k].row, k * INDEX_STEP };
	while (at->row < s->n) {
		struct entry row = row_entry(at->p);

		if (!precedes(g, &row, i, x, own))
			break;
		at->p += row_size(at->p);
		at->row++;
	}
	return at->row - from;
}

/* The sections of the next range; false: there is none. */
static bool cut_range(struct ranges *g, struct range *x)
{
	const struct entry *splitter = g->cut < g->nsplitters ? &g->splitters[g->cut] : NULL;
	int own = splitter ? owner(g, splitter->row) : 0;

	if (g->cut++ > g->nsplitters)
		return false;
	x->n = 0;
	for (int i = 0; i < g->run->npieces; i++) {
		const uint8_t *p = g->places[i].p;
		int64_t n = splitter ? move_cut(g, i, splitter, own) : piece_of(g, i)->n - g->places[i].row;

		x->sections[i] = (struct section){ p, n };
		x->n += n;
	}
	return true;
}

/* Jobs. */

static struct entry *list_sections(const struct range *x)
{
	struct entry *v = malloc((size_t)(x->n ? x->n : 1) * sizeof *v), *to = v;

	for (int i = 0; v && i < x->of->run->npieces; i++) {
		const uint8_t *row = x->sections[i].p;

		for (int64_t k = 0; k < x->sections[i].n; k++, row += row_size(row))
			*to++ = row_entry(row);
	}
	return v;
}

static int unpack(struct range *x, const struct entry *v, int64_t n, struct err *e)
{
	const struct run *r = x->of->run;
	int64_t most = rows_per_batch(r->data, r->rows, 0);
	int rc = 0;

	if (n / most >= x->cap) {
		if ((rc = GROW(x->batches, n / most + 1, e)) < 0)
			return rc;
		x->cap = (int)(n / most + 1);
	}
	for (int64_t i = 0; i < n && rc == 0; i += most) {
		rc = rows_unpack(v + i, most < n - i ? most : n - i, &x->rows, e);
		if (rc == 0 && (rc = rows_take(&x->rows, &x->batches[x->nbatches], e)) == 0)
			x->nbatches++;
	}
	return rc;
}

static int pack(struct range *x, const struct entry *v, int64_t n, struct err *e)
{
	size_t bytes = 0;
	uint8_t *to;

	for (int64_t i = 0; i < n; i++)
		bytes += row_size(v[i].row);
	x->packed = to = malloc(bytes + ROW_PADDING);
	if (!to)
		return err_oom(e);
	for (int64_t i = 0; i < n; i++) {
		memcpy(to, v[i].row, row_size(v[i].row));
		to += row_size(v[i].row);
	}
	x->packed_bytes = bytes;
	x->packed_rows = n;
	return 0;
}

static void range_run(struct job *job)
{
	struct range *x = (struct range *)job;
	struct entry *v = list_sections(x);
	int64_t n;

	x->nbatches = x->at = 0;
	x->rc = v ? 0 : err_oom(&x->e);
	if (v) {
		n = entries_sort(v, x->n, x->of->run->rules.unique, &x->e);
		x->rc = n < 0 ? (int)n : x->of->schema ? unpack(x, v, n, &x->e) : pack(x, v, n, &x->e);
	}
	free(v);
}

/* The next range to a slot, its job under way. */
static void fill_slot(struct ranges *g, struct range *x)
{
	x->given = cut_range(g, x);
	if (!x->given)
		return;
	if (g->nsplitters)
		pool_give(g->run->pool, &x->job);
	else
		range_run(&x->job);
	if (!g->nsplitters)
		x->job.done = true;
}

static int start(struct ranges *g, const struct schema *schema, struct err *e)
{
	int rc = 0;

	g->schema = schema;
	for (int i = 0; i < g->nslots && rc == 0; i++)
		if (schema)
			rc = rows_init(&g->slots[i].rows, schema, e);
	for (int i = 0; i < g->nslots && rc == 0; i++)
		fill_slot(g, &g->slots[i]);
	return rc;
}

static int open_slots(struct ranges *g, int64_t rows, struct err *e)
{
	int rc = choose_splitters(g, rows, e);

	if (rc < 0)
		return rc;
	g->nslots = g->nsplitters + 1 < g->run->window ? (int)g->nsplitters + 1 : g->run->window;
	g->places = calloc((size_t)g->run->npieces + 1, sizeof *g->places);
	g->slots = calloc((size_t)g->nslots, sizeof *g->slots);
	if (!g->places || !g->slots)
		return err_oom(e);
	for (int i = 0; i < g->run->npieces; i++)
		g->places[i].p = piece_of(g, i)->p;
	for (int i = 0; i < g->nslots; i++) {
		g->slots[i].job.run = range_run;
		g->slots[i].of = g;
		g->slots[i].sections = calloc((size_t)g->run->npieces + 1, sizeof *g->slots[i].sections);
		if (!g->slots[i].sections)
			return err_oom(e);
	}
	return 0;
}

int ranges_open(struct run *r, int64_t range_bytes, struct ranges **ret, struct err *e)
{
	struct ranges *g = calloc(1, sizeof *g);
	int64_t each = r->rows ? r->data / r->rows + 1 : 1;
	int rc;

	if (!g) {
		run_free(r);
		return err_oom(e);
	}
	g->run = r;
	g->left = r->rules.limit;
	if ((rc = open_slots(g, range_bytes / each + 1, e)) < 0) {
		ranges_close(g);
		return rc;
	}
	*ret = g;
	return 0;
}

static void slot_free(struct range *x)
{
	for (int i = x->at; i < x->nbatches; i++)
		batch_unref(x->batches[i]);
	free(x->batches);
	free(x->sections);
	free(x->packed);
	rows_free(&x->rows);
}

void ranges_close(struct ranges *g)
{
	if (!g)
		return;
	for (int i = 0; g->slots && i < g->nslots; i++)
		if (g->slots[i].given)
			pool_wait(g->run->pool, &g->slots[i].job);
	for (int i = 0; g->slots && i < g->nslots; i++)
		slot_free(&g->slots[i]);
	free(g->slots);
	free(g->places);
	free(g->splitters);
	run_free(g->run);
	free(g);
}

/* The oldest range, done; NULL: there is none any more. */
static int oldest(struct ranges *g, const struct schema *schema, struct range **ret, struct err *e)
{
	struct range *x = &g->slots[g->head];
	int rc;

	if (!x->given && g->cut == 0 && (rc = start(g, schema, e)) < 0)
		return rc;
	*ret = NULL;
	if (!x->given || g->left == 0)
		return 0;
	pool_wait(g->run->pool, &x->job);
	if (x->rc < 0) {
		*e = x->e;
		return x->rc;
	}
	*ret = x;
	return 0;
}

static void next_slot(struct ranges *g)
{
	fill_slot(g, &g->slots[g->head]);
	g->head = (g->head + 1) % g->nslots;
}

/* The limit may cut the batch. */
static int give_batch(struct ranges *g, struct batch *b, struct batch **ret, struct err *e)
{
	int rc = 0;

	if (g->left >= 0 && b->nrows > g->left) {
		rc = batch_slice(b, 0, g->left, ret, e);
		batch_unref(b);
		g->left = 0;
		return rc;
	}
	if (g->left >= 0)
		g->left -= b->nrows;
	*ret = b;
	return 0;
}

int ranges_batch(struct ranges *g, const struct schema *schema, struct batch **ret, struct err *e)
{
	struct range *x;
	int rc;

	*ret = NULL;
	for (;;) {
		if ((rc = oldest(g, schema, &x, e)) < 0 || !x)
			return rc;
		if (x->at < x->nbatches)
			return give_batch(g, x->batches[x->at++], ret, e);
		next_slot(g);
	}
}

/* Bytes of the first n of the packed rows. */
static size_t prefix_bytes(const uint8_t *rows, int64_t n)
{
	const uint8_t *p = rows;

	while (n-- > 0)
		p += row_size(p);
	return (size_t)(p - rows);
}

int ranges_rows(struct ranges *g, uint8_t **ret, size_t *bytes, int64_t *n, struct err *e)
{
	struct range *x;
	int rc;

	*n = 0;
	while (*n == 0) {
		if ((rc = oldest(g, NULL, &x, e)) < 0 || !x)
			return rc;
		*ret = x->packed;
		*bytes = x->packed_bytes;
		*n = x->packed_rows;
		x->packed = NULL;
		if (g->left >= 0 && *n > g->left) {
			*n = g->left;
			*bytes = prefix_bytes(*ret, *n);
		}
		if (g->left >= 0)
			g->left -= *n;
		if (*n == 0)
			free(*ret);
		next_slot(g);
	}
	return 0;
}

/* As a source. */
struct run_reader {
	struct source source;
	struct ranges *ranges;
};

static int reader_next(struct source *s, struct batch **ret, struct err *e)
{
	return ranges_batch(((struct run_reader *)s)->ranges, s->schema, ret, e);
}

static void reader_close(struct source *s)
{
	ranges_close(((struct run_reader *)s)->ranges);
	schema_unref(s->schema);
	free(s);
}

int run_source(struct run *r, const struct schema *schema, struct source **ret, struct err *e)
{
	struct run_reader *x = calloc(1, sizeof *x);
	int rc;

	if (!x) {
		run_free(r);
		return err_oom(e);
	}
	if ((rc = ranges_open(r, r->piece_bytes, &x->ranges, e)) < 0) {
		free(x);
		return rc;
	}
	x->source = (struct source){ schema_ref(schema), reader_next, reader_close };
	*ret = &x->source;
	return 0;
}
