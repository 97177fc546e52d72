/* Exact sums against GMP rationals: any values in any order and grouping give the same number, rounded once. */
#include "lib/agg/floatsum.h"
#include "lib/agg/round.h"
#include "tests/unit/test.h"

#include <float.h>
#include <math.h>

static uint64_t state = 88172645463325252u;

static uint64_t rnd(void)
{
	return test_random(&state);
}

/* A finite double; `span` bits of exponent around 1, 11: all there are. */
static double rnd_double(int span)
{
	uint64_t bits = rnd(), exp = span >= 11 ? bits >> 52 & 0x7ff : 1023 - (1u << span) / 2 + (bits >> 52) % (1u << span);
	double v;

	if (exp == 0x7ff)
		exp = 0x7fe;
	bits = (bits & 0x800fffffffffffffu) | exp << 52;
	memcpy(&v, &bits, sizeof v);
	return v;
}

/* What the sum must be: q rounded to nearest even, found by comparing with the midpoints around a guess. */
static double oracle_round(const mpq_t q)
{
	mpf_t f;
	mpq_t a, b, ma, mb;
	double v = mpq_get_d(q), up, best = v; /* mpq_get_d truncates towards zero */

	mpf_init2(f, 64);
	mpf_clear(f);
	if (isinf(v))
		return v;
	up = nextafter(v, mpq_sgn(q) < 0 ? -HUGE_VAL : HUGE_VAL);
	if (isinf(up))
		return v;
	mpq_inits(a, b, ma, mb, NULL);
	mpq_set_d(a, v);
	mpq_set_d(b, up);
	mpq_sub(ma, q, a);
	mpq_sub(mb, b, q);
	mpq_abs(ma, ma);
	mpq_abs(mb, mb);
	if (mpq_cmp(ma, mb) > 0) {
		best = up;
	} else if (mpq_cmp(ma, mb) == 0) {
		uint64_t bits;

		memcpy(&bits, &v, sizeof bits);
		best = bits & 1 ? up : v;
	}
	mpq_clears(a, b, ma, mb, NULL);
	return best;
}

static bool same_bits(double a, double b)
{
	return memcmp(&a, &b, sizeof a) == 0 || (a == 0 && b == 0);
}

static void shuffle(double *v, int n)
{
	for (int i = n - 1; i > 0; i--) {
		int k = (int)(rnd() % (uint64_t)(i + 1));
		double t = v[i];

		v[i] = v[k];
		v[k] = t;
	}
}

static void fill(double *v, int n, int span, bool cancel)
{
	for (int i = 0; i < n; i++)
		v[i] = cancel && i % 2 ? -v[i - 1] : rnd_double(span);
	if (cancel && n > 2)
		v[n / 2] = rnd_double(span);
}

/* One case: n values, their exact sum and mean against the oracle, in two orders and cut in two with a dump between. */
static void check_case(int n, int span, bool cancel)
{
	struct floatsums pool = { 0 };
	struct floatsum s = { 0 }, t = { 0 }, part = { 0 }, whole = { 0 };
	cleanup_buf struct buf a = { 0 }, b = { 0 };
	double *v = malloc((size_t)n * sizeof *v), sum, mean;
	mpq_t q, x;

	mpq_inits(q, x, NULL);
	fill(v, n, span, cancel);
	for (int i = 0; i < n; i++) {
		CHECK(floatsum_add(&s, v[i], &pool) == 0);
		mpq_set_d(x, v[i]);
		mpq_add(q, q, x);
	}
	sum = oracle_round(q);
	mpq_set_ui(x, (unsigned long)n, 1);
	mpq_div(x, q, x);
	mean = oracle_round(x);
	if (!isinf(mpq_get_d(q)))
		CHECK(same_bits(floatsum_round(&s, &pool), sum));
	CHECK(same_bits(floatsum_mean(&s, n, &pool), mean));
	CHECK(floatsum_print(&s, &pool, &a) == 0);
	shuffle(v, n);
	for (int i = 0; i < n; i++)
		CHECK(floatsum_add(i < n / 3 ? &part : &t, v[i], &pool) == 0);
	CHECK(floatsum_print(&part, &pool, &b) == 0 && floatsum_add_text(&whole, buf_view(&b), &pool) == DEC_OK);
	b.n = 0;
	CHECK(floatsum_print(&t, &pool, &b) == 0 && floatsum_add_text(&whole, buf_view(&b), &pool) == DEC_OK);
	b.n = 0;
	CHECK(floatsum_print(&whole, &pool, &b) == 0);
	CHECK(str_eq(buf_view(&a), buf_view(&b)));
	CHECK(same_bits(floatsum_round(&whole, &pool), floatsum_round(&s, &pool)));
	mpq_clears(q, x, NULL);
	floatsums_free(&pool);
	free(v);
}

TEST(float_sums_are_exact)
{
	for (int i = 0; i < 3000; i++)
		check_case(1 + (int)(rnd() % 40), (int)(rnd() % 12), rnd() % 2);
}

TEST(float_sums_are_exact_when_long)
{
	for (int i = 0; i < 20; i++)
		check_case(20000, i % 12, i % 2);
}

