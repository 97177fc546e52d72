/* A loser tree over cursors, each in a block of packed rows. The winners' places are noted; when enough have come together, a job makes
 * batches or blocks of them. Blocks that a cursor has left are freed when the job whose rows lie in them last is done; jobs are waited
 * for in their order, so all earlier ones are done by then.
 * Invariant: the cursor at the root is not before any other; equal keys go by the cursor's number. */
#include "lib/op/rowmerge.h"

#include "lib/op/grow.h"
#include "lib/op/loser.h"

#include <stdlib.h>

#define LARGEST_JOB ((size_t)BATCH_BYTES / 4 * 5) /* rows of a job may be far longer than the average */

struct row_cursor {
	struct row_feed feed;
	struct row_block block;
	struct entry row;     /* the present one */
	int64_t left;         /* rows of the block, that one included */
	bool done;
};

struct merge_job {
	struct job job;
	const struct rowmerge *of;
	struct entry *v;
	int64_t n;
	uint8_t **blocks;     /* to be freed with it */
	int nblocks, cap;
	struct rowout out;
	bool given;
	int rc;
	struct err e;
};

struct rowmerge {
	struct rowstream stream;
	struct row_form form;
	enum unique unique;
	struct pool *pool;
	struct row_cursor *cursors;
	int n;
	int *tree;            /* tree[0]: the winner; tree[1 .. n): losers */
	struct merge_job *jobs;
	int njobs, head;
	int64_t rows;         /* of a job */
	bool started;
};

static void cursor_close(struct row_cursor *c)
{
	runreader_close(c->feed.file);
	rowstream_close(c->feed.memory);
	c->feed = (struct row_feed){ 0 };
	c->done = true;
}

static void free_blocks(struct merge_job *x)
{
	while (x->nblocks)
		free(x->blocks[--x->nblocks]);
}

static void merge_close(struct rowstream *s)
{
	struct rowmerge *m = (struct rowmerge *)s;

	for (int i = 0; m->jobs && i < m->njobs; i++)
		if (m->jobs[i].given)
			pool_wait(m->pool, &m->jobs[i].job);
	for (int i = 0; m->jobs && i < m->njobs; i++) {
		rowout_free(&m->jobs[i].out);
		free_blocks(&m->jobs[i]);
		free(m->jobs[i].blocks);
		free(m->jobs[i].v);
	}
	for (int i = 0; i < m->n; i++) {
		cursor_close(&m->cursors[i]);
		free(m->cursors[i].block.p);
	}
	free(m->jobs);
	free(m->cursors);
	free(m->tree);
	free(m);
}

static int feed_next(struct row_feed *f, struct row_block *ret, struct err *e)
{
	struct rowout *o;
	int rc;

	*ret = (struct row_block){ 0 };
	if (f->file)
		return runreader_next(f->file, ret, e);
	if ((rc = f->memory->next(f->memory, &o, e)) < 0 || !o)
		return rc;
	*ret = o->blocks[o->at++];
	return 0;
}

/* The block that the cursor leaves is kept until job x is done. */
static int keep_block(struct merge_job *x, struct row_cursor *c, struct err *e)
{
	if (!c->block.p)
		return 0;
	if (x->nblocks == x->cap) {
		int cap = x->cap ? x->cap * 2 : 16, rc = GROW(x->blocks, cap, e);

		if (rc < 0)
			return rc;
		x->cap = cap;
	}
	x->blocks[x->nblocks++] = c->block.p;
	c->block.p = NULL;
	return 0;
}

static int next_block(struct merge_job *x, struct row_cursor *c, struct err *e)
{
	int rc = keep_block(x, c, e);

	if (rc < 0 || (rc = feed_next(&c->feed, &c->block, e)) < 0)
		return rc;
	c->left = c->block.rows;
	if (c->block.p)
		c->row = row_entry(c->block.p);
	else
		cursor_close(c);
	return 0;
}

static int advance(struct merge_job *x, struct row_cursor *c, struct err *e)
{
	if (--c->left == 0)
		return next_block(x, c, e);
	c->row = row_entry(c->row.row + row_size(c->row.row));
	return 0;
}

/* Does cursor a come before cursor b? */
static bool before(const void *merge, int a, int b)
{
	const struct rowmerge *m = merge;
	const struct row_cursor *x = &m->cursors[a], *y = &m->cursors[b];
	int c;

	if (x->done || y->done)
		return x->done == y->done ? a < b : y->done;
	c = entry_cmp(&x->row, &y->row);
	return c ? c < 0 : a < b;
}

