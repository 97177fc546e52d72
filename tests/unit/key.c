/* Keys: the order of encoded keys is the order of values by an independent comparison; parts delimit themselves; parsing,
 * binding, matching; placement hashes. */
#include "lib/base/hash.h"
#include "lib/base/rng.h"
#include "lib/table/key.h"
#include "tests/unit/test.h"

#include <gmp.h>
#include <math.h>

#define MAX_COLS 4

/* A table of text values, columns typed as told. */
struct table {
	struct schema *s;
	struct rows r;
	struct batch *b;
};

static void table_start(struct table *t, int n, const char *const *names, const struct type *const *types)
{
	struct err e;

	t->s = schema_new();
	for (int i = 0; i < n; i++)
		if (schema_add(t->s, str_of(names[i]), types[i], true, &e))
			abort();
	if (rows_init(&t->r, t->s, &e))
		abort();
}

static void put(struct table *t, int col, struct str v)
{
	struct err e;

	if (v.p ? builder_str(&t->r.cols[col], v, &e) : builder_null(&t->r.cols[col], 1, &e))
		abort();
}

static void put_raw(struct table *t, int col, const void *v)
{
	struct err e;

	if (v ? builder_fixed(&t->r.cols[col], v, &e) : builder_null(&t->r.cols[col], 1, &e))
		abort();
}

static void table_end(struct table *t)
{
	struct err e;

	if (rows_take(&t->r, &t->b, &e))
		abort();
}

static void table_free(struct table *t)
{
	rows_free(&t->r);
	batch_unref(t->b);
	schema_unref(t->s);
}

static int bind(const char *text, const struct schema *s, struct arena *a, struct key *k, struct err *e)
{
	struct key_spec spec;
	int rc = key_parse(str_of(text), a, &spec, e);

	return rc < 0 ? rc : key_bind(&spec, s, a, k, e);
}

static int encode(const char *text, const struct batch *b, struct arena *a, struct keys *ret)
{
	struct bad_values bad = bad_values_of(BAD_FAIL);
	struct key k;
	struct err e;
	int rc = bind(text, b->schema, a, &k, &e);

	if (rc == 0)
		rc = keys_encode(&k, b, &bad, a, ret, &e);
	return rc < 0 ? rc : bad.bad_row >= 0 ? -1 : 0;
}

static int sign(int c)
{
	return (c > 0) - (c < 0);
}

static int order(const struct keys *k, int64_t i, int64_t j)
{
	return sign(str_cmp(keys_at(k, i), keys_at(k, j)));
}

/* ---- numbers ---- */

/* The exact value of a well-formed number, by the textbook. */
static void rational(mpq_ptr q, const char *text)
{
	char digits[4000];
	size_t n = 0;
	long exp = 0;
	bool neg = *text == '-', point = false;
	mpz_t ten;

	for (text += neg; *text && *text != 'e'; text++) {
		if (*text == '.') {
			point = true;
			continue;
		}
		digits[n++] = *text;
		exp -= point;
	}
	digits[n] = '\0';
	if (*text)
		exp += atol(text + 1);
	mpz_set_str(mpq_numref(q), digits, 10);
	mpz_set_ui(mpq_denref(q), 1);
	mpz_init(ten);
	mpz_ui_pow_ui(ten, 10, (unsigned long)labs(exp));
	mpz_mul(exp < 0 ? mpq_denref(q) : mpq_numref(q), exp < 0 ? mpq_denref(q) : mpq_numref(q), ten);
	mpz_clear(ten);
	if (neg)
		mpz_neg(mpq_numref(q), mpq_numref(q));
	mpq_canonicalize(q);
}

/* Numbers that are likely to be equal, neighbours, or prefixes of each other; any length and exponent. */
static void random_number(struct rng *g, char *dst)
{
	static const int lengths[] = { 1, 1, 2, 2, 3, 4, 17, 18, 19, 20, 40, 300 };
	int n = lengths[rng_below(g, 12)], point = (int)rng_below(g, (uint64_t)n + 4), few = (int)rng_below(g, 3);

	if (rng_below(g, 2))
		*dst++ = '-';
	if (point > n) {
		*dst++ = '0';
		*dst++ = '.';
	}
	for (int i = 0; i < n; i++) {
		*dst++ = (char)('0' + (few == 0 ? rng_below(g, 10) : few == 1 ? rng_below(g, 2) : rng_below(g, 2) * 9));
		if (i + 1 == point && i + 1 < n)
			*dst++ = '.';
	}
	if (rng_below(g, 3) == 0)
		dst += sprintf(dst, "e%d", (int)rng_below(g, 5) == 0 ? (int)rng_below(g, 1400) - 700 : (int)rng_below(g, 9) - 4);
	*dst = '\0';
}

/* "-0012.50": one to nine digits, or these, a point and one to nine more. */
static void random_decimal(struct rng *g, char *dst)
{
	int whole = (int)rng_below(g, 9) + 1, places = (int)rng_below(g, 12) - 2, few = (int)rng_below(g, 4);

	if (rng_below(g, 3) == 0)
		*dst++ = '-';
	for (int i = 0; i < whole; i++)
		*dst++ = (char)('0' + (few ? rng_below(g, 10) : rng_below(g, 2) * 9));
	if (places > 0)
		*dst++ = '.';
	for (int i = 0; i < places; i++)
		*dst++ = (char)('0' + (few > 1 ? rng_below(g, 10) : 0));
	*dst = '\0';
}

