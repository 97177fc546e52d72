/* A batch's columns as they lie in the body, verified: lengths, offsets, type ids, run ends, UTF-8. Nothing is copied except
 * columns whose null slots hold something (we promise that they hold nothing) and wide values that lie unaligned. */
#include "lib/format/arrow_wire.h"

#include "lib/base/utf8.h"

typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef uint64_t u64x4 __attribute__((vector_size(32)));

/* o[0] <= o[1] <= ... <= o[n] */
static bool ascending32(const int32_t *o, int64_t n)
{
	i32x4 down = { 0 }, a, b;
	int64_t i = 0;

	for (; i + 4 <= n; i += 4) {
		memcpy(&a, o + i, sizeof a);
		memcpy(&b, o + i + 1, sizeof b);
		down |= b < a;
	}
	for (; i < n; i++)
		down[0] |= o[i + 1] < o[i];
	return !(down[0] | down[1] | down[2] | down[3]);
}

static bool ascending64(const int64_t *o, int64_t n)
{
	bool down = false;

	for (int64_t i = 0; i < n; i++)
		down |= o[i + 1] < o[i];
	return !down;
}

static bool is_ascii(const uint8_t *p, size_t n)
{
	u64x4 high = { 0 }, w;
	size_t i = 0;
	uint8_t rest = 0;

	for (; i + sizeof w <= n; i += sizeof w) {
		memcpy(&w, p + i, sizeof w);
		high |= w;
	}
	for (; i < n; i++)
		rest |= p[i];
	return !((high[0] | high[1] | high[2] | high[3]) & 0x8080808080808080u) && rest < 0x80;
}

static bool continues(uint8_t c)
{
	return (c & 0xC0) == 0x80;
}

/* All of it is UTF-8, and no value begins inside a character. */
static bool all_utf8(const struct column *c)
{
	const int32_t *o = c->offsets;
	size_t n = (size_t)(o[c->length] - o[0]);
	bool split = false;

	if (!utf8_valid(c->values + o[0], n))
		return false;
	for (int64_t i = 0; i < c->length; i++)
		split |= o[i] < o[c->length] && continues(c->values[o[i]]);
	return !split;
}

int wire_check_utf8(const struct column *c, struct str field, struct err *e)
{
	int64_t i = 0;

	if (!c->length || is_ascii(c->values + c->offsets[0], (size_t)(c->offsets[c->length] - c->offsets[0])) || all_utf8(c))
		return 0;
	while (i < c->length - 1 && utf8_valid(column_str(c, i).p, column_str(c, i).n))
		i++;
	err_set(e, ST_STREAM, "not a valid Arrow batch: text that is not UTF-8 (value %lld of the batch)", (long long)i + 1);
	return err_field(e, field.p, (int)(field.n < 100 ? field.n : 100));
}

static bool fixed_is_clean(const struct column *c, size_t width)
{
	const uint8_t *v = c->values, *slot;

	for (int64_t i = 0; i < c->length; i++) {
		if ((i & 7) == 0 && c->valid[i >> 3] == 0xFF) {
			i += 7;
			continue;
		}
		slot = v + (size_t)i * width;
		if (!bit_get(c->valid, i) && (slot[0] || memcmp(slot, slot + 1, width - 1)))
			return false;
	}
	return true;
}

static int clean_fixed(struct column *c, struct arena *a, struct err *e)
{
	size_t width = (size_t)c->type->width;
	uint8_t *v;

	if (!width || fixed_is_clean(c, width))
		return 0;
	v = arena_alloc(a, (size_t)c->length * width + ARROW_ALIGN);
	if (!v)
		return err_oom(e);
	memcpy(v, c->values, (size_t)c->length * width);
	for (int64_t i = 0; i < c->length; i++)
		if (!bit_get(c->valid, i))
			memset(v + (size_t)i * width, 0, width);
	c->values = v;
	return 0;
}

static int clean_bits(struct column *c, struct arena *a, struct err *e)
{
	size_t n = bits_bytes(c->length);
	uint8_t *v = arena_alloc(a, n + ARROW_ALIGN);

	if (!v)
		return err_oom(e);
	for (size_t i = 0; i < n; i++)
		v[i] = c->values[i] & c->valid[i];
	c->values = v;
	return 0;
}

static bool var_is_clean(const struct column *c)
{
	for (int64_t i = 0; i < c->length; i++) {
		if ((i & 7) == 0 && c->valid[i >> 3] == 0xFF) {
			i += 7;
			continue;
		}
		if (!bit_get(c->valid, i) && c->offsets[i] != c->offsets[i + 1])
			return false;
	}
	return true;
}

