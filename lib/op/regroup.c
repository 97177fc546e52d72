/* Partitions on disk: see regroup.h. A partition's rows are collected to a decent size before they are compressed and written.
 */
#include "lib/op/regroup.h"

#define FLUSH_BYTES (4 << 20) /* of all partitions together */

int regroup_open(struct regroup *r, const struct schema *schema, int n, const char *tmpdir, struct err *e)
{
	int rc = 0;

	*r = (struct regroup){ .schema = schema_ref(schema), .n = n, .open = true };
	for (int i = 0; i < r->n; i++)
		r->parts[i].fd = -1;
	for (int i = 0; i < r->n && rc == 0; i++)
		if ((rc = rows_init(&r->rows[i], schema, e)) == 0)
			rc = spill_open(&r->parts[i], schema, tmpdir, e);
	return rc;
}

void regroup_close(struct regroup *r)
{
	if (!r->open)
		return;
	for (int i = 0; i < r->n; i++) {
		if (r->rows[i].schema)
			rows_free(&r->rows[i]);
		spill_close(&r->parts[i]);
	}
	schema_unref(r->schema);
	*r = (struct regroup){ 0 };
}

static int flush(struct regroup *r, int part, struct err *e)
{
	cleanup_batch struct batch *b = NULL;
	int rc;

	if (!r->rows[part].n)
		return 0;
	if ((rc = rows_take(&r->rows[part], &b, e)) < 0)
		return rc;
	return spill_write(&r->parts[part], b, e);
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
			continue; /* perhaps another thread's */
		rc = rows_gather(&r->rows[k], b, idx + from[k], from[k + 1] - from[k], e);
		if (rc == 0 && rows_bytes(&r->rows[k]) > FLUSH_BYTES / r->n)
			rc = flush(r, k, e);
	}
	return rc;
}

int regroup_seal(struct regroup *r, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < r->n && rc == 0; i++)
		if ((rc = flush(r, i, e)) == 0 && (rc = spill_end(&r->parts[i], e)) == 0)
			rows_free(&r->rows[i]);
	return rc;
}

int regroup_read(struct regroup *r, int part, struct source **ret, struct err *e)
{
	int rc = r->rows[part].schema ? flush(r, part, e) : 0;

	*ret = NULL;
	if (rc < 0)
		return rc;
	if (r->rows[part].schema)
		rows_free(&r->rows[part]);
	if (!r->parts[part].rows) {
		spill_close(&r->parts[part]);
		return 0;
	}
	return spill_read(&r->parts[part], ret, e);
}