TEST(number_order_is_the_order_of_rationals)
{
	enum { N = 60 };
	static const char *const names[] = { "x" };
	const struct type *types[] = { &TYPE_TEXT };
	cleanup_arena struct arena a = { 0 };
	struct rng g;

	rng_seed(&g, 3);
	for (int round = 0; round < 60; round++) {
		char text[N][400];
		struct table t;
		struct keys up, down;
		mpq_t q[N];

		table_start(&t, 1, names, types);
		for (int i = 0; i < N; i++) {
			if (round % 2)
				random_number(&g, text[i]);
			else
				random_decimal(&g, text[i]);
			put(&t, 0, str_of(text[i]));
			mpq_init(q[i]);
			rational(q[i], text[i]);
		}
		table_end(&t);
		CHECK(encode("x:num", t.b, &a, &up) == 0 && encode("x:num:desc", t.b, &a, &down) == 0);
		CHECK(!up.fixed && !up.has_null);
		for (int i = 0; i < N; i++)
			for (int j = 0; j < N; j++) {
				int want = sign(mpq_cmp(q[i], q[j]));

				if (order(&up, i, j) != want || order(&down, i, j) != -want) {
					printf("# %s ? %s\n", text[i], text[j]);
					CHECK(false);
				}
			}
		for (int i = 0; i < N; i++)
			mpq_clear(q[i]);
		table_free(&t);
		arena_reset(&a);
	}
}

/* A batch of short decimals is encoded in a quicker way than one where some other number is among them: to the same keys. */
TEST(keys_of_decimals_do_not_depend_on_their_neighbours)
{
	enum { N = 40 };
	static const char *const names[] = { "x" }, *const specs[] = { "x:num", "x:num:desc", "x:num:nullsfirst", "x:num:desc,x:num" };
	const struct type *types[] = { &TYPE_TEXT };
	cleanup_arena struct arena a = { 0 };
	struct rng g;

	rng_seed(&g, 9);
	for (int round = 0; round < 400; round++) {
		struct table alone, beside;
		struct keys quick, general;
		int n = (int)rng_below(&g, N) + 1;

		table_start(&alone, 1, names, types);
		table_start(&beside, 1, names, types);
		for (int i = 0; i < n; i++) {
			bool null = rng_below(&g, 12) == 0;
			char text[32];

			random_decimal(&g, text);
			put(&alone, 0, null ? (struct str){ 0 } : str_of(text));
			put(&beside, 0, null ? (struct str){ 0 } : str_of(text));
		}
		put(&beside, 0, STR("123456789012345678901e-7"));
		table_end(&alone);
		table_end(&beside);
		for (int k = 0; k < 4; k++) {
			CHECK(encode(specs[k], alone.b, &a, &quick) == 0 && encode(specs[k], beside.b, &a, &general) == 0);
			for (int i = 0; i < n; i++)
				CHECK(str_eq(keys_at(&quick, i), keys_at(&general, i)));
		}
		table_free(&alone);
		table_free(&beside);
		arena_reset(&a);
	}
}

/* Rows that are not behind the bound keep their keys, by the order of rationals; for small numbers the others lose theirs. */
static void check_until(const char *spec, const struct batch *b, int64_t bound, int want, mpq_t *q, struct arena *a)
{
	struct bad_values bad = bad_values_of(BAD_FAIL);
	struct keys all, some;
	struct key k;
	struct err e;

	CHECK(encode(spec, b, a, &all) == 0 && bind(spec, b->schema, a, &k, &e) == 0);
	CHECK(keys_encode_until(&k, keys_at(&all, bound), b, &bad, a, &some, &e) == 0 && bad.bad_row < 0);
	for (int64_t i = 0; i < b->nrows; i++) {
		bool behind = sign(mpq_cmp(q[i], q[bound])) == want;

		CHECK((behind && keys_at(&some, i).n == 0) || str_eq(keys_at(&some, i), keys_at(&all, i)));
		if (behind && column_str(b->cols, i).n < 4 && column_str(b->cols, bound).n < 4)
			CHECK_I64(keys_at(&some, i).n, 0);
	}
}

TEST(keys_behind_a_bound_may_be_empty)
{
	enum { N = 60 };
	static const char *const names[] = { "x" };
	const struct type *types[] = { &TYPE_TEXT };
	cleanup_arena struct arena a = { 0 };
	struct rng g;

	rng_seed(&g, 6);
	for (int round = 0; round < 60; round++) {
		char text[400];
		struct table t;
		mpq_t q[N];

		table_start(&t, 1, names, types);
		for (int i = 0; i < N; i++) {
			if (round % 2)
				random_number(&g, text);
			else
				sprintf(text, "%d", (int)rng_below(&g, 2000) - 999);
			put(&t, 0, str_of(text));
			mpq_init(q[i]);
			rational(q[i], text);
		}
		table_end(&t);
		for (int i = 0; i < N; i++) {
			check_until("x:num", t.b, i, 1, q, &a);
			check_until("x:num:desc", t.b, i, -1, q, &a);
			check_until("x:num:desc,x", t.b, i, -1, q, &a);
			arena_reset(&a);
		}
		for (int i = 0; i < N; i++)
			mpq_clear(q[i]);
		table_free(&t);
	}
}

