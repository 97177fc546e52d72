/* Exact decimals: every operation against rationals (GMP) over random numbers around the borders of 64 and 128 bits, scales
 * of the General Decimal Arithmetic, doubles that are the nearest ones, canonical texts. */
#include "lib/base/dec.h"
#include "lib/base/rng.h"
#include "tests/unit/test.h"

#include <math.h>

static struct dec make(const char *text, struct decpool *p)
{
	struct dec d = { 0 };

	if (dec_parse(str_of(text), p, &d) != DEC_OK) {
		printf("# not read: %s\n", text);
		abort();
	}
	return d;
}

static void mantissa(mpz_ptr z, struct dec d, const struct decpool *p)
{
	if (d.big)
		mpz_set(z, p->v[d.big - 1]);
	else
		mpz_set_si(z, d.m);
}

static void rational(mpq_ptr q, struct dec d, const struct decpool *p)
{
	mantissa(mpq_numref(q), d, p);
	mpz_ui_pow_ui(mpq_denref(q), 10, (unsigned long)d.scale);
	mpq_canonicalize(q);
}

static bool equals(struct dec d, const struct decpool *p, mpq_srcptr want)
{
	mpq_t q;
	bool ok;

	mpq_init(q);
	rational(q, d, p);
	ok = mpq_equal(q, want);
	mpq_clear(q);
	/* one form: big only when it must be */
	return ok && (!d.big || !mpz_fits_slong_p(p->v[d.big - 1]));
}

static void random_dec_text(struct rng *g, char *dst)
{
	static const int lengths[] = { 1, 2, 5, 9, 17, 18, 19, 19, 20, 37, 38, 39, 60 };
	int n = lengths[rng_below(g, 13)], point = rng_below(g, 3) ? (int)rng_below(g, (uint64_t)n + 1) : n;
	bool nines = rng_below(g, 4) == 0;

	if (rng_below(g, 2))
		*dst++ = '-';
	for (int i = 0; i < n; i++) {
		if (i == point)
			*dst++ = '.';
		*dst++ = (char)('0' + (nines ? 9 : rng_below(g, 10)));
	}
	*dst = '\0';
	if (rng_below(g, 6) == 0)
		sprintf(dst, "e%d", (int)rng_below(g, 60) - 30);
}

TEST(arithmetic_is_exact)
{
	struct rng g;
	mpq_t x, y, want;

	rng_seed(&g, 1);
	mpq_init(x);
	mpq_init(y);
	mpq_init(want);
	for (int i = 0; i < 100000; i++) {
		struct decpool p = { 0 };
		char ta[128], tb[128];
		struct dec a, b, r, s;

		random_dec_text(&g, ta);
		random_dec_text(&g, tb);
		a = make(ta, &p);
		b = make(tb, &p);
		rational(x, a, &p);
		rational(y, b, &p);
		mpq_add(want, x, y);
		CHECK(dec_add(a, b, &p, &r) == 0 && equals(r, &p, want) && r.scale == (a.scale > b.scale ? a.scale : b.scale));
		CHECK(dec_add(b, a, &p, &s) == 0 && dec_cmp(r, s, &p) == 0 && r.scale == s.scale);
		mpq_sub(want, x, y);
		CHECK(dec_sub(a, b, &p, &r) == 0 && equals(r, &p, want) && r.scale == (a.scale > b.scale ? a.scale : b.scale));
		CHECK(dec_neg(r, &p, &r) == 0 && dec_sub(b, a, &p, &s) == 0 && dec_cmp(r, s, &p) == 0);
		mpq_mul(want, x, y);
		CHECK(dec_mul(a, b, &p, &r) == 0 && equals(r, &p, want) && r.scale == a.scale + b.scale);
		CHECK(dec_cmp(a, b, &p) == (mpq_cmp(x, y) > 0) - (mpq_cmp(x, y) < 0));
		CHECK(dec_sign(a, &p) == mpq_sgn(x));
		decpool_free(&p);
	}
	mpq_clear(x);
	mpq_clear(y);
	mpq_clear(want);
}

TEST(floor_division)
{
	struct rng g;
	mpq_t x, y;
	mpz_t want;

	rng_seed(&g, 2);
	mpq_init(x);
	mpq_init(y);
	mpz_init(want);
	for (int i = 0; i < 30000; i++) {
		struct decpool p = { 0 };
		char ta[128], tb[128];
		struct dec a, b, q, r, back;

		random_dec_text(&g, ta);
		random_dec_text(&g, tb);
		a = make(ta, &p);
		b = make(tb, &p);
		if (dec_sign(b, &p)) {
			rational(x, a, &p);
			rational(y, b, &p);
			mpq_div(x, x, y);
			mpz_fdiv_q(want, mpq_numref(x), mpq_denref(x));
			mpq_set_z(x, want);
			CHECK(dec_divmod(a, b, &p, &q, &r) == 0 && equals(q, &p, x) && q.scale == 0);
			CHECK(dec_sign(r, &p) == 0 || dec_sign(r, &p) == dec_sign(b, &p));
			CHECK(dec_mul(q, b, &p, &back) == 0 && dec_add(back, r, &p, &back) == 0 && dec_cmp(back, a, &p) == 0);
		}
		decpool_free(&p);
	}
	mpq_clear(x);
	mpq_clear(y);
	mpz_clear(want);
}

