/* reduce: see reducer.h.
 *
 * The whole input is folded on the first call of next(): a batch's fields are read once each, however many aggregates look at
 * them, by any thread and some batches ahead; then, in the order of the input, its rows get group numbers, and every aggregate runs
 * over the batch. Afterwards groups are written in chunks.
 * Invariant: every aggregate has room for grouper_count() states before it sees a group number.
 *
 * Beyond the memory limit (see reducer.h) a part is merged by a reducer of its own, one level down, which may set aside in
 * turn; it keeps the places of first rows as a column, by which the parts' results are merged. */
#include "lib/op/reducer.h"

#include "lib/base/hash.h"
#include "lib/base/pool.h"
#include "lib/op/merger.h"
#include "lib/op/regroup.h"
#include "lib/table/partial.h"

#include <stdlib.h>

#define CHUNK 8192      /* groups an output batch */
#define PART_CHUNK 1024     /* the same of a part: as many are in memory at once as there are parts */
#define OUT_BYTES (8 << 20) /* of states, about, that are written at once */
#define ASIDE_BYTES (1 << 20)
#define PART_BYTES (128 << 10)
#define FEW_GROUPS 1024 /* so few are never set aside: it would not help */
#define MAX_LEVEL 8
#define PLACE STR(":first")

/* A field in one reading, shared by the aggregates that need it so; and what was read of it in a batch. */
struct view {
	enum agg_need need;
	int col;
	enum key_reading reading;
};

struct view_data {
	struct numbers nums;
	struct keys keys;
	uint64_t *hashes;
};

/* A batch, and what the key and the aggregates read of it: any thread may read, the batches are folded in as they came. */
struct intake {
	struct job job;
	const struct reducer *r;
	struct batch *batch; /* NULL: the input has ended, as rc says */
	struct arena scratch;
	struct keys keys;
	struct view_data *views;
	struct bad_values bad;
	int64_t bad_row;     /* the first bad row of several readings is the one to report */
	int rc;
	struct err e;
};

#define INTAKES 4 /* batches at once, at most */

struct reducer {
	struct source source;
	struct source *in;
	struct reduce_opts o;
	struct arena arena;
	struct agg_specs specs;
	struct partial about; /* what our partial states say */
	struct agg *aggs;     /* specs.n of them */
	struct view *views;
	int nviews, (*view_of)[AGG_ARGS];
	struct key_spec spec; /* of the key */
	struct grouper grouper;
	struct schema *schema;
	struct intake intakes[INTAKES];
	struct pool *pool;
	int depth;       /* of `intakes`, in use */
	int64_t begun, ended; /* batches that were taken in, and folded in */
	bool drained;
	uint32_t *order; /* sorted */
	uint32_t next;   /* groups that have been given */
	bool folded;

	int level;             /* > 0: merges what level - 1 has set aside */
	int64_t rows;          /* that came */
	struct buf first;      /* int64 a group: the place of its first row */
	struct schema *states; /* of what is set aside */
	struct regroup parts;
	struct source *merged; /* the parts' results */
	struct key merge_key;
	int64_t given; /* rows that came from `merged` */
	size_t a_group; /* bytes that a group took in memory when groups were set aside */
};

/* What an output has between the keys and the rest. */
enum place { NO_PLACE, ORDINAL, FIRST_ROW };

static bool to_partial(const struct reducer *r)
{
	return r->o.partial;
}

static int parse_aggs(const struct reduce_opts *o, struct arena *a, struct agg_specs *specs, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < o->naggs && rc == 0; i++)
		rc = agg_parse(str_of(o->aggs[i]), a, specs, e);
	return rc;
}

int reduce_check(const struct reduce_opts *o, struct err *e)
{
	cleanup_arena struct arena arena = { 0 };
	struct agg_specs specs = { 0 };
	struct key_spec keys;
	int rc = parse_aggs(o, &arena, &specs, e);

	if (rc == 0 && o->group)
		rc = key_parse(str_of(o->group), &arena, &keys, e);
	if (rc == 0 && !o->group && !specs.n && !o->merge)
		rc = err_set(e, ST_USAGE, "nothing to compute: give -a (for example -a n=count) or -g");
	return rc;
}

