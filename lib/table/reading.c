/* Readings of columns: see reading.h.
 *
 * Text is read in three steps of falling speed: up to 17 characters without branches on their digits (short_decimal), then
 * dec_parse(), then nan and inf. Bad values end here in one place, bad_values_add(), which follows the policy; with BAD_FAIL the
 * first bad row becomes the limit for all later reads of the batch, so that the error that is reported is the one that comes
 * first. */
#include "lib/table/reading.h"

#include "lib/base/swar.h"

#include <math.h>

/* ---- values that cannot be read ---- */

/* Bytes of s that a message shows: at most 60, whole UTF-8 sequences. */
static struct str excerpt(struct str s)
{
	if (s.n <= 60)
		return s;
	s.n = 60;
	while (s.n > 56 && ((unsigned char)s.p[s.n] & 0xc0) == 0x80)
		s.n--;
	return s;
}

int not_a_number(const struct batch *b, int64_t row, int col, struct str value, enum dec_read why, struct err *e)
{
	struct str cut = excerpt(value);
	const char *dots = cut.n < value.n ? "..." : "";

	if (why == DEC_NOMEM)
		return err_oom(e);
	if (why == DEC_LIMIT)
		err_set(e, ST_DATA, "\"%.*s%s\" is beyond the numbers that are read (at most %d digits, exponents within %d)", STR_ARG(cut),
			dots, DEC_DIGITS, DEC_EXP);
	else
		err_set(e, ST_DATA, "\"%.*s%s\" is not a number", STR_ARG(cut), dots);
	err_hint(e, "skip such rows: --on-bad skip");
	return batch_err_at(b, row, col, e);
}

int not_a_time(const struct batch *b, int64_t row, int col, struct str value, struct err *e)
{
	struct str cut = excerpt(value);

	err_set(e, ST_DATA, "\"%.*s%s\" is not a time", STR_ARG(cut), cut.n < value.n ? "..." : "");
	err_hint(e, "ISO 8601, at most microseconds; skip such rows: --on-bad skip");
	return batch_err_at(b, row, col, e);
}

int bad_values_mark(struct bad_values *bad, const struct batch *b, int64_t row, struct arena *a, struct err *e)
{
	uint8_t **marks = bad->policy == BAD_SKIP ? &bad->skip : &bad->nulled;

	if (bad->policy == BAD_NULL && !b->origin.log)
		return 0;
	if (!*marks && !(*marks = arena_calloc(a, bits_bytes(b->nrows) + 8, 1)))
		return err_oom(e);
	bit_set(*marks, row);
	return 0;
}

int bad_values_add(struct bad_values *bad, const struct batch *b, int64_t row, struct arena *a, struct err *e)
{
	bad->count++;
	if (bad->policy == BAD_FAIL) {
		bad->bad_row = row;
		return 1;
	}
	return bad_values_mark(bad, b, row, a, e);
}

int bad_values_find(const struct bad_values *bad, const struct batch *b, struct bad_found *f, struct err *e)
{
	const uint8_t *marks = bad->skip ? bad->skip : bad->nulled;
	int64_t n = bad->bad_row >= 0 ? bad->bad_row : b->nrows;
	int rc = 0;

	if (!marks || !b->origin.log)
		return 0;
	for (int64_t i = 0; i < n && rc == 0; i++)
		if (bit_get(marks, i))
			rc = bad_found_add(f, b, i, marks == bad->skip, e);
	return rc;
}

int bad_values_done(const struct bad_values *bad, const struct batch *b, struct err *e)
{
	struct bad_found f = { 0 };
	int rc = bad_values_find(bad, b, &f, e);

	if (rc == 0)
		rc = bad_found_give(&f, e);
	buf_free(&f.texts);
	return rc;
}

/* ---- what all readings of a column share ---- */

struct reader {
	const struct batch *b;
	const struct column *c;
	int col;
	const uint32_t *sel;
	int64_t n;     /* rows to read: of sel, or the first n of the batch */
	int64_t rows;  /* those that values are written for */
	struct bad_values *bad;
	struct arena *a;
	struct err *e;
	uint8_t *valid;
	int64_t nulls;
};

/* Rows behind a bad one are not read again. A selection is in ascending order. */
static int64_t limit(const struct reader *r, int64_t nsel)
{
	int64_t stop = r->bad->bad_row, n = r->sel ? nsel : r->b->nrows;

	if (stop < 0)
		return n;
	if (!r->sel)
		return stop < n ? stop : n;
	while (n && r->sel[n - 1] >= stop)
		n--;
	return n;
}

static int reader_init(struct reader *r, const struct batch *b, int col, const uint32_t *sel, int64_t nsel,
		       struct bad_values *bad, struct arena *a, struct err *e)
{
	const struct column *c = &b->cols[col];
	size_t bytes = bits_bytes(b->nrows);

