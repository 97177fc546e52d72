/* Schema message -> how columns lie (struct wire) and how we hold them (struct schema).
 *
 * A field is parsed in one go for both: `w` gets its layout, `h` the field as the rest of the program sees it, with
 * dictionaries, run ends, views and 64-bit offsets already gone. */
#include "lib/format/arrow_wire.h"

struct ctx {
	struct fb *f;
	struct wire_schema *ws;
	struct err *e;
};

static int bad_field(const struct ctx *c, struct str name, const char *why)
{
	err_set(c->e, ST_STREAM, "not a valid Arrow schema: %s", c->f->bad ? c->f->bad : why);
	return name.p ? err_field(c->e, name.p, (int)(name.n < 100 ? name.n : 100)) : -c->e->status;
}

static struct type fixed(enum type_id id, int32_t width)
{
	return (struct type){ .id = id, .layout = LAY_FIXED, .width = width };
}

/* Each reads the table of one type; false: its parameters are impossible. */

static bool parse_int(struct fb *f, struct fb_table t, struct type *ret)
{
	int64_t bits = fb_int(f, t, 0, 4, 0);
	bool is_signed = fb_bool(f, t, 1);
	int k = bits == 8 ? 0 : bits == 16 ? 1 : bits == 32 ? 2 : 3;

	*ret = fixed((enum type_id)((is_signed ? T_INT8 : T_UINT8) + k), 1 << k);
	return bits == 8 << k;
}

static bool parse_float(struct fb *f, struct fb_table t, struct type *ret)
{
	int64_t precision = fb_int(f, t, 0, 2, 0);

	if (precision < 0 || precision > 2)
		return false;
	*ret = fixed((enum type_id)(T_FLOAT16 + precision), 2 << precision);
	return true;
}

static bool parse_decimal(struct fb *f, struct fb_table t, struct type *ret)
{
	int64_t precision = fb_int(f, t, 0, 4, 0), scale = fb_int(f, t, 1, 4, 0), bits = fb_int(f, t, 2, 4, 128);
	int64_t digits = bits == 32 ? 9 : bits == 64 ? 18 : bits == 128 ? 38 : bits == 256 ? 76 : 0;

	if (precision < 1 || precision > digits || scale < -1000 || scale > 1000)
		return false;
	*ret = fixed(T_DECIMAL, (int32_t)(bits / 8));
	ret->precision = (int32_t)precision;
	ret->scale = (int32_t)scale;
	return true;
}

static bool parse_date(struct fb *f, struct fb_table t, struct type *ret)
{
	int64_t unit = fb_int(f, t, 0, 2, 1);

	*ret = unit ? fixed(T_DATE64, 8) : fixed(T_DATE32, 4);
	return unit == 0 || unit == 1;
}

static bool parse_time(struct fb *f, struct fb_table t, struct type *ret)
{
	int64_t unit = fb_int(f, t, 0, 2, UNIT_MS), bits = fb_int(f, t, 1, 4, 32);

	*ret = bits == 32 ? fixed(T_TIME32, 4) : fixed(T_TIME64, 8);
	ret->unit = (int16_t)unit;
	return unit >= 0 && unit <= UNIT_NS && bits == (unit <= UNIT_MS ? 32 : 64);
}

static bool parse_unit(struct fb *f, struct fb_table t, int64_t absent, int64_t most, struct type *ret)
{
	int64_t unit = fb_int(f, t, 0, 2, absent);

	ret->unit = (int16_t)unit;
	return unit >= 0 && unit <= most;
}

static bool parse_timestamp(struct fb *f, struct fb_table t, struct type *ret)
{
	*ret = fixed(T_TIMESTAMP, 8);
	ret->tz = fb_string(f, t, 1);
	return parse_unit(f, t, UNIT_S, UNIT_NS, ret);
}

static bool parse_duration(struct fb *f, struct fb_table t, struct type *ret)
{
	*ret = fixed(T_DURATION, 8);
	return parse_unit(f, t, UNIT_MS, UNIT_NS, ret);
}