/* Which view aggregate i's argument k reads; a new one when no other does. */
static void find_view(struct reducer *r, int i, int k)
{
	const struct agg *a = &r->aggs[i];
	enum key_reading reading = a->need[k] == AGG_KEYS || a->need[k] == AGG_HASHES ? a->spec.reading : KEY_AUTO;
	int v;

	for (v = 0; v < r->nviews; v++)
		if (r->views[v].need == a->need[k] && r->views[v].col == a->cols[k] && r->views[v].reading == reading)
			break;
	r->view_of[i][k] = v;
	if (v == r->nviews)
		r->views[r->nviews++] = (struct view){ .need = a->need[k], .col = a->cols[k], .reading = reading };
}

static int bind_agg(struct reducer *r, int i, struct err *e)
{
	int rc = agg_bind(&r->specs.v[i], r->in->schema, &r->grouper.key, r->o.merge, &r->aggs[i], e);

	r->aggs[i].partial = to_partial(r) || r->o.memory;
	r->aggs[i].threads = r->o.threads;
	return rc;
}

static int bind_aggs(struct reducer *r, struct err *e)
{
	size_t n = (size_t)r->specs.n;
	int rc;

	r->aggs = arena_array(&r->arena, struct agg, n);
	r->views = arena_array(&r->arena, struct view, n * AGG_ARGS);
	r->view_of = arena_calloc(&r->arena, n, sizeof *r->view_of);
	if (!r->aggs || !r->views || !r->view_of)
		return err_oom(e);
	for (int i = 0; i < r->specs.n; i++) {
		if ((rc = bind_agg(r, i, e)) < 0)
			return rc;
		for (int k = 0; !r->o.merge && k < r->aggs[i].nargs; k++)
			find_view(r, i, k);
	}
	return 0;
}

static bool is_named(const struct schema *s, int col, struct str name)
{
	return str_eq(s->fields[col].name, name);
}

static int add_named(struct schema *s, struct str name, const struct type *t, bool nullable, struct err *e)
{
	for (int i = 0; i < s->nfields; i++)
		if (is_named(s, i, name))
			return err_set(e, ST_USAGE, "two columns would be called \"%.*s\": name one with -a OUT=...",
				       STR_ARG(name));
	return schema_add(s, name, t, nullable, e);
}

static int add_columns(struct schema *s, const struct agg *a, bool states, struct err *e)
{
	const struct agg_field *f = states ? a->states : a->results;
	int n = states ? a->nstate : a->nresult, rc = 0;

	for (int k = 0; k < n && rc == 0; k++) {
		rc = add_named(s, f[k].name, &f[k].type, f[k].nullable, e);
		if (rc == 0 && f[k].error)
			rc = field_set_meta(s, s->nfields - 1, STR("stook.error"), str_of(f[k].error), e);
	}
	return rc;
}

static int add_key(struct reducer *r, struct schema *s, int i, struct err *e)
{
	const struct field *f = &r->grouper.fields->fields[i];

	for (int k = 0; k < i; k++)
		if (is_named(r->grouper.fields, k, f->name))
			return err_set(e, ST_USAGE, "-g names field \"%.*s\" twice", STR_ARG(f->name));
	return schema_add_field(s, f, e);
}

static int add_meta(struct reducer *r, struct schema *s, bool states, struct err *e)
{
	int rc = schema_copy_meta(s, r->in->schema, e);

	schema_drop_meta(s, STR("stook.sorted"));
	schema_drop_meta(s, STR(PARTIAL_KEY));
	return rc == 0 && states ? partial_set(s, &r->about, e) : rc;
}

