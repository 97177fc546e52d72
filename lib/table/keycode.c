/* The bytes of keys and their placement hashes: see key.h.
 *
 * A part is prepared once a batch: its column is looked at as one of the shapes below. When all parts have a fixed width the
 * keys are written column by column with a stride; else row by row, each part appending itself. The encodings themselves are
 * in keynum.c and keytext.c. */
#include "lib/table/key.h"

#include "lib/base/hash.h"
#include "lib/table/fields.h"
#include "lib/table/keycode.h"

#include <math.h>

enum shape {
	SHAPE_NULL,    /* all null */
	SHAPE_BOOL,
	SHAPE_I64,
	SHAPE_F64,
	SHAPE_INSTANT, /* seconds and nanoseconds */
	SHAPE_NUMBER,  /* any numbers in the general encoding */
	SHAPE_DECIMAL, /* text that is hoped to be usual numbers only, in the same encoding */
	SHAPE_TEXT,
	SHAPE_NAT,
	SHAPE_FOLD,
};

/* 0: any. */
static const uint8_t widths[] = { [SHAPE_BOOL] = 1, [SHAPE_I64] = 8, [SHAPE_F64] = 8, [SHAPE_INSTANT] = 12, [SHAPE_FOLD] = 0 };

struct part {
	enum shape shape;
	bool desc;
	uint8_t null_mark;
	const struct column *c;
	const uint8_t *valid;
	const int64_t *i64;     /* SHAPE_I64, SHAPE_INSTANT */
	int64_t per_second;     /* units a second, or minus the seconds a unit: SHAPE_INSTANT and hashes of times */
	struct numbers nums;    /* SHAPE_NUMBER, SHAPE_F64, SHAPE_I64 of numbers */
	const char *end;        /* where the column's bytes end: SHAPE_DECIMAL, SHAPE_TEXT of a column without a byte 00 */
	struct str *text;       /* SHAPE_TEXT .. SHAPE_FOLD of values that had to be printed; NULL: the column's own */
};

struct coder {
	const struct key *k;
	const struct batch *b;
	struct part *parts;
	int64_t n;              /* rows to encode */
	bool hopeful;           /* SHAPE_DECIMAL is tried */
	bool limited;           /* rows that pass this limit in their first part need no key */
	struct key_limit limit;
	struct bad_values *bad;
	struct arena *a;
	struct err *e;
	uint8_t *p;             /* the bytes so far, in the arena */
	size_t len, cap;
};

/* ---- preparing the parts ---- */

static int prepare_numbers(struct coder *k, const struct key_bound *kb, struct part *p)
{
	const struct field *f = &k->b->schema->fields[kb->col];
	int64_t bad_before = k->bad->bad_row;
	int rc = read_numbers(k->b, kb->col, NULL, 0, k->bad, k->a, &p->nums, k->e);

	if (rc < 0)
		return rc;
	if (k->bad->bad_row != bad_before) {
		cleanup_buf struct buf name = { 0 };

		if (field_escape(f->name, &name))
			return err_oom(k->e);
		if (k->k->option && !*k->k->option)
			err_hint(k->e, "text: :text instead of :num; skip such rows: --on-bad skip");
		else
			err_hint(k->e, "text: %s %.*s:text; skip such rows: --on-bad skip", k->k->option ? k->k->option : "-k",
				 STR_ARG(buf_view(&name)));
	}
	p->valid = p->nums.valid;
	p->shape = kb->exact || p->nums.kind == NUMS_DEC ? SHAPE_NUMBER : p->nums.kind == NUMS_F64 ? SHAPE_F64 : SHAPE_I64;
	p->i64 = p->nums.i64;
	return 0;
}

/* A fixed column of 4 or 8 bytes as int64. */
static const int64_t *widened(const struct column *c, struct arena *a)
{
	const int32_t *narrow = (const void *)c->values;
	int64_t *v;

	if (c->type->width == 8)
		return (const void *)c->values;
	if ((v = arena_alloc(a, (size_t)c->length * sizeof *v)))
		for (int64_t i = 0; i < c->length; i++)
			v[i] = narrow[i];
	return v;
}

static int64_t units_per_second(const struct type *t)
{
	static const int64_t units[] = { [UNIT_S] = 1, [UNIT_MS] = 1000, [UNIT_US] = 1000000, [UNIT_NS] = 1000000000 };

	return t->id == T_DATE32 ? -86400 : t->id == T_DATE64 ? 1000 : units[t->unit];
}

