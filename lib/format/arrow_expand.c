/* Rows of columns as they lie in a stream -> columns as we hold them.
 *
 * Plain columns are views of the body. Everything else makes copies, and a few bytes can stand for many rows (run ends,
 * dictionary indices, list views that overlap), so that what a range of rows needs is summed up first and taken from
 * `room`; when there is too little, the caller asks for fewer rows. No order of layouts inside each other is special: each
 * expands the rows it is asked for from the rows it needs of its children. */
#include "lib/format/arrow_wire.h"

struct ex {
	struct arena *a;
	int64_t *room;
	struct err *e;
};

static int spend(struct ex *x, int64_t bytes)
{
	if (bytes > *x->room)
		return EXPAND_ROOM;
	*x->room -= bytes;
	return 0;
}

static int bad(struct ex *x, const struct wire *w, const char *why)
{
	err_set(x->e, ST_STREAM, "not a valid Arrow batch: %s", why);
	return err_field(x->e, w->name.p ? w->name.p : "", (int)(w->name.n < 100 ? w->name.n : 100));
}

static int expand(struct ex *x, const struct wire_col *wc, const struct type *t, int64_t from, int64_t n, struct column *ret);

/* Starts *ret: type, length and validity of rows [from, from + n). */
static int start(struct ex *x, const struct wire_col *wc, const struct type *t, int64_t from, int64_t n, struct column *ret)
{
	uint8_t *bits;

	*ret = (struct column){ .type = t, .length = n, .values = arrow_zeros };
	if (!wc->c.valid || n == 0)
		return 0;
	ret->null_count = n - bits_count_range(wc->c.valid, from, n);
	if (!ret->null_count)
		return 0;
	if (from % 8 == 0) {
		ret->valid = wc->c.valid + from / 8;
		return 0;
	}
	bits = arena_calloc(x->a, bits_bytes(n), 1);
	if (!bits)
		return err_oom(x->e);
	bits_copy(bits, 0, wc->c.valid, from, n);
	ret->valid = bits;
	return 0;
}

static void *take(struct ex *x, int64_t count, int64_t width)
{
	return arena_alloc(x->a, (size_t)(count * width) + ARROW_ALIGN);
}

static int finish_text(struct ex *x, const struct wire *w, struct column *c)
{
	int rc = wire_clean_nulls(c, x->a, x->e);

	return rc < 0 || c->type->id != T_UTF8 ? rc : wire_check_utf8(c, w->name, x->e);
}

static int expand_large(struct ex *x, const struct wire_col *wc, const struct type *t, int64_t from, int64_t n,
			struct column *ret)
{
	const int64_t *o = wc->c.offsets64 + from;
	int32_t *to;
	int rc;

	if (o[n] - o[0] > VAR_BYTES_MAX)
		return EXPAND_ROOM;
	if ((rc = spend(x, 4 * (n + 1))) || (rc = start(x, wc, t, from, n, ret)))
		return rc;
	to = take(x, n + 1, 4);
	if (!to)
		return err_oom(x->e);
	for (int64_t i = 0; i <= n; i++)
		to[i] = (int32_t)(o[i] - o[0]);
	ret->offsets = to;
	ret->values = wc->c.values + o[0];
	return finish_text(x, wc->w, ret);
}

/* Columnar.rst, "Variable-size Binary View Layout". */
struct view {
	int32_t n;
	union {
		char bytes[12];
		struct {
			char prefix[4];
			int32_t buffer, offset;
		} far;
	} is;
};

static bool view_at(const struct wire_col *wc, int64_t i, struct str *ret)
{
	const struct view *v = (const struct view *)(const void *)(wc->c.values + 16 * i);
	const struct bytes *data;

	if (v->n <= 12) {
		*ret = (struct str){ v->is.bytes, (size_t)v->n };
		return v->n >= 0;
	}
	if (v->is.far.buffer < 0 || v->is.far.buffer >= wc->ndata || v->is.far.offset < 0)
		return false;
	data = &wc->data[v->is.far.buffer];
	if (v->n > data->n || v->is.far.offset > data->n - v->n)
		return false;
	*ret = (struct str){ (const char *)data->p + v->is.far.offset, (size_t)v->n };
	return memcmp(ret->p, v->is.far.prefix, 4) == 0;
}