/* floor(x * 10^scale + add) / 10^scale for x's magnitude; what the modes come down to. */
static void round_slowly(mpq_ptr x, int scale, char mode)
{
	mpq_t unit, frac, half;
	mpz_t n;
	bool neg;
	int c;

	mpq_init(unit);
	mpq_init(frac);
	mpq_init(half);
	mpz_init(n);
	mpz_ui_pow_ui(scale < 0 ? mpq_numref(unit) : mpq_denref(unit), 10, (unsigned long)abs(scale));
	mpz_set_ui(scale < 0 ? mpq_denref(unit) : mpq_numref(unit), 1);
	mpq_set_ui(half, 1, 2);
	neg = mpq_sgn(x) < 0;
	mpq_div(x, x, unit);
	mpz_fdiv_q(n, mpq_numref(x), mpq_denref(x));
	mpq_set_z(frac, n);
	mpq_sub(frac, x, frac);
	c = mpq_cmp(frac, half);
	if (mpq_sgn(frac) && (mode == 'c' || (mode == 't' && neg) || (mode == 'e' && (c > 0 || (c == 0 && mpz_odd_p(n)))) ||
			      (mode == 'h' && (c > 0 || (c == 0 && !neg)))))
		mpz_add_ui(n, n, 1);
	mpq_set_z(x, n);
	mpq_mul(x, x, unit);
	mpq_clear(unit);
	mpq_clear(frac);
	mpq_clear(half);
	mpz_clear(n);
}

TEST(rounding)
{
	struct rng g;
	mpq_t x;

	rng_seed(&g, 3);
	mpq_init(x);
	for (int i = 0; i < 100000; i++) {
		struct decpool p = { 0 };
		char text[128], mode = "ehfct"[i % 5];
		int scale = (int)rng_below(&g, 45) - 20;
		struct dec a, r;

		random_dec_text(&g, text);
		if (i % 3 == 0) { /* ties */
			int n = (int)rng_below(&g, 18) + 1;

			snprintf(text, sizeof text, "%s%.*s5", i & 1 ? "-" : "", n, "1234567890123456789");
			a = make(text, &p);
			a.scale = (int32_t)rng_below(&g, 25);
			scale = a.scale - 1;
		} else {
			a = make(text, &p);
		}
		rational(x, a, &p);
		round_slowly(x, scale, mode);
		CHECK(dec_round(a, scale, mode, &p, &r) == 0);
		CHECK(equals(r, &p, x) && r.scale == (scale < 0 ? 0 : scale));
		decpool_free(&p);
	}
	mpq_clear(x);
}

static void check_text(const char *text, const char *plain, const char *canonical)
{
	struct decpool p = { 0 };
	cleanup_buf struct buf b = { 0 }, c = { 0 };
	struct dec d = make(text, &p);

	CHECK(dec_print(d, &p, &b) == 0 && dec_canonical(d, &p, &c) == 0);
	CHECK_STR(buf_view(&b), plain);
	CHECK_STR(buf_view(&c), canonical);
	decpool_free(&p);
}

TEST(texts)
{
	check_text("1.50", "1.50", "1.5");
	check_text("-0", "0", "0");
	check_text("-0.00", "0.00", "0");
	check_text("007", "7", "7");
	check_text("1e3", "1000", "1000");
	check_text("1.5e1", "15", "15");
	check_text("1.50e1", "15.0", "15");
	check_text("12e-4", "0.0012", "0.0012");
	check_text(".5", "0.5", "0.5");
	check_text("5.", "5", "5");
	check_text("+10", "10", "10");
	check_text("-100.000", "-100.000", "-100");
	check_text("9223372036854775807", "9223372036854775807", "9223372036854775807");
	check_text("-9223372036854775808", "-9223372036854775808", "-9223372036854775808");
	check_text("9223372036854775808", "9223372036854775808", "9223372036854775808");
	check_text("123456789012345678901234567890.1200", "123456789012345678901234567890.1200", "123456789012345678901234567890.12");
	check_text("1e-30", "0.000000000000000000000000000001", "0.000000000000000000000000000001");
	check_text("0e500", "0", "0");
	check_text("0.000e2", "0.0", "0");
}