TEST(float_sum_examples)
{
	struct floatsums pool = { 0 };
	struct floatsum s = { 0 }, big = { 0 }, sp = { 0 }, z = { 0 };

	for (int i = 0; i < 10; i++)
		CHECK(floatsum_add(&s, 0.1, &pool) == 0);
	CHECK(floatsum_round(&s, &pool) == 1.0);
	CHECK(floatsum_mean(&s, 10, &pool) == 0.1);
	CHECK(floatsum_add(&big, 1e308, &pool) == 0 && floatsum_add(&big, 1e308, &pool) == 0 &&
	      floatsum_add(&big, -1e308, &pool) == 0);
	CHECK(floatsum_round(&big, &pool) == 1e308);
	CHECK(floatsum_add(&big, 1e308, &pool) == 0 && isinf(floatsum_round(&big, &pool)));
	CHECK(floatsum_mean(&big, 2, &pool) == 1e308);
	CHECK(floatsum_add(&sp, HUGE_VAL, &pool) == 0 && isinf(floatsum_round(&sp, &pool)));
	CHECK(floatsum_add(&sp, -HUGE_VAL, &pool) == 0 && isnan(floatsum_round(&sp, &pool)));
	CHECK(floatsum_add(&z, -0.0, &pool) == 0 && !signbit(floatsum_round(&z, &pool)));
	CHECK(floatsum_add(&z, 4.9406564584124654e-324, &pool) == 0);
	CHECK(floatsum_round(&z, &pool) == 4.9406564584124654e-324 && floatsum_mean(&z, 2, &pool) == 0);
	floatsums_free(&pool);
}

TEST(float_state_text_is_checked)
{
	static const char *const bad[] = { "",   "p",  "p3", "x",     "1p", "1p-1075", "1p2201", "--1",
					   "+1", "1 ", " 1", "1p1p1", "g",  "1.0",     "0x1",    "nanx" };
	struct floatsums pool = { 0 };

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct floatsum s = { 0 };

		CHECK(floatsum_add_text(&s, str_of(bad[i]), &pool) == DEC_BAD);
	}
	floatsums_free(&pool);
}

static struct str sum_text(const char *const *v, int n, struct buf *b)
{
	struct decsums pool = { 0 };
	struct decsum s = { 0 };
	struct decpool scratch = { 0 };

	for (int i = 0; i < n; i++)
		CHECK(decsum_add_text(&s, str_of(v[i]), &scratch, &pool) == DEC_OK);
	b->n = 0;
	CHECK(decsum_print(&s, &pool, b) == 0);
	decsums_free(&pool);
	decpool_free(&scratch);
	return buf_view(b);
}

#define SUM(...) \
	sum_text((const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), &b)

TEST(decimal_sums)
{
	cleanup_buf struct buf b = { 0 };

	CHECK_STR(SUM("0.1", "0.2"), "0.3");
	CHECK_STR(SUM("1.50", "2"), "3.50");
	CHECK_STR(SUM("1.50", "-1.5"), "0.00");
	CHECK_STR(SUM("9223372036854775807", "1"), "9223372036854775808");
	CHECK_STR(SUM("9223372036854775807", "1", "-2"), "9223372036854775806");
	CHECK_STR(SUM("123456789012345678901234567890", "0.000000000000000000000000000001"),
		  "123456789012345678901234567890.000000000000000000000000000001");
	CHECK_STR(SUM("1e3", "0.5"), "1000.5");
	CHECK_STR(SUM("inf", "1"), "inf");
	CHECK_STR(SUM("inf", "-inf", "1"), "nan");
	CHECK_STR(SUM("-Infinity", "-inf"), "-inf");
	CHECK_STR(SUM("9223372036854775807", "0.1"), "9223372036854775807.1");
}

/* Random decimals: the sum against GMP, through a cut with a dump. */
TEST(decimal_sums_are_exact)
{
	for (int k = 0; k < 2000; k++) {
		struct decsums pool = { 0 };
		struct decsum s = { 0 }, parts[2] = { 0 }, whole = { 0 };
		struct decpool scratch = { 0 };
		cleanup_buf struct buf a = { 0 }, b = { 0 };
		int n = 1 + (int)(rnd() % 30);
		mpq_t q, x;
		double mean;

		mpq_inits(q, x, NULL);
		for (int i = 0; i < n; i++) {
			char text[80];
			int64_t m = (int64_t)rnd() >> rnd() % 64;
			unsigned scale = (unsigned)(rnd() % (unsigned)(k % 40 + 1));

			snprintf(text, sizeof text, "%llde-%u", (long long)m, scale);
			CHECK(decsum_add_text(&s, str_of(text), &scratch, &pool) == DEC_OK);
			CHECK(decsum_add_text(&parts[i % 2], str_of(text), &scratch, &pool) == DEC_OK);
			mpz_set_si(mpq_numref(x), m);
			mpz_ui_pow_ui(mpq_denref(x), 10, scale);
			mpq_canonicalize(x);
			mpq_add(q, q, x);
		}
		mpq_set_ui(x, (unsigned long)n, 1);
		mpq_div(x, q, x);
		mean = oracle_round(x);
		CHECK(same_bits(decsum_mean(&s, n, &pool), mean));
		for (int i = 0; i < 2; i++) {
			b.n = 0;
			CHECK(decsum_print(&parts[i], &pool, &b) == 0);
			CHECK(!parts[i].any || decsum_add_text(&whole, buf_view(&b), &scratch, &pool) == DEC_OK);
		}
		b.n = 0;
		CHECK(decsum_print(&s, &pool, &a) == 0 && decsum_print(&whole, &pool, &b) == 0);
		CHECK(str_eq(buf_view(&a), buf_view(&b)));
		mpq_clears(q, x, NULL);
		decsums_free(&pool);
		decpool_free(&scratch);
	}
}