	*r = (struct reader){ .b = b, .c = c, .col = col, .sel = sel, .rows = b->nrows, .bad = bad, .a = a, .e = e };
	r->n = limit(r, nsel);
	r->nulls = c->type->id == T_NULL ? b->nrows : c->null_count;
	if (!r->nulls)
		return 0;
	r->valid = c->type->id == T_NULL ? arena_calloc(a, bytes, 1) : arena_dup(a, c->valid, bytes);
	return r->valid ? 0 : err_oom(e);
}

static int64_t row_at(const struct reader *r, int64_t k)
{
	return r->sel ? r->sel[k] : k;
}

static int set_null(struct reader *r, int64_t row)
{
	size_t bytes = bits_bytes(r->rows);

	if (!r->valid) {
		if (!(r->valid = arena_alloc(r->a, bytes)))
			return err_oom(r->e);
		memset(r->valid, 0xff, bytes);
	}
	bit_clear(r->valid, row);
	r->nulls++;
	return 0;
}

/* The error of a bad value is in r->e: 1 to stop reading, 0 to go on with a null. */
static int reader_bad(struct reader *r, int64_t row)
{
	int rc = bad_values_add(r->bad, r->b, row, r->a, r->e);

	return rc ? rc : set_null(r, row);
}

/* Room for one value a row. What is not read is zero. */
static void *reader_room(struct reader *r, size_t width)
{
	void *p = arena_alloc(r->a, (size_t)r->rows * width);

	if (!p)
		err_oom(r->e);
	else if (r->sel || r->n < r->rows || r->valid)
		memset(p, 0, (size_t)r->rows * width);
	return p;
}

/* ---- numbers from text ---- */

struct text_reader {
	struct reader *r;
	struct dec *dec;
	struct decpool *pool;
	double *f64;
	uint8_t *special;
};

/* false: something else, not necessarily bad. */
static inline bool short_decimal(const char *p, size_t n, const char *end, struct dec *ret)
{
	static const int64_t scales[] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000 };
	struct swar_decimal d;
	int64_t m;

	if (!swar_decimal(p, n, end, &d))
		return false;
	m = (int64_t)swar_number(d.whole) * scales[d.places] + (int64_t)swar_number(d.frac);
	*ret = (struct dec){ d.neg ? -m : m, (int32_t)d.places, 0 };
	return true;
}

static int read_special(struct text_reader *t, int64_t row, struct str s)
{
	struct reader *r = t->r;

	if (!t->special) {
		t->special = arena_calloc(r->a, (size_t)r->rows, 1);
		t->f64 = arena_array(r->a, double, (size_t)r->rows);
		if (!t->special || !t->f64)
			return err_oom(r->e);
	}
	t->special[row] = 1;
	t->dec[row] = (struct dec){ 0 };
	(void)num_parse_f64(s, &t->f64[row]);
	return 0;
}

static __attribute__((noinline)) int read_long(struct text_reader *t, int64_t row, struct str s)
{
	struct reader *r = t->r;
	enum dec_read rc = dec_parse(s, t->pool, &t->dec[row]);

	if (rc == DEC_OK)
		return 0;
	if (rc == DEC_SPECIAL)
		return read_special(t, row, s);
	if (rc == DEC_NOMEM)
		return err_oom(r->e);
	t->dec[row] = (struct dec){ 0 };
	if (r->bad->policy == BAD_FAIL)
		not_a_number(r->b, row, r->col, s, rc, r->e);
	return reader_bad(r, row);
}

static int read_text(struct text_reader *t)
{
	struct reader *r = t->r;
	const struct column *c = r->c;
	const char *end = r->n ? (const char *)c->values + c->offsets[c->length] : NULL;
	int rc;

	for (int64_t k = 0; k < r->n; k++) {
		int64_t row = row_at(r, k);
		struct str s = column_str(c, row);

		if (c->valid && !bit_get(c->valid, row))
			continue;
		if (!short_decimal(s.p, s.n, end, &t->dec[row]) && (rc = read_long(t, row, s)) != 0)
			return rc;
	}
	return 0;
}

/* Rows behind the first bad one, zeroed. */
static void clear_rest(struct reader *r, void *values, size_t width)
{
	int64_t from = r->bad->bad_row;

	if (from >= 0 && from < r->rows)
		memset((char *)values + (size_t)from * width, 0, (size_t)(r->rows - from) * width);
}