static bool parse_interval(struct fb *f, struct fb_table t, struct type *ret)
{
	static const int32_t widths[] = { 4, 8, 16 };

	*ret = fixed(T_INTERVAL, 0);
	if (!parse_unit(f, t, 0, 2, ret))
		return false;
	ret->width = widths[ret->unit];
	return true;
}

static bool parse_fixed_binary(struct fb *f, struct fb_table t, struct type *ret)
{
	*ret = fixed(T_FIXED_BINARY, (int32_t)fb_int(f, t, 0, 4, 0));
	return ret->width >= 0;
}

static bool parse_fixed_list(struct fb *f, struct fb_table t, struct type *ret)
{
	ret->list_size = (int32_t)fb_int(f, t, 0, 4, 0);
	return ret->list_size >= 0;
}

static bool parse_map(struct fb *f, struct fb_table t, struct type *ret)
{
	ret->keys_sorted = fb_bool(f, t, 0);
	return true;
}

static bool parse_union(struct fb *f, struct fb_table t, struct type *ret)
{
	return parse_unit(f, t, 0, 1, ret); /* its type ids: union_ids(), which knows the children */
}

static const struct type_row {
	enum type_id id;
	int nchildren; /* -1: any */
	enum wire_layout layout;
	bool (*parse)(struct fb *f, struct fb_table t, struct type *ret); /* NULL: no parameters */
} rows[AT_COUNT] = {
	[AT_NULL] = { T_NULL, 0, WIRE_PLAIN, NULL },
	[AT_INT] = { T_INT64, 0, WIRE_PLAIN, parse_int },
	[AT_FLOAT] = { T_FLOAT64, 0, WIRE_PLAIN, parse_float },
	[AT_BINARY] = { T_BINARY, 0, WIRE_PLAIN, NULL },
	[AT_UTF8] = { T_UTF8, 0, WIRE_PLAIN, NULL },
	[AT_BOOL] = { T_BOOL, 0, WIRE_PLAIN, NULL },
	[AT_DECIMAL] = { T_DECIMAL, 0, WIRE_PLAIN, parse_decimal },
	[AT_DATE] = { T_DATE32, 0, WIRE_PLAIN, parse_date },
	[AT_TIME] = { T_TIME32, 0, WIRE_PLAIN, parse_time },
	[AT_TIMESTAMP] = { T_TIMESTAMP, 0, WIRE_PLAIN, parse_timestamp },
	[AT_INTERVAL] = { T_INTERVAL, 0, WIRE_PLAIN, parse_interval },
	[AT_LIST] = { T_LIST, 1, WIRE_PLAIN, NULL },
	[AT_STRUCT] = { T_STRUCT, -1, WIRE_PLAIN, NULL },
	[AT_UNION] = { T_UNION, -1, WIRE_PLAIN, parse_union },
	[AT_FIXED_BINARY] = { T_FIXED_BINARY, 0, WIRE_PLAIN, parse_fixed_binary },
	[AT_FIXED_LIST] = { T_FIXED_LIST, 1, WIRE_PLAIN, parse_fixed_list },
	[AT_MAP] = { T_MAP, 1, WIRE_PLAIN, parse_map },
	[AT_DURATION] = { T_DURATION, 0, WIRE_PLAIN, parse_duration },
	[AT_LARGE_BINARY] = { T_BINARY, 0, WIRE_LARGE, NULL },
	[AT_LARGE_UTF8] = { T_UTF8, 0, WIRE_LARGE, NULL },
	[AT_LARGE_LIST] = { T_LARGE_LIST, 1, WIRE_PLAIN, NULL },
	[AT_REE] = { T_NULL, 2, WIRE_RUNS, NULL },
	[AT_BINARY_VIEW] = { T_BINARY, 0, WIRE_VIEW, NULL },
	[AT_UTF8_VIEW] = { T_UTF8, 0, WIRE_VIEW, NULL },
	[AT_LIST_VIEW] = { T_LIST, 1, WIRE_LIST_VIEW, NULL },
	[AT_LARGE_LIST_VIEW] = { T_LARGE_LIST, 1, WIRE_LIST_VIEW, NULL },
};