static int prepare_fixed(struct coder *k, const struct key_bound *kb, struct part *p)
{
	p->shape = kb->exact ? SHAPE_INSTANT : SHAPE_I64;
	p->i64 = widened(p->c, k->a);
	p->per_second = p->c->type->id == T_INTERVAL ? 0 : units_per_second(p->c->type);
	return p->i64 ? 0 : err_oom(k->e);
}

static int prepare_times(struct coder *k, const struct key_bound *kb, struct part *p)
{
	struct times t;
	int rc = read_times(k->b, kb->col, NULL, 0, k->bad, k->a, &t, k->e);

	p->shape = kb->exact ? SHAPE_INSTANT : SHAPE_I64;
	p->i64 = t.us;
	p->valid = t.valid;
	p->per_second = 1000000;
	return rc;
}

/* Numbers as they are written: the text that a typed value prints as. 0 or -1. */
static int print_number(const struct numbers *n, int64_t row, struct buf *b)
{
	struct dec d;

	if (n->kind == NUMS_F64) {
		if (buf_reserve(b, 32))
			return -1;
		b->n += num_print_f64(n->f64[row], (char *)b->p + b->n);
		return 0;
	}
	return numbers_dec(n, row, &d) ? dec_print(d, &n->pool, b) : -1;
}

static int print_value(const struct part *p, int64_t row, struct buf *b)
{
	switch (p->shape) {
	case SHAPE_BOOL:
		return buf_puts(b, column_bool(p->c, row) ? "true" : "false");
	case SHAPE_TEXT:
		return buf_add(b, p->c->values + row * p->c->type->width, (size_t)p->c->type->width);
	default:
		return print_number(&p->nums, row, b);
	}
}

static int print_time(const struct type *t, int64_t v, struct buf *b)
{
	if (buf_reserve(b, 40))
		return -1;
	b->n += t->id == T_DATE32 ? date_print((int32_t)v, (char *)b->p + b->n) : time_print(v, (char *)b->p + b->n);
	return 0;
}

/* Typed values under a reading of text: all printed beforehand. */
static int prepare_printed(struct coder *k, const struct key_bound *kb, struct part *p)
{
	cleanup_buf struct buf b = { 0 };
	struct times t = { 0 };
	const struct type *type = p->c->type;
	bool time = type->id == T_DATE32 || type->id == T_DATE64 || type->id == T_TIMESTAMP;
	int rc = 0;

	p->shape = type->id == T_BOOL ? SHAPE_BOOL : SHAPE_TEXT;
	if (time)
		rc = read_times(k->b, kb->col, NULL, 0, k->bad, k->a, &t, k->e);
	else if (type_is_numeric(type))
		rc = prepare_numbers(k, kb, p);
	if (rc < 0)
		return rc;
	p->text = arena_array(k->a, struct str, (size_t)k->b->nrows);
	if (!p->text)
		return err_oom(k->e);
	for (int64_t i = 0; i < k->b->nrows; i++) {
		if (column_is_null(p->c, i))
			continue;
		b.n = 0;
		if (time ? print_time(type, type->id == T_DATE32 ? ((const int32_t *)(const void *)p->c->values)[i] : t.us[i], &b) :
			   print_value(p, i, &b))
			return err_oom(k->e);
		p->text[i] = (struct str){ arena_dup(k->a, b.p, b.n), b.n };
		if (!p->text[i].p)
			return err_oom(k->e);
	}
	return 0;
}

static const char *text_end(const struct column *c)
{
	return c->length ? (const char *)c->values + c->offsets[c->length] : NULL;
}

static const char *plain_end(const struct column *c)
{
	const char *p = (const char *)c->values;

	if (!c->length || c->offsets[0] == c->offsets[c->length])
		return NULL;
	return memchr(p + c->offsets[0], 0, (size_t)(c->offsets[c->length] - c->offsets[0])) ? NULL : text_end(c);
}

static int prepare_text(struct coder *k, const struct key_bound *kb, struct part *p)
{
	int rc = p->c->type->layout == LAY_VAR ? 0 : prepare_printed(k, kb, p);

	if (kb->reading != KEY_NAT && kb->reading != KEY_FOLD && !p->text)
		p->end = plain_end(p->c);
	p->shape = kb->reading == KEY_NAT ? SHAPE_NAT : kb->reading == KEY_FOLD ? SHAPE_FOLD : SHAPE_TEXT;
	return rc;
}

