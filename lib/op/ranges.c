/* A run in order, by ranges: splitters taken from the pieces' indexes cut every piece, and the sections between two splitters are put
 * together, sorted and given out by a job of their own. Each job reads every piece from front to back and its rows fit the cache;
 * nothing is ever sorted as a whole. Jobs may finish in any order and are waited for in theirs.
 *
 * A splitter is a row; in the order of (key, piece, row) the rows before it belong to the ranges before it, so ranges are even however
 * often a key repeats. With `unique`, rows of equal keys stay together. */
#include "lib/op/run.h"

#include "lib/base/pages.h"

#include <stdlib.h>

#define GIVE_BACK 32  /* ranges between two givings back of pages */
#define SAMPLE_STEP 4 /* index entries to a sample */
#define LEAST_PORTION ((size_t)256 << 10)

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
	size_t bytes;                /* of them */
	struct entry *v;             /* the rows in order, while some of them have not become output */
	int64_t sorted, made;        /* how many there are, and have */
	struct rowout out;
	bool given;
	int rc;
	struct err e;
};

struct ranges {
	struct rowstream stream;
	struct run *run;
	struct row_form form;
	struct entry *splitters;
	int64_t nsplitters, cut;     /* ranges cut so far */
	struct place *places;
	struct range *slots;         /* a ring: the oldest at `head` */
	int nslots, head;
	bool started;
	int64_t given_back;          /* ranges since then */
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
	x->bytes = 0;
	for (int i = 0; i < g->run->npieces; i++) {
		const struct sorted *s = piece_of(g, i);
		const uint8_t *p = g->places[i].p;
		int64_t n = splitter ? move_cut(g, i, splitter, own) : s->n - g->places[i].row;

		x->sections[i] = (struct section){ p, n };
		x->n += n;
		x->bytes += (size_t)((splitter ? g->places[i].p : s->p + s->bytes) - p);
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

static int sort_range(struct range *x)
{
	x->v = list_sections(x);
	x->made = 0;
	x->sorted = x->v ? entries_sort(x->v, x->n, x->of->run->rules.unique, &x->e) : err_oom(&x->e);
	return x->sorted < 0 ? (int)x->sorted : 0;
}

/* How many of the rows that are left become output at once: all, but where they are far longer than most of the run's. */
static int64_t portion(const struct range *x)
{
	size_t most = 2 * (size_t)x->of->run->piece_bytes, bytes = 0;
	int64_t i = x->made;

	if (most < LEAST_PORTION)
		most = LEAST_PORTION;
	if (x->bytes <= most)
		return x->sorted - x->made;
	while (i < x->sorted && (i == x->made || bytes + row_size(x->v[i].row) <= most))
		bytes += row_size(x->v[i++].row);
	return i - x->made;
}

static void range_run(struct job *job)
{
	struct range *x = (struct range *)job;
	int64_t n;

	x->rc = x->v ? 0 : sort_range(x);
	if (x->rc == 0) {
		n = portion(x);
		x->rc = rowout_make(&x->out, &x->of->form, x->v + x->made, n, &x->e);
		x->made += n;
	}
	if (x->rc < 0 || x->made == x->sorted) {
		free(x->v);
		x->v = NULL;
	}
}

/* The next range to a slot, its job under way. */
static void fill_slot(struct ranges *g, struct range *x)
{
	x->given = cut_range(g, x);
	if (!x->given)
		return;
	pool_give(g->nsplitters ? g->run->pool : NULL, &x->job);
}

static int open_slots(struct ranges *g, int64_t rows, struct err *e)
{
	int rc = choose_splitters(g, rows, e);

	if (rc < 0)
		return rc;
	g->nslots = g->nsplitters < g->run->window + 2 ? (int)g->nsplitters + 1 : g->run->window + 2;
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

static void ranges_close(struct rowstream *s)
{
	struct ranges *g = (struct ranges *)s;

	for (int i = 0; g->slots && i < g->nslots; i++)
		if (g->slots[i].given)
			pool_wait(g->run->pool, &g->slots[i].job);
	for (int i = 0; g->slots && i < g->nslots; i++) {
		rowout_free(&g->slots[i].out);
		free(g->slots[i].v);
		free(g->slots[i].sections);
	}
	free(g->slots);
	free(g->places);
	free(g->splitters);
	run_free(g->run);
	free(g);
}

/* Pages whose rows have all gone out, every few ranges. */
static void give_back(struct ranges *g, const struct range *x)
{
	if (++g->given_back % GIVE_BACK)
		return;
	for (int i = 0; i < g->run->npieces; i++) {
		struct sorted *s = &g->run->pieces[i]->sorted;

		s->gone = pages_give_back(s->p, s->gone, (size_t)(x->sections[i].p - s->p));
	}
}

static int ranges_next(struct rowstream *s, struct rowout **ret, struct err *e)
{
	struct ranges *g = (struct ranges *)s;

	for (int i = 0; !g->started && i < g->nslots; i++)
		fill_slot(g, &g->slots[i]);
	g->started = true;
	*ret = NULL;
	for (;;) {
		struct range *x = &g->slots[g->head];

		if (!x->given)
			return 0;
		pool_wait(g->run->pool, &x->job);
		if (x->rc < 0) {
			*e = x->e;
			return x->rc;
		}
		if (x->out.at < x->out.n) {
			*ret = &x->out;
			return 0;
		}
		if (x->v) { /* the next portion */
			pool_give(g->run->pool, &x->job);
			continue;
		}
		give_back(g, x);
		fill_slot(g, x);
		g->head = (g->head + 1) % g->nslots;
	}
}

int run_stream(struct run *r, const struct row_form *form, struct rowstream **ret, struct err *e)
{
	struct ranges *g = calloc(1, sizeof *g);
	int64_t each = r->rows ? r->data / r->rows + 1 : 1;
	int rc;

	if (!g) {
		run_free(r);
		return err_oom(e);
	}
	g->stream = (struct rowstream){ ranges_next, ranges_close };
	g->run = r;
	g->form = *form;
	if ((rc = open_slots(g, r->piece_bytes / each + 1, e)) < 0) {
		ranges_close(&g->stream);
		return rc;
	}
	*ret = &g->stream;
	return 0;
}