TEST(special_numbers_and_nulls)
{
	/* ascending; equal ones share a rank */
	static const struct {
		const char *text;
		int rank;
	} v[] = {
		{ "-inf", 0 }, { "-1e999", 1 }, { "-1e70", 2 }, { "-99999999999999999999", 3 }, { "-1.5", 4 }, { "-1.05", 5 }, { "-1", 6 },
		{ "-1.0", 6 }, { "-1e-70", 7 }, { "-1e-1000", 8 }, { "0", 9 }, { "-0", 9 }, { "0.000", 9 }, { "0e9", 9 }, { "1e-1000", 10 },
		{ "1e-70", 11 }, { "0.1", 12 }, { ".10", 12 }, { "1", 13 }, { "1.00", 13 }, { "10e-1", 13 }, { "+1", 13 }, { "1.05", 14 },
		{ "1.5", 15 }, { "10", 16 }, { "99", 17 }, { "100", 18 }, { "1e2", 18 }, { "9007199254740993", 19 }, { "1e70", 20 },
		{ "1e999", 21 }, { "inf", 22 }, { "Infinity", 22 }, { "nan", 23 }, { "-NaN", 23 }, { NULL, 24 },
	};
	enum { N = sizeof v / sizeof *v };
	static const char *const names[] = { "x" };
	const struct type *types[] = { &TYPE_NUM };
	cleanup_arena struct arena a = { 0 };
	struct keys up, down, first;
	struct table t;

	table_start(&t, 1, names, types);
	for (int i = 0; i < N; i++)
		put(&t, 0, v[i].text ? str_of(v[i].text) : (struct str){ 0 });
	table_end(&t);
	CHECK(encode("x", t.b, &a, &up) == 0 && encode("x:desc", t.b, &a, &down) == 0 && encode("x:desc:nullsfirst", t.b, &a, &first) == 0);
	CHECK(up.has_null && up.has_null[N - 1] && !up.has_null[0]);
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			int want = sign(v[i].rank - v[j].rank);
			bool null = (i == N - 1) != (j == N - 1);

			CHECK_I64(order(&up, i, j), want);
			CHECK_I64(order(&down, i, j), null ? want : -want);
			CHECK_I64(order(&first, i, j), -want);
		}
	table_free(&t);
}

/* ---- fixed and unlike types ---- */

TEST(ints_floats_and_exact_across_types)
{
	enum { N = 400 };
	static const char *const ln[] = { "i" }, *const rn[] = { "f" };
	const struct type *lt[] = { &TYPE_INT64 }, *rt[] = { &TYPE_FLOAT64 };
	cleanup_arena struct arena a = { 0 };
	struct bad_values bad = bad_values_of(BAD_FAIL);
	static int64_t iv[N];
	static double fv[N];
	struct table l, r;
	struct key lk, rk;
	struct keys le, re;
	struct rng g;
	struct err e;

	rng_seed(&g, 4);
	table_start(&l, 1, ln, lt);
	table_start(&r, 1, rn, rt);
	for (int i = 0; i < N; i++) {
		uint64_t bits = rng_u64(&g);

		iv[i] = (int64_t)rng_u64(&g) >> rng_below(&g, 64);
		memcpy(&fv[i], &bits, 8);
		fv[i] = i % 4 == 0 ? (double)iv[i] : i % 4 == 1 ? (double)iv[i] + 0.5 : i % 4 == 2 ? (double)(int)rng_below(&g, 9) - 4 : fv[i];
		put_raw(&l, 0, &iv[i]);
		put_raw(&r, 0, &fv[i]);
	}
	table_end(&l);
	table_end(&r);
	CHECK(encode("i", l.b, &a, &le) == 0 && encode("f", r.b, &a, &re) == 0 && le.fixed == 9 && re.fixed == 9);
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			CHECK_I64(order(&le, i, j), (iv[i] > iv[j]) - (iv[i] < iv[j]));
			if (fv[i] == fv[i] && fv[j] == fv[j])
				CHECK_I64(order(&re, i, j), (fv[i] > fv[j]) - (fv[i] < fv[j]));
		}
	CHECK(bind("i", l.s, &a, &lk, &e) == 0 && bind("f", r.s, &a, &rk, &e) == 0);
	CHECK(key_match(&lk, l.s, &rk, r.s, &e) == 0 && lk.parts[0].exact && rk.parts[0].exact);
	CHECK(keys_encode(&lk, l.b, &bad, &a, &le, &e) == 0 && keys_encode(&rk, r.b, &bad, &a, &re, &e) == 0);
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			long double x = (long double)iv[i], y = (long double)fv[j]; /* 64 bits of mantissa hold both */

			if (y == y)
				CHECK_I64(sign(str_cmp(keys_at(&le, i), keys_at(&re, j))), (x > y) - (x < y));
		}
	table_free(&l);
	table_free(&r);
}

TEST(float_edges)
{
	static const double v[] = { -INFINITY, -1.7976931348623157e308, -1, -5e-324, 0, 5e-324, 2.2250738585072014e-308, 1, 2, INFINITY, NAN };
	enum { N = sizeof v / sizeof *v };
	static const char *const names[] = { "f", "n" };
	const struct type *types[] = { &TYPE_FLOAT64, &TYPE_FLOAT64 };
	const double minus_zero = -0.0, minus_nan = -NAN;
	cleanup_arena struct arena a = { 0 };
	struct keys k, d;
	struct table t;

	table_start(&t, 1, names, types);
	for (int i = 0; i < N; i++)
		put_raw(&t, 0, &v[i]);
	put_raw(&t, 0, &minus_zero);
	put_raw(&t, 0, &minus_nan);
	put_raw(&t, 0, NULL);
	table_end(&t);
	CHECK(encode("f", t.b, &a, &k) == 0 && encode("f:desc", t.b, &a, &d) == 0);
	CHECK_I64(k.fixed, 9);
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++)
			CHECK(order(&k, i, j) == sign(i - j) && order(&d, i, j) == sign(j - i));
	CHECK(order(&k, 4, N) == 0 && order(&k, N - 1, N + 1) == 0);
	CHECK(order(&k, N - 1, N + 2) < 0 && order(&d, 0, N + 2) < 0);
	table_free(&t);
}