static int expand_views(struct ex *x, const struct wire_col *wc, const struct type *t, int64_t from, int64_t n,
			struct column *ret)
{
	int64_t sum = 0, at = 0;
	struct str s = { 0 };
	int32_t *o;
	uint8_t *v;
	int rc;

	if ((rc = start(x, wc, t, from, n, ret)))
		return rc;
	for (int64_t i = 0; i < n; i++) {
		if (column_is_null(ret, i))
			continue;
		if (!view_at(wc, from + i, &s))
			return bad(x, wc->w, "a view that points outside its buffers, or whose prefix differs");
		sum += (int64_t)s.n;
	}
	if (sum > VAR_BYTES_MAX || spend(x, sum + 4 * (n + 1)))
		return EXPAND_ROOM;
	o = take(x, n + 1, 4);
	v = take(x, sum, 1);
	if (!o || !v)
		return err_oom(x->e);
	for (int64_t i = 0; i < n; i++) {
		o[i] = (int32_t)at;
		if (column_is_null(ret, i) || !view_at(wc, from + i, &s) || !s.n)
			continue;
		memcpy(v + at, s.p, s.n);
		at += (int64_t)s.n;
	}
	o[n] = (int32_t)at;
	ret->offsets = o;
	ret->values = v;
	return finish_text(x, wc->w, ret);
}

/* Bytes that gathering rows idx of c makes, and the bytes of text in them. */
static int64_t gather_bytes(const struct column *c, const uint32_t *idx, int64_t n, int64_t *text)
{
	int64_t sum = 0;

	*text = 0;
	if (c->type->layout == LAY_FIXED)
		return n * c->type->width;
	for (int64_t i = 0; i < n; i++)
		if (idx[i] != ROW_NULL)
			sum += column_bytes(c, idx[i], 1);
	if (c->type->layout == LAY_VAR)
		*text = sum;
	return sum + 8 * n;
}

static int gather(struct ex *x, const struct column *c, const struct type *t, const uint32_t *idx, int64_t n,
		  struct column *ret)
{
	struct builder b = { 0 };
	int64_t text;
	int rc = spend(x, gather_bytes(c, idx, n, &text));

	if (rc || text > VAR_BYTES_MAX)
		return EXPAND_ROOM;
	if ((rc = builder_init(&b, t, x->e)) == 0 && (rc = builder_gather(&b, c, idx, n, x->e)) == 0)
		rc = builder_column(&b, x->a, ret, x->e);
	builder_free(&b);
	return rc;
}

static uint64_t index_at(const struct wire_col *wc, int64_t i)
{
	const void *p = wc->c.values;

	switch (wc->w->index.id) {
	case T_INT8:
	case T_UINT8:
		return ((const uint8_t *)p)[i];
	case T_INT16:
	case T_UINT16:
		return ((const uint16_t *)p)[i];
	case T_INT32:
	case T_UINT32:
		return ((const uint32_t *)p)[i];
	default:
		return ((const uint64_t *)p)[i];
	}
}

/* A negative index is a large unsigned one; an int8 dictionary has at most 128 values that can be named. */
static uint64_t index_limit(const struct wire_col *wc)
{
	enum type_id id = wc->w->index.id;
	int64_t n = wc->w->dict->col.length, most = id == T_INT8 ? 1 << 7 : id == T_INT16 ? 1 << 15 : INT32_MAX;

	return (uint64_t)(!wc->w->dict->defined ? 0 : n < most ? n : most);
}

static int expand_dict(struct ex *x, const struct wire_col *wc, const struct type *t, int64_t from, int64_t n,
		       struct column *ret)
{
	const struct dict *d = wc->w->dict;
	struct column none = { .type = &d->values->type };
	uint64_t limit = index_limit(wc), k;
	uint32_t *idx;
	int rc;

	if ((rc = spend(x, 4 * n)))
		return rc;
	idx = take(x, n, 4);
	if (!idx)
		return err_oom(x->e);
	for (int64_t i = 0; i < n; i++) {
		idx[i] = ROW_NULL;
		if (wc->c.valid && !bit_get(wc->c.valid, from + i))
			continue;
		k = index_at(wc, from + i);
		if (k >= limit)
			return bad(x, wc->w, d->defined ? "an index outside its dictionary" : "its dictionary has not come");
		idx[i] = (uint32_t)k;
	}
	return gather(x, d->defined ? &d->col : &none, t, idx, n, ret);
}