/* Strings of the metadata do not outlive it. */
static int keep_str(struct ctx *c, struct str *s)
{
	const char *p = arena_strdup(&c->ws->arena, *s);

	if (!p)
		return err_oom(c->e);
	s->p = p;
	return 0;
}

static int parse_meta(struct ctx *c, struct fb_table t, int slot, struct kvs *ret)
{
	struct fb_vec v = fb_vector(c->f, t, slot, 4);
	struct kv *kv = arena_array(&c->ws->arena, struct kv, v.n);

	if (!kv)
		return err_oom(c->e);
	for (uint32_t i = 0; i < v.n; i++) {
		struct fb_table one = fb_vec_table(c->f, v, i);

		kv[i].key = fb_string(c->f, one, 0);
		kv[i].value = fb_string(c->f, one, 1);
	}
	*ret = (struct kvs){ (int)v.n, kv };
	return c->f->bad ? bad_field(c, (struct str){ 0 }, "") : 0;
}

static void drop_meta(struct kvs *kvs, const char *key)
{
	int n = 0;

	for (int i = 0; i < kvs->n; i++)
		if (!str_is(kvs->v[i].key, key))
			kvs->v[n++] = kvs->v[i];
	kvs->n = n;
}

/* The extension names that are ours become marks. */
static void take_mark(struct field *h)
{
	const struct str *ext = h->type.id == T_UTF8 ? kvs_get(&h->meta, STR(EXT_NAME)) : NULL, *empty;

	if (!ext || !(str_is(*ext, EXT_NUM) || str_is(*ext, EXT_JSON)))
		return;
	h->type.mark = str_is(*ext, EXT_NUM) ? MARK_NUM : MARK_JSON;
	drop_meta(&h->meta, EXT_NAME);
	empty = kvs_get(&h->meta, STR(EXT_META));
	if (empty && empty->n == 0)
		drop_meta(&h->meta, EXT_META);
}

/* "_" and digits at the end of s, removed; s itself when there are none. */
static struct str without_number(struct str s)
{
	size_t n = s.n;

	while (n && s.p[n - 1] >= '0' && s.p[n - 1] <= '9')
		n--;
	return n && n < s.n && s.p[n - 1] == '_' ? (struct str){ s.p, n - 1 } : s;
}

/* The name that a writer of ours had to change (arrow_describe.c), unless somebody has renamed the field since. */
static void take_name(struct field *h)
{
	const struct str *old = kvs_get(&h->meta, STR(KEY_NAME));
	struct str stem = without_number(h->name), name;

	if (!old)
		return;
	name = *old;
	drop_meta(&h->meta, KEY_NAME);
	if (stem.n < h->name.n && (str_eq(stem, name) || (!name.n && without_number(stem).n == 0)))
		h->name = name;
}

static int union_ids(struct ctx *c, struct fb_table t, struct type *type, struct str name)
{
	struct fb_vec v = fb_vector(c->f, t, 1, 4);
	uint8_t seen[128] = { 0 };

	if (type->nchildren > 128 || (v.there && v.n != (uint32_t)type->nchildren))
		return bad_field(c, name, "a union needs one type id for each child, at most 128");
	type->type_ids = arena_alloc(&c->ws->arena, (size_t)type->nchildren);
	if (!type->type_ids)
		return err_oom(c->e);
	for (int i = 0; i < type->nchildren; i++) {
		int64_t id = v.there ? fb_vec_int(c->f, v, 4 * (size_t)i, 4) : i;

		if (id < 0 || id > 127 || seen[id]++)
			return bad_field(c, name, "the type ids of a union must differ and lie in 0..127");
		type->type_ids[i] = (int8_t)id;
	}
	return 0;
}

/* Counts n more fields, before memory is taken for them. */
static int count_fields(struct ctx *c, uint32_t n)
{
	c->ws->total += n;
	return c->ws->total <= ARROW_FIELDS_MAX ? 0 : bad_field(c, (struct str){ 0 }, "more fields than 262144");
}

static int parse_field(struct ctx *c, struct fb_table t, int depth, struct wire *w, struct field *h);