TEST(times_across_units)
{
	const struct type ns = TYPE_TIMESTAMP(UNIT_NS, STR("UTC"));
	static const char *const ln[] = { "d" }, *const rn[] = { "t" }, *const xn[] = { "x" };
	const struct type *lt[] = { &TYPE_DATE }, *rt[] = { &ns }, *xt[] = { &TYPE_TEXT };
	const int32_t days[] = { -1, 0, 1 };
	const int64_t nanos[] = { -86400000000001, -86400000000000, -86399999999999, 0, 86400000000000 };
	const char *const text[] = { "1969-12-31", "1970-01-01T01:00:00+01:00", "1970-01-02 00:00" };
	cleanup_arena struct arena a = { 0 };
	struct bad_values bad = bad_values_of(BAD_FAIL);
	struct table l, r, x;
	struct key lk, rk, xk;
	struct keys le, re, xe;
	struct err e;

	table_start(&l, 1, ln, lt);
	table_start(&r, 1, rn, rt);
	table_start(&x, 1, xn, xt);
	for (int i = 0; i < 3; i++) {
		put_raw(&l, 0, &days[i]);
		put(&x, 0, str_of(text[i]));
	}
	for (int i = 0; i < 5; i++)
		put_raw(&r, 0, &nanos[i]);
	table_end(&l);
	table_end(&r);
	table_end(&x);
	CHECK(bind("d", l.s, &a, &lk, &e) == 0 && bind("t", r.s, &a, &rk, &e) == 0 && key_match(&lk, l.s, &rk, r.s, &e) == 0);
	CHECK(keys_encode(&lk, l.b, &bad, &a, &le, &e) == 0 && keys_encode(&rk, r.b, &bad, &a, &re, &e) == 0 && le.fixed == 13);
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 5; j++)
			CHECK_I64(sign(str_cmp(keys_at(&le, i), keys_at(&re, j))), sign((days[i] * 86400000000000 > nanos[j]) - (days[i] * 86400000000000 < nanos[j])));
	CHECK(bind("x:time", x.s, &a, &xk, &e) == 0 && bind("d", l.s, &a, &lk, &e) == 0 && key_match(&xk, x.s, &lk, l.s, &e) == 0);
	CHECK(keys_encode(&lk, l.b, &bad, &a, &le, &e) == 0 && keys_encode(&xk, x.b, &bad, &a, &xe, &e) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(str_eq(keys_at(&le, i), keys_at(&xe, i)));
	table_free(&l);
	table_free(&r);
	table_free(&x);
}

/* ---- text ---- */

static size_t random_text(struct rng *g, char *dst)
{
	static const char alphabet[] = "\0\0\1\xffza09";
	size_t n = rng_below(g, 6);

	for (size_t i = 0; i < n; i++)
		dst[i] = alphabet[rng_below(g, 8)];
	return n;
}

/* Several text columns with NUL bytes, empty texts and nulls: the order of keys is column by column. */
TEST(text_parts_delimit_themselves)
{
	enum { N = 120 };
	static const char *const names[] = { "a", "b", "c" };
	const struct type *types[] = { &TYPE_TEXT, &TYPE_BINARY, &TYPE_JSON };
	cleanup_arena struct arena a = { 0 };
	struct rng g;

	rng_seed(&g, 5);
	for (int round = 0; round < 40; round++) {
		static char text[N][3][8];
		static struct str v[N][3];
		struct table t;
		struct keys k;

		table_start(&t, 3, names, types);
		for (int i = 0; i < N; i++)
			for (int c = 0; c < 3; c++) {
				v[i][c] = (struct str){ text[i][c], random_text(&g, text[i][c]) };
				if (rng_below(&g, 6) == 0)
					v[i][c].p = NULL;
				put(&t, c, v[i][c]);
			}
		table_end(&t);
		CHECK(encode("a,b:desc,c:nullsfirst", t.b, &a, &k) == 0);
		for (int i = 0; i < N; i++)
			for (int j = 0; j < N; j++) {
				int want = 0;

				for (int c = 0; c < 3 && !want; c++) {
					int nulls = (v[i][c].p == NULL) - (v[j][c].p == NULL);

					want = nulls ? (c == 2 ? -nulls : nulls) : v[i][c].p ? sign(str_cmp(v[i][c], v[j][c])) * (c == 1 ? -1 : 1) : 0;
				}
				CHECK_I64(order(&k, i, j), want);
			}
		table_free(&t);
		arena_reset(&a);
	}
}

/* Natural order by definition: runs of digits as numbers against each other, other bytes as bytes; ties by bytes. */
static int natural_cmp(const char *a, const char *b)
{
	const char *x = a, *y = b;

	while (*x && *y) {
		if (*x >= '0' && *x <= '9' && *y >= '0' && *y <= '9') {
			char *xe, *ye;
			unsigned long long p = strtoull(x, &xe, 10), q = strtoull(y, &ye, 10);

			if (p != q)
				return p < q ? -1 : 1;
			x = xe;
			y = ye;
		} else if (*x != *y) {
			return (unsigned char)*x < (unsigned char)*y ? -1 : 1;
		} else {
			x++;
			y++;
		}
	}
	return *x ? 1 : *y ? -1 : sign(strcmp(a, b));
}

