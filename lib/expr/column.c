/* Columns in, columns out: the edge between Arrow's layouts and the vectors of a run.
 *
 * Fields that no one computed on leave as they came: whole batches share the input's memory, selections are gathered. */
#include "lib/expr/eval.h"

#include "lib/base/floor.h"

static int load_null(struct eval *ev, const struct slot *s, struct vec *v, struct err *e)
{
	int64_t n = ev->lv->nrows;

	if (!s->col.null_count)
		return 0;
	if (!(v->null = arena_alloc(&ev->lv->arena, (size_t)n + 1)))
		return err_oom(e);
	for (int64_t i = 0; i < n; i++)
		v->null[i] = slot_is_null(s, i);
	return 0;
}

#define AT(T, c, j) (((const T *)(const void *)(c)->values)[j])
#define ROW(s, i) ((s)->map ? (int64_t)(s)->map[i] : (i))

#define LOAD(ID, T, ...)                                          \
	case ID:                                                  \
		for (int64_t i = 0; i < n; i++) {                 \
			const T x = AT(T, c, ROW(s, i));          \
			v->i[i] = __VA_ARGS__;                    \
		}                                                 \
		return;

static int64_t scaled(int64_t v, int64_t by)
{
	int64_t r;

	if (!__builtin_mul_overflow(v, by, &r))
		return r;
	return v < 0 ? INT64_MIN : INT64_MAX;
}

/* Times and durations of any unit as microseconds. */
static int64_t to_us(int64_t v, int unit)
{
	return unit == UNIT_S ? scaled(v, 1000000) : unit == UNIT_MS ? scaled(v, 1000) : unit == UNIT_US ? v : floor_div(v, 1000);
}

static void load_ints(const struct slot *s, int64_t n, struct vec *v)
{
	const struct column *c = &s->col;
	int unit = c->type->unit;

	switch (c->type->id) {
	LOAD(T_INT8, int8_t, x)
	LOAD(T_INT16, int16_t, x)
	LOAD(T_INT32, int32_t, x)
	LOAD(T_DATE32, int32_t, x)
	LOAD(T_INT64, int64_t, x)
	LOAD(T_UINT8, uint8_t, x)
	LOAD(T_UINT16, uint16_t, x)
	LOAD(T_UINT32, uint32_t, x)
	LOAD(T_DATE64, int64_t, floor_div(x, 86400000))
	LOAD(T_TIMESTAMP, int64_t, to_us(x, unit))
	LOAD(T_DURATION, int64_t, to_us(x, unit))
	default:
		return;
	}
}

static double from_half(uint16_t h)
{
	int exponent = h >> 10 & 31, fraction = h & 1023;
	double v = exponent == 31 ? (fraction ? __builtin_nan("") : __builtin_inf())
		   : exponent	  ? __builtin_ldexp(1024 + fraction, exponent - 25)
				  : __builtin_ldexp(fraction, -24);

	return h >> 15 ? -v : v;
}

static void load_floats(const struct slot *s, int64_t n, struct vec *v)
{
	const struct column *c = &s->col;

	for (int64_t i = 0; i < n; i++) {
		int64_t j = ROW(s, i);

		v->f[i] = c->type->id == T_FLOAT64   ? AT(double, c, j)
			  : c->type->id == T_FLOAT32 ? (double)AT(float, c, j)
						     : from_half(AT(uint16_t, c, j));
	}
}

static __int128 decimal_at(const struct column *c, int64_t j)
{
	__int128 m;

	switch (c->type->width) {
	case 4:
		return AT(int32_t, c, j);
	case 8:
		return AT(int64_t, c, j);
	default:
		memcpy(&m, c->values + 16 * j, 16);
		return m;
	}
}

static int load_decimals(struct eval *ev, const struct slot *s, struct vec *v, struct err *e)
{
	const struct column *c = &s->col;

	for (int64_t i = 0; i < ev->lv->nrows; i++) {
		int64_t j = ROW(s, i);
		__int128 m = c->type->id == T_UINT64 ? (__int128)AT(uint64_t, c, j) : decimal_at(c, j);

		if (dec_from_i128(m, c->type->id == T_UINT64 ? 0 : c->type->scale, &ev->pool, &v->d[i]) < 0)
			return err_oom(e);
	}
	return 0;
}

static void load_strings(const struct slot *s, int64_t n, struct vec *v)
{
	const struct column *c = &s->col;
	size_t width = (size_t)c->type->width;

	if (c->type->layout == LAY_VAR)
		for (int64_t i = 0; i < n; i++)
			v->s[i] = column_str(c, ROW(s, i));
	else
		for (int64_t i = 0; i < n; i++)
			v->s[i] = (struct str){ (const char *)c->values + (size_t)ROW(s, i) * width, width };
}

