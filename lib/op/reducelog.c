/* A log of states where nearly every row is a group of its own: see reducework.h.
 *
 * Groups that outgrow the memory are usually set aside by the hash of their key, merged part by part, and put in order again. Where few keys
 * come twice all of that is for nothing: here groups and rows go to disk as they come, a row as the states of a group that has no other. The
 * hashes of their keys tell which of them may share a key; the others are read once, in order, and are results. Those that may share are
 * merged as partial states are; each group's place puts it among the others.
 * Invariant: in the log a group's records lie in the order of the input, and the place of the first is the group's. */
#include "lib/op/reducework.h"

#include <malloc.h>
#include <stdlib.h>

#define RECORD_BYTES (2 << 20) /* of groups, about, that become a batch; less in little memory */
#define FEW_ROWS 64

/* Nearly all rows were groups of their own, and their keys are in one column. */
bool reduce_may_log(const struct reducer *r)
{
	return !r->level && r->encoded && !r->parts.open && (!r->o.sorted || r->o.partial) &&
	       grouper_count(&r->grouper) > r->folded_rows / 8 * 7;
}

static void free_aggs(const struct reducer *r, struct agg **aggs)
{
	for (int i = 0; *aggs && i < r->specs.n; i++)
		agg_free(&(*aggs)[i]);
	free(*aggs);
	*aggs = NULL;
}

void reduce_forget_states(struct reducer *r)
{
	for (int k = 0; k < 2; k++)
		for (int i = 0; i < WINDOW_MOST; i++)
			free_aggs(r, &r->windows[k].in[i].states);
}

void reduce_forget_log(struct reducer *r)
{
	if (!r->log)
		return;
	lanes_close(&r->log->records);
	twins_close(&r->log->twins);
	free(r->log->shared);
	free(r->log);
	r->log = NULL;
}

/* Aggregate i again, empty, in the memory that it had: fresh pages cost more than what is done in them. */
static int renew(const struct reducer *r, int i, struct agg **aggs, struct err *e)
{
	struct agg a;
	int rc;

	if (!*aggs && !(*aggs = calloc((size_t)r->specs.n, sizeof **aggs)))
		return err_oom(e);
	rc = reduce_bind_into(r, i, &a, e);
	agg_replace(&a, &(*aggs)[i]);
	(*aggs)[i] = a;
	return rc;
}

/* ---- writing ---- */

static int64_t *places_of(const struct batch *b)
{
	return (int64_t *)(uintptr_t)(const void *)b->cols[1].values;
}

/* A place without the row's number in its batch: mostly one number then, which compresses to nothing. */
static int write_record_batch(struct reducer *r, struct batch *b, struct err *e)
{
	int64_t *places = places_of(b);

	for (int64_t i = 0; i < b->nrows; i++)
		places[i] -= i;
	return lanes_write(&r->log->records, b, e);
}

static int give_groups(struct reducer *r, struct batch *b, uint32_t from, struct err *e)
{
	int rc = write_record_batch(r, b, e);

	for (uint32_t i = 0; i < b->nrows && rc == 0; i++) {
		struct str key = grouper_key(&r->grouper, from + i);

		rc = twins_add(&r->log->twins, hash64(key.p, key.n, r->grouper.seed), e);
	}
	return rc;
}

int reduce_start_log(struct reducer *r, struct err *e)
{
	int rc = reduce_open_states(r, e);

	if (rc < 0)
		return rc;
	r->log = calloc(1, sizeof *r->log);
	if (!r->log)
		return err_oom(e);
	if ((rc = lanes_open(&r->log->records, r->states, r->pool, r->o.tmpdir, e)) < 0 ||
	    (rc = twins_open(&r->log->twins, r->o.memory, r->o.tmpdir, e)) < 0 || (rc = reduce_give_states(r, give_groups, e)) < 0)
		return rc;
	return reduce_start_again(r, e);
}

