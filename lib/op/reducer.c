/* reduce: see reducer.h.
 *
 * The whole input is folded on the first call of next(): a batch's fields are read once each, however many aggregates look at them,
 * then its rows get group numbers, then every aggregate runs over the batch. Afterwards groups are written in chunks.
 * Invariant: every aggregate has room for grouper_count() states before it sees a group number. */
#include "lib/op/reducer.h"

#include "lib/op/partial.h"

#include <stdlib.h>

#define CHUNK 8192 /* groups an output batch */

/* A field of the current batch in one reading, shared by the aggregates that need it so. */
struct view {
	enum agg_need need;
	int col;
	enum key_reading reading;
	struct numbers nums;
	struct keys keys;
	uint64_t *hashes;
};

struct reducer {
	struct source source;
	struct source *in;
	struct reduce_opts o;
	struct arena arena, scratch; /* of the whole, of one batch */
	struct agg_specs specs;
	struct partial about;        /* what our partial states say */
	struct agg *aggs;            /* specs.n of them */
	struct view *views;
	int nviews, (*view_of)[AGG_ARGS];
	struct grouper grouper;
	struct schema *schema;
	uint32_t *order;             /* sorted */
	uint32_t next;               /* groups that have been given */
	bool folded;
};

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
		if ((rc = agg_bind(&r->specs.v[i], r->in->schema, &r->grouper.key, r->o.merge, &r->aggs[i], e)) < 0)
			return rc;
		r->aggs[i].partial = to_partial(r);
		for (int k = 0; !r->o.merge && k < r->aggs[i].nargs; k++)
			find_view(r, i, k);
	}
	return 0;
}

static bool is_named(const struct schema *s, int col, struct str name)
{
	return str_eq(s->fields[col].name, name);
}

static int add_named(struct reducer *r, struct str name, const struct type *t, bool nullable, struct err *e)
{
	for (int i = 0; i < r->schema->nfields; i++)
		if (is_named(r->schema, i, name))
			return err_set(e, ST_USAGE, "two columns would be called \"%.*s\": name one with -a OUT=...", STR_ARG(name));
	return schema_add(r->schema, name, t, nullable, e);
}

static int add_columns(struct reducer *r, const struct agg *a, struct err *e)
{
	const struct agg_field *f = to_partial(r) ? a->states : a->results;
	int n = to_partial(r) ? a->nstate : a->nresult, rc = 0;

	for (int k = 0; k < n && rc == 0; k++) {
		rc = add_named(r, f[k].name, &f[k].type, f[k].nullable, e);
		if (rc == 0 && f[k].error)
			rc = field_set_meta(r->schema, r->schema->nfields - 1, STR("stook.error"), str_of(f[k].error), e);
	}
	return rc;
}

static int add_key(struct reducer *r, int i, struct err *e)
{
	const struct field *f = &r->grouper.fields->fields[i];

	for (int k = 0; k < i; k++)
		if (is_named(r->grouper.fields, k, f->name))
			return err_set(e, ST_USAGE, "-g names field \"%.*s\" twice", STR_ARG(f->name));
	return schema_add_field(r->schema, f, e);
}

