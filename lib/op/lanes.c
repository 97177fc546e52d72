/* Batches over several files: see lanes.h. Batch i lies in file i % LANES; of every file the next batch is read ahead by a job. */
#include "lib/op/lanes.h"

#include <stdlib.h>

int lanes_open(struct lanes *l, const struct schema *schema, struct pool *pool, const char *tmpdir, struct err *e)
{
	int rc;

	*l = (struct lanes){ 0 };
	rc = regroup_open(&l->files, schema, LANES, tmpdir, e);
	l->files.pool = pool;
	return rc;
}

int lanes_write(struct lanes *l, struct batch *b, struct err *e)
{
	if (buf_add(&l->starts, &l->rows, sizeof l->rows))
		return err_oom(e);
	l->rows += b->nrows;
	return regroup_write(&l->files, (int)(l->batches++ % LANES), b, e);
}

void lanes_close(struct lanes *l)
{
	regroup_close(&l->files);
	buf_free(&l->starts);
	*l = (struct lanes){ 0 };
}

struct lane {
	struct job job;
	struct source *from;
	struct batch *b;
	bool given;
	int rc;
	struct err e;
};

struct lane_reader {
	struct source source;
	struct lanes *of;
	int64_t batches; /* that have been given */
	struct lane lanes[LANES];
};

static void run_lane(struct job *job)
{
	struct lane *l = (struct lane *)job;

	l->rc = source_next(l->from, &l->b, &l->e);
}

static void read_ahead(struct lane_reader *r, struct lane *l)
{
	l->job.run = run_lane;
	l->given = true;
	pool_give(r->of->files.pool, &l->job);
}

static void settle(struct lane_reader *r, struct lane *l)
{
	if (l->given)
		pool_wait(r->of->files.pool, &l->job);
	l->given = false;
}

static int reader_next(struct source *s, struct batch **ret, struct err *e)
{
	struct lane_reader *r = (struct lane_reader *)s;
	struct lane *l = &r->lanes[r->batches % LANES];

	if (r->batches == r->of->batches)
		return 0;
	settle(r, l);
	if (l->rc < 0 || !l->b) {
		*e = l->e;
		return l->rc < 0 ? l->rc : err_set(e, ST_IO, "a temporary file is shorter than what was written");
	}
	*ret = l->b;
	l->b = NULL;
	(*ret)->origin.row = ((const int64_t *)(const void *)r->of->starts.p)[r->batches];
	if (r->batches++ + LANES < r->of->batches)
		read_ahead(r, l);
	return 0;
}

static void reader_close(struct source *s)
{
	struct lane_reader *r = (struct lane_reader *)s;

	for (int i = 0; i < LANES; i++) {
		settle(r, &r->lanes[i]);
		batch_unref(r->lanes[i].b);
		source_close(r->lanes[i].from);
	}
	schema_unref(s->schema);
	free(r);
}

int lanes_read(struct lanes *l, struct source **ret, struct err *e)
{
	struct lane_reader *r = calloc(1, sizeof *r);
	int rc = r ? regroup_seal(&l->files, e) : err_oom(e);

	if (!r)
		return rc;
	r->source = (struct source){ .schema = schema_ref(l->files.schema), .next = reader_next, .close = reader_close };
	r->of = l;
	for (int i = 0; i < LANES && rc == 0; i++)
		rc = spill_again(&l->files.parts[i], &r->lanes[i].from, e);
	if (rc < 0) {
		reader_close(&r->source);
		return rc;
	}
	for (int i = 0; i < LANES && i < l->batches; i++)
		read_ahead(r, &r->lanes[i]);
	*ret = &r->source;
	return 0;
}