static int clean_var(struct column *c, struct arena *a, struct err *e)
{
	int32_t *o;
	uint8_t *v;
	int32_t at = 0;

	if (var_is_clean(c))
		return 0;
	o = arena_alloc(a, ((size_t)c->length + 1) * 4 + ARROW_ALIGN);
	v = arena_alloc(a, (size_t)(c->offsets[c->length] - c->offsets[0]) + ARROW_ALIGN);
	if (!o || !v)
		return err_oom(e);
	for (int64_t i = 0; i < c->length; i++) {
		struct str s = column_str(c, i);

		o[i] = at;
		if (!bit_get(c->valid, i) || !s.n)
			continue;
		memcpy(v + at, s.p, s.n);
		at += (int32_t)s.n;
	}
	o[c->length] = at;
	c->offsets = o;
	c->values = v;
	return 0;
}

int wire_clean_nulls(struct column *c, struct arena *a, struct err *e)
{
	if (!c->valid)
		return 0;
	switch (c->type->layout) {
	case LAY_FIXED:
		return clean_fixed(c, a, e);
	case LAY_BIT:
		return clean_bits(c, a, e);
	case LAY_VAR:
		return clean_var(c, a, e);
	default:
		return 0;
	}
}

static int load_valid(struct body *b, struct column *c, int64_t nulls)
{
	struct bytes v;
	int64_t need = (int64_t)bits_bytes(c->length);
	int rc = body_buffer(b, 0, need, &v);

	if (rc < 0)
		return rc;
	if (v.n == 0 && nulls == 0)
		return 0;
	if (v.n < need)
		return body_bad(b, "%lld nulls without a bitmap that says which", (long long)nulls);
	c->null_count = c->length - bits_count(v.p, c->length);
	c->valid = c->null_count ? v.p : NULL;
	return 0;
}

static int load_values(struct body *b, struct column *c, int64_t bytes)
{
	struct bytes v;
	int rc = body_buffer(b, bytes, bytes, &v);

	c->values = v.p;
	return rc;
}

static int load_fixed(struct body *b, struct column *c)
{
	int64_t bytes = c->length * c->type->width;
	int rc = load_values(b, c, bytes);

	if (rc < 0 || c->type->width < 16 || ((uintptr_t)c->values & 15) == 0)
		return rc;
	c->values = arena_dup(b->a, c->values, (size_t)bytes + ARROW_ALIGN);
	return c->values ? 0 : err_oom(b->e);
}

/* Offsets of either width; *last is the end of the last value. */
static int load_offsets(struct body *b, struct column *c, bool wide, int64_t *last)
{
	int64_t bytes = c->length ? (c->length + 1) * (wide ? 8 : 4) : 0;
	struct bytes v;
	bool good;
	int rc = body_buffer(b, bytes, (c->length + 1) * 8, &v);

	if (rc < 0)
		return rc;
	if (!c->length)
		v.p = arrow_zeros;
	if (wide) {
		c->offsets64 = (const int64_t *)(const void *)v.p;
		*last = c->offsets64[c->length];
		good = c->offsets64[0] >= 0 && ascending64(c->offsets64, c->length);
	} else {
		c->offsets = (const int32_t *)(const void *)v.p;
		*last = c->offsets[c->length];
		good = c->offsets[0] >= 0 && ascending32(c->offsets, c->length);
	}
	return good ? 0 : body_bad(b, "offsets that go backwards");
}

static int load_var(struct body *b, struct wire_col *ret)
{
	struct column *c = &ret->c;
	bool wide = ret->w->layout == WIRE_LARGE;
	int64_t last;
	struct bytes v;
	int rc;

	if ((rc = load_offsets(b, c, wide, &last)) < 0 || (rc = body_buffer(b, last, -1, &v)) < 0)
		return rc;
	c->values = v.p;
	if (wide)
		return 0; /* the rest when it is narrowed */
	if ((rc = wire_clean_nulls(c, b->a, b->e)) < 0 || c->type->id != T_UTF8)
		return rc;
	return wire_check_utf8(c, b->field, b->e);
}

static int load_views(struct body *b, struct wire_col *ret)
{
	int64_t n;
	int rc;

	if ((rc = load_values(b, &ret->c, ret->c.length * 16)) < 0 || (rc = body_variadic(b, &n)) < 0)
		return rc;
	ret->ndata = n;
	ret->data = arena_array(b->a, struct bytes, (size_t)n);
	if (!ret->data)
		return err_oom(b->e);
	for (int64_t i = 0; i < n; i++)
		if ((rc = body_buffer(b, 0, -1, &ret->data[i])) < 0)
			return rc;
	return 0;
}

