/* Columns and builders: see column.h. Every function switches once on the layout and then runs over rows. */
#include "lib/table/column.h"

#include <stdlib.h>

static int slice_valid(const struct column *c, int64_t from, int64_t n, struct arena *a, struct column *ret, struct err *e)
{
	uint8_t *bits;

	ret->null_count = 0;
	if (c->type->id == T_NULL)
		ret->null_count = n;
	if (!c->valid || n == 0) {
		ret->valid = NULL;
		return 0;
	}
	if ((from & 7) == 0) {
		ret->valid = c->valid + from / 8;
	} else {
		bits = arena_calloc(a, bits_bytes(n), 1);
		if (!bits)
			return err_oom(e);
		bits_copy(bits, 0, c->valid, from, n);
		ret->valid = bits;
	}
	ret->null_count = n - bits_count(ret->valid, n);
	if (!ret->null_count)
		ret->valid = NULL;
	return 0;
}

static int slice_bits(const struct column *c, int64_t from, int64_t n, struct arena *a, struct column *ret, struct err *e)
{
	uint8_t *bits;

	if ((from & 7) == 0) {
		ret->values = c->values + from / 8;
		return 0;
	}
	bits = arena_calloc(a, bits_bytes(n) + 1, 1);
	if (!bits)
		return err_oom(e);
	bits_copy(bits, 0, c->values, from, n);
	ret->values = bits;
	return 0;
}

static int slice_children(const struct column *c, int64_t from, int64_t n, struct arena *a, struct column *ret, struct err *e)
{
	int rc;

	ret->children = arena_array(a, struct column, (size_t)c->type->nchildren);
	if (!ret->children)
		return err_oom(e);
	for (int i = 0; i < c->type->nchildren; i++)
		if ((rc = column_slice(&c->children[i], from, n, a, &ret->children[i], e)) < 0)
			return rc;
	return 0;
}

int column_slice(const struct column *c, int64_t from, int64_t n, struct arena *a, struct column *ret, struct err *e)
{
	int rc;

	*ret = *c;
	ret->length = n;
	if ((rc = slice_valid(c, from, n, a, ret, e)) < 0)
		return rc;
	switch (c->type->layout) {
	case LAY_NULL:
		return 0;
	case LAY_BIT:
		return slice_bits(c, from, n, a, ret, e);
	case LAY_FIXED:
		ret->values = c->values + (size_t)from * (size_t)c->type->width;
		return 0;
	case LAY_VAR:
	case LAY_LIST:
		ret->offsets = c->offsets + from;
		return 0;
	case LAY_LIST64:
		ret->offsets64 = c->offsets64 + from;
		return 0;
	case LAY_FIXLIST:
		return slice_children(c, from * c->type->list_size, n * c->type->list_size, a, ret, e);
	case LAY_STRUCT:
		return slice_children(c, from, n, a, ret, e);
	case LAY_UNION:
		ret->values = c->values + from;
		if (c->type->unit == 1) {
			ret->offsets = c->offsets + from;
			return 0;
		}
		return slice_children(c, from, n, a, ret, e);
	}
	return err_set(e, ST_BUG, "column_slice: layout %d", (int)c->type->layout);
}

static int64_t children_bytes(const struct column *c, int64_t from, int64_t n)
{
	int64_t sum = 0;

	for (int i = 0; i < c->type->nchildren; i++)
		sum += column_bytes(&c->children[i], from, n);
	return sum;
}