TEST(natural_order)
{
	enum { N = 150 };
	static const char *const names[] = { "x" };
	const struct type *types[] = { &TYPE_TEXT };
	static const char alphabet[] = "00129a-/:";
	cleanup_arena struct arena a = { 0 };
	char text[N][12];
	struct keys k;
	struct table t;
	struct rng g;

	rng_seed(&g, 6);
	for (int round = 0; round < 20; round++) {
		table_start(&t, 1, names, types);
		for (int i = 0; i < N; i++) {
			size_t n = rng_below(&g, 8);

			for (size_t c = 0; c < n; c++)
				text[i][c] = alphabet[rng_below(&g, 9)];
			text[i][n] = '\0';
			put(&t, 0, str_of(text[i]));
		}
		table_end(&t);
		CHECK(encode("x:nat", t.b, &a, &k) == 0);
		for (int i = 0; i < N; i++)
			for (int j = 0; j < N; j++)
				if (order(&k, i, j) != natural_cmp(text[i], text[j])) {
					printf("# \"%s\" ? \"%s\": %d\n", text[i], text[j], order(&k, i, j));
					CHECK(false);
				}
		table_free(&t);
		arena_reset(&a);
	}
}

TEST(natural_long_runs)
{
	static const char *const names[] = { "x" };
	const struct type *types[] = { &TYPE_TEXT };
	cleanup_arena struct arena a = { 0 };
	static char text[6][700];
	static const size_t runs[] = { 9, 254, 255, 256, 600, 600 };
	struct keys k;
	struct table t;

	table_start(&t, 1, names, types);
	for (int i = 0; i < 6; i++) {
		memset(text[i], i == 4 ? '3' : '9' - i, runs[i]);
		put(&t, 0, (struct str){ text[i], runs[i] });
	}
	table_end(&t);
	CHECK(encode("x:nat", t.b, &a, &k) == 0);
	for (int i = 0; i < 6; i++)
		for (int j = 0; j < 6; j++)
			CHECK_I64(order(&k, i, j), sign(i - j));
	table_free(&t);
}

TEST(folding)
{
	static const char *const equal[][2] = {
		{ "STRASSE", "strasse" }, { "\u00c4pfel", "\u00e4PFEL" }, { "\u03a3\u03c2", "\u03c3\u03c3" }, { "\u1e9e", "\u00df" },
		{ "\u212a", "k" }, { "\u0416", "\u0436" }, { "\u023a", "\u2c65" }, { "", "" },
	};
	static const char *const names[] = { "a", "b" };
	const struct type *types[] = { &TYPE_TEXT, &TYPE_TEXT };
	cleanup_arena struct arena a = { 0 };
	struct keys x, y;
	struct table t;
	enum { N = sizeof equal / sizeof *equal };

	table_start(&t, 2, names, types);
	for (int i = 0; i < N; i++)
		for (int c = 0; c < 2; c++)
			put(&t, c, str_of(equal[i][c]));
	put(&t, 0, str_of("\u00df")); /* full folding would say ss */
	put(&t, 1, str_of("ss"));
	table_end(&t);
	CHECK(encode("a:fold", t.b, &a, &x) == 0 && encode("b:fold", t.b, &a, &y) == 0);
	for (int i = 0; i < N; i++)
		CHECK(str_eq(keys_at(&x, i), keys_at(&y, i)));
	CHECK(!str_eq(keys_at(&x, N), keys_at(&y, N)));
	table_free(&t);
}

TEST(text_reading_of_typed_values)
{
	static const char *const names[] = { "i", "f", "d", "n" };
	const struct type *types[] = { &TYPE_INT64, &TYPE_FLOAT64, &TYPE_DATE, &TYPE_NUM };
	const int64_t i = -10;
	const double f = 0.1;
	const int32_t d = 1;
	cleanup_arena struct arena a = { 0 };
	struct keys k;
	struct table t;

	table_start(&t, 4, names, types);
	put_raw(&t, 0, &i);
	put_raw(&t, 1, &f);
	put_raw(&t, 2, &d);
	put(&t, 3, STR("1.50"));
	table_end(&t);
	CHECK(encode("i:text,f:text,d:text,n:text", t.b, &a, &k) == 0);
	CHECK(str_eq(keys_at(&k, 0), STR("\1-10\0\0\1" "0.1\0\0\1" "1970-01-02\0\0\1" "1.50\0\0")));
	table_free(&t);
}

/* ---- bad values ---- */

TEST(bad_values_in_keys)
{
	static const char *const names[] = { "a:b", "t" };
	const struct type *types[] = { &TYPE_TEXT, &TYPE_TEXT };
	cleanup_arena struct arena a = { 0 };
	struct bad_values fail = bad_values_of(BAD_FAIL), skip = bad_values_of(BAD_SKIP);
	struct table t;
	struct keys k;
	struct key key;
	struct err e;

	table_start(&t, 2, names, types);
	for (int i = 0; i < 4; i++) {
		put(&t, 0, str_of(i == 2 ? "12,5" : "7"));
		put(&t, 1, str_of(i == 1 ? "noon" : "2001-01-01"));
	}
	table_end(&t);
	CHECK(bind("a\\:b:num,t:time", t.s, &a, &key, &e) == 0);
	CHECK(keys_encode(&key, t.b, &fail, &a, &k, &e) == 0);
	CHECK(fail.bad_row == 1 && strstr(e.msg, "\"noon\" is not a time")); /* the earlier row wins, though its column comes later */
	CHECK(keys_at(&k, 0).n > 0 && keys_at(&k, 1).n == 0 && keys_at(&k, 3).n == 0);
	CHECK(keys_encode(&key, t.b, &skip, &a, &k, &e) == 0);
	CHECK(skip.count == 2 && skip.skip[0] == 6 && k.has_null[1] && k.has_null[2] && !k.has_null[3]);
	CHECK(bind("a\\:b:num", t.s, &a, &key, &e) == 0);
	fail = bad_values_of(BAD_FAIL);
	CHECK(keys_encode(&key, t.b, &fail, &a, &k, &e) == 0 && fail.bad_row == 2);
	CHECK_STR(str_of(e.msg), "\"12,5\" is not a number");
	CHECK_STR(str_of(e.hint), "text: -k a\\:b:text; skip such rows: --on-bad skip");
	CHECK_STR(str_of(e.field), "a:b");
	table_free(&t);
}