static int prepare(struct coder *k, const struct key_bound *kb, struct part *p)
{
	const struct type *t = k->b->cols[kb->col].type;
	bool text = t->layout == LAY_VAR || t->id == T_FIXED_BINARY;

	*p = (struct part){ .c = &k->b->cols[kb->col], .desc = kb->desc };
	p->valid = p->c->valid;
	p->null_mark = kb->nullsfirst ? KEY_MARK_NULL_FIRST : KEY_MARK_NULL_LAST;
	if (t->id == T_NULL)
		return 0;
	if (kb->reading == KEY_TEXT || kb->reading == KEY_NAT || kb->reading == KEY_FOLD)
		return prepare_text(k, kb, p);
	if (kb->reading == KEY_NUM && t->id == T_UTF8 && k->hopeful) {
		p->shape = SHAPE_DECIMAL;
		p->end = text_end(p->c);
		return 0;
	}
	if (kb->reading == KEY_NUM || type_is_numeric(t))
		return prepare_numbers(k, kb, p);
	if (kb->reading == KEY_TIME && t->id == T_UTF8)
		return prepare_times(k, kb, p);
	if (text)
		return prepare_text(k, kb, p);
	if (t->id == T_BOOL) {
		p->shape = SHAPE_BOOL;
		return 0;
	}
	return prepare_fixed(k, kb, p);
}

static bool is_null(const struct part *p, int64_t row)
{
	return p->shape == SHAPE_NULL || (p->valid && !bit_get(p->valid, row));
}

static void release(struct coder *k)
{
	for (int i = 0; k->parts && i < k->k->n; i++)
		numbers_free(&k->parts[i].nums);
}

/* All parts, or those that were SHAPE_DECIMAL in vain. */
static int prepare_all(struct coder *k)
{
	bool again = k->parts;
	int rc;

	if (!again && !(k->parts = arena_array(k->a, struct part, (size_t)k->k->n)))
		return err_oom(k->e);
	for (int i = 0; i < k->k->n; i++)
		if ((!again || k->parts[i].shape == SHAPE_DECIMAL) && (rc = prepare(k, &k->k->parts[i], &k->parts[i])) < 0)
			return rc;
	k->n = k->bad->bad_row >= 0 && k->bad->bad_row < k->b->nrows ? k->bad->bad_row : k->b->nrows;
	return 0;
}

/* ---- fixed parts ---- */

static void store_u64(uint8_t *dst, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(dst, &v, 8);
}

static uint64_t order_i64(int64_t v)
{
	return (uint64_t)v ^ 1ull << 63;
}

/* -0 is 0; one NaN, above infinity. */
static uint64_t order_f64(double v)
{
	uint64_t bits;

	if (v != v)
		return UINT64_MAX;
	v += 0.0;
	memcpy(&bits, &v, sizeof bits);
	return bits >> 63 ? ~bits : bits | 1ull << 63;
}

static void split_instant(const struct part *p, int64_t v, int64_t *s, uint32_t *ns)
{
	int64_t rest;

	if (p->per_second < 0) {
		*s = v * -p->per_second;
		*ns = 0;
		return;
	}
	*s = v / p->per_second - (v % p->per_second < 0);
	rest = v - *s * p->per_second;
	*ns = (uint32_t)(rest * (1000000000 / p->per_second));
}

static void put_instant(const struct part *p, int64_t row, uint8_t *dst)
{
	int64_t s;
	uint32_t ns;

	split_instant(p, p->i64[row], &s, &ns);
	ns = __builtin_bswap32(ns);
	store_u64(dst, order_i64(s));
	memcpy(dst + 8, &ns, 4);
}

static void put_fixed(const struct part *p, int64_t row, uint8_t *dst)
{
	switch (p->shape) {
	case SHAPE_BOOL:
		*dst = column_bool(p->c, row);
		break;
	case SHAPE_I64:
		store_u64(dst, order_i64(p->i64[row]));
		break;
	case SHAPE_F64:
		store_u64(dst, order_f64(p->nums.f64[row]));
		break;
	default:
		put_instant(p, row, dst);
	}
}