/* Keys, the place if there is one, and states or results. */
static int make_schema(struct reducer *r, bool states, enum place place, struct schema **ret, struct err *e)
{
	static const struct type int64 = TYPE_INT64;
	cleanup_schema struct schema *s = schema_new();
	int rc = s ? add_meta(r, s, states, e) : err_oom(e);

	for (int i = 0; i < r->grouper.key.n && rc == 0; i++)
		rc = add_key(r, s, i, e);
	if (rc == 0 && place != NO_PLACE)
		rc = add_named(s, PLACE, &int64, false, e);
	for (int i = 0; i < r->specs.n && rc == 0; i++)
		rc = add_columns(s, &r->aggs[i], states, e);
	if (rc == 0) {
		*ret = s;
		s = NULL;
	}
	return rc;
}

/* What the output has between keys and the rest. */
static enum place out_place(const struct reducer *r)
{
	return r->level ? FIRST_ROW : to_partial(r) ? ORDINAL : NO_PLACE;
}

static int join_specs(const struct agg_specs *specs, struct arena *a, struct str *ret, struct err *e)
{
	cleanup_buf struct buf b = { 0 };

	for (int i = 0; i < specs->n; i++)
		if ((i && buf_byte(&b, ',')) || buf_str(&b, specs->v[i].text))
			return err_oom(e);
	*ret = (struct str){ arena_dup(a, b.n ? b.p : (const uint8_t *)"", b.n), b.n };
	return ret->p ? 0 : err_oom(e);
}

/* What the operands hold decides; options that are given must agree with it. */
static int check_about(struct reducer *r, struct err *e)
{
	struct str given, group = str_of(r->o.group ? r->o.group : "");
	int rc = partial_get(r->in->schema, &r->arena, &r->about, e);

	if (rc < 0 || (rc = join_specs(&r->specs, &r->arena, &given, e)) < 0)
		return rc;
	if (r->o.group && !str_eq(group, r->about.group) && !str_eq(group, r->about.keys))
		return err_set(e, ST_DATA, "the partial states are grouped by \"%.*s\", not by \"%s\"", STR_ARG(r->about.group),
			       r->o.group);
	if (r->specs.n && !str_eq(given, r->about.aggregates))
		return err_set(e, ST_DATA, "the partial states hold -a %.*s, not -a %.*s", STR_ARG(r->about.aggregates),
			       STR_ARG(given));
	r->specs = (struct agg_specs){ 0 };
	return r->about.aggregates.n ? agg_parse(r->about.aggregates, &r->arena, &r->specs, e) : 0;
}

/* Escaped names and readings of the bound key, as -g takes them. */
static int describe_keys(struct reducer *r, struct err *e)
{
	cleanup_buf struct buf b = { 0 };

	if (key_describe(&r->grouper.key, r->in->schema, &b))
		return err_oom(e);
	r->about.group = str_of(r->o.group);
	r->about.keys = (struct str){ arena_dup(&r->arena, b.p, b.n), b.n };
	return r->about.keys.p ? 0 : err_oom(e);
}

/* Without readings, -g is a list of FIELDS: ranges and patterns become the fields they stand for. */
static int expand_fields(struct reducer *r, struct str text, struct key_spec *spec, struct err *e)
{
	int *cols, n, rc;

	for (int i = 0; i < spec->n; i++)
		if (spec->parts[i].reading || spec->parts[i].desc || spec->parts[i].nullsfirst)
			return 0;
	if ((rc = fields_resolve(text, r->in->schema, &r->arena, &cols, &n, e)) < 0)
		return rc;
	spec->parts = arena_array(&r->arena, struct key_part, (size_t)n);
	if (!spec->parts)
		return err_oom(e);
	for (spec->n = 0; spec->n < n; spec->n++)
		spec->parts[spec->n].at = cols[spec->n] + 1;
	return 0;
}

/* The key fields of partial states must be there under their names, whatever their order. */
static int find_keys(const struct reducer *r, const struct key_spec *spec, struct err *e)
{
	for (int i = 0; i < spec->n; i++)
		if (!spec->parts[i].at && schema_find(r->in->schema, spec->parts[i].name) < 0)
			return err_set(e, ST_DATA, "the partial states are grouped by \"%.*s\", but have no field of this name",
				       STR_ARG(spec->parts[i].name));
	return 0;
}