/* ---- parsing and binding ---- */

TEST(key_specs)
{
	static const struct {
		const char *text;
		int n;
		const char *name; /* of the last part */
		int at;
		enum key_reading reading;
		bool desc, nullsfirst;
	} good[] = {
		{ "day", 1, "day", 0, KEY_AUTO, false, false },
		{ "day,price:num:desc", 2, "price", 0, KEY_NUM, true, false },
		{ "day,price:num:desc,@3:nat", 3, "", 3, KEY_NAT, false, false },
		{ "time", 1, "time", 0, KEY_AUTO, false, false },
		{ "time:desc", 1, "time", 0, KEY_AUTO, true, false },
		{ "time:time", 1, "time", 0, KEY_TIME, false, false },
		{ "a:b:num", 1, "a:b", 0, KEY_NUM, false, false },
		{ "a\\:num", 1, "a:num", 0, KEY_AUTO, false, false },
		{ "a\\,b:fold:nullsfirst:desc", 1, "a,b", 0, KEY_FOLD, true, true },
		{ "\\@1", 1, "@1", 0, KEY_AUTO, false, false },
		{ "user.id:text", 1, "user.id", 0, KEY_TEXT, false, false },
		{ "a\\\\:num", 1, "a\\", 0, KEY_NUM, false, false },
		{ ":num", 1, ":num", 0, KEY_AUTO, false, false },
	};
	static const char *const bad[] = { "", "a,", ",a", "a,,b", "@0", "@", "@x", "@-1", "@99999999999999999999", "a:num:text", "a:desc:desc", "a\\", "a\\b" };
	cleanup_arena struct arena a = { 0 };
	struct key_spec spec;
	struct err e;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		const struct key_part *p;

		CHECK(key_parse(str_of(good[i].text), &a, &spec, &e) == 0);
		CHECK_I64(spec.n, good[i].n);
		p = &spec.parts[spec.n - 1];
		CHECK_STR(p->name, good[i].name);
		CHECK(p->at == good[i].at && p->reading == good[i].reading && p->desc == good[i].desc && p->nullsfirst == good[i].nullsfirst);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (key_parse(str_of(bad[i]), &a, &spec, &e) != -ST_USAGE) {
			printf("# accepted %s\n", bad[i]);
			CHECK(false);
		}
}

static struct schema *schema_of(const char *const *names, int n)
{
	struct schema *s = schema_new();
	struct err e;

	for (int i = 0; i < n; i++)
		if (schema_add(s, str_of(names[i]), &TYPE_TEXT, true, &e))
			abort();
	return s;
}

TEST(fields)
{
	static const char *const names[] = { "a", "b_time", "c", "d_time", "x,y", "odd*", "p..q", "time" };
	static const struct {
		const char *text, *want; /* indices as digits */
	} good[] = {
		{ "a", "0" }, { "a,c", "02" }, { "c,a,c", "20" }, { "a..c", "012" }, { "c..a", "210" }, { "..b_time", "01" }, { "p\\..q..", "67" },
		{ "*_time", "13" }, { "*", "01234567" }, { "c,*", "20134567" }, { "@2", "1" }, { "@2..@4", "123" }, { "@2..d_time,a", "1230" },
		{ "x\\,y", "4" }, { "odd\\*", "5" }, { "odd*", "5" }, { "*\\*", "5" }, { "p\\..q", "6" }, { "p.\\.q", "6" }, { "*i*e", "137" },
		{ "..", "01234567" },
	};
	static const char *const bad[] = { "", "z", "a..z", "z*", "@9", "a,", "@0", "a..@9" };
	cleanup_arena struct arena a = { 0 };
	struct schema *s = schema_of(names, 8);
	int *idx, n, one;
	struct err e;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		char got[16] = "";

		CHECK(fields_resolve(str_of(good[i].text), s, &a, &idx, &n, &e) == 0);
		for (int k = 0; k < n; k++)
			got[k] = (char)('0' + idx[k]);
		CHECK_STR(str_of(got), good[i].want);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK_I64(fields_resolve(str_of(bad[i]), s, &a, &idx, &n, &e), -ST_USAGE);
	CHECK(fields_resolve(STR("z"), s, &a, &idx, &n, &e) < 0);
	CHECK_STR(str_of(e.msg), "no field \"z\"; there are: a, b_time, c, d_time, x,y, odd*, p..q, time");
	CHECK(field_resolve(STR("x\\,y"), s, &one, &e) == 0 && one == 4);
	CHECK(field_resolve(STR("@8"), s, &one, &e) == 0 && one == 7);
	CHECK(field_resolve(STR("@9"), s, &one, &e) == -ST_USAGE);
	schema_unref(s);
}