int64_t column_bytes(const struct column *c, int64_t from, int64_t n)
{
	int64_t valid = c->valid ? (int64_t)bits_bytes(n) : 0;

	switch (c->type->layout) {
	case LAY_NULL:
		return 0;
	case LAY_BIT:
		return valid + (int64_t)bits_bytes(n);
	case LAY_FIXED:
		return valid + n * c->type->width;
	case LAY_VAR:
		return valid + 4 * n + c->offsets[from + n] - c->offsets[from];
	case LAY_LIST:
		return valid + 4 * n + children_bytes(c, c->offsets[from], c->offsets[from + n] - c->offsets[from]);
	case LAY_LIST64:
		return valid + 8 * n + children_bytes(c, c->offsets64[from], c->offsets64[from + n] - c->offsets64[from]);
	case LAY_FIXLIST:
		return valid + children_bytes(c, from * c->type->list_size, n * c->type->list_size);
	case LAY_STRUCT:
		return valid + children_bytes(c, from, n);
	case LAY_UNION:
		if (c->type->unit == 0)
			return n + children_bytes(c, from, n);
		valid = 5 * n; /* dense: rows of a child are not a range; count it whole */
		for (int i = 0; i < c->type->nchildren; i++)
			valid += column_bytes(&c->children[i], 0, c->children[i].length);
		return valid;
	}
	return 0;
}

int builder_init(struct builder *b, const struct type *type, struct err *e)
{
	int rc;

	*b = (struct builder){ .type = type };
	if (type->nchildren) {
		b->children = calloc((size_t)type->nchildren, sizeof *b->children);
		if (!b->children)
			return err_oom(e);
		b->nchildren = type->nchildren;
		for (int i = 0; i < type->nchildren; i++)
			if ((rc = builder_init(&b->children[i], &type->children[i].type, e)) < 0)
				return rc;
	}
	if ((type->layout == LAY_VAR || type->layout == LAY_LIST) && buf_zero(&b->offsets, 4))
		return err_oom(e);
	if (type->layout == LAY_LIST64 && buf_zero(&b->offsets, 8))
		return err_oom(e);
	return 0;
}

void builder_free(struct builder *b)
{
	buf_free(&b->valid);
	buf_free(&b->values);
	buf_free(&b->offsets);
	for (int i = 0; i < b->nchildren; i++)
		builder_free(&b->children[i]);
	free(b->children);
	*b = (struct builder){ 0 };
}

void builder_reset(struct builder *b)
{
	b->n = b->nulls = 0;
	b->valid.n = b->values.n = 0;
	if (b->offsets.n)
		b->offsets.n = b->type->layout == LAY_LIST64 ? 8 : 4;
	for (int i = 0; i < b->nchildren; i++)
		builder_reset(&b->children[i]);
}

/* Room in the bitmap for n more rows, all ones so far. */
static int valid_grow(struct builder *b, int64_t n)
{
	size_t old = b->valid.n, need = bits_bytes(b->n + n);

	if (need > old && buf_zero(&b->valid, need - old))
		return -1;
	return 0;
}

/* Called before n valid rows are counted. */
static int note_valid(struct builder *b, int64_t n)
{
	if (!b->nulls)
		return 0;
	if (valid_grow(b, n))
		return -1;
	bits_fill(b->valid.p, b->n, n, true);
	return 0;
}

/* Called before n nulls are counted. */
static int note_nulls(struct builder *b, int64_t n)
{
	if (valid_grow(b, n))
		return -1;
	if (!b->nulls && b->n)
		bits_fill(b->valid.p, 0, b->n, true);
	bits_fill(b->valid.p, b->n, n, false);
	b->nulls += n;
	return 0;
}

/* Appends the validity of rows [from, from + n) of c. */
static int note_range(struct builder *b, const struct column *c, int64_t from, int64_t n)
{
	int64_t nulls = c->valid ? n - bits_count_range(c->valid, from, n) : 0;

	if (!nulls)
		return note_valid(b, n);
	if (valid_grow(b, n))
		return -1;
	if (!b->nulls && b->n)
		bits_fill(b->valid.p, 0, b->n, true);
	bits_copy(b->valid.p, b->n, c->valid, from, n);
	b->nulls += nulls;
	return 0;
}