static int load_lists(struct eval *ev, const struct slot *s, struct vec *v, struct err *e)
{
	const struct column *c = &s->col;

	if (c->children[0].length >= UINT32_MAX)
		return err_set(e, ST_DATA, "a list column with more than %u items in a batch", UINT32_MAX - 1);
	for (int64_t i = 0; i < ev->lv->nrows; i++) {
		int64_t j = ROW(s, i), size = c->type->list_size;
		int64_t from = c->type->layout == LAY_FIXLIST ? j * size : c->offsets ? c->offsets[j] : c->offsets64[j];
		int64_t to = c->type->layout == LAY_FIXLIST ? from + size : c->offsets ? c->offsets[j + 1] : c->offsets64[j + 1];

		v->r[i] = (struct span){ (uint32_t)from, (uint32_t)(to - from) };
	}
	v->items = &s->col.children[0];
	return 0;
}

int column_load(struct eval *ev, struct slot *s, enum value_type type, struct err *e)
{
	struct vec *v = &s->vec;
	int64_t n = ev->lv->nrows;
	int rc = vec_alloc(ev, type, v, e);

	if (rc < 0 || (rc = load_null(ev, s, v, e)) < 0)
		return rc;
	switch (type) {
	case V_BOOL:
		for (int64_t i = 0; i < n; i++)
			v->b[i] = column_bool(&s->col, ROW(s, i));
		return 0;
	case V_F64:
		load_floats(s, n, v);
		return 0;
	case V_DEC:
		return load_decimals(ev, s, v, e);
	case V_NUM:
	case V_TEXT:
	case V_JSON:
	case V_BIN:
		load_strings(s, n, v);
		return 0;
	case V_LIST:
		return load_lists(ev, s, v, e);
	default:
		load_ints(s, n, v);
		return 0;
	}
}

/* What is being put together. */
struct output {
	struct eval *ev;
	struct batch *batch;
	struct arena *a;
	struct sel sel;
	int64_t n;
};

static int put_nulls(struct output *o, const struct vec *v, struct column *c, struct err *e)
{
	uint8_t *bits;
	int64_t k = 0;

	if (!v->null)
		return 0;
	if (!(bits = arena_calloc(o->a, bits_bytes(o->n) + 8, 1)))
		return err_oom(e);
	EACH(o->sel, i,
		c->null_count += v->null[i & v->mask];
		bits[k >> 3] |= (uint8_t)((v->null[i & v->mask] ^ 1) << (k & 7));
		k++;
	);
	if (c->null_count)
		c->valid = bits;
	return 0;
}

static int put_bools(struct output *o, const struct vec *v, struct column *c, struct err *e)
{
	uint8_t *bits = arena_calloc(o->a, bits_bytes(o->n) + 8, 1);
	int64_t k = 0;

	if (!bits)
		return err_oom(e);
	EACH(o->sel, i,
		if (!vec_null(v, i) && v->b[i & v->mask])
			bit_set(bits, k);
		k++;
	);
	c->values = bits;
	return 0;
}

/* int64, float64, times, durations; dates are narrower. */
static int put_fixed(struct output *o, const struct vec *v, struct column *c, struct err *e)
{
	bool narrow = v->type == V_DATE;
	int64_t *to = arena_alloc(o->a, (size_t)o->n * 8 + 64), k = 0;
	int32_t *to32 = (int32_t *)to;

	if (!to)
		return err_oom(e);
	if (narrow)
		EACH(o->sel, i, to32[k++] = vec_null(v, i) ? 0 : (int32_t)v->i[i & v->mask];);
	else
		EACH(o->sel, i, to[k++] = vec_null(v, i) ? 0 : v->i[i & v->mask];);
	c->values = (const uint8_t *)to;
	return 0;
}

static int too_long(struct err *e)
{
	return err_set(e, ST_DATA, "a computed column of one batch would pass 2 GiB");
}

static int put_strings(struct output *o, const struct vec *v, struct column *c, struct err *e)
{
	int32_t *offsets = arena_alloc(o->a, (size_t)(o->n + 1) * 4 + 64);
	size_t bytes = 0, at = 0;
	int64_t k = 0;
	char *to;

	EACH(o->sel, i, bytes += vec_null(v, i) ? 0 : v->s[i & v->mask].n;);
	if (bytes > VAR_BYTES_MAX)
		return too_long(e);
	if (!offsets || !(to = arena_alloc(o->a, bytes + 64)))
		return err_oom(e);
	offsets[0] = 0;
	EACH(o->sel, i,
		if (!vec_null(v, i) && v->s[i & v->mask].n) {
			memcpy(to + at, v->s[i & v->mask].p, v->s[i & v->mask].n);
			at += v->s[i & v->mask].n;
		}
		offsets[++k] = (int32_t)at;
	);
	c->values = (const uint8_t *)to;
	c->offsets = offsets;
	return 0;
}

static int print_number(struct output *o, const struct vec *v, int64_t i, struct buf *b)
{
	struct dec d = v->d[i & v->mask];
	char tmp[32];

	if (vec_null(v, i))
		return 0;
	if (dec_special(d))
		return buf_add(b, tmp, num_print_f64(dec_special_f64(d), tmp));
	return dec_print(d, &o->ev->pool, b);
}