static int numbers_of_text(struct reader *r, struct numbers *ret)
{
	struct text_reader t = { .r = r, .pool = &ret->pool, .dec = reader_room(r, sizeof(struct dec)) };
	int rc;

	if (!t.dec)
		return -r->e->status;
	if ((rc = read_text(&t)) < 0)
		return rc;
	clear_rest(r, t.dec, sizeof *t.dec);
	ret->kind = NUMS_DEC;
	ret->dec = t.dec;
	ret->f64 = t.f64;
	ret->special = t.special;
	return 0;
}

/* ---- numbers from typed columns ---- */

/* One loop a type, over all rows: cheaper than heeding a selection. */
#define INT_TYPES(X)                                                                                 \
	X(T_INT8, int8_t) X(T_INT16, int16_t) X(T_INT32, int32_t)                                    \
	X(T_UINT8, uint8_t) X(T_UINT16, uint16_t) X(T_UINT32, uint32_t)

static void widen_ints(const struct column *c, int64_t n, int64_t *dst)
{
	switch (c->type->id) {
#define X(ID, T)                                                                                     \
	case ID:                                                                                     \
		for (int64_t i = 0; i < n; i++)                                                      \
			dst[i] = ((const T *)(const void *)c->values)[i];                            \
		break;
		INT_TYPES(X)
#undef X
	default:
		memset(dst, 0, (size_t)n * sizeof *dst);
	}
}

static int numbers_of_ints(struct reader *r, struct numbers *ret)
{
	int64_t *v;

	ret->kind = NUMS_I64;
	if (r->c->type->id == T_INT64) {
		ret->i64 = (const int64_t *)(const void *)r->c->values;
		return 0;
	}
	if (!(v = reader_room(r, sizeof *v)))
		return -r->e->status;
	widen_ints(r->c, r->rows, v);
	ret->i64 = v;
	return 0;
}

/* IEEE binary16. */
static double half_f64(uint16_t h)
{
	int exp = h >> 10 & 31, frac = h & 1023;
	double v = exp == 31 ? (frac ? NAN : INFINITY) : exp ? ldexp(frac + 1024, exp - 25) : ldexp(frac, -24);

	return h >> 15 ? -v : v;
}

static int numbers_of_floats(struct reader *r, struct numbers *ret)
{
	const void *p = r->c->values;
	double *v;

	ret->kind = NUMS_F64;
	if (r->c->type->id == T_FLOAT64) {
		ret->f64 = p;
		return 0;
	}
	if (!(v = reader_room(r, sizeof *v)))
		return -r->e->status;
	for (int64_t i = 0; i < r->rows; i++)
		v[i] = r->c->type->id == T_FLOAT32 ? (double)((const float *)p)[i] : half_f64(((const uint16_t *)p)[i]);
	ret->f64 = v;
	return 0;
}

static int dec_of_wide(const uint8_t *p, int32_t scale, struct decpool *pool, struct dec *ret) /* 256 bits */
{
	bool neg = p[31] >> 7;
	mpz_t z;
	int rc;

	mpz_init(z);
	mpz_import(z, 32, -1, 1, -1, 0, p);
	if (neg) {
		mpz_t top;

		mpz_init(top);
		mpz_setbit(top, 256);
		mpz_sub(z, z, top);
		mpz_clear(top);
	}
	rc = dec_from_mpz(z, scale, pool, ret);
	mpz_clear(z);
	return rc;
}

static int dec_of_fixed(const struct type *t, const uint8_t *p, struct decpool *pool, struct dec *ret)
{
	__int128 wide = 0;
	uint64_t u64 = 0;
	int64_t i64 = 0;
	int32_t i32 = 0;

	switch (t->id == T_UINT64 ? 0 : t->width) {
	case 0:
		memcpy(&u64, p, 8);
		return dec_from_i128(u64, 0, pool, ret);
	case 4:
		memcpy(&i32, p, 4);
		return dec_from_i128(i32, t->scale, pool, ret);
	case 8:
		memcpy(&i64, p, 8);
		return dec_from_i128(i64, t->scale, pool, ret);
	case 16:
		memcpy(&wide, p, 16);
		return dec_from_i128(wide, t->scale, pool, ret);
	default:
		return dec_of_wide(p, t->scale, pool, ret);
	}
}

/* uint64 and decimals. */
static int numbers_of_fixed(struct reader *r, struct numbers *ret)
{
	const struct type *t = r->c->type;
	struct dec *v = reader_room(r, sizeof *v);

	if (!v)
		return -r->e->status;
	ret->kind = NUMS_DEC;
	ret->dec = v;
	for (int64_t k = 0; k < r->n; k++) {
		int64_t row = row_at(r, k);

		if (!column_is_null(r->c, row) && dec_of_fixed(t, r->c->values + row * t->width, &ret->pool, &v[row]))
			return err_oom(r->e);
	}
	return 0;
}