static int bind_keys(struct reducer *r, struct err *e)
{
	struct key_spec spec = { 0 };
	struct str text = r->o.merge ? r->about.keys : str_of(r->o.group ? r->o.group : "");
	int rc;

	if (text.n && (rc = key_parse(text, &r->arena, &spec, e)) < 0)
		return rc;
	if (spec.n && !r->o.merge && (rc = expand_fields(r, text, &spec, e)) < 0)
		return rc;
	if (r->o.merge && (rc = find_keys(r, &spec, e)) < 0)
		return rc;
	r->spec = spec;
	if ((rc = grouper_init(&r->grouper, &spec, r->in->schema, e)) < 0 || r->o.merge || !spec.n)
		return rc;
	return describe_keys(r, e);
}

/* Of the input only the fields that keys and aggregates name, which argmax carries but does not read too; latest wants all. */
static int say_wants(struct reducer *r, struct err *e)
{
	int n = r->in->schema->nfields;
	bool *wanted = arena_calloc(&r->arena, (size_t)n + 1, sizeof *wanted), all = r->o.merge;

	if (!wanted)
		return err_oom(e);
	for (int i = 0; i < r->grouper.key.n; i++)
		wanted[r->grouper.key.parts[i].col] = true;
	for (int i = 0; i < r->specs.n && !r->o.merge; i++) {
		all |= r->aggs[i].family == &agg_latest;
		for (int k = 0; k < r->specs.v[i].nfields; k++)
			wanted[r->aggs[i].cols[k]] = true;
	}
	if (!all)
		source_want(r->in, wanted);
	return 0;
}

static int note_bad(struct intake *x, const struct err *why)
{
	if (x->bad.bad_row >= 0 && (x->bad_row < 0 || x->bad.bad_row < x->bad_row)) {
		x->bad_row = x->bad.bad_row;
		x->e = *why;
	}
	x->bad.bad_row = -1;
	return 0;
}

static int encode(struct intake *x, const struct key *k, struct keys *ret)
{
	struct err why;
	int rc = keys_encode(k, x->batch, &x->bad, &x->scratch, ret, &why);

	if (rc < 0) {
		x->e = why;
		return rc;
	}
	return note_bad(x, &why);
}

static int read_view(struct intake *x, const struct view *v, struct view_data *ret)
{
	struct key_bound part = { .col = v->col, .reading = v->reading };
	struct key key = { .n = 1, .option = "", .parts = &part };
	const struct batch *b = x->batch;
	struct err why;
	int rc;

	if (v->need == AGG_VALUES || (v->need != AGG_NUMBERS && b->cols[v->col].type->id == T_NULL))
		return 0;
	if (v->need == AGG_KEYS)
		return encode(x, &key, &ret->keys);
	if (v->need == AGG_HASHES)
		rc = placement_hash(&key, b, 0, &x->bad, &x->scratch, &ret->hashes, &why);
	else
		rc = read_numbers(b, v->col, NULL, b->nrows, &x->bad, &x->scratch, &ret->nums, &why);
	if (rc < 0) {
		x->e = why;
		return rc;
	}
	return note_bad(x, &why);
}

static void read_views(struct job *job)
{
	struct intake *x = (struct intake *)job;
	const struct reducer *r = x->r;
	int rc = r->grouper.key.n ? encode(x, &r->grouper.key, &x->keys) : 0;

	for (int i = 0; i < r->nviews && rc == 0; i++)
		rc = read_view(x, &r->views[i], &x->views[i]);
	x->rc = rc == 0 && x->bad_row >= 0 ? -x->e.status : rc;
}

/* The next batch, or the end, from the input; then it is being read. */
static void take_in(struct reducer *r)
{
	struct intake *x = &r->intakes[r->begun++ % r->depth];

	x->bad = (struct bad_values){ .policy = r->o.merge ? BAD_FAIL : r->o.on_bad, .bad_row = -1 };
	x->bad_row = -1;
	x->rc = source_next(r->in, &x->batch, &x->e);
	r->drained = x->rc < 0 || !x->batch;
	if (r->drained)
		x->batch = NULL;
	else if (r->depth > 1)
		pool_give(r->pool, &x->job);
	else
		read_views(&x->job);
}