TEST(described_keys_parse_again)
{
	static const char *const names[] = { "a:num", "b,c", "@x", "p..q", "s*", "back\\slash", "e=f" };
	cleanup_arena struct arena a = { 0 };
	cleanup_buf struct buf b = { 0 };
	struct schema *s = schema_of(names, 7);
	struct key_bound parts[] = { { 0, KEY_NUM, true, false, false }, { 1, KEY_AUTO, false, true, false }, { 2, KEY_NAT, true, true, false },
				     { 3, KEY_TEXT, false, false, false }, { 4, KEY_FOLD, false, false, false }, { 5, KEY_TIME, false, false, false },
				     { 6, KEY_AUTO, false, false, false } };
	struct key k = { .n = 7, .parts = parts }, back;
	struct err e;

	CHECK(key_describe(&k, s, &b) == 0);
	CHECK_STR(buf_view(&b), "a\\:num:num:desc,b\\,c:nullsfirst,\\@x:nat:desc:nullsfirst,p\\..q:text,s\\*:fold,back\\\\slash:time,e\\=f");
	CHECK(buf_byte(&b, '\0') == 0 && bind((const char *)b.p, s, &a, &back, &e) == 0 && back.n == 7);
	for (int i = 0; i < 7; i++)
		CHECK(back.parts[i].col == i && back.parts[i].reading == parts[i].reading && back.parts[i].desc == parts[i].desc &&
		      back.parts[i].nullsfirst == parts[i].nullsfirst);
	schema_unref(s);
}

static int match(const char *lkey, const struct type *lt, const char *rkey, const struct type *rt, bool *exact, struct err *e)
{
	static const char *const names[] = { "k" };
	cleanup_arena struct arena a = { 0 };
	struct table l, r;
	struct key lk, rk;
	int rc;

	table_start(&l, 1, names, &lt);
	table_start(&r, 1, names, &rt);
	l.b = r.b = NULL;
	rc = bind(lkey, l.s, &a, &lk, e);
	rc = rc ? rc : bind(rkey, r.s, &a, &rk, e);
	rc = rc ? rc : key_match(&lk, l.s, &rk, r.s, e);
	if (rc == 0)
		*exact = lk.parts[0].exact;
	table_free(&l);
	table_free(&r);
	return rc;
}

TEST(matching)
{
	const struct type u64 = { .id = T_UINT64, .layout = LAY_FIXED, .width = 8 }, i8 = { .id = T_INT8, .layout = LAY_FIXED, .width = 1 };
	const struct type list = { .id = T_LIST, .layout = LAY_LIST };
	struct err e;
	bool exact;

	CHECK(match("k", &TYPE_TEXT, "k", &TYPE_TEXT, &exact, &e) == 0 && !exact);
	CHECK(match("k", &TYPE_TEXT, "k", &TYPE_JSON, &exact, &e) == 0 && !exact);
	CHECK(match("k", &TYPE_INT64, "k", &i8, &exact, &e) == 0 && !exact);
	CHECK(match("k", &TYPE_INT64, "k", &u64, &exact, &e) == 0 && exact);
	CHECK(match("k", &TYPE_INT64, "k", &TYPE_NUM, &exact, &e) == 0 && exact);
	CHECK(match("k:num", &TYPE_TEXT, "k", &TYPE_INT64, &exact, &e) == 0 && exact);
	CHECK(match("k", &TYPE_TEXT, "k:num", &TYPE_INT64, &exact, &e) == 0 && exact);
	CHECK(match("k:text", &TYPE_TEXT, "k", &TYPE_INT64, &exact, &e) == 0 && !exact);
	CHECK(match("k", &TYPE_NULL, "k", &TYPE_INT64, &exact, &e) == 0);
	CHECK(match("k", &TYPE_TEXT, "k", &TYPE_INT64, &exact, &e) == -ST_USAGE);
	CHECK(strstr(e.msg, "is text on the left") && strstr(e.msg, "k:num"));
	CHECK(match("k", &TYPE_TEXT, "k", &TYPE_NUM, &exact, &e) == -ST_USAGE);
	CHECK(match("k:nat", &TYPE_TEXT, "k:fold", &TYPE_TEXT, &exact, &e) == -ST_USAGE);
	CHECK(match("k", &TYPE_BOOL, "k", &TYPE_INT64, &exact, &e) == -ST_USAGE);
	CHECK(match("k:num", &TYPE_BOOL, "k", &TYPE_INT64, &exact, &e) == -ST_USAGE);
	CHECK_STR(str_of(e.msg), "bool cannot be read as \"num\"");
	CHECK(match("k", &list, "k", &list, &exact, &e) == -ST_USAGE && strstr(e.msg, "cannot be a key"));
	CHECK(match("k:nun", &TYPE_TEXT, "k", &TYPE_TEXT, &exact, &e) == -ST_USAGE && strstr(e.msg, "no field \"k:nun\"") && strstr(e.hint, "nullsfirst"));
}

/* ---- placement ---- */

static uint64_t placement(const char *key, const struct batch *b, int64_t row)
{
	cleanup_arena struct arena a = { 0 };
	struct bad_values bad = bad_values_of(BAD_FAIL);
	struct key k;
	uint64_t *h;
	struct err e;

	if (bind(key, b->schema, &a, &k, &e) || placement_hash(&k, b, 42, &bad, &a, &h, &e))
		abort();
	return h[row];
}

