/* Elementary functions: published values, exact results, laws, and the C library as a neighbour (it is within one unit, we
 * are right). */
#include "lib/base/elementary.h"
#include "lib/base/rng.h"
#include "tests/unit/test.h"

#include <math.h>

static mpz_t num, den, ynum, yden;

static void set(mpz_t n, mpz_t d, double v)
{
	int e;
	double m = frexp(v, &e);

	mpz_set_d(n, ldexp(m, 53));
	mpz_set_ui(d, 1);
	if (e > 53)
		mpz_mul_2exp(n, n, (mp_bitcnt_t)(e - 53));
	else
		mpz_mul_2exp(d, d, (mp_bitcnt_t)(53 - e));
}

static double log_of(double v, enum log_base b)
{
	set(num, den, v);
	return elementary_log(num, den, b);
}

static double exp_of(double v)
{
	set(num, den, v);
	return elementary_exp(num, den);
}

static double pow_of(double x, double y)
{
	set(num, den, x);
	set(ynum, yden, y);
	return elementary_pow(num, den, ynum, yden);
}

/* Steps between two doubles. */
static int64_t steps(double a, double b)
{
	int64_t x, y;

	memcpy(&x, &a, 8);
	memcpy(&y, &b, 8);
	return x > y ? x - y : y - x;
}

/* Constants to 17 digits (OEIS A002162, A002392, A001113, A092034, A002193). */
TEST(published_values)
{
	CHECK(log_of(2, LOG_E) == 0.69314718055994531);
	CHECK(log_of(10, LOG_E) == 2.3025850929940457);
	CHECK(log_of(2, LOG_10) == 0.30102999566398120);
	CHECK(log_of(10, LOG_2) == 3.3219280948873623);
	CHECK(exp_of(1) == 2.7182818284590452);
	CHECK(exp_of(-1) == 0.36787944117144232);
	CHECK(pow_of(2, 0.5) == 1.4142135623730951);
}

TEST(exact_results)
{
	double ten = 1;

	CHECK(log_of(1, LOG_E) == 0 && exp_of(0) == 1 && pow_of(1, 1e300) == 1 && pow_of(5, 0) == 1);
	for (int i = -1074; i < 1024; i++)
		CHECK(log_of(ldexp(1, i), LOG_2) == i && pow_of(2, i) == ldexp(1, i));
	for (int i = 0; i <= 22; i++, ten *= 10)
		CHECK(log_of(ten, LOG_10) == i && pow_of(10, i) == ten);
	CHECK(pow_of(4, 0.5) == 2 && pow_of(2.25, 1.5) == 3.375 && pow_of(4, -0.5) == 0.5 && pow_of(27, 2) == 729);
	CHECK(pow_of(3, 34) == 16677181699666568 && pow_of(3, 33) == 5559060566555523); /* 3^34 = ...569 lies halfway */
	CHECK(pow_of(262143, 3) == 18014192351838208); /* (2^18 - 1)^3 has 54 bits */
}

TEST(edges)
{
	CHECK(exp_of(709.782712893384) == 1.7976931348622732e308 && exp_of(709.79) == INFINITY && exp_of(1e300) == INFINITY);
	CHECK(exp_of(-745.13) == 4.9406564584124654e-324 && exp_of(-745.14) == 0 && exp_of(-1e300) == 0);
	CHECK(exp_of(1e-300) == 1 && exp_of(-0x1p-54) == 1 && exp_of(0x1p-53) == 1 + 0x1p-52);
	CHECK(log_of(1 + 0x1p-52, LOG_E) == 0x1p-52 - 0x1p-105);
	CHECK(log_of(4.9406564584124654e-324, LOG_E) == -744.44007192138127);
	CHECK(pow_of(1 + 0x1p-52, 0x1p62) == INFINITY && pow_of(1 + 0x1p-52, -0x1p62) == 0 && pow_of(1e300, 1e300) == INFINITY);
	CHECK(pow_of(1 + 0x1p-52, 0x1p52) == 2.7182818284590451);
}

/* log(1.000...1) of decimals far closer to 1 than any double. */
TEST(close_to_one)
{
	mpz_ui_pow_ui(den, 10, 300);
	mpz_add_ui(num, den, 1);
	CHECK(elementary_log(num, den, LOG_E) == 1e-300);
	mpz_sub_ui(num, den, 1);
	CHECK(elementary_log(num, den, LOG_E) == -1e-300);
}

TEST(near_the_c_library)
{
	struct rng g;
	int64_t far = 0;

	rng_seed(&g, 5);
	for (int i = 0; i < 20000; i++) {
		double x = ldexp((double)(rng_u64(&g) >> 11), (int)(rng_u64(&g) % 100) - 100), y = (double)((int64_t)rng_u64(&g) >> 11) * 0x1p-45;

		if (x == 0)
			continue;
		far += steps(log_of(x, LOG_E), log(x)) > 1;
		far += steps(exp_of(y), exp(y)) > 1;
		far += steps(pow_of(x, y / 8), pow(x, y / 8)) > 1;
	}
	CHECK_I64(far, 0);
}

int main(void)
{
	int rc;

	mpz_inits(num, den, ynum, yden, NULL);
	rc = RUN_TABLE(T1(published_values), T1(exact_results), T1(edges), T1(close_to_one), T1(near_the_c_library));
	mpz_clears(num, den, ynum, yden, NULL);
	return rc;
}
