/* Groups beyond the memory limit: see reducework.h.
 *
 * A part is merged by a reducer of its own, one level down, which may set aside in turn; it keeps the places of first rows as a column,
 * by which the parts' results are merged. */
#include "lib/base/copy.h"
#include "lib/op/reducework.h"

#define CHUNK 8192 /* groups that are set aside at once, at most */
#define ASIDE_BYTES (1 << 20)
#define FEW_GROUPS 16 /* so few are never set aside: it would not help */
#define MAX_LEVEL 8
#define MERGE_COPIES 3

/* Well below the limit: tables double when they grow, and the input has its own buffers. */
static size_t room(const struct reducer *r)
{
	return (size_t)r->o.memory / 5 * 2;
}

bool reduce_is_full(const struct reducer *r)
{
	return r->o.memory && r->level < MAX_LEVEL && grouper_count(&r->grouper) > FEW_GROUPS &&
	       (reduce_memory(r) > room(r) || grouper_is_full(&r->grouper));
}

/* To the partitions: each level cuts by other bits. */
static int give_to_parts(struct reducer *r, struct batch *b, uint32_t from, struct err *e)
{
	uint8_t part[CHUNK];

	for (uint32_t i = 0; i < b->nrows; i++)
		part[i] = reduce_part_of(r, grouper_key(&r->grouper, from + i));
	return regroup_add(&r->parts, b, part, e);
}

/* Some are written to columns while those before them are on their way. */
int reduce_give_states(struct reducer *r, int (*give)(struct reducer *r, struct batch *b, uint32_t from, struct err *e), struct err *e)
{
	uint32_t count = grouper_count(&r->grouper), step = reduce_groups_in(r, ASIDE_BYTES, CHUNK), n;
	struct rows rows;
	int rc = grouper_seal(&r->grouper, e);

	if (rc < 0)
		return rc;
	if ((rc = rows_init(&rows, r->states, e)) == 0)
		rc = reduce_start_emit(r, 0, count < step ? count : step, true, FIRST_ROW, &rows, e);
	for (uint32_t from = 0; from < count && rc == 0; from += n) {
		cleanup_batch struct batch *b = NULL;
		uint32_t left;

		n = count - from < step ? count - from : step;
		left = count - from - n;
		rc = reduce_finish_emit(r, &rows, &b, e);
		if (rc == 0 && left)
			rc = reduce_start_emit(r, from + n, left < step ? left : step, true, FIRST_ROW, &rows, e);
		if (rc == 0 && (rc = give(r, b, from, e)) < 0 && left)
			(void)reduce_wait_tasks(r, r->specs.n + 1, &(struct err){ 0 });
	}
	rows_free(&rows);
	return rc;
}

int reduce_start_again(struct reducer *r, struct err *e)
{
	int rc;

	for (int i = 0; i < r->specs.n; i++)
		agg_free(&r->aggs[i]);
	r->first.n = 0;
	rc = grouper_clear(&r->grouper, e);
	for (int i = 0; i < r->specs.n && rc == 0; i++)
		rc = reduce_bind_agg(r, i, e);
	return rc;
}

int reduce_open_states(struct reducer *r, struct err *e)
{
	uint32_t n = grouper_count(&r->grouper);

	if (n && reduce_memory(r) / n > r->a_group)
		r->a_group = reduce_memory(r) / n;
	return r->states ? 0 : reduce_schema(r, true, FIRST_ROW, &r->states, e);
}

int reduce_open_parts(struct reducer *r, struct err *e)
{
	int rc = r->parts.open ? 0 : regroup_open(&r->parts, r->states, REGROUP_PARTS, r->o.tmpdir, e);

	r->parts.pool = r->pool;
	return rc;
}

/* All groups to disk; the tables are empty again. */
int reduce_set_aside(struct reducer *r, struct err *e)
{
	int rc = reduce_open_states(r, e);

	if (rc == 0 && (rc = reduce_open_parts(r, e)) == 0 && grouper_count(&r->grouper))
		rc = reduce_give_states(r, give_to_parts, e);
	return rc < 0 ? rc : reduce_start_again(r, e);
}

/* One part, to be merged and again on disk, in the order in which parts are merged; any thread may do it. */
struct part_job {
	struct job job;
	struct reducer *r;
	int part, threads;
	struct source *result; /* NULL: there are no groups in it */
	int rc;
	struct err e;
};