/* The rows of a batch that count, in order. */
static uint32_t *list_rows(struct intake *x, int64_t *n, struct err *e)
{
	uint32_t *rows = arena_array(&x->scratch, uint32_t, (size_t)x->batch->nrows);

	*n = 0;
	for (int64_t i = 0; rows && i < x->batch->nrows; i++)
		if (!x->bad.skip || !bit_get(x->bad.skip, i))
			rows[(*n)++] = (uint32_t)i;
	if (!rows)
		(void)err_oom(e);
	return rows;
}

static int add_keys(struct intake *x, const uint32_t *rows, int64_t n, struct builder *out, struct err *e)
{
	static const struct type binary = TYPE_BINARY;
	const struct grouptab_rows *k = &x->rows.keys;
	struct column all = { .type = &binary, .length = x->batch->nrows, .values = k->bytes, .offsets = (const int32_t *)k->offsets };
	struct str *v;

	if (!x->bad.skip && k->offsets[x->batch->nrows] <= INT32_MAX)
		return builder_rows(out, &all, rows[0], n, e);
	v = arena_array(&x->scratch, struct str, (size_t)n);
	if (!v)
		return err_oom(e);
	for (int64_t i = 0; i < n; i++)
		v[i] = (struct str){ (const char *)k->bytes + k->offsets[rows[i]], k->offsets[rows[i] + 1] - k->offsets[rows[i]] };
	return builder_strs(out, v, n, e);
}

static int add_places(const struct intake *x, const uint32_t *rows, int64_t n, struct builder *out, struct err *e)
{
	const struct column *place = x->r->level ? &x->batch->cols[x->r->grouper.key.n] : NULL;
	int rc = 0;

	for (int64_t i = 0; i < n && rc == 0; i++) {
		int64_t at = place ? column_i64(place, rows[i]) : x->row + rows[i];

		rc = builder_fixed(out, &at, e);
	}
	return rc;
}

/* The states of groups that have one row each. */
static int add_states(struct intake *x, int i, const uint32_t *rows, int64_t n, struct builder *out, struct err *e)
{
	int rc = renew(x->r, i, &x->states, e);
	struct agg *a;

	for (int64_t k = 0; k < n; k++)
		x->rows.ids[rows[k]] = (uint32_t)k;
	a = rc == 0 ? &x->states[i] : NULL;
	if (rc == 0 && (rc = reduce_update(x->r, i, a, x, (uint32_t)n, e)) == 0)
		rc = a->family->dump(a, 0, (uint32_t)n, out, e);
	for (int64_t k = 0; k < n; k++)
		x->rows.ids[rows[k]] = NO_GROUP;
	return rc;
}

static int make_records(struct intake *x, const uint32_t *rows, int64_t n, struct batch **ret, struct err *e)
{
	const struct reducer *r = x->r;
	struct builder *col;
	struct rows out;
	int rc = rows_init(&out, r->states, e);

	col = out.cols + 2;
	if (rc == 0 && (rc = add_keys(x, rows, n, &out.cols[0], e)) == 0)
		rc = add_places(x, rows, n, &out.cols[1], e);
	for (int i = 0; i < r->specs.n && rc == 0; i++) {
		rc = add_states(x, i, rows, n, col, e);
		col += r->aggs[i].nstate;
	}
	if (rc == 0)
		rc = rows_take(&out, ret, e);
	rows_free(&out);
	return rc;
}

static int make_all(struct intake *x, struct err *e)
{
	int64_t bytes = x->r->o.memory / 128 < RECORD_BYTES ? x->r->o.memory / 128 : RECORD_BYTES;
	int64_t step = bytes / (int64_t)(x->r->a_group + 1) + FEW_ROWS, n;
	uint32_t *rows = list_rows(x, &n, e);
	int rc = 0;

	if (!rows)
		return -e->status;
	x->records = arena_array(&x->scratch, struct batch *, (size_t)(n / step + 1));
	if (!x->records)
		return err_oom(e);
	for (int64_t from = 0; from < n && rc == 0; from += step) {
		rc = make_records(x, rows + from, n - from < step ? n - from : step, &x->records[x->nrecords], e);
		x->nrecords += rc == 0;
	}
	return rc;
}