static int put_numbers(struct output *o, const struct vec *v, struct column *c, struct err *e)
{
	struct buf *b = &o->ev->tmp;
	int32_t *offsets = arena_alloc(o->a, (size_t)(o->n + 1) * 4 + 64);
	int64_t k = 0;
	char *to;

	if (!offsets)
		return err_oom(e);
	b->n = 0;
	offsets[0] = 0;
	EACH(o->sel, i,
		if (print_number(o, v, i, b) < 0)
			return err_oom(e);
		if (b->n > VAR_BYTES_MAX)
			return too_long(e);
		offsets[++k] = (int32_t)b->n;
	);
	if (!(to = arena_alloc(o->a, b->n + 64)))
		return err_oom(e);
	if (b->n)
		memcpy(to, b->p, b->n);
	c->values = (const uint8_t *)to;
	c->offsets = offsets;
	return 0;
}

static int put_vec(struct output *o, const struct vec *v, struct column *c, struct err *e)
{
	int rc = put_nulls(o, v, c, e);

	if (rc < 0)
		return rc;
	switch (v->type) {
	case V_BOOL:
		return put_bools(o, v, c, e);
	case V_DEC:
		return put_numbers(o, v, c, e);
	case V_NUM:
	case V_TEXT:
	case V_JSON:
	case V_BIN:
		return put_strings(o, v, c, e);
	default:
		return put_fixed(o, v, c, e);
	}
}

/* Are idx[0 .. n) consecutive? */
static bool consecutive(const uint32_t *idx, int64_t n)
{
	for (int64_t k = 1; k < n; k++)
		if (idx[k] != idx[0] + (uint32_t)k)
			return false;
	return true;
}

/* Rows [at, at + n) of text without nulls, copied once. */
static int copy_texts(struct output *o, const struct column *from, uint32_t at, struct column *c, struct err *e)
{
	int32_t first = from->offsets[at];
	size_t bytes = (size_t)(from->offsets[at + o->n] - first);
	uint8_t *values = arena_alloc(o->a, bytes + 64);
	int32_t *offsets = arena_alloc(o->a, (size_t)(o->n + 1) * 4 + 64);

	if (!values || !offsets)
		return err_oom(e);
	if (bytes)
		memcpy(values, from->values + first, bytes);
	for (int64_t i = 0; i <= o->n; i++)
		offsets[i] = from->offsets[at + i] - first;
	*c = (struct column){ .type = c->type, .length = o->n, .values = values, .offsets = offsets };
	return 0;
}

static int copy_column(struct output *o, const struct column *from, const uint32_t *idx, struct column *c, struct err *e)
{
	bool range = !idx || consecutive(idx, o->n);
	uint32_t at = idx ? idx[0] : 0;
	struct builder b;
	int rc;

	if (range && from->type->layout == LAY_VAR && !from->valid)
		return copy_texts(o, from, at, c, e);
	rc = builder_init(&b, c->type, e);
	if (rc == 0 && range)
		rc = builder_rows(&b, from, at, o->n, e);
	else if (rc == 0)
		rc = builder_gather(&b, from, idx, o->n, e);
	if (rc == 0)
		rc = builder_column(&b, o->a, c, e);
	builder_free(&b);
	return rc;
}

static int put_column(struct output *o, const struct slot *s, struct column *c, struct err *e)
{
	const struct type *type = c->type;
	const uint32_t *idx = o->sel.idx;
	uint32_t *to;
	int64_t k = 0;
	int rc;

	if (!s->map && !idx && o->n == s->col.length) {
		*c = s->col;
		c->type = type;
		return 0;
	}
	if (s->map && !idx) {
		idx = s->map;
	} else if (s->map) {
		if (!(to = arena_alloc(&o->ev->lv->arena, (size_t)o->n * 4 + 4)))
			return err_oom(e);
		EACH(o->sel, i, to[k++] = s->map[i];);
		idx = to;
	}
	rc = copy_column(o, &s->col, idx, c, e);
	c->type = type;
	return rc;
}

static void output_origin(struct output *o)
{
	const struct batch *in = o->ev->batch;

	if (o->ev->depth == 0 && !o->sel.idx && o->n == in->nrows)
		o->batch->origin = in->origin; /* the input is kept alive */
	else if (in->origin.name)
		o->batch->origin.name = arena_strdup(o->a, str_of(in->origin.name));
}

int output_batch(struct eval *ev, struct batch **ret, struct err *e)
{
	const struct program *p = ev->p;
	cleanup_batch struct batch *b = batch_new(p->out, ev->lv->sel.n);
	int rc;

	if (!b)
		return err_oom(e);
	struct output o = { .ev = ev, .batch = b, .a = &b->arena, .sel = ev->lv->sel, .n = ev->lv->sel.n };

	for (int i = 0; i < p->out->nfields; i++) {
		struct slot *s = &ev->lv->slots[p->out_slots[i]];

		rc = s->is_column ? put_column(&o, s, &b->cols[i], e) : put_vec(&o, &s->vec, &b->cols[i], e);
		if (rc < 0)
			return rc;
	}
	batch_keep(b, ev->batch);
	output_origin(&o);
	*ret = b;
	b = NULL;
	return 0;
}