TEST(sqrt_of_ratio)
{
	mpz_t n, d;

	mpz_inits(n, d, NULL);
	for (int i = 0; i < 20000; i++) {
		double v = rnd_double(6), r;

		v = fabs(v);
		mpz_set_d(n, ldexp(v, 200));
		mpz_set_ui(d, 1);
		r = round_sqrt_ratio(n, d, -200);
		CHECK(same_bits(r, sqrt(v)));
		mpz_set_ui(d, 3);
		r = round_ratio(n, d, -200);
		CHECK(same_bits(r, v / 3));
	}
	mpz_clears(n, d, NULL);
}

static void print_sum(const struct floatsum *s, const struct floatsums *p, struct buf *b)
{
	b->n = 0;
	CHECK(floatsum_print(s, p, b) == 0);
}

/* v[0 .. FLOATPART_ROWS) added in two doubles, and what does not fit one by one, is the sum of them all; most of them fit. */
static void check_part(const double *v, int64_t most)
{
	struct floatwindow w = floatwindow_of(v, FLOATPART_ROWS);
	struct floatpart part = FLOATPART_NONE;
	struct floatsum sum = { 0 }, want = { 0 };
	struct floatsums pool = { 0 };
	cleanup_buf struct buf a = { 0 }, b = { 0 };
	int64_t fit = 0;

	CHECK(!floatpart_any(&part));
	for (int64_t i = 0; i < FLOATPART_ROWS; i++) {
		bool fits = floatpart_add(&part, v[i], &w);

		fit += fits;
		CHECK(fits || floatsum_add(&sum, v[i], &pool) == 0);
		CHECK(floatsum_add(&want, v[i], &pool) == 0);
		CHECK(floatpart_any(&part) == (fit > 0));
	}
	CHECK(fit >= most);
	CHECK(floatsum_add(&sum, part.high, &pool) == 0 && floatsum_add(&sum, part.low, &pool) == 0);
	print_sum(&sum, &pool, &a);
	print_sum(&want, &pool, &b);
	CHECK(str_eq(buf_view(&a), buf_view(&b)));
	floatsums_free(&pool);
}

TEST(parts_of_float_sums_are_exact)
{
	static double v[FLOATPART_ROWS];

	for (int span = 0; span <= 11; span++)
		for (int k = 0; k < 20; k++) {
			for (int64_t i = 0; i < FLOATPART_ROWS; i++)
				v[i] = rnd() % 5 ? rnd_double(span) : 0;
			check_part(v, span <= 3 ? FLOATPART_ROWS : 0);
		}
	for (int sign = 0; sign < 2; sign++) /* all as large as can be, with small ones that have bits to the last */
		for (int64_t i = 0; i < FLOATPART_ROWS; i++) {
			v[i] = i % 2 ? 0x1.fffffffffffffp7 : 0x1.fffffffffffffp-5;
			v[i] = sign && i % 3 == 0 ? -v[i] : v[i];
			if (i == FLOATPART_ROWS - 1)
				check_part(v, FLOATPART_ROWS);
		}
	for (int e = -8; e < 8; e++) { /* below 2^9: what is left of each is as large as can be, down to its last bit */
		for (int64_t i = 0; i < FLOATPART_ROWS; i++)
			v[i] = i ? ldexp(1, e) + ldexp(1, -19) - ldexp(1, e - 52) : 128;
		check_part(v, e >= -6 ? FLOATPART_ROWS : 1);
	}
	for (int64_t i = 0; i < FLOATPART_ROWS; i++)
		v[i] = i % 1000 == 999 ? (i % 2 ? 1e300 : -4e-320) : (double)i / 7 - 900;
	check_part(v, FLOATPART_ROWS / 2);
	for (int64_t i = 0; i < FLOATPART_ROWS; i++)
		v[i] = i % 2 ? -0.0 : 0;
	check_part(v, FLOATPART_ROWS);
	for (int64_t i = 0; i < FLOATPART_ROWS; i++)
		v[i] = i % 2 ? DBL_MAX : i % 3 ? -DBL_MAX : 1;
	check_part(v, 0);
}

int main(void)
{
	return RUN_TABLE(T1(float_sums_are_exact), T1(float_sums_are_exact_when_long), T1(float_sum_examples), T1(parts_of_float_sums_are_exact),
			 T1(float_state_text_is_checked), T1(decimal_sums), T1(decimal_sums_are_exact), T1(sqrt_of_ratio));
}