/* The next batch that has been read; NULL: there are no more. */
static int next_intake(struct reducer *r, struct intake **ret, struct err *e)
{
	struct intake *x = &r->intakes[r->ended % r->depth];

	while (!r->drained && r->begun - r->ended < r->depth)
		take_in(r);
	if (x->batch && r->depth > 1)
		pool_wait(r->pool, &x->job);
	if (x->rc < 0)
		*e = x->e;
	*ret = x->batch ? x : NULL;
	return x->rc;
}

static void intake_end(struct reducer *r, struct intake *x)
{
	for (int i = 0; x->views && i < r->nviews; i++)
		if (r->views[i].need == AGG_NUMBERS)
			numbers_free(&x->views[i].nums);
	arena_reset(&x->scratch);
	batch_unref(x->batch);
	x->batch = NULL;
	x->keys = (struct keys){ 0 };
}

/* Afterwards nobody reads with the key any more. */
static void wait_for_intakes(struct reducer *r)
{
	for (int64_t i = r->ended; i < r->begun; i++)
		if (r->intakes[i % r->depth].batch && r->depth > 1)
			pool_wait(r->pool, &r->intakes[i % r->depth].job);
}

static int setup_intakes(struct reducer *r, struct err *e)
{
	r->depth = r->o.threads < 2 ? 1 : r->o.threads < INTAKES ? r->o.threads + 1 : INTAKES;
	for (int i = 0; i < r->depth; i++) {
		r->intakes[i] = (struct intake){ .job.run = read_views, .r = r };
		r->intakes[i].views = arena_calloc(&r->arena, (size_t)r->nviews + 1, sizeof(struct view_data));
		if (!r->intakes[i].views)
			return err_oom(e);
	}
	return r->depth > 1 ? pool_open(&r->pool, r->o.threads, e) : 0;
}

static int setup(struct reducer *r, struct err *e)
{
	int rc = parse_aggs(&r->o, &r->arena, &r->specs, e);

	if (rc == 0)
		rc = r->o.merge ? check_about(r, e) : join_specs(&r->specs, &r->arena, &r->about.aggregates, e);
	if (rc < 0 || (rc = bind_keys(r, e)) < 0 || (rc = bind_aggs(r, e)) < 0 || (rc = say_wants(r, e)) < 0 ||
	    (rc = setup_intakes(r, e)) < 0)
		return rc;
	return make_schema(r, to_partial(r), out_place(r), &r->schema, e);
}

static int update(struct reducer *r, const struct intake *x, const uint32_t *ids, struct err *e)
{
	const struct batch *b = x->batch;
	int rc;

	for (int i = 0; i < r->specs.n; i++) {
		struct agg *a = &r->aggs[i];
		struct agg_batch ab = { .n = b->nrows, .ids = ids, .batch = b };

		for (int k = 0; k < a->nargs; k++) {
			int v = r->view_of[i][k];
			const struct view_data *d = &x->views[v];

			ab.args[k] = (struct agg_arg){ &b->cols[r->views[v].col], &d->nums, &d->keys, d->hashes };
		}
		if ((rc = a->family->update(a, &ab, e)) < 0)
			return rc;
	}
	return 0;
}

static int load(struct reducer *r, const struct batch *b, const uint32_t *ids, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < r->specs.n && rc == 0; i++)
		rc = r->aggs[i].family->load(&r->aggs[i], b, ids, e);
	return rc;
}

static int reserve(struct reducer *r, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < r->specs.n && rc == 0; i++)
		rc = agg_reserve(&r->aggs[i], grouper_count(&r->grouper), e);
	return rc;
}