/* Type of child i of a column of type t. */
static const struct type *child_type(const struct wire *w, const struct type *t, int i)
{
	if (w->layout == WIRE_RUNS)
		return i ? t : &w->children[0].type;
	return &t->children[i].type;
}

static int load_children(struct body *b, const struct type *t, int version, struct wire_col *ret)
{
	const struct wire *w = ret->w;
	int rc;

	ret->children = arena_array(b->a, struct wire_col, (size_t)w->nchildren);
	if (!ret->children)
		return err_oom(b->e);
	for (int i = 0; i < w->nchildren; i++)
		if ((rc = wire_load(b, &w->children[i], child_type(w, t, i), version, &ret->children[i])) < 0)
			return rc;
	return 0;
}

/* Every child has at least n rows. */
static int check_children(struct body *b, const struct wire_col *wc, int64_t n)
{
	for (int i = 0; i < wc->w->nchildren; i++)
		if (wc->children[i].c.length < n)
			return body_bad(b, "a child with %lld values where %lld are needed", (long long)wc->children[i].c.length,
					(long long)n);
	return 0;
}

static int load_list(struct body *b, const struct type *t, int version, struct wire_col *ret)
{
	int64_t last;
	int rc;

	if ((rc = load_offsets(b, &ret->c, t->layout == LAY_LIST64, &last)) < 0 || (rc = load_children(b, t, version, ret)) < 0)
		return rc;
	return check_children(b, ret, last);
}

static int load_list_view(struct body *b, const struct type *t, int version, struct wire_col *ret)
{
	int64_t bytes = ret->c.length * (t->layout == LAY_LIST64 ? 8 : 4);
	struct bytes sizes;
	int rc;

	if ((rc = load_values(b, &ret->c, bytes)) < 0 || (rc = body_buffer(b, bytes, bytes, &sizes)) < 0)
		return rc;
	ret->sizes = sizes.p;
	return load_children(b, t, version, ret);
}

static int load_fixed_list(struct body *b, const struct type *t, int version, struct wire_col *ret)
{
	int rc = load_children(b, t, version, ret);

	return rc < 0 ? rc : check_children(b, ret, ret->c.length * t->list_size);
}

static int load_struct(struct body *b, const struct type *t, int version, struct wire_col *ret)
{
	int rc = load_children(b, t, version, ret);

	return rc < 0 ? rc : check_children(b, ret, ret->c.length);
}

/* Type ids are known ones, dense offsets are rows of their child. */
static int check_union(struct body *b, const struct type *t, const struct wire_col *wc)
{
	int8_t child[256];
	bool dense = t->unit == 1;

	memset(child, -1, sizeof child);
	for (int i = 0; i < t->nchildren; i++)
		child[(uint8_t)t->type_ids[i]] = (int8_t)i;
	for (int64_t i = 0; i < wc->c.length; i++) {
		int k = child[wc->c.values[i]];

		if (k < 0)
			return body_bad(b, "the type id %d, which the union does not have", (int8_t)wc->c.values[i]);
		if (dense && (wc->c.offsets[i] < 0 || wc->c.offsets[i] >= wc->children[k].c.length))
			return body_bad(b, "a union's offset outside its child");
	}
	return dense ? 0 : check_children(b, wc, wc->c.length);
}

static int load_union(struct body *b, const struct type *t, int version, struct wire_col *ret)
{
	struct bytes offsets = { arrow_zeros, 0 };
	int64_t n = ret->c.length;
	int rc;

	if ((rc = load_values(b, &ret->c, n)) < 0 || (t->unit == 1 && (rc = body_buffer(b, 4 * n, 4 * n, &offsets)) < 0))
		return rc;
	ret->c.offsets = (const int32_t *)(const void *)offsets.p;
	if ((rc = load_children(b, t, version, ret)) < 0)
		return rc;
	return check_union(b, t, ret);
}

static int64_t run_end(const struct column *c, int64_t i)
{
	return c->type->width == 2 ? ((const int16_t *)(const void *)c->values)[i] :
	       c->type->width == 4 ? ((const int32_t *)(const void *)c->values)[i] : column_i64(c, i);
}