static int64_t run_end(const struct wire_col *wc, int64_t i)
{
	const struct column *c = &wc->children[0].c;

	return c->type->width == 2 ? ((const int16_t *)(const void *)c->values)[i] :
	       c->type->width == 4 ? ((const int32_t *)(const void *)c->values)[i] : column_i64(c, i);
}

/* The run that row `row` is in. */
static int64_t find_run(const struct wire_col *wc, int64_t row)
{
	int64_t lo = 0, hi = wc->children[0].c.length;

	while (lo < hi) {
		int64_t mid = lo + (hi - lo) / 2;

		if (run_end(wc, mid) > row)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

static int expand_runs(struct ex *x, const struct wire_col *wc, const struct type *t, int64_t from, int64_t n,
		       struct column *ret)
{
	int64_t first = n ? find_run(wc, from) : 0, runs = n ? find_run(wc, from + n - 1) - first + 1 : 0, run = first;
	struct column values;
	uint32_t *idx;
	int rc;

	if ((rc = spend(x, 4 * n)) || (rc = expand(x, &wc->children[1], t, first, runs, &values)))
		return rc;
	idx = take(x, n, 4);
	if (!idx)
		return err_oom(x->e);
	for (int64_t i = 0; i < n; i++) {
		run += run_end(wc, run) <= from + i;
		idx[i] = column_is_null(&values, run - first) ? ROW_NULL : (uint32_t)(run - first);
	}
	return gather(x, &values, t, idx, n, ret);
}

struct range {
	int64_t at, n;
};

static struct range list_view_at(const struct wire_col *wc, bool wide, int64_t i)
{
	if (wide)
		return (struct range){ ((const int64_t *)(const void *)wc->c.values)[i], ((const int64_t *)wc->sizes)[i] };
	return (struct range){ ((const int32_t *)(const void *)wc->c.values)[i], ((const int32_t *)wc->sizes)[i] };
}

/* The part of the child that rows of `ret` refer to. */
static int list_view_span(struct ex *x, const struct wire_col *wc, bool wide, int64_t from, const struct column *ret,
			  struct range *span)
{
	int64_t lo = INT64_MAX, hi = 0, have = wc->children[0].c.length;

	for (int64_t i = 0; i < ret->length; i++) {
		struct range r = list_view_at(wc, wide, from + i);

		if (column_is_null(ret, i) || !r.n)
			continue;
		if (r.at < 0 || r.n < 0 || r.n > have || r.at > have - r.n)
			return bad(x, wc->w, "a list view that points outside its child");
		lo = r.at < lo ? r.at : lo;
		hi = r.at + r.n > hi ? r.at + r.n : hi;
	}
	*span = hi ? (struct range){ lo, hi - lo } : (struct range){ 0, 0 };
	return 0;
}

static int fill_lists(struct ex *x, const struct wire_col *wc, bool wide, int64_t from, struct range span,
		      const struct column *child, struct builder *b, struct column *ret)
{
	int64_t *o64 = take(x, ret->length + 1, 8);
	int32_t *o32 = (int32_t *)(void *)o64;
	int rc;

	if (!o64)
		return err_oom(x->e);
	for (int64_t i = 0; i <= ret->length; i++) {
		struct range r = i < ret->length ? list_view_at(wc, wide, from + i) : (struct range){ 0, 0 };

		if (wide)
			o64[i] = b->n;
		else
			o32[i] = (int32_t)b->n;
		if (!r.n || column_is_null(ret, i))
			continue;
		if ((rc = spend(x, column_bytes(child, r.at - span.at, r.n) + r.n)))
			return rc;
		if (r.n > ARROW_ROWS_MAX - b->n)
			return EXPAND_ROOM;
		if ((rc = builder_rows(b, child, r.at - span.at, r.n, x->e)) < 0)
			return rc;
	}
	ret->offsets = wide ? NULL : o32;
	ret->offsets64 = wide ? o64 : NULL;
	return 0;
}

static int expand_list_views(struct ex *x, const struct wire_col *wc, const struct type *t, int64_t from, int64_t n,
			     struct column *ret)
{
	bool wide = t->layout == LAY_LIST64;
	struct builder b = { 0 };
	struct column child;
	struct range span = { 0, 0 };
	int rc;

	if ((rc = spend(x, 8 * (n + 1))) || (rc = start(x, wc, t, from, n, ret)))
		return rc;
	if ((rc = list_view_span(x, wc, wide, from, ret, &span)) ||
	    (rc = expand(x, &wc->children[0], &t->children[0].type, span.at, span.n, &child)))
		return rc;
	ret->children = arena_new(x->a, struct column);
	if (!ret->children)
		return err_oom(x->e);
	if ((rc = builder_init(&b, &t->children[0].type, x->e)) == 0 &&
	    (rc = fill_lists(x, wc, wide, from, span, &child, &b, ret)) == 0)
		rc = builder_column(&b, x->a, &ret->children[0], x->e);
	builder_free(&b);
	return rc;
}

/* Offsets that start at 0, because the child's rows do. */
static int rebase_offsets(struct ex *x, const struct column *c, bool wide, int64_t from, int64_t n, struct column *ret)
{
	int64_t *o64 = take(x, n + 1, wide ? 8 : 4);
	int32_t *o32 = (int32_t *)(void *)o64;

	if (!o64)
		return err_oom(x->e);
	for (int64_t i = 0; i <= n; i++)
		if (wide)
			o64[i] = c->offsets64[from + i] - c->offsets64[from];
		else
			o32[i] = c->offsets[from + i] - c->offsets[from];
	ret->offsets = wide ? NULL : o32;
	ret->offsets64 = wide ? o64 : NULL;
	return 0;
}

/* A plain parent of children that are not. */
static int expand_parent(struct ex *x, const struct wire_col *wc, const struct type *t, int64_t from, int64_t n,
			 struct column *ret)
{
	struct range child = { from, n };
	bool list = t->layout == LAY_LIST || t->layout == LAY_LIST64, wide = t->layout == LAY_LIST64;
	int rc;

	if ((rc = spend(x, 8 * (n + 1))) || (rc = start(x, wc, t, from, n, ret)))
		return rc;
	if (list) {
		int64_t end = wide ? wc->c.offsets64[from + n] : wc->c.offsets[from + n];

		child.at = wide ? wc->c.offsets64[from] : wc->c.offsets[from];
		child.n = end - child.at;
		if ((rc = rebase_offsets(x, &wc->c, wide, from, n, ret)) < 0)
			return rc;
	} else if (t->layout == LAY_FIXLIST) {
		child = (struct range){ from * t->list_size, n * t->list_size };
	} else if (t->layout == LAY_UNION) {
		ret->values = wc->c.values + from;
		ret->offsets = t->unit ? wc->c.offsets + from : NULL;
	}
	ret->children = arena_array(x->a, struct column, (size_t)t->nchildren);
	if (!ret->children)
		return err_oom(x->e);
	for (int i = 0; i < t->nchildren; i++) {
		if (t->layout == LAY_UNION && t->unit)
			child = (struct range){ 0, wc->children[i].c.length };
		if ((rc = expand(x, &wc->children[i], &t->children[i].type, child.at, child.n, &ret->children[i])))
			return rc;
	}
	return 0;
}

static int expand(struct ex *x, const struct wire_col *wc, const struct type *t, int64_t from, int64_t n, struct column *ret)
{
	int rc = 0;

	if (wc->w->plain) {
		if (from || n < wc->c.length)
			rc = column_slice(&wc->c, from, n, x->a, ret, x->e);
		else
			*ret = wc->c;
		ret->type = t;
		return rc;
	}
	switch (wc->w->layout) {
	case WIRE_PLAIN:
		return expand_parent(x, wc, t, from, n, ret);
	case WIRE_LARGE:
		return expand_large(x, wc, t, from, n, ret);
	case WIRE_VIEW:
		return expand_views(x, wc, t, from, n, ret);
	case WIRE_LIST_VIEW:
		return expand_list_views(x, wc, t, from, n, ret);
	case WIRE_RUNS:
		return expand_runs(x, wc, t, from, n, ret);
	case WIRE_DICT:
		return expand_dict(x, wc, t, from, n, ret);
	}
	return err_set(x->e, ST_BUG, "arrow: layout %d", (int)wc->w->layout);
}

int wire_expand(const struct wire_col *w, const struct type *t, int64_t from, int64_t n, struct arena *a, int64_t *room,
		struct column *ret, struct err *e)
{
	struct ex x = { a, room, e };

	return expand(&x, w, t, from, n, ret);
}