TEST(placement_hashes)
{
	static const char *const names[] = { "t", "i", "f", "d" };
	const struct type *types[] = { &TYPE_TEXT, &TYPE_INT64, &TYPE_FLOAT64, &TYPE_DATE };
	const int64_t seven = 7;
	const double f7 = 7, half = 0.5;
	const int32_t day = 1;
	struct table t;

	table_start(&t, 4, names, types);
	put(&t, 0, STR("7.00"));
	put_raw(&t, 1, &seven);
	put_raw(&t, 2, &f7);
	put_raw(&t, 3, &day);
	put(&t, 0, (struct str){ 0 });
	put_raw(&t, 1, NULL);
	put_raw(&t, 2, &half);
	put_raw(&t, 3, NULL);
	table_end(&t);
	CHECK(placement("t", t.b, 0) == hash64("7.00", 4, 42));
	CHECK(placement("t:num", t.b, 0) == hash64("7", 1, 42));
	CHECK(placement("i", t.b, 0) == hash64("7", 1, 42) && placement("f", t.b, 0) == hash64("7", 1, 42));
	CHECK(placement("f", t.b, 1) == hash64("0.5", 3, 42));
	CHECK(placement("d", t.b, 0) == hash64("86400", 5, 42));
	CHECK(placement("t", t.b, 1) == hash64("\xff\xff\xff\xff\xff\xff\xff\xff", 8, 42));
	CHECK(placement("t,i", t.b, 0) == hash64("\4\0\0\0\0\0\0\0" "7.00" "\1\0\0\0\0\0\0\0" "7", 21, 42));
	CHECK(placement("t,f:desc", t.b, 1) == hash64("\xff\xff\xff\xff\xff\xff\xff\xff" "\3\0\0\0\0\0\0\0" "0.5", 19, 42));
	table_free(&t);
}

/* Texts of any bytes, many of them 00, FF and none at all, and nulls. */
static struct str any_text(struct rng *r, char *room)
{
	size_t n = rng_below(r, 4) ? rng_below(r, 12) : rng_below(r, 60);

	for (size_t i = 0; i < n; i++)
		room[i] = rng_below(r, 3) ? (char)rng_u64(r) : "\0\377\1"[rng_below(r, 3)];
	return rng_below(r, 9) ? (struct str){ room, n } : (struct str){ 0 };
}

TEST(text_comes_back_from_keys)
{
	static const char *const names[] = { "a", "b", "n", "i" };
	const struct type *types[] = { &TYPE_BINARY, &TYPE_BINARY, &TYPE_NUM, &TYPE_INT64 };
	struct rng r;
	struct err e;

	rng_seed(&r, 5);
	for (int round = 0; round < 200; round++) {
		struct arena a = { 0 };
		struct table t;
		struct key k;
		struct keys keys;
		struct rows back;
		char room[64], *bytes;
		struct str each[300];
		int64_t n = 1 + (int64_t)rng_below(&r, 300);

		table_start(&t, 4, names, types);
		for (int64_t i = 0; i < n; i++) {
			for (int c = 0; c < 2; c++)
				put(&t, c, any_text(&r, room));
			put(&t, 2, STR("1.0"));
			put_raw(&t, 3, &i);
		}
		table_end(&t);
		CHECK(bind("a,b:text,n:text", t.s, &a, &k, &e) == 0 && keys_hold_text(&k, t.s));
		CHECK(encode("a,b:text,n:text", t.b, &a, &keys) == 0);
		CHECK(rows_init(&back, t.s, &e) == 0);
		bytes = malloc(keys.offsets[n] + KEY_SLACK);
		memcpy(bytes, keys.bytes, keys.offsets[n]);
		memset(bytes + keys.offsets[n], round % 2 ? 0xff : 0, KEY_SLACK);
		for (int64_t i = 0; i < n; i++)
			each[i] = (struct str){ bytes + keys.offsets[i], keys.offsets[i + 1] - keys.offsets[i] };
		CHECK(keys_decode(&k, each, n, back.cols, &e) == 0);
		for (int c = 0; c < 3; c++) {
			struct column col;

			CHECK(builder_view(&back.cols[c], &a, &col, &e) == 0 && col.length == n);
			for (int64_t i = 0; i < n; i++) {
				CHECK(column_is_null(&col, i) == column_is_null(&t.b->cols[c], i));
				CHECK(str_eq(column_str(&col, i), column_str(&t.b->cols[c], i)));
			}
		}
		CHECK(bind("n", t.s, &a, &k, &e) == 0 && !keys_hold_text(&k, t.s));
		CHECK(bind("a,i", t.s, &a, &k, &e) == 0 && !keys_hold_text(&k, t.s));
		CHECK(bind("a:desc", t.s, &a, &k, &e) == 0 && !keys_hold_text(&k, t.s));
		free(bytes);
		rows_free(&back);
		table_free(&t);
		arena_free(&a);
	}
}

int main(void)
{
	return RUN_TABLE(T1(number_order_is_the_order_of_rationals), T1(keys_of_decimals_do_not_depend_on_their_neighbours),
			 T1(keys_behind_a_bound_may_be_empty), T1(special_numbers_and_nulls), T1(ints_floats_and_exact_across_types),
			 T1(float_edges), T1(times_across_units), T1(text_parts_delimit_themselves), T1(natural_order), T1(natural_long_runs), T1(folding),
			 T1(text_reading_of_typed_values), T1(bad_values_in_keys), T1(key_specs), T1(fields), T1(described_keys_parse_again),
			 T1(matching), T1(placement_hashes), T1(text_comes_back_from_keys));
}
