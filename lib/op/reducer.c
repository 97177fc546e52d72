/* reduce: see reducer.h. What the options mean for the input at hand, and the groups in chunks; the work between is in
 * reducefold.c and, beyond the memory limit, in reducespill.c. */
#include "lib/op/reducework.h"

#include <stdlib.h>

#define CHUNK 8192      /* groups an output batch */
#define PART_CHUNK 1024     /* the same of a part: as many are in memory at once as there are parts */
#define OUT_BYTES (8 << 20) /* of states, about, that are written at once */
#define PART_BYTES (128 << 10)
#define PLACE STR(":first")
#define ENCODED STR(":key")

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

int reduce_bind_into(const struct reducer *r, int i, struct agg *ret, struct err *e)
{
	int rc = agg_bind(&r->specs.v[i], r->in->schema, &r->grouper.key, r->o.merge, ret, e);

	ret->partial = to_partial(r) || r->o.memory;
	return rc;
}

int reduce_bind_agg(struct reducer *r, int i, struct err *e)
{
	int rc = reduce_bind_into(r, i, &r->aggs[i], e);

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
		if ((rc = reduce_bind_agg(r, i, e)) < 0)
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

static int add_keys(struct reducer *r, struct schema *s, enum place place, struct err *e)
{
	static const struct type binary = TYPE_BINARY;
	int rc = 0;

	if (r->encoded && place == FIRST_ROW)
		return add_named(s, ENCODED, &binary, false, e);
	for (int i = 0; place != NO_KEYS && i < r->grouper.key.n && rc == 0; i++)
		rc = add_key(r, s, i, e);
	return rc;
}

static int add_meta(struct reducer *r, struct schema *s, bool states, struct err *e)
{
	int rc = schema_copy_meta(s, r->in->schema, e);

	schema_drop_meta(s, STR("stook.sorted"));
	schema_drop_meta(s, STR(PARTIAL_KEY));
	return rc == 0 && states ? partial_set(s, &r->about, e) : rc;
}

/* Keys, the place if there is one, and states or results. */
int reduce_schema(struct reducer *r, bool states, enum place place, struct schema **ret, struct err *e)
{
	static const struct type int64 = TYPE_INT64;
	cleanup_schema struct schema *s = schema_new();
	int rc = s ? add_meta(r, s, states, e) : err_oom(e);

	if (rc == 0)
		rc = add_keys(r, s, place, e);
	if (rc == 0 && place > NO_PLACE)
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
enum place reduce_place(const struct reducer *r)
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

/* One a thread. */
static int slices(const struct reducer *r)
{
	int n = 1;

	while (n < r->o.threads && n < GROUPER_SLICES)
		n *= 2;
	return n;
}

static int bind_keys(struct reducer *r, struct err *e)
{
	struct key_part first = { .at = 1 };
	struct key_spec spec = { r->encoded, &first };
	struct str text = r->encoded ? (struct str){ 0 } : r->o.merge ? r->about.keys : str_of(r->o.group ? r->o.group : "");
	int rc;

	if (text.n && (rc = key_parse(text, &r->arena, &spec, e)) < 0)
		return rc;
	if (spec.n && !r->o.merge && (rc = expand_fields(r, text, &spec, e)) < 0)
		return rc;
	if (r->o.merge && (rc = find_keys(r, &spec, e)) < 0)
		return rc;
	if ((rc = grouper_init(&r->grouper, &spec, r->in->schema, slices(r), e)) < 0)
		return rc;
	r->encoded = spec.n && r->grouper.text;
	if (r->o.merge || !spec.n)
		return 0;
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

static int setup_threads(struct reducer *r, struct err *e)
{
	int tasks = grouper_slices(&r->grouper), wide = 2 * r->o.threads;

	r->most = r->o.on_bad != BAD_FAIL || wide < 1 ? 1 : wide < WINDOW_MOST ? wide : WINDOW_MOST;
	if (tasks < r->specs.n + 1)
		tasks = r->specs.n + 1;
	r->tasks = arena_calloc(&r->arena, (size_t)tasks, sizeof *r->tasks);
	if (!r->tasks)
		return err_oom(e);
	return r->o.threads > 1 ? pool_open(&r->pool, r->o.threads, e) : 0;
}

static int setup(struct reducer *r, struct err *e)
{
	int rc = parse_aggs(&r->o, &r->arena, &r->specs, e);

	if (rc == 0)
		rc = r->o.merge ? check_about(r, e) : join_specs(&r->specs, &r->arena, &r->about.aggregates, e);
	if (rc < 0 || (rc = bind_keys(r, e)) < 0 || (rc = bind_aggs(r, e)) < 0 || (rc = say_wants(r, e)) < 0 ||
	    (rc = setup_threads(r, e)) < 0)
		return rc;
	return reduce_schema(r, to_partial(r), reduce_place(r), &r->schema, e);
}

static int emit_some(struct reducer *r, const struct task *t, uint32_t from, uint32_t n, struct err *e)
{
	struct agg *a = t->number < 0 ? NULL : &r->aggs[t->number];

	if (!a)
		return (t->encoded ? grouper_emit_encoded : grouper_emit)(&r->grouper, from, n, t->out, e);
	return (t->states ? a->family->dump : a->family->finish)(a, from, n, t->out, e);
}

static void run_emit(struct job *job)
{
	struct task *t = (struct task *)job;
	const uint32_t *order = t->r->order;

	if (!order)
		t->rc = emit_some(t->r, t, t->from, t->n, &t->e);
	for (uint32_t i = 0; order && i < t->n && t->rc == 0; i++)
		t->rc = emit_some(t->r, t, order[t->from + i], 1, &t->e);
}

static int emit_places(const struct reducer *r, uint32_t from, uint32_t n, enum place place, struct builder *out, struct err *e)
{
	const int64_t *first = (const int64_t *)(const void *)r->first.p;
	int rc = 0;

	for (int64_t i = from; i < (int64_t)from + n && rc == 0; i++)
		rc = builder_fixed(out, place == FIRST_ROW ? &first[r->order ? r->order[i] : i] : &i, e);
	return rc;
}

int reduce_start_emit(struct reducer *r, uint32_t from, uint32_t n, bool states, enum place place, struct rows *out, struct err *e)
{
	struct builder *col = out->cols + reduce_nkeys(r, place);
	int rc = place <= NO_PLACE ? 0 : emit_places(r, from, n, place, col, e);

	if (rc < 0)
		return rc;
	r->tasks[0] = (struct task){ .from = from, .n = place == NO_KEYS ? 0 : n, .encoded = r->encoded && place == FIRST_ROW, .out = out->cols };
	col += place > NO_PLACE;
	for (int i = 0; i < r->specs.n; i++) {
		r->tasks[i + 1] = (struct task){ .from = from, .n = n, .states = states, .out = col };
		col += states ? r->aggs[i].nstate : r->aggs[i].nresult;
	}
	out->n += n;
	reduce_start_tasks(r, run_emit, -1, r->specs.n + 1);
	return 0;
}

int reduce_finish_emit(struct reducer *r, struct rows *out, struct batch **ret, struct err *e)
{
	int rc = reduce_wait_tasks(r, r->specs.n + 1, e);

	return rc < 0 ? rc : rows_take(out, ret, e);
}

size_t reduce_memory(const struct reducer *r)
{
	size_t sum = grouper_memory(&r->grouper) + r->first.cap;

	for (int i = 0; i < r->specs.n; i++)
		sum += agg_memory(&r->aggs[i]);
	return sum;
}

uint32_t reduce_groups_in(const struct reducer *r, size_t bytes, uint32_t most)
{
	size_t n = (size_t)grouper_count(&r->grouper) * bytes / (reduce_memory(r) + 1);

	return n < 1 ? 1 : n < most ? (uint32_t)n : most;
}

/* ---- the source ---- */

static int fold(struct reducer *r, struct err *e)
{
	int rc = reduce_fold(r, e);

	r->folded = true;
	if (rc == 0 && r->log)
		return reduce_merge_log(r, e);
	if (rc == 0 && r->parts.open)
		return reduce_merge_parts(r, e);
	if (rc == 0)
		rc = grouper_seal(&r->grouper, e);
	if (rc == 0 && r->o.sorted && !to_partial(r))
		rc = grouper_order(&r->grouper, &r->order, e);
	return rc;
}

/* They are written to columns while those before them are on their way. */
int reduce_start_chunk(struct reducer *r, struct err *e)
{
	enum place place = r->form.print ? NO_KEYS : reduce_place(r);
	uint32_t n = grouper_count(&r->grouper) - r->next;
	uint32_t most = r->level ? reduce_groups_in(r, PART_BYTES, PART_CHUNK) : reduce_groups_in(r, OUT_BYTES, CHUNK);

	r->chunk = n < most ? n : most;
	r->next += r->chunk;
	return r->chunk ? reduce_start_emit(r, r->next - r->chunk, r->chunk, to_partial(r), place, &r->out, e) : 0;
}

static int start_giving(struct reducer *r, struct err *e)
{
	int rc = r->form.print ? reduce_schema(r, false, NO_KEYS, &r->results, e) : 0;

	if (rc == 0)
		rc = fold(r, e);

	if (rc < 0 || r->merged)
		return rc;
	return (rc = rows_init(&r->out, r->form.print ? r->results : r->schema, e)) < 0 ? rc : reduce_start_chunk(r, e);
}

static int reducer_next(struct source *s, struct batch **ret, struct err *e)
{
	struct reducer *r = (struct reducer *)s;
	cleanup_batch struct batch *b = NULL;
	int rc = r->folded ? 0 : start_giving(r, e);

	if (rc < 0)
		return rc;
	if (r->merged)
		return reduce_next_merged(r, ret, e);
	if (r->form.print)
		return reduce_next_lines(r, ret, e);
	if (!r->chunk)
		return 0;
	if ((rc = reduce_finish_emit(r, &r->out, &b, e)) < 0 || (rc = reduce_start_chunk(r, e)) < 0)
		return rc;
	*ret = b;
	b = NULL;
	return 0;
}

static void reducer_close(struct source *s)
{
	struct reducer *r = (struct reducer *)s;

	reduce_forget_merged(r);
	reduce_forget_log(r);
	regroup_close(&r->parts);
	pool_close(r->pool);
	reduce_forget_batches(r);
	reduce_forget_states(r);
	for (int i = 0; r->aggs && i < r->specs.n; i++)
		agg_free(&r->aggs[i]);
	grouper_free(&r->grouper);
	reduce_forget_lines(r);
	if (r->out.schema)
		rows_free(&r->out);
	buf_free(&r->first);
	schema_unref(r->schema);
	schema_unref(r->states);
	schema_unref(r->results);
	free(r->order);
	source_close(r->in);
	arena_free(&r->arena);
	free(r);
}

int reduce_level(struct source *in, const struct reduce_opts *o, const struct reducer *above, struct source **ret, struct err *e)
{
	struct reducer *r = calloc(1, sizeof *r);
	int rc;

	if (!r) {
		source_close(in);
		return err_oom(e);
	}
	r->source = (struct source){ .next = reducer_next, .close = reducer_close, .want = reduce_want };
	r->in = in;
	r->o = *o;
	r->level = above ? above->level + 1 : 0;
	r->encoded = above && above->encoded;
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
	return reduce_level(in, o, NULL, ret, e);
}