/* Places of the groups that batch b has brought: numbered as they came, so row by row. */
static int note_places(struct reducer *r, const struct batch *b, const uint32_t *ids, struct err *e)
{
	size_t seen = r->first.n / sizeof(int64_t);
	const struct column *place = r->level ? &b->cols[r->grouper.key.n] : NULL;

	if (!r->o.memory)
		return 0;
	for (int64_t i = 0; i < b->nrows && seen < grouper_count(&r->grouper); i++) {
		int64_t at = place ? column_i64(place, i) : r->rows + i;

		if (ids[i] != seen)
			continue;
		seen++;
		if (buf_add(&r->first, &at, sizeof at))
			return err_oom(e);
	}
	r->rows += b->nrows;
	return 0;
}

static int fold_batch(struct reducer *r, struct intake *x, struct err *e)
{
	const struct batch *b = x->batch;
	uint32_t *ids = arena_array(&x->scratch, uint32_t, (size_t)b->nrows);
	int rc;

	if (!ids)
		return err_oom(e);
	if ((rc = bad_values_done(&x->bad, b, e)) < 0 ||
	    (rc = grouper_add(&r->grouper, b, &x->keys, x->bad.skip, ids, e)) < 0 ||
	    (rc = reserve(r, e)) < 0 || (rc = note_places(r, b, ids, e)) < 0)
		return rc;
	return r->o.merge ? load(r, b, ids, e) : update(r, x, ids, e);
}

/* Appends groups [from, from + n) to all columns. */
static int emit(struct reducer *r, uint32_t from, uint32_t n, bool states, enum place place, struct rows *out, struct err *e)
{
	const int64_t *first = (const int64_t *)(const void *)r->first.p;
	struct builder *col = out->cols + r->grouper.key.n;
	int rc = grouper_emit(&r->grouper, from, n, out->cols, e);

	for (int64_t g = from; place != NO_PLACE && g < (int64_t)from + n && rc == 0; g++)
		rc = builder_fixed(col, place == FIRST_ROW ? &first[g] : &g, e);
	col += place != NO_PLACE;
	for (int i = 0; i < r->specs.n && rc == 0; i++) {
		struct agg *a = &r->aggs[i];

		rc = states ? a->family->dump(a, from, n, col, e) : a->family->finish(a, from, n, col, e);
		col += states ? a->nstate : a->nresult;
	}
	out->n += n;
	return rc;
}

/* ---- beyond the memory limit ---- */

static size_t memory_used(const struct reducer *r)
{
	size_t sum = grouper_memory(&r->grouper) + r->first.cap;

	for (int i = 0; i < r->specs.n; i++)
		sum += agg_memory(&r->aggs[i]);
	return sum;
}

/* How many groups hold about so many bytes: `most`, or fewer when their states are long. */
static uint32_t groups_in(const struct reducer *r, size_t bytes, uint32_t most)
{
	size_t n = (size_t)grouper_count(&r->grouper) * bytes / (memory_used(r) + 1);

	return n < 1 ? 1 : n < most ? (uint32_t)n : most;
}

/* Well below the limit: tables double when they grow, and the input has its own buffers. */
static size_t room(const struct reducer *r)
{
	return (size_t)r->o.memory / 5 * 2;
}

static bool is_full(const struct reducer *r)
{
	return r->o.memory && r->level < MAX_LEVEL && grouper_count(&r->grouper) > FEW_GROUPS &&
	       memory_used(r) > room(r);
}

/* Groups [from, from + n) to their parts; each level cuts by other bits. */
static int set_aside_some(struct reducer *r, uint32_t from, uint32_t n, struct rows *rows, struct err *e)
{
	cleanup_batch struct batch *b = NULL;
	uint8_t part[CHUNK];
	int rc;

	for (uint32_t i = 0; i < n; i++) {
		struct str key = keyset_at(&r->grouper.set, from + i);

		part[i] = hash64(key.p, key.n, (uint64_t)r->level + 1) % REGROUP_PARTS;
	}
	if ((rc = emit(r, from, n, true, FIRST_ROW, rows, e)) < 0 || (rc = rows_take(rows, &b, e)) < 0)
		return rc;
	return regroup_add(&r->parts, b, part, e);
}