void reduce_run_log(struct job *job)
{
	struct intake *x = (struct intake *)job;

	x->rc = make_all(x, &x->e);
}

static int note_hashes(struct reducer *r, const struct intake *x, struct err *e)
{
	int rc = 0;

	for (int64_t i = 0; i < x->batch->nrows && rc == 0; i++)
		if (!x->bad.skip || !bit_get(x->bad.skip, i))
			rc = twins_add(&r->log->twins, grouper_hash(&x->rows, i), e);
	return rc;
}

static int write_records(struct reducer *r, struct intake *x, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < x->nrecords && rc == 0; i++)
		rc = write_record_batch(r, x->records[i], e);
	return rc < 0 ? rc : note_hashes(r, x, e);
}

static int leave_log(struct reducer *r, struct err *e);

int reduce_log_window(struct reducer *r, struct window *w, struct err *e)
{
	int rc;

	for (int i = 0; i < w->n; i++) {
		struct intake *x = &w->in[i];

		reduce_wait(r, &x->job);
		if (x->rc < 0) {
			*e = x->e;
			return x->rc;
		}
		if ((rc = write_records(r, x, e)) < 0)
			return rc;
	}
	return r->log->twins.worth ? 0 : leave_log(r, e);
}

/* ---- reading ---- */

static int next_records(struct source *from, struct batch **ret, struct err *e)
{
	int rc = source_next(from, ret, e);

	if (rc < 0 || !*ret)
		return rc;
	for (int64_t i = 0; i < (*ret)->nrows; i++)
		places_of(*ret)[i] += i;
	return 0;
}

/* Too many records share their key: all go to the partitions, as if they had been set aside there at once. */
static int records_to_parts(struct reducer *r, struct source *from, struct err *e)
{
	for (;;) {
		cleanup_batch struct batch *b = NULL;
		uint8_t *part;
		int rc = next_records(from, &b, e);

		if (rc < 0 || !b)
			return rc;
		part = malloc((size_t)b->nrows);
		for (int64_t i = 0; part && i < b->nrows; i++)
			part[i] = reduce_part_of(r, column_str(&b->cols[0], i));
		rc = part ? regroup_add(&r->parts, b, part, e) : err_oom(e);
		free(part);
		if (rc < 0)
			return rc;
	}
}

static int leave_log(struct reducer *r, struct err *e)
{
	struct source *from;
	int rc = reduce_open_parts(r, e);

	if (rc < 0 || (rc = lanes_read(&r->log->records, &from, e)) < 0)
		return rc;
	reduce_forget_states(r);
	rc = records_to_parts(r, from, e);
	source_close(from);
	reduce_forget_log(r);
	malloc_trim(0); /* the tables come back, and what batches took does not fit them */
	return rc;
}

/* Records of the log, those that share their key with others or those that do not. */
struct chosen {
	struct source source;
	struct source *from;
	const uint8_t *shared;
	bool want;
};

static int chosen_next(struct source *s, struct batch **ret, struct err *e)
{
	struct chosen *c = (struct chosen *)s;

	for (;;) {
		cleanup_batch struct batch *b = NULL;
		uint32_t *idx;
		int64_t n = 0;
		int rc = next_records(c->from, &b, e);

		if (rc < 0 || !b)
			return rc;
		idx = malloc((size_t)b->nrows * sizeof *idx);
		if (!idx)
			return err_oom(e);
		for (int64_t i = 0; i < b->nrows; i++)
			if ((c->shared && bit_get(c->shared, b->origin.row + i)) == c->want)
				idx[n++] = (uint32_t)i;
		if (n == b->nrows) {
			*ret = b;
			b = NULL;
		} else if (n) {
			rc = batch_gather(b, idx, n, ret, e);
		}
		free(idx);
		if (rc < 0 || n)
			return rc;
	}
}