/* One part of all keys, `stride` bytes apart. */
static inline __attribute__((always_inline)) void column_of(const struct part *p, enum shape shape, int64_t n, uint8_t *dst,
							    size_t stride)
{
	struct part fixed = *p;
	size_t width = widths[shape];

	fixed.shape = shape;
	for (int64_t i = 0; i < n; i++, dst += stride) {
		if (is_null(p, i)) {
			*dst = p->null_mark;
			memset(dst + 1, 0, width);
			continue;
		}
		*dst = KEY_MARK_VALUE;
		put_fixed(&fixed, i, dst + 1);
		if (p->desc)
			key_invert(dst + 1, width);
	}
}

static void put_column(const struct part *p, int64_t n, uint8_t *dst, size_t stride)
{
	switch (p->shape) {
	case SHAPE_I64:
		column_of(p, SHAPE_I64, n, dst, stride);
		break;
	case SHAPE_F64:
		column_of(p, SHAPE_F64, n, dst, stride);
		break;
	case SHAPE_BOOL:
		column_of(p, SHAPE_BOOL, n, dst, stride);
		break;
	case SHAPE_INSTANT:
		column_of(p, SHAPE_INSTANT, n, dst, stride);
		break;
	default:
		for (int64_t i = 0; i < n; i++)
			dst[(size_t)i * stride] = p->null_mark;
	}
}

/* ---- keys of any length ---- */

static int more_room(struct coder *k, size_t need)
{
	size_t cap = k->cap * 2 + need;
	uint8_t *p;

	if (cap > UINT32_MAX)
		cap = UINT32_MAX;
	if (cap - k->len < need)
		return err_set(k->e, ST_OSERR, "the keys of one batch exceed 4 GiB");
	if (!(p = arena_alloc(k->a, cap)))
		return err_oom(k->e);
	if (k->len)
		memcpy(p, k->p, k->len);
	k->p = p;
	k->cap = cap;
	return 0;
}

static inline int room(struct coder *k, size_t need)
{
	return __builtin_expect(k->cap - k->len >= need, 1) ? 0 : more_room(k, need);
}

static struct str text_at(const struct part *p, int64_t row)
{
	return p->text ? p->text[row] : column_str(p->c, row);
}

/* Text without 00, short and not at the column's very end, is copied as 16 bytes. */
static inline uint8_t *put_plain(const struct part *p, struct str s, uint8_t *dst)
{
	if (s.n <= 16 && p->end - s.p >= 16)
		memcpy(dst, s.p, 16);
	else
		memcpy(dst, s.p, s.n);
	memset(dst + s.n, 0, 2);
	return dst + s.n + 2;
}

static int add_text(struct coder *k, const struct part *p, int64_t row)
{
	struct str s = text_at(p, row);
	uint8_t *start, *end;
	int rc;

	if ((rc = room(k, p->end ? s.n + 18 : KEY_TEXT_ROOM(s.n))) < 0)
		return rc;
	start = k->p + k->len;
	if (p->end)
		end = put_plain(p, s, start);
	else if (p->shape == SHAPE_TEXT)
		end = key_put_escaped(start, s.p, s.n);
	else if (p->shape == SHAPE_NAT)
		end = key_put_natural(start, s.p, s.n);
	else
		end = key_put_folded(start, s.p, s.n);
	if (p->desc)
		key_invert(start, (size_t)(end - start));
	k->len = (size_t)(end - k->p);
	return 0;
}

static int add_big(struct coder *k, struct dec d, const struct decpool *pool, bool desc)
{
	uint8_t *end;
	int rc;

	if ((rc = room(k, key_big_room(d, pool))) < 0)
		return rc;
	if (!(end = key_put_big(k->p + k->len, d, pool, desc)))
		return err_oom(k->e);
	k->len = (size_t)(end - k->p);
	return 0;
}

/* Room has been made. */
static int add_f64(struct coder *k, double v, bool desc)
{
	struct decpool pool = { 0 };
	struct dec d;
	int rc = 0;

	if (!isfinite(v))
		k->len = (size_t)(key_put_special(k->p + k->len, v, desc) - k->p);
	else if (dec_from_f64(v, &pool, &d))
		rc = err_oom(k->e);
	else if (d.big)
		rc = add_big(k, d, &pool, desc);
	else
		k->len = (size_t)(key_put_dec(k->p + k->len, d, desc) - k->p);
	decpool_free(&pool);
	return rc;
}