static int no_reading(const struct batch *b, int col, const char *what, struct err *e)
{
	char type[64];

	err_set(e, ST_USAGE, "%s cannot be read as %s", type_name(b->cols[col].type, type, sizeof type), what);
	return err_field(e, b->schema->fields[col].name.p, (int)b->schema->fields[col].name.n);
}

static int numbers_of_column(struct reader *r, struct numbers *ret)
{
	const struct type *t = r->c->type;

	if (t->id == T_UTF8)
		return numbers_of_text(r, ret);
	if (t->id == T_UINT64 || t->id == T_DECIMAL)
		return numbers_of_fixed(r, ret);
	if (type_is_int(t) || t->id == T_NULL)
		return numbers_of_ints(r, ret);
	if (type_is_float(t))
		return numbers_of_floats(r, ret);
	return no_reading(r->b, r->col, "numbers", r->e);
}

int read_numbers(const struct batch *b, int col, const uint32_t *sel, int64_t nsel, struct bad_values *bad, struct arena *a,
		 struct numbers *ret, struct err *e)
{
	struct reader r;
	int rc;

	*ret = (struct numbers){ .n = b->nrows };
	if ((rc = reader_init(&r, b, col, sel, nsel, bad, a, e)) < 0 || (rc = numbers_of_column(&r, ret)) < 0) {
		numbers_free(ret);
		return rc;
	}
	ret->valid = r.valid;
	ret->nulls = r.nulls;
	return 0;
}

void numbers_free(struct numbers *n)
{
	decpool_free(&n->pool);
}

double numbers_f64(const struct numbers *n, int64_t i)
{
	if (n->kind == NUMS_I64)
		return (double)n->i64[i];
	if (n->kind == NUMS_F64 || (n->special && n->special[i]))
		return n->f64[i];
	return dec_to_f64(n->dec[i], &n->pool);
}

/* ---- times ---- */

static int times_of_text(struct reader *r, int64_t *us)
{
	int rc;

	for (int64_t k = 0; k < r->n; k++) {
		int64_t row = row_at(r, k);

		if (column_is_null(r->c, row) || time_parse(column_str(r->c, row), &us[row]))
			continue;
		us[row] = 0;
		if (r->bad->policy == BAD_FAIL)
			not_a_time(r->b, row, r->col, column_str(r->c, row), r->e);
		if ((rc = reader_bad(r, row)) < 0)
			return rc;
		if (rc)
			break;
	}
	clear_rest(r, us, sizeof *us);
	return 0;
}

/* Microseconds a unit of the column, or minus the units a microsecond; 0: no time. */
static int64_t us_per_unit(const struct type *t)
{
	static const int64_t units[] = { [UNIT_S] = 1000000, [UNIT_MS] = 1000, [UNIT_US] = 1, [UNIT_NS] = -1000 };

	switch (t->id) {
	case T_DATE32:
		return 86400000000;
	case T_DATE64:
		return 1000;
	case T_TIMESTAMP:
		return units[t->unit];
	default:
		return 0;
	}
}

static int times_of_fixed(struct reader *r, int64_t unit, int64_t *us)
{
	const void *p = r->c->values;
	int rc;

	for (int64_t k = 0; k < r->n; k++) {
		int64_t row = row_at(r, k), v = r->c->type->width == 4 ? ((const int32_t *)p)[row] : ((const int64_t *)p)[row];

		if (column_is_null(r->c, row))
			continue;
		if (unit < 0) {
			us[row] = v / -unit - (v % -unit < 0);
		} else if (__builtin_mul_overflow(v, unit, &us[row])) {
			us[row] = 0;
			err_set(r->e, ST_DATA, "a time beyond the range of microseconds");
			batch_err_at(r->b, row, r->col, r->e);
			if ((rc = reader_bad(r, row)) != 0)
				return rc < 0 ? rc : 0;
		}
	}
	return 0;
}

int read_times(const struct batch *b, int col, const uint32_t *sel, int64_t nsel, struct bad_values *bad, struct arena *a,
	       struct times *ret, struct err *e)
{
	const struct type *t = b->cols[col].type;
	struct reader r;
	int64_t *us;
	int rc;

	if ((rc = reader_init(&r, b, col, sel, nsel, bad, a, e)) < 0)
		return rc;
	if (t->id != T_UTF8 && t->id != T_NULL && !us_per_unit(t))
		return no_reading(b, col, "times", e);
	if (!(us = reader_room(&r, sizeof *us)))
		return -e->status;
	if (t->id == T_UTF8)
		rc = times_of_text(&r, us);
	else if (t->id != T_NULL)
		rc = times_of_fixed(&r, us_per_unit(t), us);
	*ret = (struct times){ b->nrows, r.nulls, r.valid, us };
	return rc;
}