/* Notes the next rows, all of the last key if only one row of a key is wanted. */
static int collect(struct rowmerge *m, struct merge_job *x, struct err *e)
{
	size_t bytes = 0;

	for (;;) {
		int winner = m->tree[0], rc;
		struct row_cursor *c = &m->cursors[winner];
		bool again;

		if (c->done)
			return 0;
		again = m->unique && x->n && entry_cmp(&x->v[x->n - 1], &c->row) == 0;
		bytes += row_size(c->row.row);
		if (!again && (x->n == m->rows || (x->n && bytes > LARGEST_JOB)))
			return 0;
		if (!again)
			x->v[x->n++] = c->row;
		else if (m->unique == UNIQUE_LAST)
			x->v[x->n - 1] = c->row;
		if ((rc = advance(x, c, e)) < 0)
			return rc;
		loser_play(m->tree, m->n, winner, before, m);
	}
}

static void job_run(struct job *job)
{
	struct merge_job *x = (struct merge_job *)job;

	x->rc = rowout_make(&x->out, &x->of->form, x->v, x->n, &x->e);
}

static int fill_job(struct rowmerge *m, struct merge_job *x, struct err *e)
{
	int rc;

	x->given = false;
	x->n = 0;
	if ((rc = collect(m, x, e)) < 0 || x->n == 0)
		return rc;
	x->given = true;
	pool_give(m->pool, &x->job);
	return 0;
}

static int start(struct rowmerge *m, struct err *e)
{
	int rc;

	loser_clear(m->tree, m->n);
	for (int i = 0; i < m->n; i++) {
		if ((rc = next_block(&m->jobs[0], &m->cursors[i], e)) < 0)
			return rc;
		loser_play(m->tree, m->n, i, before, m);
	}
	for (int i = 0; i < m->njobs; i++)
		if ((rc = fill_job(m, &m->jobs[i], e)) < 0)
			return rc;
	m->started = true;
	return 0;
}

static int merge_next(struct rowstream *s, struct rowout **ret, struct err *e)
{
	struct rowmerge *m = (struct rowmerge *)s;
	int rc;

	*ret = NULL;
	if (!m->started && (rc = start(m, e)) < 0)
		return rc;
	for (;;) {
		struct merge_job *x = &m->jobs[m->head];

		if (!x->given)
			return 0;
		pool_wait(m->pool, &x->job);
		free_blocks(x);
		if (x->rc < 0) {
			*e = x->e;
			return x->rc;
		}
		if (x->out.at < x->out.n) {
			*ret = &x->out;
			return 0;
		}
		if ((rc = fill_job(m, x, e)) < 0)
			return rc;
		m->head = (m->head + 1) % m->njobs;
	}
}

static int make_jobs(struct rowmerge *m, int window, struct err *e)
{
	m->jobs = calloc((size_t)window, sizeof *m->jobs);
	m->tree = calloc((size_t)m->n, sizeof *m->tree);
	if (!m->jobs || !m->tree)
		return err_oom(e);
	m->njobs = window;
	for (int i = 0; i < window; i++) {
		m->jobs[i].job.run = job_run;
		m->jobs[i].of = m;
		m->jobs[i].v = malloc((size_t)m->rows * sizeof *m->jobs[i].v);
		if (!m->jobs[i].v)
			return err_oom(e);
	}
	return 0;
}

int rowmerge_open(const struct row_feed *feeds, int n, enum unique unique, const struct row_form *form, int64_t rows, struct pool *pool,
		  int window, struct rowstream **ret, struct err *e)
{
	struct rowmerge *m = calloc(1, sizeof *m);
	struct row_cursor *cursors = calloc((size_t)n, sizeof *cursors);
	int rc;

	if (!m || !cursors) {
		for (int i = 0; i < n; i++) {
			runreader_close(feeds[i].file);
			rowstream_close(feeds[i].memory);
		}
		free(m);
		free(cursors);
		return err_oom(e);
	}
	for (int i = 0; i < n; i++)
		cursors[i].feed = feeds[i];
	*m = (struct rowmerge){ .stream = { merge_next, merge_close }, .form = *form, .unique = unique, .pool = pool, .cursors = cursors,
				.n = n, .rows = rows };
	if ((rc = make_jobs(m, window, e)) < 0) {
		merge_close(&m->stream);
		return rc;
	}
	*ret = &m->stream;
	return 0;
}