static int load_runs(struct body *b, const struct type *t, int version, struct wire_col *ret)
{
	const struct column *ends;
	int64_t last = 0;
	int rc = load_children(b, t, version, ret);

	if (rc < 0)
		return rc;
	ends = &ret->children[0].c;
	for (int64_t i = 0; i < ends->length; i++) {
		if (run_end(ends, i) <= last)
			return body_bad(b, "run ends that do not ascend");
		last = run_end(ends, i);
	}
	if (ends->null_count || last < ret->c.length || ret->children[1].c.length < ends->length)
		return body_bad(b, "runs that do not cover their column");
	return 0;
}

/* Completes the column of a plain subtree: children as columns, cut to what their parent uses. */
static int adopt_children(struct body *b, struct wire_col *wc)
{
	const struct type *t = wc->c.type;
	bool cut = t->layout == LAY_STRUCT || t->layout == LAY_FIXLIST || (t->layout == LAY_UNION && t->unit == 0);
	int64_t n = wc->c.length * (t->layout == LAY_FIXLIST ? t->list_size : 1);
	int rc;

	if (!wc->w->nchildren)
		return 0;
	wc->c.children = arena_array(b->a, struct column, (size_t)wc->w->nchildren);
	if (!wc->c.children)
		return err_oom(b->e);
	for (int i = 0; i < wc->w->nchildren; i++) {
		const struct column *from = &wc->children[i].c;

		wc->c.children[i] = *from;
		if (cut && from->length > n && (rc = column_slice(from, 0, n, b->a, &wc->c.children[i], b->e)) < 0)
			return rc;
	}
	return 0;
}

/* What follows the validity of a column of WIRE_PLAIN layout. */
static int load_plain(struct body *b, const struct type *t, int version, struct wire_col *ret)
{
	int rc;

	switch (t->layout) {
	case LAY_NULL:
		return 0;
	case LAY_BIT:
		rc = load_values(b, &ret->c, (int64_t)bits_bytes(ret->c.length));
		return rc < 0 ? rc : wire_clean_nulls(&ret->c, b->a, b->e);
	case LAY_FIXED:
		rc = load_fixed(b, &ret->c);
		return rc < 0 ? rc : wire_clean_nulls(&ret->c, b->a, b->e);
	case LAY_VAR:
		return load_var(b, ret);
	case LAY_LIST:
	case LAY_LIST64:
		return load_list(b, t, version, ret);
	case LAY_FIXLIST:
		return load_fixed_list(b, t, version, ret);
	case LAY_STRUCT:
		return load_struct(b, t, version, ret);
	case LAY_UNION:
		return load_union(b, t, version, ret);
	}
	return body_bad(b, "an unknown layout");
}

static int load_after_valid(struct body *b, const struct type *t, int version, struct wire_col *ret)
{
	switch (ret->w->layout) {
	case WIRE_PLAIN:
		return load_plain(b, t, version, ret);
	case WIRE_LARGE:
		return load_var(b, ret);
	case WIRE_VIEW:
		return load_views(b, ret);
	case WIRE_LIST_VIEW:
		return load_list_view(b, t, version, ret);
	case WIRE_RUNS:
		return load_runs(b, t, version, ret);
	case WIRE_DICT:
		return load_values(b, &ret->c, ret->c.length * ret->w->index.width);
	}
	return body_bad(b, "an unknown layout");
}

static bool has_validity(const struct wire *w, const struct type *t, int version)
{
	if (w->layout == WIRE_RUNS)
		return false;
	if (w->layout != WIRE_PLAIN)
		return true;
	return t->layout == LAY_UNION ? version < 4 : t->layout != LAY_NULL;
}

int wire_load(struct body *b, const struct wire *w, const struct type *t, int version, struct wire_col *ret)
{
	struct column *c = &ret->c;
	int64_t nulls;
	int rc;

	*ret = (struct wire_col){ .w = w, .c = { .type = t, .values = arrow_zeros } };
	if (w->name.n)
		b->field = w->name;
	if ((rc = body_node(b, &c->length, &nulls)) < 0)
		return rc;
	if (has_validity(w, t, version) && (rc = load_valid(b, c, nulls)) < 0)
		return rc;
	if (w->layout == WIRE_PLAIN && t->layout == LAY_NULL)
		c->null_count = c->length;
	if (w->layout == WIRE_PLAIN && t->layout == LAY_UNION && c->valid)
		return body_bad(b, "a union with nulls of its own (metadata V4), which no type of ours can hold");
	if ((rc = load_after_valid(b, t, version, ret)) < 0)
		return rc;
	return w->plain ? adopt_children(b, ret) : 0;
}