static int repeat_offset(struct builder *b, int64_t n)
{
	size_t w = b->type->layout == LAY_LIST64 ? 8 : 4;

	if (buf_reserve(&b->offsets, (size_t)n * w))
		return -1;
	for (int64_t i = 0; i < n; i++) {
		memcpy(b->offsets.p + b->offsets.n, b->offsets.p + b->offsets.n - w, w);
		b->offsets.n += w;
	}
	return 0;
}

int builder_null(struct builder *b, int64_t n, struct err *e)
{
	int rc = 0;

	if (b->type->layout == LAY_NULL) {
		b->n += n;
		b->nulls += n;
		return 0;
	}
	if (note_nulls(b, n))
		return err_oom(e);
	switch (b->type->layout) {
	case LAY_BIT:
		rc = buf_zero(&b->values, bits_bytes(b->n + n) - b->values.n);
		break;
	case LAY_FIXED:
		rc = buf_zero(&b->values, (size_t)n * (size_t)b->type->width);
		break;
	case LAY_VAR:
	case LAY_LIST:
	case LAY_LIST64:
		rc = repeat_offset(b, n);
		break;
	default:
		break;
	}
	if (rc)
		return err_oom(e);
	for (int i = 0; i < b->nchildren; i++) {
		if (b->type->layout == LAY_STRUCT)
			rc = builder_null(&b->children[i], n, e);
		else if (b->type->layout == LAY_FIXLIST)
			rc = builder_null(&b->children[i], n * b->type->list_size, e);
		if (rc < 0)
			return rc;
	}
	b->n += n;
	return 0;
}

static int too_long(struct err *e)
{
	return err_set(e, ST_DATA, "a column of one batch would pass 2 GiB");
}

int builder_printed(struct builder *b, struct err *e)
{
	int32_t end = (int32_t)b->values.n;

	if (b->values.n > VAR_BYTES_MAX)
		return too_long(e);
	if (note_valid(b, 1) || buf_add(&b->offsets, &end, 4))
		return err_oom(e);
	b->n++;
	return 0;
}

int builder_str(struct builder *b, struct str s, struct err *e)
{
	if (s.n > VAR_BYTES_MAX - b->values.n)
		return too_long(e);
	return buf_str(&b->values, s) ? err_oom(e) : builder_printed(b, e);
}

/* Values between which there is no null. */
static int add_strs(struct builder *b, const struct str *s, int64_t n, struct err *e)
{
	size_t bytes = 0, at = b->values.n;
	int32_t *to;

	for (int64_t i = 0; i < n; i++)
		bytes += s[i].n;
	if (bytes > VAR_BYTES_MAX - at)
		return too_long(e);
	if (note_valid(b, n) || buf_reserve(&b->values, bytes) || buf_reserve(&b->offsets, (size_t)n * 4))
		return err_oom(e);
	to = (int32_t *)(void *)(b->offsets.p + b->offsets.n);
	for (int64_t i = 0; i < n; i++) {
		if (s[i].n)
			memcpy(b->values.p + at, s[i].p, s[i].n);
		at += s[i].n;
		to[i] = (int32_t)at;
	}
	b->values.n = at;
	b->offsets.n += (size_t)n * 4;
	b->n += n;
	return 0;
}

int builder_strs(struct builder *b, const struct str *s, int64_t n, struct err *e)
{
	int rc = 0;

	for (int64_t i = 0, end; i < n && rc == 0; i = end) {
		for (end = i; end < n && s[end].p; end++)
			;
		if (end > i)
			rc = add_strs(b, s + i, end - i, e);
		else
			rc = builder_null(b, ++end - i, e);
	}
	return rc;
}

int builder_fixed(struct builder *b, const void *value, struct err *e)
{
	return builder_fixeds(b, value, 1, e);
}

int builder_fixeds(struct builder *b, const void *values, int64_t n, struct err *e)
{
	if (note_valid(b, n) || buf_add(&b->values, values, (size_t)n * (size_t)b->type->width))
		return err_oom(e);
	b->n += n;
	return 0;
}