static int make_schema(struct reducer *r, struct err *e)
{
	static const struct type order = TYPE_INT64;
	int rc = 0;

	r->schema = schema_new();
	if (!r->schema)
		return err_oom(e);
	if ((rc = schema_copy_meta(r->schema, r->in->schema, e)) < 0)
		return rc;
	schema_drop_meta(r->schema, STR("stook.sorted"));
	schema_drop_meta(r->schema, STR(PARTIAL_KEY));
	for (int i = 0; i < r->grouper.key.n && rc == 0; i++)
		rc = add_key(r, i, e);
	if (rc == 0 && to_partial(r) && (rc = add_named(r, STR(":first"), &order, false, e)) == 0)
		rc = partial_set(r->schema, &r->about, e);
	for (int i = 0; i < r->specs.n && rc == 0; i++)
		rc = add_columns(r, &r->aggs[i], e);
	return rc;
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
		return err_set(e, ST_DATA, "the partial states are grouped by \"%.*s\", not by \"%s\"", STR_ARG(r->about.group), r->o.group);
	if (r->specs.n && !str_eq(given, r->about.aggregates))
		return err_set(e, ST_DATA, "the partial states hold -a %.*s, not -a %.*s", STR_ARG(r->about.aggregates), STR_ARG(given));
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

static int bind_keys(struct reducer *r, struct err *e)
{
	struct key_spec spec = { 0 };
	struct str text = r->o.merge ? r->about.keys : str_of(r->o.group ? r->o.group : "");
	int rc;

	if (text.n && (rc = key_parse(text, &r->arena, &spec, e)) < 0)
		return rc;
	if (spec.n && !r->o.merge && (rc = expand_fields(r, text, &spec, e)) < 0)
		return rc;
	for (int i = 0; r->o.merge && i < spec.n; i++) { /* partial states begin with the key fields */
		spec.parts[i].at = i + 1;
		spec.parts[i].name.n = 0;
	}
	if ((rc = grouper_init(&r->grouper, &spec, r->in->schema, e)) < 0 || r->o.merge || !spec.n)
		return rc;
	return describe_keys(r, e);
}

static int setup(struct reducer *r, struct err *e)
{
	int rc = parse_aggs(&r->o, &r->arena, &r->specs, e);

	if (rc == 0)
		rc = r->o.merge ? check_about(r, e) : join_specs(&r->specs, &r->arena, &r->about.aggregates, e);
	if (rc < 0 || (rc = bind_keys(r, e)) < 0 || (rc = bind_aggs(r, e)) < 0)
		return rc;
	return make_schema(r, e);
}

/* The first bad row of several readings is the one to report. */
struct reading {
	struct bad_values bad;
	struct err *e;
	int64_t bad_row;
};

static int note_bad(struct reading *rd, const struct err *why)
{
	if (rd->bad.bad_row >= 0 && (rd->bad_row < 0 || rd->bad.bad_row < rd->bad_row)) {
		rd->bad_row = rd->bad.bad_row;
		*rd->e = *why;
	}
	rd->bad.bad_row = -1;
	return 0;
}

static int encode(struct reducer *r, const struct batch *b, const struct key *k, struct reading *rd, struct keys *ret)
{
	struct err why;
	int rc = keys_encode(k, b, &rd->bad, &r->scratch, ret, &why);

	if (rc < 0) {
		*rd->e = why;
		return rc;
	}
	return note_bad(rd, &why);
}

static int read_view(struct reducer *r, const struct batch *b, struct view *v, struct reading *rd)
{
	struct key_bound part = { .col = v->col, .reading = v->reading };
	struct key key = { .n = 1, .parts = &part };
	struct err why;
	int rc;

	if (v->need == AGG_VALUES || (v->need != AGG_NUMBERS && b->cols[v->col].type->id == T_NULL))
		return 0;
	if (v->need == AGG_KEYS)
		return encode(r, b, &key, rd, &v->keys);
	if (v->need == AGG_HASHES)
		rc = placement_hash(&key, b, 0, &rd->bad, &r->scratch, &v->hashes, &why);
	else
		rc = read_numbers(b, v->col, NULL, b->nrows, &rd->bad, &r->scratch, &v->nums, &why);
	if (rc < 0) {
		*rd->e = why;
		return rc;
	}
	return note_bad(rd, &why);
}

static int read_views(struct reducer *r, const struct batch *b, struct keys *keys, struct reading *rd)
{
	int rc = r->grouper.key.n ? encode(r, b, &r->grouper.key, rd, keys) : 0;

	for (int i = 0; i < r->nviews && rc == 0; i++)
		rc = read_view(r, b, &r->views[i], rd);
	if (rc == 0 && rd->bad_row >= 0)
		rc = -rd->e->status;
	return rc;
}

static int update(struct reducer *r, const struct batch *b, const uint32_t *ids, struct err *e)
{
	int rc;

	for (int i = 0; i < r->specs.n; i++) {
		struct agg *a = &r->aggs[i];
		struct agg_batch ab = { .n = b->nrows, .ids = ids, .batch = b };

		for (int k = 0; k < a->nargs; k++) {
			const struct view *v = &r->views[r->view_of[i][k]];

			ab.args[k] = (struct agg_arg){ &b->cols[v->col], &v->nums, &v->keys, v->hashes };
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

static int fold_batch(struct reducer *r, const struct batch *b, struct err *e)
{
	struct reading rd = { .bad = { .policy = r->o.merge ? BAD_FAIL : r->o.on_bad, .bad_row = -1 }, .e = e, .bad_row = -1 };
	uint32_t *ids = arena_array(&r->scratch, uint32_t, (size_t)b->nrows);
	struct keys keys = { 0 };
	int rc;

	if (!ids)
		return err_oom(e);
	if ((rc = read_views(r, b, &keys, &rd)) < 0 || (rc = grouper_add(&r->grouper, b, &keys, rd.bad.skip, ids, e)) < 0 ||
	    (rc = reserve(r, e)) < 0)
		return rc;
	return r->o.merge ? load(r, b, ids, e) : update(r, b, ids, e);
}

static void end_batch(struct reducer *r)
{
	for (int i = 0; i < r->nviews; i++)
		if (r->views[i].need == AGG_NUMBERS)
			numbers_free(&r->views[i].nums);
	arena_reset(&r->scratch);
}

static int fold(struct reducer *r, struct err *e)
{
	int rc = reserve(r, e);

	while (rc == 0) {
		cleanup_batch struct batch *b = NULL;

		rc = source_next(r->in, &b, e);
		if (rc < 0 || !b)
			break;
		rc = fold_batch(r, b, e);
		end_batch(r);
	}
	r->folded = true;
	if (rc == 0)
		rc = grouper_seal(&r->grouper, e);
	if (rc == 0 && r->o.sorted && !to_partial(r))
		rc = grouper_order(&r->grouper, &r->order, e);
	return rc;
}

/* Appends groups [from, from + n) to all columns. */
static int emit(struct reducer *r, uint32_t from, uint32_t n, struct rows *out, struct err *e)
{
	struct builder *col = out->cols + r->grouper.key.n;
	int rc = grouper_emit(&r->grouper, from, n, out->cols, e);

	for (int64_t g = from; to_partial(r) && g < (int64_t)from + n && rc == 0; g++)
		rc = builder_fixed(col, &g, e);
	col += to_partial(r);
	for (int i = 0; i < r->specs.n && rc == 0; i++) {
		struct agg *a = &r->aggs[i];

		rc = to_partial(r) ? a->family->dump(a, from, n, col, e) : a->family->finish(a, from, n, col, e);
		col += to_partial(r) ? a->nstate : a->nresult;
	}
	out->n += n;
	return rc;
}

static int emit_chunk(struct reducer *r, uint32_t n, struct rows *out, struct err *e)
{
	int rc = 0;

	if (!r->order)
		return emit(r, r->next, n, out, e);
	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = emit(r, r->order[r->next + i], 1, out, e);
	return rc;
}

static int reducer_next(struct source *s, struct batch **ret, struct err *e)
{
	struct reducer *r = (struct reducer *)s;
	struct rows out = { 0 };
	uint32_t n;
	int rc = r->folded ? 0 : fold(r, e);

	if (rc < 0)
		return rc;
	n = grouper_count(&r->grouper) - r->next;
	if (!n)
		return 0;
	n = n < CHUNK ? n : CHUNK;
	if ((rc = rows_init(&out, r->schema, e)) == 0 && (rc = emit_chunk(r, n, &out, e)) == 0)
		rc = rows_take(&out, ret, e);
	rows_free(&out);
	r->next += n;
	return rc;
}

static void reducer_close(struct source *s)
{
	struct reducer *r = (struct reducer *)s;

	end_batch(r);
	for (int i = 0; r->aggs && i < r->specs.n; i++)
		agg_free(&r->aggs[i]);
	grouper_free(&r->grouper);
	schema_unref(r->schema);
	free(r->order);
	source_close(r->in);
	arena_free(&r->arena);
	arena_free(&r->scratch);
	free(r);
}

int reduce_open(struct source *in, const struct reduce_opts *o, struct source **ret, struct err *e)
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
	if ((rc = setup(r, e)) < 0) {
		reducer_close(&r->source);
		return rc;
	}
	r->source.schema = r->schema;
	*ret = &r->source;
	return 0;
}