/* The children into w->children and h->type.children. */
static int parse_children(struct ctx *c, struct fb_table t, int depth, struct wire *w, struct field *h)
{
	struct fb_vec v = fb_vector(c->f, t, 5, 4);
	int rc = count_fields(c, v.n);

	if (rc < 0)
		return rc;
	w->nchildren = h->type.nchildren = (int)v.n;
	w->children = arena_array(&c->ws->arena, struct wire, v.n);
	h->type.children = arena_array(&c->ws->arena, struct field, v.n);
	if (!w->children || !h->type.children)
		return err_oom(c->e);
	for (uint32_t i = 0; i < v.n; i++) {
		if ((rc = parse_field(c, fb_vec_table(c->f, v, i), depth + 1, &w->children[i], &h->type.children[i])) < 0)
			return rc;
		w->plain &= w->children[i].plain;
	}
	return 0;
}

static bool is_entries(const struct wire *w)
{
	return w->layout == WIRE_PLAIN && w->type.id == T_STRUCT && w->nchildren == 2;
}

static bool is_run_ends(const struct wire *w)
{
	return w->layout == WIRE_PLAIN && w->type.id >= T_INT16 && w->type.id <= T_INT64;
}

/* Type and children of a field without its dictionary. */
static int parse_type(struct ctx *c, struct fb_table t, int depth, struct wire *w, struct field *h)
{
	int64_t number = fb_int(c->f, t, 2, 1, 0);
	const struct type_row *row = &rows[number > 0 && number < AT_COUNT ? number : 0];
	struct fb_table params = fb_sub(c->f, t, 3);
	struct type type = { .id = row->id };
	int rc;

	if (row == rows || !params.at)
		return bad_field(c, h->name, "a type that is not known");
	w->layout = row->layout;
	w->plain = row->layout == WIRE_PLAIN;
	if (row->parse && !row->parse(c->f, params, &type))
		return bad_field(c, h->name, "impossible parameters of a type");
	if ((rc = parse_children(c, t, depth, w, h)) < 0 || (rc = keep_str(c, &type.tz)) < 0)
		return rc;
	if (row->nchildren >= 0 && w->nchildren != row->nchildren)
		return bad_field(c, h->name, "a wrong number of children");
	type.layout = type_layout(type.id);
	type.nchildren = h->type.nchildren;
	type.children = h->type.children;
	h->type = type;
	if (number == AT_UNION && (rc = union_ids(c, params, &h->type, h->name)) < 0)
		return rc;
	if (number == AT_MAP && !is_entries(&w->children[0]))
		return bad_field(c, h->name, "a map whose entries are not pairs");
	if (number == AT_REE) {
		if (!is_run_ends(&w->children[0]))
			return bad_field(c, h->name, "run ends that are not integers");
		h->nullable |= h->type.children[1].nullable;
		h->type = h->type.children[1].type;
	}
	w->type = h->type;
	return c->f->bad ? bad_field(c, h->name, "") : 0;
}

static bool wire_same(const struct wire *a, const struct wire *b)
{
	if (a->layout != b->layout || a->nchildren != b->nchildren || a->dict != b->dict || !type_equal(&a->type, &b->type))
		return false;
	for (int i = 0; i < a->nchildren; i++)
		if (!wire_same(&a->children[i], &b->children[i]))
			return false;
	return true;
}

/* The dictionary `id`, made when this is its first use. NULL: *e says why. */
static struct dict *find_dict(struct ctx *c, int64_t id, const struct wire *values)
{
	struct dict *d = c->ws->dicts;

	while (d && d->id != id)
		d = d->next;
	if (d && !wire_same(d->values, values)) {
		bad_field(c, values->name, "one dictionary is used for different types");
		return NULL;
	}
	if (d)
		return d;
	d = arena_new(&c->ws->arena, struct dict);
	if (!d) {
		err_oom(c->e);
		return NULL;
	}
	*d = (struct dict){ .id = id, .values = values, .next = c->ws->dicts };
	c->ws->dicts = d;
	return d;
}