int builder_bool(struct builder *b, bool v, struct err *e)
{
	if (note_valid(b, 1) || (bits_bytes(b->n + 1) > b->values.n && buf_zero(&b->values, 1)))
		return err_oom(e);
	bit_put(b->values.p, b->n, v);
	b->n++;
	return 0;
}

int builder_nest(struct builder *b, struct err *e)
{
	int64_t end = b->nchildren ? b->children[0].n : 0;
	int32_t end32 = (int32_t)end;
	int rc = 0;

	if (b->type->layout == LAY_LIST && end > INT32_MAX)
		return too_long(e);
	if (b->type->layout == LAY_LIST)
		rc = buf_add(&b->offsets, &end32, 4);
	else if (b->type->layout == LAY_LIST64)
		rc = buf_add(&b->offsets, &end, 8);
	if (rc || note_valid(b, 1))
		return err_oom(e);
	b->n++;
	return 0;
}

static int rows_bits(struct builder *b, const struct column *c, int64_t from, int64_t n)
{
	size_t need = bits_bytes(b->n + n);

	if (need > b->values.n && buf_zero(&b->values, need - b->values.n))
		return -1;
	bits_copy(b->values.p, b->n, c->values, from, n);
	return 0;
}

static int rows_var(struct builder *b, const struct column *c, int64_t from, int64_t n, struct err *e)
{
	int32_t first = c->offsets[from], end = (int32_t)b->values.n, *to;
	size_t bytes = (size_t)(c->offsets[from + n] - first);

	if (bytes > VAR_BYTES_MAX - b->values.n)
		return too_long(e);
	if (buf_reserve(&b->offsets, (size_t)n * 4) || buf_add(&b->values, c->values + first, bytes))
		return err_oom(e);
	to = (int32_t *)(void *)(b->offsets.p + b->offsets.n);
	for (int64_t i = 0; i < n; i++)
		to[i] = c->offsets[from + i + 1] - first + end;
	b->offsets.n += (size_t)n * 4;
	return 0;
}

static int rows_list(struct builder *b, const struct column *c, int64_t from, int64_t n, struct err *e)
{
	bool wide = c->type->layout == LAY_LIST64;
	int64_t first = wide ? c->offsets64[from] : c->offsets[from];
	int64_t last = wide ? c->offsets64[from + n] : c->offsets[from + n];
	int64_t base = b->children[0].n;
	int rc = 0;

	if (!wide && last - first > INT32_MAX - base)
		return too_long(e);
	for (int64_t i = 0; i < n && !rc; i++) {
		int64_t end = (wide ? c->offsets64[from + i + 1] : c->offsets[from + i + 1]) - first + base;
		int32_t end32 = (int32_t)end;

		rc = wide ? buf_add(&b->offsets, &end, 8) : buf_add(&b->offsets, &end32, 4);
	}
	if (rc)
		return err_oom(e);
	return builder_rows(&b->children[0], &c->children[0], first, last - first, e);
}

static int rows_union(struct err *e)
{
	return err_set(e, ST_DATA, "a union column cannot be moved row by row; drop it (stook map 'drop ...') or convert it first");
}

int builder_rows(struct builder *b, const struct column *c, int64_t from, int64_t n, struct err *e)
{
	int rc = 0;

	if (n == 0)
		return 0;
	if (c->type->id == T_NULL || b->type->layout == LAY_NULL)
		return builder_null(b, n, e);
	if (c->type->layout == LAY_UNION)
		return rows_union(e);
	if (note_range(b, c, from, n))
		return err_oom(e);
	switch (c->type->layout) {
	case LAY_BIT:
		rc = rows_bits(b, c, from, n) ? err_oom(e) : 0;
		break;
	case LAY_FIXED:
		if (buf_add(&b->values, c->values + (size_t)from * (size_t)c->type->width, (size_t)n * (size_t)c->type->width))
			rc = err_oom(e);
		break;
	case LAY_VAR:
		rc = rows_var(b, c, from, n, e);
		break;
	case LAY_LIST:
	case LAY_LIST64:
		rc = rows_list(b, c, from, n, e);
		break;
	case LAY_FIXLIST:
		rc = builder_rows(&b->children[0], &c->children[0], from * c->type->list_size, n * c->type->list_size, e);
		break;
	case LAY_STRUCT:
		for (int i = 0; i < b->nchildren && !rc; i++)
			rc = builder_rows(&b->children[i], &c->children[i], from, n, e);
		break;
	default:
		break;
	}
	b->n += n;
	return rc;
}

