/* Partitions on disk: see regroup.h. A partition's rows are collected to a decent size before they are compressed and written, by a
 * job where there is a pool: one a part at a time, so that they keep their order. */
#include "lib/op/regroup.h"

#include <stdlib.h>

#define FLUSH_BYTES (4 << 20) /* of all partitions together */

int regroup_open(struct regroup *r, const struct schema *schema, int n, const char *tmpdir, struct err *e)
{
	int rc = 0;

	*r = (struct regroup){ .schema = schema_ref(schema), .n = n, .flush_bytes = FLUSH_BYTES / n, .open = true };
	for (int i = 0; i < r->n; i++)
		r->parts[i].fd = -1;
	for (int i = 0; i < r->n && rc == 0; i++)
		if ((rc = rows_init(&r->rows[i], schema, e)) == 0)
			rc = spill_open(&r->parts[i], schema, tmpdir, e);
	return rc;
}

/* What was given of a part last is written. */
static int settle(struct regroup *r, int part, struct err *e)
{
	struct regroup_write *w = r->writes ? &r->writes[part] : NULL;

	if (!w || !w->given)
		return 0;
	pool_wait(r->pool, &w->job);
	w->given = false;
	if (w->rc < 0)
		*e = w->e;
	return w->rc;
}

void regroup_close(struct regroup *r)
{
	if (!r->open)
		return;
	for (int i = 0; i < r->n; i++) {
		struct err e;

		(void)!settle(r, i, &e);
		if (r->rows[i].schema)
			rows_free(&r->rows[i]);
		spill_close(&r->parts[i]);
	}
	schema_unref(r->schema);
	free(r->writes);
	*r = (struct regroup){ 0 };
}

static void run_write(struct job *job)
{
	struct regroup_write *w = (struct regroup_write *)job;

	w->rc = spill_write(w->to, w->b, &w->e);
	batch_unref(w->b);
	w->b = NULL;
}

static int write_later(struct regroup *r, int part, struct batch *b, struct err *e)
{
	int rc = settle(r, part, e);

	if (rc < 0)
		return rc;
	if (!r->writes && !(r->writes = calloc((size_t)r->n, sizeof *r->writes)))
		return err_oom(e);
	r->writes[part] = (struct regroup_write){ .job = { .run = run_write }, .to = &r->parts[part], .b = batch_ref(b), .given = true };
	pool_give(r->pool, &r->writes[part].job);
	return 0;
}

int regroup_write(struct regroup *r, int part, struct batch *b, struct err *e)
{
	return r->pool ? write_later(r, part, b, e) : spill_write(&r->parts[part], b, e);
}

/* Room for values that were unusually large is given back: there are many partitions. */
static int flush(struct regroup *r, int part, struct err *e)
{
	cleanup_batch struct batch *b = NULL;
	struct rows *rows = &r->rows[part];
	bool large;
	int rc;

	if (!rows->n)
		return 0;
	large = rows_bytes(rows) > 2 * r->flush_bytes;
	if ((rc = rows_take(rows, &b, e)) < 0)
		return rc;
	if (large) {
		rows_free(rows);
		if ((rc = rows_init(rows, r->schema, e)) < 0)
			return rc;
	}
	return regroup_write(r, part, b, e);
}

/* Rows by partition, in order within each: idx[from[k] .. from[k + 1]) are those of partition k. */
static void sort_rows(const uint8_t *part, int64_t n, int parts, uint32_t *idx, int64_t *from)
{
	int64_t at[REGROUP_MOST + 1] = { 0 };

	for (int64_t i = 0; i < n; i++)
		at[part[i] < parts ? part[i] : parts]++;
	for (int64_t k = 0, sum = 0; k <= parts; k++) {
		from[k] = sum;
		sum += at[k];
		at[k] = from[k];
	}
	for (int64_t i = 0; i < n; i++)
		idx[at[part[i] < parts ? part[i] : parts]++] = (uint32_t)i;
}

int regroup_add(struct regroup *r, const struct batch *b, const uint8_t *part, struct err *e)
{
	cleanup_arena struct arena arena = { 0 };
	uint32_t *idx = arena_array(&arena, uint32_t, (size_t)b->nrows + 1);
	int64_t from[REGROUP_MOST + 1];
	int rc = 0;

	if (!idx)
		return err_oom(e);
	sort_rows(part, b->nrows, r->n, idx, from);
	for (int k = 0; k < r->n && rc == 0; k++) {
		if (from[k] == from[k + 1])
			continue;
		rc = rows_gather(&r->rows[k], b, idx + from[k], from[k + 1] - from[k], e);
		if (rc == 0 && rows_bytes(&r->rows[k]) > r->flush_bytes)
			rc = flush(r, k, e);
	}
	return rc;
}

int regroup_seal(struct regroup *r, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < r->n && rc == 0; i++)
		if ((rc = flush(r, i, e)) == 0 && (rc = settle(r, i, e)) == 0 && (rc = spill_end(&r->parts[i], e)) == 0)
			rows_free(&r->rows[i]);
	return rc;
}

int regroup_read(struct regroup *r, int part, struct source **ret, struct err *e)
{
	int rc = r->rows[part].schema ? flush(r, part, e) : 0;

	*ret = NULL;
	if (rc < 0 || (rc = settle(r, part, e)) < 0)
		return rc;
	if (r->rows[part].schema)
		rows_free(&r->rows[part]);
	if (!r->parts[part].rows) {
		spill_close(&r->parts[part]);
		return 0;
	}
	return spill_read(&r->parts[part], ret, e);
}