static int merge_part(struct part_job *j, struct err *e)
{
	const struct reducer *r = j->r;
	struct reduce_opts o = { .partial = r->o.partial, .merge = true, .sorted = r->o.sorted,
				 .memory = r->o.memory / j->threads, .tmpdir = r->o.tmpdir };
	struct source *s;
	int rc = regroup_read(&j->r->parts, j->part, &s, e);

	if (rc < 0 || !s || (rc = reduce_level(s, &o, r, &s, e)) < 0)
		return rc;
	rc = spill_source(s, r->o.tmpdir, &j->result, e);
	source_close(s);
	return rc;
}

static void run_part(struct job *job)
{
	struct part_job *j = (struct part_job *)job;

	j->rc = merge_part(j, &j->e);
}

/* How many parts fit into the memory at once, without setting aside in turn. */
static int at_once(const struct reducer *r)
{
	int64_t most = 1, n;

	for (int i = 0; i < REGROUP_PARTS; i++)
		most = r->parts.parts[i].rows > most ? r->parts.parts[i].rows : most;
	n = (int64_t)(room(r) / ((size_t)most * r->a_group + 1));
	return n < 2 || r->o.threads < 2 ? 1 : n < r->o.threads ? (int)n : r->o.threads;
}

/* All parts, several at once: each in its share of the memory. */
static int merge_all(struct reducer *r, struct part_job *jobs, struct err *e)
{
	int threads = at_once(r), rc;
	struct pool *pool;

	if ((rc = regroup_seal(&r->parts, e)) < 0 || (rc = pool_open(&pool, threads, e)) < 0)
		return rc;
	for (int i = 0; i < REGROUP_PARTS; i++) {
		jobs[i] = (struct part_job){ .job.run = run_part, .r = r, .part = i, .threads = threads };
		pool_give(pool, &jobs[i].job);
	}
	for (int i = 0; i < REGROUP_PARTS; i++) {
		pool_wait(pool, &jobs[i].job);
		if (jobs[i].rc < 0 && rc == 0) {
			rc = jobs[i].rc;
			*e = jobs[i].e;
		}
	}
	pool_close(pool);
	return rc;
}

/* By place, or by the group's key. */
int reduce_bind_merge_key(struct reducer *r, struct err *e)
{
	int nkeys = reduce_nkeys(r, FIRST_ROW), n = r->o.sorted && !r->o.partial ? nkeys : 0;

	r->merge_key.n = n ? n : 1;
	r->merge_key.parts = arena_calloc(&r->arena, (size_t)r->merge_key.n, sizeof *r->merge_key.parts);
	if (!r->merge_key.parts)
		return err_oom(e);
	for (int i = 0; i < n; i++) {
		if (!r->encoded)
			r->merge_key.parts[i] = r->grouper.key.parts[i];
		r->merge_key.parts[i].col = i;
	}
	if (!n)
		r->merge_key.parts[0].col = nkeys;
	return 0;
}

/* How many results can be merged at once: of each there are some groups, one at least, as they came and unpacked. */
static int merge_most(const struct reducer *r)
{
	size_t n = (size_t)r->o.memory / 2 / (MERGE_COPIES * (r->a_group + 1));

	return n < 2 ? 2 : n < REGROUP_PARTS ? (int)n : REGROUP_PARTS;
}

/* Where groups are large: results from[0 .. *n) become fewer. */
static int merge_before(struct reducer *r, struct source **from, int *n, const struct schema *s, struct err *e)
{
	int most = merge_most(r), rc = 0;

	while (*n > most && rc == 0) {
		struct source *merged, *again;

		*n -= most;
		if ((rc = merge_open(from + *n, most, s, &r->merge_key, &(struct merge_opts){ .limit = -1 }, &merged, e)) < 0)
			break;
		if ((rc = spill_source(merged, r->o.tmpdir, &again, e)) == 0) {
			memmove(from + 1, from, (size_t)(*n)++ * sizeof *from);
			from[0] = again;
		}
		source_close(merged);
	}
	return rc;
}

int reduce_merge_parts(struct reducer *r, struct err *e)
{
	struct source *from[REGROUP_PARTS];
	struct part_job jobs[REGROUP_PARTS] = { 0 };
	cleanup_schema struct schema *s = NULL;
	int n = 0, rc = reduce_set_aside(r, e);

	if (rc == 0 && (rc = reduce_bind_merge_key(r, e)) == 0 && (rc = reduce_schema(r, r->o.partial, FIRST_ROW, &s, e)) == 0)
		rc = merge_all(r, jobs, e);
	for (int i = 0; i < REGROUP_PARTS; i++)
		if (jobs[i].result)
			from[n++] = jobs[i].result;
	if (rc == 0 && (rc = merge_before(r, from, &n, s, e)) == 0)
		return merge_open(from, n, s, &r->merge_key, &(struct merge_opts){ .limit = -1 }, &r->merged, e);
	while (n)
		source_close(from[--n]);
	return rc;
}