TEST(examples_of_the_arithmetic)
{
	struct decpool p = { 0 };
	cleanup_buf struct buf b = { 0 };
	struct dec r, q;
	int64_t i;

	CHECK(dec_mul(make("1.50", &p), make("2", &p), &p, &r) == 0 && dec_print(r, &p, &b) == 0);
	CHECK_STR(buf_view(&b), "3.00");
	b.n = 0;
	CHECK(dec_add(make("0.1", &p), make("0.2", &p), &p, &r) == 0 && dec_print(r, &p, &b) == 0);
	CHECK_STR(buf_view(&b), "0.3");
	b.n = 0;
	CHECK(dec_round(make("1.5", &p), 3, 'e', &p, &r) == 0 && dec_print(r, &p, &b) == 0);
	CHECK_STR(buf_view(&b), "1.500");
	b.n = 0;
	CHECK(dec_round(make("-12345", &p), -2, 'h', &p, &r) == 0 && dec_print(r, &p, &b) == 0);
	CHECK_STR(buf_view(&b), "-12300");
	CHECK(dec_divmod(make("-7", &p), make("2", &p), &p, &q, &r) == 0 && q.m == -4 && r.m == 1);
	CHECK(dec_is_int64(make("12.00", &p), &p, &i) && i == 12 && !dec_is_int64(make("12.50", &p), &p, &i));
	CHECK(dec_is_int64(make("-9223372036854775808.000", &p), &p, &i) && i == INT64_MIN);
	CHECK(!dec_is_int64(make("9223372036854775808", &p), &p, &i) && dec_is_int64(make("0e-900", &p), &p, &i) && i == 0);
	decpool_free(&p);
}

TEST(limits)
{
	char text[2200];
	struct decpool p = { 0 };
	struct dec d;

	memset(text, '7', sizeof text);
	CHECK(dec_parse((struct str){ text, DEC_DIGITS }, &p, &d) == DEC_OK && d.big);
	CHECK(dec_parse((struct str){ text, DEC_DIGITS + 1 }, &p, &d) == DEC_LIMIT);
	memset(text, '0', 1200);
	CHECK(dec_parse((struct str){ text, 1201 }, &p, &d) == DEC_OK && d.m == 7); /* leading zeros are no digits of the number */
	CHECK(dec_parse(STR("1e1000"), &p, &d) == DEC_OK && dec_parse(STR("1e1001"), &p, &d) == DEC_LIMIT);
	CHECK(dec_parse(STR("1e-1000"), &p, &d) == DEC_OK && d.scale == 1000 && dec_parse(STR("1e-1001"), &p, &d) == DEC_LIMIT);
	CHECK(dec_parse(STR("nan"), &p, &d) == DEC_SPECIAL && dec_parse(STR("-Inf"), &p, &d) == DEC_SPECIAL);
	CHECK(dec_parse(STR("1 "), &p, &d) == DEC_BAD && dec_parse(STR(""), &p, &d) == DEC_BAD);
	decpool_reset(&p);
	CHECK(p.n == 0 && p.cap);
	decpool_free(&p);
}

/* Is d the double nearest to the value whose sign of (value - t) cmp() tells, ties to even? The borders are the middles
 * between d and its neighbours. */
static bool nearest(double d, int (*cmp)(mpq_srcptr t, const void *of), const void *of)
{
	double lo = nextafter(d, -INFINITY), hi = nextafter(d, INFINITY);
	mpq_t a, b;
	uint64_t bits;
	bool ok;
	int below, above;

	mpq_init(a);
	mpq_init(b);
	mpq_set_d(a, d);
	mpq_set_d(b, lo);
	mpq_add(b, b, a);
	mpq_div_2exp(b, b, 1);
	below = cmp(b, of);
	mpq_set_d(b, hi);
	mpq_add(b, b, a);
	mpq_div_2exp(b, b, 1);
	above = cmp(b, of);
	memcpy(&bits, &d, sizeof bits);
	ok = (below > 0 || (below == 0 && !(bits & 1))) && (above < 0 || (above == 0 && !(bits & 1)));
	mpq_clear(a);
	mpq_clear(b);
	return ok;
}

static int cmp_value(mpq_srcptr t, const void *of)
{
	return mpq_cmp((mpq_srcptr)of, t);
}

static int cmp_root(mpq_srcptr t, const void *of)
{
	mpq_t square;
	int c;

	if (mpq_sgn(t) < 0)
		return 1;
	mpq_init(square);
	mpq_mul(square, t, t);
	c = mpq_cmp((mpq_srcptr)of, square);
	mpq_clear(square);
	return c;
}