static int add_number(struct coder *k, const struct part *p, int64_t row)
{
	struct dec d;
	int rc;

	if ((rc = room(k, KEY_NUMBER_ROOM)) < 0)
		return rc;
	if (!numbers_dec(&p->nums, row, &d))
		return add_f64(k, p->nums.f64[row], p->desc);
	if (d.big)
		return add_big(k, d, &p->nums.pool, p->desc);
	k->len = (size_t)(key_put_dec(k->p + k->len, d, p->desc) - k->p);
	return 0;
}

/* 1: it is no usual number. */
static int add_decimal(struct coder *k, const struct part *p, int64_t row)
{
	struct str s = column_str(p->c, row);
	uint8_t *end;
	int rc;

	if ((rc = room(k, KEY_NUMBER_ROOM)) < 0)
		return rc;
	if (!(end = key_put_decimal(k->p + k->len, s.p, s.n, p->end, p->desc)))
		return 1;
	k->len = (size_t)(end - k->p);
	return 0;
}

static int add_fixed(struct coder *k, const struct part *p, int64_t row)
{
	size_t width = widths[p->shape];
	int rc;

	if ((rc = room(k, width)) < 0)
		return rc;
	put_fixed(p, row, k->p + k->len);
	if (p->desc)
		key_invert(k->p + k->len, width);
	k->len += width;
	return 0;
}

static inline int add_part(struct coder *k, const struct part *p, int64_t row)
{
	int rc;

	if ((rc = room(k, 16)) < 0)
		return rc;
	if (is_null(p, row)) {
		k->p[k->len++] = p->null_mark;
		memset(k->p + k->len, 0, widths[p->shape]);
		k->len += widths[p->shape];
		return 0;
	}
	k->p[k->len++] = KEY_MARK_VALUE;
	if (p->shape >= SHAPE_TEXT)
		return add_text(k, p, row);
	return p->shape == SHAPE_DECIMAL ? add_decimal(k, p, row) :
	       p->shape == SHAPE_NUMBER	 ? add_number(k, p, row) :
					   add_fixed(k, p, row);
}

static inline bool needless(const struct coder *k, int64_t row)
{
	const struct part *p = k->parts;
	struct dec d;

	return k->limited && !is_null(p, row) && numbers_dec(&p->nums, row, &d) && key_limit_passed(&k->limit, d);
}

static int encode_rows(struct coder *k, uint32_t *offsets)
{
	int rc;

	for (int64_t i = 0; i < k->n; i++) {
		offsets[i] = (uint32_t)k->len;
		if (needless(k, i))
			continue;
		for (int j = 0; j < k->k->n; j++)
			if ((rc = add_part(k, &k->parts[j], i)) != 0)
				return rc;
	}
	return 0;
}

/* One part of plain text: the commonest key. */
static int encode_plain(struct coder *k, uint32_t *offsets)
{
	const struct part *p = k->parts;
	uint8_t *dst;
	int rc;

	if ((rc = room(k, (size_t)p->c->offsets[k->n] + 3 * (size_t)k->n + 16)) < 0)
		return rc;
	dst = k->p;
	for (int64_t i = 0; i < k->n; i++) {
		offsets[i] = (uint32_t)(dst - k->p);
		if (is_null(p, i)) {
			*dst++ = p->null_mark;
			continue;
		}
		*dst = KEY_MARK_VALUE;
		dst = put_plain(p, column_str(p->c, i), dst + 1);
	}
	k->len = (size_t)(dst - k->p);
	return 0;
}

/* One part that is SHAPE_DECIMAL. 1: it is not. */
static int encode_decimals(struct coder *k, uint32_t *offsets)
{
	const struct part *p = k->parts;
	uint8_t *dst;
	int rc;

	if ((rc = room(k, (1 + KEY_NUMBER_ROOM) * (size_t)k->n)) < 0)
		return rc;
	dst = k->p;
	for (int64_t i = 0; i < k->n; i++) {
		struct str s = column_str(p->c, i);

		offsets[i] = (uint32_t)(dst - k->p);
		if (is_null(p, i)) {
			*dst++ = p->null_mark;
			continue;
		}
		*dst = KEY_MARK_VALUE;
		if (!(dst = key_put_decimal(dst + 1, s.p, s.n, p->end, p->desc)))
			return 1;
	}
	k->len = (size_t)(dst - k->p);
	return 0;
}