struct str *reduce_merged_keys(const struct batch *b, struct arena *a)
{
	struct str *keys = arena_array(a, struct str, (size_t)b->nrows), *last = keys + b->nrows - 1;
	char *copy;

	for (int64_t i = 0; keys && i < b->nrows; i++)
		keys[i] = column_str(&b->cols[0], i);
	copy = keys ? arena_alloc(a, last->n + COPY_SLACK) : NULL; /* the others have the next one behind them */
	if (!copy)
		return NULL;
	memcpy(copy, last->p, last->n);
	last->p = copy;
	return keys;
}

/* The key columns of a merged batch whose keys are encoded. */
static int decode_keys(const struct reducer *r, struct batch *b, struct batch **ret, struct err *e)
{
	cleanup_arena struct arena a = { 0 };
	struct str *keys = reduce_merged_keys(b, &a);
	struct rows rows;
	int rc;

	if (!keys)
		return err_oom(e);
	if ((rc = rows_init(&rows, r->grouper.fields, e)) == 0 && (rc = keys_decode(&r->grouper.key, keys, b->nrows, rows.cols, e)) == 0) {
		rows.n = b->nrows;
		rc = rows_take(&rows, ret, e);
	}
	rows_free(&rows);
	return rc;
}

/* A merged batch as the result shows it: with key columns, and without places or (partial states) with the group's number instead. */
static int dress(struct reducer *r, struct batch *b, struct batch **ret, struct err *e)
{
	enum place place = reduce_place(r);
	cleanup_batch struct batch *keys = NULL, *out = batch_new(r->schema, b->nrows);
	int from = reduce_nkeys(r, FIRST_ROW), to = reduce_nkeys(r, place), rc = 0;
	int64_t *numbers;

	if (!out)
		return err_oom(e);
	if (r->encoded && place != FIRST_ROW)
		rc = decode_keys(r, b, &keys, e);
	if (rc < 0)
		return rc;
	for (int i = 0; i < to; i++)
		reduce_put_column(out, i, &(keys ? keys : b)->cols[i]);
	from += place == NO_PLACE;
	for (int i = to; i < out->schema->nfields; i++)
		reduce_put_column(out, i, &b->cols[from++]);
	if (place == ORDINAL) {
		numbers = arena_array(&out->arena, int64_t, (size_t)b->nrows + 8);
		if (!numbers)
			return err_oom(e);
		for (int64_t i = 0; i < b->nrows; i++)
			numbers[i] = r->given + i;
		out->cols[to].values = (const uint8_t *)numbers;
	}
	batch_keep(out, b);
	if (keys)
		batch_keep(out, keys);
	r->given += b->nrows;
	*ret = batch_ref(out);
	return 0;
}

static void run_dress(struct job *job)
{
	struct dressing *d = (struct dressing *)job;

	d->rc = d->r->form.print ? reduce_dress_lines(d->r, d->from, &d->to, &d->e) : dress(d->r, d->from, &d->to, &d->e);
}

/* A merged batch is dressed while the next one is merged; what follows after it is kept in `after`. */
int reduce_next_merged(struct reducer *r, struct batch **ret, struct err *e)
{
	struct dressing *d = &r->dressing;
	struct batch *next = NULL;
	int rc = d->after;

	if (rc < 0) {
		*e = d->e;
		return rc;
	}
	if (!d->r && (rc = source_next(r->merged, &d->from, e)) == 0 && d->from) {
		*d = (struct dressing){ .job.run = run_dress, .r = r, .from = d->from };
		reduce_start(r, &d->job);
	}
	if (rc < 0 || !d->from)
		return rc;
	rc = source_next(r->merged, &next, e);
	reduce_wait(r, &d->job);
	batch_unref(d->from);
	d->from = next;
	*ret = d->to;
	d->to = NULL;
	if (d->rc < 0) {
		*e = d->e;
		return d->rc;
	}
	d->after = rc;
	if (rc < 0)
		d->e = *e;
	else if (next)
		reduce_start(r, &d->job);
	return 0;
}

void reduce_forget_merged(struct reducer *r)
{
	if (r->dressing.r)
		reduce_wait(r, &r->dressing.job);
	batch_unref(r->dressing.from);
	batch_unref(r->dressing.to);
	source_close(r->merged);
}