static void forget_groups(struct reducer *r)
{
	for (int i = 0; i < r->specs.n; i++)
		agg_free(&r->aggs[i]);
	grouper_free(&r->grouper);
	r->first.n = 0;
}

static int start_again(struct reducer *r, struct err *e)
{
	int rc = grouper_init(&r->grouper, &r->spec, r->in->schema, e);

	for (int i = 0; i < r->specs.n && rc == 0; i++)
		rc = bind_agg(r, i, e);
	return rc;
}

/* All groups to disk; the tables are empty again. */
static int set_aside(struct reducer *r, struct err *e)
{
	struct rows rows = { 0 };
	uint32_t n = grouper_count(&r->grouper), step = groups_in(r, ASIDE_BYTES, CHUNK);
	int rc = 0;

	if (n && memory_used(r) / n > r->a_group)
		r->a_group = memory_used(r) / n;
	if (!r->parts.open && (rc = make_schema(r, true, FIRST_ROW, &r->states, e)) == 0)
		rc = regroup_open(&r->parts, r->states, REGROUP_PARTS, r->o.tmpdir, e);
	if (rc == 0 && (rc = grouper_seal(&r->grouper, e)) == 0)
		rc = rows_init(&rows, r->states, e);
	for (uint32_t from = 0; from < n && rc == 0; from += step)
		rc = set_aside_some(r, from, n - from < step ? n - from : step, &rows, e);
	if (rows.schema)
		rows_free(&rows);
	if (rc < 0)
		return rc;
	wait_for_intakes(r);
	forget_groups(r);
	return start_again(r, e);
}

static int open_level(struct source *in, const struct reduce_opts *o, int level, struct source **ret, struct err *e);

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

	if (rc < 0 || !s || (rc = open_level(s, &o, r->level + 1, &s, e)) < 0)
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
static int bind_merge_key(struct reducer *r, struct err *e)
{
	int n = r->o.sorted && !to_partial(r) ? r->grouper.key.n : 0;

	r->merge_key.n = n ? n : 1;
	r->merge_key.parts = arena_array(&r->arena, struct key_bound, (size_t)r->merge_key.n);
	if (!r->merge_key.parts)
		return err_oom(e);
	for (int i = 0; i < n; i++) {
		r->merge_key.parts[i] = r->grouper.key.parts[i];
		r->merge_key.parts[i].col = i;
	}
	if (!n)
		r->merge_key.parts[0].col = r->grouper.key.n;
	return 0;
}

static int merge_parts(struct reducer *r, struct err *e)
{
	struct source *from[REGROUP_PARTS];
	struct part_job jobs[REGROUP_PARTS] = { 0 };
	cleanup_schema struct schema *s = NULL;
	int n = 0, rc = set_aside(r, e);

	if (rc == 0 && (rc = bind_merge_key(r, e)) == 0 && (rc = make_schema(r, to_partial(r), FIRST_ROW, &s, e)) == 0)
		rc = merge_all(r, jobs, e);
	for (int i = 0; i < REGROUP_PARTS; i++)
		if (jobs[i].result)
			from[n++] = jobs[i].result;
	if (rc == 0)
		return merge_open(from, n, s, &r->merge_key, &(struct merge_opts){ .limit = -1 }, &r->merged, e);
	while (n)
		source_close(from[--n]);
	return rc;
}

/* A merged batch without its places, or (partial states) with the group's number instead. */
static int without_places(struct reducer *r, struct batch *b, struct batch **ret, struct err *e)
{
	int k = r->grouper.key.n, drop = out_place(r) == NO_PLACE;
	struct batch *out = batch_new(r->schema, b->nrows);
	int64_t *numbers;

	if (!out)
		return err_oom(e);
	for (int i = 0; i < out->schema->nfields; i++) {
		out->cols[i] = b->cols[i < k ? i : i + drop];
		out->cols[i].type = &out->schema->fields[i].type;
	}
	if (out_place(r) == ORDINAL) {
		numbers = arena_array(&out->arena, int64_t, (size_t)b->nrows + 8);
		for (int64_t i = 0; numbers && i < b->nrows; i++)
			numbers[i] = r->given + i;
		out->cols[k].values = (const uint8_t *)numbers;
		if (!numbers) {
			batch_unref(out);
			return err_oom(e);
		}
	}
	batch_keep(out, b);
	r->given += b->nrows;
	*ret = out;
	return 0;
}