/* Bytes of every key when all have the same, else 0. */
static size_t fixed_width(const struct coder *k)
{
	size_t sum = 0;

	for (int i = 0; i < k->k->n; i++) {
		if (k->parts[i].shape >= SHAPE_NUMBER)
			return 0;
		sum += 1 + (size_t)widths[k->parts[i].shape];
	}
	return sum;
}

static void encode_columns(struct coder *k, size_t width, uint32_t *offsets)
{
	uint8_t *dst = k->p;

	for (int i = 0; i < k->k->n; i++) {
		put_column(&k->parts[i], k->n, dst, width);
		dst += 1 + widths[k->parts[i].shape];
	}
	for (int64_t i = 0; i < k->n; i++)
		offsets[i] = (uint32_t)((size_t)i * width);
	k->len = (size_t)k->n * width;
}

/* About what the keys will take. */
static size_t expected_bytes(const struct coder *k)
{
	size_t rows = (size_t)k->b->nrows, sum = 64;

	for (int i = 0; i < k->k->n; i++) {
		const struct part *p = &k->parts[i];

		if (p->shape >= SHAPE_TEXT && !p->text && rows)
			sum += (size_t)p->c->offsets[rows] * (p->shape == SHAPE_NAT ? 3 : 1) + 3 * rows;
		else
			sum += rows * 13;
	}
	return sum;
}

/* Rows with a null part; NULL if there are none. */
static int find_nulls(struct coder *k, struct keys *ret)
{
	uint8_t *null = NULL;

	for (int i = 0; i < k->k->n; i++) {
		const struct part *p = &k->parts[i];

		if (p->shape != SHAPE_NULL && !p->valid)
			continue;
		if (!null && !(null = arena_calloc(k->a, (size_t)k->b->nrows, 1)))
			return err_oom(k->e);
		for (int64_t row = 0; row < k->n; row++)
			null[row] |= is_null(p, row);
	}
	ret->has_null = null;
	return 0;
}

static int encode_any(struct coder *k, uint32_t *offsets)
{
	const struct part *p = k->parts;

	if (k->k->n == 1 && p->shape == SHAPE_DECIMAL)
		return encode_decimals(k, offsets);
	return k->k->n == 1 && p->end && !p->desc ? encode_plain(k, offsets) : encode_rows(k, offsets);
}

/* 1: some SHAPE_DECIMAL is not. */
static int encode(struct coder *k, struct keys *ret)
{
	uint32_t *offsets = arena_alloc(k->a, ((size_t)k->b->nrows + 1) * sizeof *offsets);
	size_t width = fixed_width(k);
	int rc;

	if (!offsets)
		return err_oom(k->e);
	if ((rc = more_room(k, width ? (size_t)k->n * width : expected_bytes(k))) < 0)
		return rc;
	if (width)
		encode_columns(k, width, offsets);
	else if ((rc = encode_any(k, offsets)) != 0)
		return rc;
	for (int64_t i = k->n; i <= k->b->nrows; i++)
		offsets[i] = (uint32_t)k->len;
	*ret = (struct keys){ .n = k->b->nrows, .bytes = k->p, .offsets = offsets, .fixed = (int64_t)width };
	return find_nulls(k, ret);
}

int keys_encode_until(const struct key *k, struct str bound, const struct batch *b, struct bad_values *bad, struct arena *a,
		      struct keys *ret, struct err *e)
{
	struct coder c = { .k = k, .b = b, .bad = bad, .a = a, .e = e, .hopeful = !bound.n };
	const uint8_t *p = (const uint8_t *)bound.p;
	int rc = prepare_all(&c);

	c.limited = rc == 0 && bound.n && c.parts->shape == SHAPE_NUMBER && p[0] == KEY_MARK_VALUE &&
		    key_limit_read(p + 1, bound.n - 1, c.parts->desc, &c.limit);
	if (rc == 0 && (rc = encode(&c, ret)) > 0) {
		c.hopeful = false;
		c.len = 0;
		if ((rc = prepare_all(&c)) == 0)
			rc = encode(&c, ret);
	}
	release(&c);
	return rc;
}