/* w, which describes the values so far, becomes a column of indices into them. */
static int parse_dictionary(struct ctx *c, struct fb_table t, struct wire *w)
{
	struct fb_table index = fb_sub(c->f, t, 1);
	struct wire *values = arena_dup(&c->ws->arena, w, sizeof *w);

	if (!values)
		return err_oom(c->e);
	*w = (struct wire){ .layout = WIRE_DICT, .name = w->name, .type = w->type, .index = fixed(T_INT32, 4) };
	if (index.at && !parse_int(c->f, index, &w->index))
		return bad_field(c, w->name, "impossible parameters of a type");
	if (fb_int(c->f, t, 3, 2, 0) != 0)
		return bad_field(c, w->name, "an unknown kind of dictionary");
	w->dict = find_dict(c, fb_int(c->f, t, 0, 8, 0), values);
	return w->dict ? 0 : -c->e->status;
}

static int parse_field(struct ctx *c, struct fb_table t, int depth, struct wire *w, struct field *h)
{
	struct fb_table dictionary;
	int rc;

	if (depth > ARROW_DEPTH_MAX)
		return bad_field(c, (struct str){ 0 }, "fields nested too deeply");
	if (!t.at)
		return bad_field(c, (struct str){ 0 }, "a field is missing");
	h->name = fb_string(c->f, t, 0);
	h->nullable = fb_bool(c->f, t, 1);
	if ((rc = keep_str(c, &h->name)) < 0)
		return rc;
	w->name = h->name;
	if ((rc = parse_type(c, t, depth, w, h)) < 0 || (rc = parse_meta(c, t, 6, &h->meta)) < 0)
		return rc;
	dictionary = fb_sub(c->f, t, 4);
	if (dictionary.at && (rc = parse_dictionary(c, dictionary, w)) < 0)
		return rc;
	take_mark(h);
	take_name(h);
	return c->f->bad ? bad_field(c, h->name, "") : 0;
}

static int parse_fields(struct ctx *c, struct fb_vec v)
{
	struct wire_schema *ws = c->ws;
	int rc = count_fields(c, v.n);

	if (rc < 0)
		return rc;
	ws->nfields = (int)v.n;
	ws->plain = true;
	ws->fields = arena_array(&ws->arena, struct wire, v.n);
	if (!ws->fields)
		return err_oom(c->e);
	for (uint32_t i = 0; i < v.n; i++) {
		struct field h = { 0 };

		if ((rc = parse_field(c, fb_vec_table(c->f, v, i), 0, &ws->fields[i], &h)) < 0)
			return rc;
		if ((rc = schema_add_field(ws->held, &h, c->e)) < 0)
			return rc;
		ws->plain &= ws->fields[i].plain;
	}
	return 0;
}

static int parse_schema(struct ctx *c, struct fb_table t)
{
	int64_t endianness = fb_int(c->f, t, 0, 2, 0);
	struct fb_vec fields = fb_vector(c->f, t, 1, 4);
	struct schema carrier = { 0 };
	int rc;

	if (endianness == 1)
		return err_set(c->e, ST_STREAM, "this Arrow stream is big-endian: have it written as little-endian");
	if (endianness || !fields.there)
		return bad_field(c, (struct str){ 0 }, "no fields, or an unknown byte order");
	c->ws->held = schema_new();
	if (!c->ws->held)
		return err_oom(c->e);
	if ((rc = parse_fields(c, fields)) < 0 || (rc = parse_meta(c, t, 2, &carrier.meta)) < 0)
		return rc;
	return schema_copy_meta(c->ws->held, &carrier, c->e);
}

int wire_schema_read(struct fb *f, struct fb_table t, struct wire_schema *ret, struct err *e)
{
	struct ctx c = { .f = f, .ws = ret, .e = e };
	int rc;

	*ret = (struct wire_schema){ 0 };
	rc = parse_schema(&c, t);
	if (rc < 0)
		wire_schema_free(ret);
	return rc;
}

void wire_schema_free(struct wire_schema *ws)
{
	for (struct dict *d = ws->dicts; d; d = d->next) {
		builder_free(&d->all);
		arena_free(&d->arena);
	}
	schema_unref(ws->held);
	arena_free(&ws->arena);
	*ws = (struct wire_schema){ 0 };
}