static int gather_valid(struct builder *b, const struct column *c, const uint32_t *idx, int64_t n)
{
	bool any = c->valid != NULL;

	for (int64_t i = 0; i < n && !any; i++)
		any = idx[i] == ROW_NULL;
	if (!any)
		return note_valid(b, n);
	if (valid_grow(b, n))
		return -1;
	if (!b->nulls && b->n)
		bits_fill(b->valid.p, 0, b->n, true);
	for (int64_t i = 0; i < n; i++) {
		bool v = idx[i] != ROW_NULL && (!c->valid || bit_get(c->valid, idx[i]));

		bit_put(b->valid.p, b->n + i, v);
		b->nulls += !v;
	}
	return 0;
}

#define GATHER_WIDTH(w, t)                                                                    \
	case w: {                                                                             \
		t *to = (t *)(void *)dst;                                                     \
		const t *src = (const t *)(const void *)c->values;                            \
		for (int64_t i = 0; i < n; i++)                                               \
			to[i] = idx[i] == ROW_NULL ? 0 : src[idx[i]];                         \
		break;                                                                        \
	}

static int gather_fixed(struct builder *b, const struct column *c, const uint32_t *idx, int64_t n)
{
	size_t w = (size_t)c->type->width;
	uint8_t *dst;

	if (buf_reserve(&b->values, (size_t)n * w))
		return -1;
	dst = b->values.p + b->values.n;
	switch (w) {
	GATHER_WIDTH(1, uint8_t)
	GATHER_WIDTH(2, uint16_t)
	GATHER_WIDTH(4, uint32_t)
	GATHER_WIDTH(8, uint64_t)
	default:
		for (int64_t i = 0; i < n; i++)
			if (idx[i] == ROW_NULL)
				memset(dst + (size_t)i * w, 0, w);
			else
				memcpy(dst + (size_t)i * w, c->values + idx[i] * w, w);
	}
	b->values.n += (size_t)n * w;
	return 0;
}

static int gather_var(struct builder *b, const struct column *c, const uint32_t *idx, int64_t n, struct err *e)
{
	size_t bytes = 0, at = b->values.n;
	int32_t *to;

	for (int64_t i = 0; i < n; i++)
		if (idx[i] != ROW_NULL)
			bytes += (size_t)(c->offsets[idx[i] + 1] - c->offsets[idx[i]]);
	if (bytes > VAR_BYTES_MAX - at)
		return too_long(e);
	if (buf_reserve(&b->values, bytes) || buf_reserve(&b->offsets, (size_t)n * 4))
		return err_oom(e);
	to = (int32_t *)(void *)(b->offsets.p + b->offsets.n);
	for (int64_t i = 0; i < n; i++) {
		if (idx[i] != ROW_NULL) {
			int32_t from = c->offsets[idx[i]];
			size_t len = (size_t)(c->offsets[idx[i] + 1] - from);

			if (len)
				memcpy(b->values.p + at, c->values + from, len);
			at += len;
		}
		to[i] = (int32_t)at;
	}
	b->values.n = at;
	b->offsets.n += (size_t)n * 4;
	return 0;
}