TEST(doubles_are_the_nearest)
{
	struct rng g;
	mpq_t x, y;

	rng_seed(&g, 4);
	mpq_init(x);
	mpq_init(y);
	for (int i = 0; i < 50000; i++) {
		struct decpool p = { 0 };
		char ta[128], tb[128];
		struct dec a, b;

		random_dec_text(&g, ta);
		random_dec_text(&g, tb);
		a = make(ta, &p);
		b = make(tb, &p);
		rational(x, a, &p);
		rational(y, b, &p);
		CHECK(nearest(dec_to_f64(a, &p), cmp_value, x));
		if (dec_sign(a, &p) >= 0)
			CHECK(nearest(dec_sqrt_f64(a, &p), cmp_root, x));
		if (dec_sign(b, &p)) {
			mpq_div(x, x, y);
			if (!nearest(dec_div_f64(a, b, &p), cmp_value, x)) {
				printf("# %s / %s is not %a\n", ta, tb, dec_div_f64(a, b, &p));
				CHECK(false);
			}
		}
		decpool_free(&p);
	}
	mpq_clear(x);
	mpq_clear(y);
}

TEST(doubles_at_the_edges)
{
	struct decpool p = { 0 };

	CHECK(dec_to_f64(make("1.7976931348623158e308", &p), &p) == 1.7976931348623157e308);
	CHECK(dec_to_f64(make("1.7976931348623159e308", &p), &p) == INFINITY && dec_to_f64(make("-1e309", &p), &p) == -INFINITY);
	CHECK(dec_to_f64(make("1e-1000", &p), &p) == 0 && dec_to_f64(make("5e-324", &p), &p) == 5e-324);
	CHECK(dec_to_f64(make("2.4703282292062327e-324", &p), &p) == 0 && dec_to_f64(make("2.4703282292062328e-324", &p), &p) == 5e-324);
	CHECK(isnan(dec_div_f64(make("0", &p), make("0.0", &p), &p)));
	CHECK(dec_div_f64(make("-1e30", &p), make("0.0", &p), &p) == -INFINITY && dec_div_f64(make("1", &p), make("0", &p), &p) == INFINITY);
	CHECK(dec_div_f64(make("1", &p), make("3", &p), &p) == 1.0 / 3);
	CHECK(isnan(dec_sqrt_f64(make("-1", &p), &p)) && dec_sqrt_f64(make("0.00", &p), &p) == 0 && dec_sqrt_f64(make("2.25", &p), &p) == 1.5);
	CHECK(dec_sqrt_f64(make("1e1000", &p), &p) == INFINITY && dec_sqrt_f64(make("1e600", &p), &p) == 1e300);
	CHECK(dec_sqrt_f64(make("1e-640", &p), &p) == 1e-320);
	decpool_free(&p);
}

TEST(from_doubles_exactly)
{
	struct rng g;
	mpq_t x;

	rng_seed(&g, 5);
	mpq_init(x);
	for (int i = 0; i < 50000; i++) {
		struct decpool p = { 0 };
		uint64_t bits = rng_u64(&g);
		struct dec d;
		double v;

		memcpy(&v, &bits, sizeof v);
		if (i % 3 == 0)
			v = (double)(int64_t)bits / 1024;
		if (i % 3 == 1)
			v = ldexp((double)(int64_t)bits, (int)rng_below(&g, 100) - 90);
		if (isfinite(v)) {
			mpq_set_d(x, v);
			CHECK(dec_from_f64(v, &p, &d) == 0 && equals(d, &p, x));
			CHECK(dec_to_f64(d, &p) == v);
		}
		decpool_free(&p);
	}
	mpq_clear(x);
}

TEST(pools)
{
	struct decpool p = { 0 }, other = { 0 };
	cleanup_buf struct buf b = { 0 };
	struct dec a = make("123456789012345678901234567890.5", &p), r, copy;

	for (int i = 0; i < 100; i++) { /* the pool's array moves while results depend on it */
		CHECK(dec_add(a, a, &p, &r) == 0 && dec_sub(r, a, &p, &r) == 0 && dec_cmp(r, a, &p) == 0);
		a = r;
	}
	CHECK(dec_copy(a, &p, &other, &copy) == 0 && copy.big == 1);
	decpool_free(&p);
	CHECK(dec_print(copy, &other, &b) == 0);
	CHECK_STR(buf_view(&b), "123456789012345678901234567890.5");
	b.n = 0;
	CHECK(dec_from_i128(-((__int128)1 << 126), -2, &other, &r) == 0 && dec_print(r, &other, &b) == 0);
	CHECK_STR(buf_view(&b), "-8507059173023461586584365185794205286400");
	decpool_free(&other);
}

int main(void)
{
	return RUN_TABLE(T1(arithmetic_is_exact), T1(floor_division), T1(rounding), T1(texts), T1(examples_of_the_arithmetic), T1(limits),
			 T1(doubles_are_the_nearest), T1(doubles_at_the_edges), T1(from_doubles_exactly), T1(pools));
}