static void chosen_close(struct source *s)
{
	struct chosen *c = (struct chosen *)s;

	source_close(c->from);
	schema_unref(s->schema);
	free(c);
}

static int choose(struct reducer *r, bool want, struct source **ret, struct err *e)
{
	struct chosen *c = calloc(1, sizeof *c);
	int rc = c ? lanes_read(&r->log->records, &c->from, e) : err_oom(e);

	if (rc < 0) {
		free(c);
		return rc;
	}
	c->source = (struct source){ .schema = schema_ref(r->states), .next = chosen_next, .close = chosen_close };
	c->shared = r->log->shared;
	c->want = want;
	*ret = &c->source;
	return 0;
}

/* ---- results of records that are alone ---- */

#define MOST_SINGLES 32

/* A batch of records that becomes one of results. */
struct single {
	struct job job;
	const struct reducer *u;
	struct agg *aggs; /* kept for their memory */
	struct batch *from, *to;
	bool given;
	int rc;
	struct err e;
};

struct singles {
	struct source source;
	struct reducer *u; /* a reducer of such records, a level down: bound, but never run */
	struct pool *pool;
	struct single ring[MOST_SINGLES];
	int n, head;
	bool started, ended;
	int rc; /* < 0: of what follows after those that were read */
	struct err e;
};

static int finish_agg(struct single *x, int i, const uint32_t *ids, struct builder *out, struct err *e)
{
	uint32_t n = (uint32_t)x->from->nrows;
	int rc = renew(x->u, i, &x->aggs, e);
	struct agg *a = rc == 0 ? &x->aggs[i] : NULL;

	if (rc == 0 && (rc = agg_reserve(a, n, e)) == 0 && (rc = a->family->load(a, x->from, ids, e)) == 0)
		rc = (x->u->o.partial ? a->family->dump : a->family->finish)(a, 0, n, out, e);
	return rc;
}

static int finish_aggs(struct single *x, const uint32_t *ids, struct batch *to, struct err *e)
{
	const struct reducer *u = x->u;
	struct rows out;
	int rc = rows_init(&out, u->schema, e), col = 2;

	for (int i = 0; i < u->specs.n && rc == 0; i++) {
		rc = finish_agg(x, i, ids, &out.cols[col], e);
		col += u->o.partial ? u->aggs[i].nstate : u->aggs[i].nresult;
	}
	for (int i = 2; i < u->schema->nfields && rc == 0; i++)
		if ((rc = builder_column(&out.cols[i], &to->arena, &to->cols[i], e)) == 0)
			to->cols[i].type = &to->schema->fields[i].type;
	rows_free(&out);
	return rc;
}

static int finish_records(struct single *x, struct err *e)
{
	cleanup_batch struct batch *to = batch_new(x->u->schema, x->from->nrows);
	uint32_t *ids = malloc((size_t)x->from->nrows * sizeof *ids);
	int rc = to && ids ? 0 : err_oom(e);

	for (int64_t i = 0; rc == 0 && i < x->from->nrows; i++)
		ids[i] = (uint32_t)i;
	if (rc == 0)
		rc = finish_aggs(x, ids, to, e);
	free(ids);
	if (rc < 0)
		return rc;
	for (int i = 0; i < 2; i++) /* key and place as they are */
		reduce_put_column(to, i, &x->from->cols[i]);
	batch_keep(to, x->from);
	x->to = to;
	to = NULL;
	return 0;
}

static void run_single(struct job *job)
{
	struct single *x = (struct single *)job;

	x->rc = finish_records(x, &x->e);
	batch_unref(x->from);
	x->from = NULL;
}

static void start_single(struct singles *s, struct single *x)
{
	if (s->ended)
		return;
	s->rc = source_next(s->u->in, &x->from, &s->e);
	s->ended = s->rc < 0 || !x->from;
	x->given = !s->ended;
	x->u = s->u;
	x->job.run = run_single;
	if (x->given)
		pool_give(s->pool, &x->job);
}