static int gather_bits(struct builder *b, const struct column *c, const uint32_t *idx, int64_t n)
{
	size_t need = bits_bytes(b->n + n);

	if (need > b->values.n && buf_zero(&b->values, need - b->values.n))
		return -1;
	for (int64_t i = 0; i < n; i++)
		bit_put(b->values.p, b->n + i, idx[i] != ROW_NULL && bit_get(c->values, idx[i]));
	return 0;
}

/* Nested layouts: row by row, each a range of the children. */
static int gather_nested(struct builder *b, const struct column *c, const uint32_t *idx, int64_t n, struct err *e)
{
	int rc = 0;

	for (int64_t i = 0; i < n && rc >= 0; i++)
		rc = idx[i] == ROW_NULL ? builder_null(b, 1, e) : builder_rows(b, c, idx[i], 1, e);
	return rc;
}

int builder_gather(struct builder *b, const struct column *c, const uint32_t *idx, int64_t n, struct err *e)
{
	int rc;

	if (c->type->id == T_NULL || b->type->layout == LAY_NULL)
		return builder_null(b, n, e);
	if (c->type->layout == LAY_UNION)
		return rows_union(e);
	if (c->type->layout > LAY_VAR)
		return gather_nested(b, c, idx, n, e);
	if (gather_valid(b, c, idx, n))
		return err_oom(e);
	if (c->type->layout == LAY_VAR)
		rc = gather_var(b, c, idx, n, e);
	else if (c->type->layout == LAY_FIXED)
		rc = gather_fixed(b, c, idx, n) ? err_oom(e) : 0;
	else
		rc = gather_bits(b, c, idx, n) ? err_oom(e) : 0;
	b->n += n;
	return rc;
}

int builder_view(const struct builder *b, struct arena *a, struct column *ret, struct err *e)
{
	int rc;

	*ret = (struct column){ .type = b->type, .length = b->n, .null_count = b->nulls };
	if (b->nulls && b->type->layout != LAY_NULL)
		ret->valid = b->valid.p;
	ret->values = b->values.p ? b->values.p : (const uint8_t *)"";
	if (b->type->layout == LAY_LIST64)
		ret->offsets64 = (const int64_t *)(const void *)b->offsets.p;
	else
		ret->offsets = (const int32_t *)(const void *)b->offsets.p;
	if (!b->nchildren)
		return 0;
	ret->children = arena_array(a, struct column, (size_t)b->nchildren);
	if (!ret->children)
		return err_oom(e);
	for (int i = 0; i < b->nchildren; i++)
		if ((rc = builder_view(&b->children[i], a, &ret->children[i], e)) < 0)
			return rc;
	return 0;
}

static int own(struct arena *a, const struct buf *b, const uint8_t **ret, struct err *e)
{
	uint8_t *p = arena_alloc(a, b->n + 64); /* room for wide loads past the end */

	if (!p)
		return err_oom(e);
	if (b->n)
		memcpy(p, b->p, b->n);
	memset(p + b->n, 0, 64);
	*ret = p;
	return 0;
}

int builder_column(const struct builder *b, struct arena *a, struct column *ret, struct err *e)
{
	const uint8_t *p;
	int rc;

	*ret = (struct column){ .type = b->type, .length = b->n, .null_count = b->nulls };
	if (b->nulls && b->type->layout != LAY_NULL && (rc = own(a, &b->valid, &ret->valid, e)) < 0)
		return rc;
	if ((rc = own(a, &b->values, &ret->values, e)) < 0 || (rc = own(a, &b->offsets, &p, e)) < 0)
		return rc;
	if (b->type->layout == LAY_LIST64)
		ret->offsets64 = (const int64_t *)(const void *)p;
	else
		ret->offsets = (const int32_t *)(const void *)p;
	if (!b->nchildren)
		return 0;
	ret->children = arena_array(a, struct column, (size_t)b->nchildren);
	if (!ret->children)
		return err_oom(e);
	for (int i = 0; i < b->nchildren; i++)
		if ((rc = builder_column(&b->children[i], a, &ret->children[i], e)) < 0)
			return rc;
	return 0;
}