static int next_merged(struct reducer *r, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *b = NULL;
	int rc = source_next(r->merged, &b, e);

	return rc < 0 || !b ? rc : without_places(r, b, ret, e);
}

/* ---- the source ---- */

static int fold(struct reducer *r, struct err *e)
{
	struct intake *x;
	int rc = reserve(r, e);

	r->folded = true;
	while (rc == 0 && (rc = next_intake(r, &x, e)) == 0 && x) {
		rc = fold_batch(r, x, e);
		intake_end(r, x);
		r->ended++;
		if (rc == 0 && is_full(r))
			rc = set_aside(r, e);
	}
	if (rc == 0 && r->parts.open)
		return merge_parts(r, e);
	if (rc == 0)
		rc = grouper_seal(&r->grouper, e);
	if (rc == 0 && r->o.sorted && !to_partial(r))
		rc = grouper_order(&r->grouper, &r->order, e);
	return rc;
}

static int emit_chunk(struct reducer *r, uint32_t n, struct rows *out, struct err *e)
{
	int rc = 0;

	if (!r->order)
		return emit(r, r->next, n, to_partial(r), out_place(r), out, e);
	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = emit(r, r->order[r->next + i], 1, false, out_place(r), out, e);
	return rc;
}

static int reducer_next(struct source *s, struct batch **ret, struct err *e)
{
	struct reducer *r = (struct reducer *)s;
	struct rows out = { 0 };
	uint32_t n, most;
	int rc = r->folded ? 0 : fold(r, e);

	if (rc < 0)
		return rc;
	if (r->merged)
		return next_merged(r, ret, e);
	n = grouper_count(&r->grouper) - r->next;
	if (!n)
		return 0;
	most = r->level ? groups_in(r, PART_BYTES, PART_CHUNK) : groups_in(r, OUT_BYTES, CHUNK);
	n = n < most ? n : most;
	if ((rc = rows_init(&out, r->schema, e)) == 0 && (rc = emit_chunk(r, n, &out, e)) == 0)
		rc = rows_take(&out, ret, e);
	rows_free(&out);
	r->next += n;
	return rc;
}

static void reducer_close(struct source *s)
{
	struct reducer *r = (struct reducer *)s;

	pool_close(r->pool);
	for (int i = 0; i < r->depth; i++) {
		intake_end(r, &r->intakes[i]);
		arena_free(&r->intakes[i].scratch);
	}
	for (int i = 0; r->aggs && i < r->specs.n; i++)
		agg_free(&r->aggs[i]);
	grouper_free(&r->grouper);
	regroup_close(&r->parts);
	source_close(r->merged);
	buf_free(&r->first);
	schema_unref(r->schema);
	schema_unref(r->states);
	free(r->order);
	source_close(r->in);
	arena_free(&r->arena);
	free(r);
}

static int open_level(struct source *in, const struct reduce_opts *o, int level, struct source **ret, struct err *e)
{
	struct reducer *r = calloc(1, sizeof *r);
	int rc;

	if (!r) {
		source_close(in);
		return err_oom(e);
	}
	r->source = (struct source){ .next = reducer_next, .close = reducer_close };
	r->in = in;
	r->o = *o;
	r->level = level;
	if ((rc = setup(r, e)) < 0) {
		reducer_close(&r->source);
		return rc;
	}
	r->source.schema = r->schema;
	*ret = &r->source;
	return 0;
}

int reduce_open(struct source *in, const struct reduce_opts *o, struct source **ret, struct err *e)
{
	return open_level(in, o, 0, ret, e);
}