int keys_encode(const struct key *k, const struct batch *b, struct bad_values *bad, struct arena *a, struct keys *ret,
		struct err *e)
{
	return keys_encode_until(k, (struct str){ 0 }, b, bad, a, ret, e);
}

/* ---- placement ---- */

/* Seconds since the epoch. */
static int canonical_time(const struct part *p, int64_t row, struct buf *b)
{
	struct decpool none = { 0 };
	int64_t s, v = p->i64[row];
	struct dec d;
	uint32_t ns;
	int rc;

	if (!p->per_second)
		return dec_canonical(dec_from_i64(v), &none, b);
	split_instant(p, v, &s, &ns);
	rc = dec_from_i128((__int128)s * 1000000000 + ns, 9, &none, &d) ? -1 : dec_canonical(d, &none, b);
	decpool_free(&none);
	return rc;
}

static int canonical_f64(double v, struct buf *b)
{
	struct decpool pool = { 0 };
	struct dec d;
	int rc;

	if (!isfinite(v))
		return buf_puts(b, v != v ? "nan" : v > 0 ? "inf" : "-inf");
	rc = dec_from_f64(v, &pool, &d) ? -1 : dec_canonical(d, &pool, b);
	decpool_free(&pool);
	return rc;
}

static int canonical_number(const struct part *p, int64_t row, struct buf *b)
{
	struct dec d;

	return numbers_dec(&p->nums, row, &d) ? dec_canonical(d, &p->nums.pool, b) : canonical_f64(p->nums.f64[row], b);
}

static int canonical(const struct part *p, int64_t row, struct buf *b)
{
	struct str s;

	switch (p->shape) {
	case SHAPE_TEXT:
	case SHAPE_NAT:
		return buf_str(b, text_at(p, row));
	case SHAPE_FOLD:
		s = text_at(p, row);
		if (buf_reserve(b, 2 * s.n + 1))
			return -1;
		b->n += key_fold((char *)b->p + b->n, s.p, s.n);
		return 0;
	case SHAPE_BOOL:
		return buf_puts(b, column_bool(p->c, row) ? "true" : "false");
	default:
		return p->nums.n ? canonical_number(p, row, b) : canonical_time(p, row, b);
	}
}

/* The message that is hashed: see key.h. */
static int message(const struct coder *k, int64_t row, struct buf *b)
{
	bool several = k->k->n > 1;

	b->n = 0;
	for (int i = 0; i < k->k->n; i++) {
		const struct part *p = &k->parts[i];
		bool null = is_null(p, row);
		size_t at = b->n;
		uint64_t len = UINT64_MAX;

		if ((several || null) && buf_add(b, &len, 8))
			return -1;
		if (null)
			continue;
		if (canonical(p, row, b))
			return -1;
		len = b->n - at - 8;
		if (several)
			memcpy(b->p + at, &len, 8);
	}
	return 0;
}

/* The usual key: text of one column, hashed where it is. */
static void hash_texts(const struct part *p, int64_t n, uint64_t seed, uint64_t *hash)
{
	static const uint64_t null = UINT64_MAX;

	for (int64_t i = 0; i < n; i++) {
		struct str s = is_null(p, i) ? (struct str){ (const char *)&null, sizeof null } : text_at(p, i);

		hash[i] = hash64(s.p, s.n, seed);
	}
}

static int hash_messages(const struct coder *k, uint64_t seed, uint64_t *hash)
{
	cleanup_buf struct buf text = { 0 };

	for (int64_t i = 0; i < k->n; i++) {
		if (message(k, i, &text))
			return err_oom(k->e);
		hash[i] = hash64(text.p, text.n, seed);
	}
	return 0;
}

int placement_hash(const struct key *k, const struct batch *b, uint64_t seed, struct bad_values *bad, struct arena *a,
		   uint64_t **ret, struct err *e)
{
	struct coder c = { .k = k, .b = b, .bad = bad, .a = a, .e = e };
	uint64_t *hash = arena_array(a, uint64_t, (size_t)b->nrows);
	int rc = hash ? prepare_all(&c) : err_oom(e);

	if (rc == 0 && k->n == 1 && (c.parts->shape == SHAPE_TEXT || c.parts->shape == SHAPE_NAT))
		hash_texts(c.parts, c.n, seed, hash);
	else if (rc == 0)
		rc = hash_messages(&c, seed, hash);
	release(&c);
	*ret = hash;
	return rc;
}