static void settle_single(struct singles *s, struct single *x)
{
	if (x->given)
		pool_wait(s->pool, &x->job);
	x->given = false;
}

static int singles_next(struct source *source, struct batch **ret, struct err *e)
{
	struct singles *s = (struct singles *)source;
	struct single *x = &s->ring[s->head];

	for (int i = 0; i < s->n && !s->started; i++)
		start_single(s, &s->ring[i]);
	s->started = true;
	if (!x->given) {
		if (s->rc < 0)
			*e = s->e;
		return s->rc;
	}
	settle_single(s, x);
	if (x->rc < 0) {
		*e = x->e;
		return x->rc;
	}
	*ret = x->to;
	x->to = NULL;
	start_single(s, x);
	s->head = (s->head + 1) % s->n;
	return 0;
}

static void singles_close(struct source *source)
{
	struct singles *s = (struct singles *)source;

	for (int i = 0; i < s->n; i++) {
		settle_single(s, &s->ring[i]);
		batch_unref(s->ring[i].from);
		batch_unref(s->ring[i].to);
		free_aggs(s->u, &s->ring[i].aggs);
	}
	source_close(&s->u->source);
	free(s);
}

static struct reduce_opts level_opts(const struct reducer *r, int threads)
{
	return (struct reduce_opts){ .partial = r->o.partial, .merge = true, .memory = r->o.memory, .tmpdir = r->o.tmpdir, .threads = threads };
}

static int open_singles(struct reducer *r, struct source **ret, struct err *e)
{
	struct reduce_opts o = level_opts(r, 1);
	struct singles *s;
	struct source *from, *u;
	int rc = choose(r, false, &from, e);

	if (rc < 0 || (rc = reduce_level(from, &o, r, &u, e)) < 0)
		return rc;
	s = calloc(1, sizeof *s);
	if (!s) {
		source_close(u);
		return err_oom(e);
	}
	s->source = (struct source){ .schema = u->schema, .next = singles_next, .close = singles_close };
	s->u = (struct reducer *)u;
	s->pool = r->pool;
	s->n = r->o.threads < 1 ? 1 : r->o.threads < MOST_SINGLES - 1 ? r->o.threads + 1 : MOST_SINGLES;
	*ret = &s->source;
	return 0;
}

/* ---- both together ---- */

/* The groups of records that share their keys, on disk: only one source at a time reads the log. */
static int merge_shared(struct reducer *r, struct source **ret, struct err *e)
{
	struct reduce_opts o = level_opts(r, r->o.threads);
	struct source *s;
	int rc = choose(r, true, &s, e);

	if (rc < 0 || (rc = reduce_level(s, &o, r, &s, e)) < 0)
		return rc;
	rc = spill_source(s, r->o.tmpdir, ret, e);
	source_close(s);
	return rc;
}

static int merge_both(struct reducer *r, struct err *e)
{
	struct source *from[2] = { NULL, NULL };
	int rc = merge_shared(r, &from[1], e);

	if (rc < 0 || (rc = open_singles(r, &from[0], e)) < 0) {
		source_close(from[1]);
		return rc;
	}
	if ((rc = reduce_bind_merge_key(r, e)) == 0)
		return merge_open(from, 2, from[0]->schema, &r->merge_key, &(struct merge_opts){ .limit = -1 }, &r->merged, e);
	source_close(from[0]);
	source_close(from[1]);
	return rc;
}

int reduce_merge_log(struct reducer *r, struct err *e)
{
	uint32_t n;
	int rc = twins_find(&r->log->twins, r->pool, r->o.threads, &r->log->shared, &n, e);

	if (rc < 0)
		return rc;
	reduce_forget_states(r);
	twins_close(&r->log->twins);
	if (r->log->shared)
		malloc_trim(0);
	return r->log->shared ? merge_both(r, e) : open_singles(r, &r->merged, e);
}
