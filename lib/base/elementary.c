/* Elementary functions: see elementary.h. Numbers are fixed point: an integer times 2^-bits. What is computed carries errors
 * of some
 * units in its last places; the last NOISE bits are rounded off before the one rounding that counts, so that results that
 * are exact, or
 * exactly halfway, come out as such. */
#include "lib/base/elementary.h"

#include "lib/base/f64.h"

#include <math.h>
#include <stdlib.h>

#define BITS 192  /* behind the point */
#define NOISE 32

/* ln 2 and ln 10, times 2^256. */
#define LN2 "b17217f7d1cf79abc9e3b39803f2f6af40f343267298b62d8a0d175b8baafa2b"
#define LN10 "24d763776aaa2b05ba95b58ae0b4c28a38a3fb3e76977e43a0f187a0807c0b5ca"
#define CONSTANT_BITS 256

static void constant(mpz_t ret, const char *hex, mp_bitcnt_t bits)
{
	mpz_set_str(ret, hex, 16);
	if (bits <= CONSTANT_BITS)
		mpz_fdiv_q_2exp(ret, ret, CONSTANT_BITS - bits);
	else
		mpz_mul_2exp(ret, ret, bits - CONSTANT_BITS); /* only where it is multiplied by zero */
}

/* num / den in fixed point, rounded down. */
static void fixed(mpz_t ret, mpz_srcptr num, mpz_srcptr den, long shift)
{
	mpz_t d;

	if (shift >= 0) {
		mpz_mul_2exp(ret, num, (mp_bitcnt_t)shift);
		mpz_fdiv_q(ret, ret, den);
		return;
	}
	mpz_init(d);
	mpz_mul_2exp(d, den, (mp_bitcnt_t)-shift);
	mpz_fdiv_q(ret, num, d);
	mpz_clear(d);
}

/* Rounds off the last NOISE bits, half away from zero. */
static void drop_noise(mpz_t v)
{
	mpz_t half;

	mpz_init(half);
	mpz_setbit(half, NOISE - 1);
	if (mpz_sgn(v) < 0)
		mpz_sub(v, v, half);
	else
		mpz_add(v, v, half);
	mpz_tdiv_q_2exp(v, v, NOISE);
	mpz_mul_2exp(v, v, NOISE);
	mpz_clear(half);
}

/* v * 2^-bits * 2^k as a double. */
static double to_double(mpz_t v, mp_bitcnt_t bits, long k)
{
	mpz_t den;
	double d;

	mpz_init(den);
	if (k >= 0)
		mpz_mul_2exp(v, v, (mp_bitcnt_t)k);
	mpz_setbit(den, bits + (k < 0 ? (mp_bitcnt_t)-k : 0));
	d = f64_ratio(v, den);
	mpz_clear(den);
	return d;
}

/* ret = ln(t) = 2 artanh((t - 1) / (t + 1)) for t in fixed point, close to 1; t is used up. */
static void log_series(mpz_t ret, mpz_t t, mp_bitcnt_t bits)
{
	mpz_t one, square, power, term;

	mpz_inits(one, square, power, term, NULL);
	mpz_setbit(one, bits);
	mpz_sub(power, t, one);
	mpz_add(t, t, one);
	mpz_mul_2exp(power, power, bits);
	mpz_tdiv_q(power, power, t);
	mpz_mul(square, power, power);
	mpz_tdiv_q_2exp(square, square, bits);
	mpz_set(ret, power);
	for (unsigned long k = 3; mpz_sgn(power) != 0; k += 2) {
		mpz_mul(power, power, square);
		mpz_tdiv_q_2exp(power, power, bits);
		mpz_tdiv_q_ui(term, power, k);
		mpz_add(ret, ret, term);
	}
	mpz_mul_2exp(ret, ret, 1);
	mpz_clears(one, square, power, term, NULL);
}

/* ret = ln(num / den) in fixed point: num / den = t * 2^e with t in [3/4, 3/2]. */
static void log_fixed(mpz_t ret, mpz_srcptr num, mpz_srcptr den, mp_bitcnt_t bits)
{
	long e = (long)mpz_sizeinbase(num, 2) - (long)mpz_sizeinbase(den, 2);
	mpz_t t, bound;

	mpz_inits(t, bound, NULL);
	fixed(t, num, den, (long)bits - e);
	mpz_setbit(bound, bits);
	mpz_addmul_ui(bound, bound, 2); /* 3 */
	mpz_fdiv_q_2exp(bound, bound, 1);
	if (mpz_cmp(t, bound) > 0) {
		fixed(t, num, den, (long)bits - ++e);
	} else {
		mpz_fdiv_q_2exp(bound, bound, 1);
		if (mpz_cmp(t, bound) < 0)
			fixed(t, num, den, (long)bits - --e);
	}
	log_series(ret, t, bits);
	if (e) {
		constant(bound, LN2, bits);
		mpz_mul_si(bound, bound, e);
		mpz_add(ret, ret, bound);
	}
	mpz_clears(t, bound, NULL);
}

/* The same with bits enough that BITS of them are significant: close to 1 the logarithm is small. Returns the bits. */
static mp_bitcnt_t log_precise(mpz_t ret, mpz_srcptr num, mpz_srcptr den)
{
	mp_bitcnt_t bits = BITS;

	if (mpz_cmp(num, den) == 0) {
		mpz_set_ui(ret, 0);
		return bits;
	}
	for (;; bits *= 2) {
		log_fixed(ret, num, den, bits);
		if (mpz_sizeinbase(ret, 2) + 8 >= BITS)
			return bits;
	}
}

double elementary_log(mpz_srcptr num, mpz_srcptr den, enum log_base base)
{
	mp_bitcnt_t bits;
	mpz_t v, scale;
	double d;

	mpz_inits(v, scale, NULL);
	bits = log_precise(v, num, den);
	if (base != LOG_E) {
		constant(scale, base == LOG_2 ? LN2 : LN10, CONSTANT_BITS);
		mpz_mul_2exp(v, v, CONSTANT_BITS);
		mpz_tdiv_q(v, v, scale);
	}
	drop_noise(v);
	d = to_double(v, bits, 0);
	mpz_clears(v, scale, NULL);
	return d;
}

/* exp of x in fixed point with BITS bits; x is used up. */
static double exp_fixed(mpz_t x)
{
	enum { SQUARINGS = 8 };
	mpz_t ln2, sum, term;
	double d;
	long k;

	mpz_inits(ln2, sum, term, NULL);
	constant(ln2, LN2, BITS);
	mpz_fdiv_q_2exp(term, ln2, 1);
	mpz_add(term, term, x);
	mpz_fdiv_q(term, term, ln2);
	k = mpz_get_si(term);
	mpz_submul(x, ln2, term); /* |x| <= ln 2 / 2 */
	mpz_fdiv_q_2exp(x, x, SQUARINGS);
	mpz_set_ui(sum, 0);
	mpz_setbit(sum, BITS);
	mpz_set(term, sum);
	for (unsigned long i = 1; mpz_sgn(term) != 0; i++) {
		mpz_mul(term, term, x);
		mpz_tdiv_q_2exp(term, term, BITS);
		mpz_tdiv_q_ui(term, term, i);
		mpz_add(sum, sum, term);
	}
	for (int i = 0; i < SQUARINGS; i++) {
		mpz_mul(sum, sum, sum);
		mpz_fdiv_q_2exp(sum, sum, BITS);
	}
	drop_noise(sum);
	d = to_double(sum, BITS, k);
	mpz_clears(ln2, sum, term, NULL);
	return d;
}

/* Beyond +-RANGE every double has over- or underflown. */
#define RANGE 800

double elementary_exp(mpz_srcptr num, mpz_srcptr den)
{
	double d;
	mpz_t x;

	mpz_init(x);
	mpz_mul_ui(x, den, RANGE);
	if (mpz_cmpabs(num, x) > 0) {
		d = mpz_sgn(num) > 0 ? INFINITY : 0;
	} else {
		fixed(x, num, den, BITS);
		d = exp_fixed(x);
	}
	mpz_clear(x);
	return d;
}

static long size_of(mpz_srcptr v) { return mpz_sgn(v) ? (long)mpz_sizeinbase(v, 2) : 0; }

/* x^y = exp(y ln x); the logarithm gets as many more bits as y has before its point. */
double elementary_pow(mpz_srcptr xnum, mpz_srcptr xden, mpz_srcptr ynum, mpz_srcptr yden)
{
	long y_bits = size_of(ynum) - size_of(yden) + 1, log_bits;
	mp_bitcnt_t bits;
	double d;
	mpz_t v;

	mpz_init(v);
	bits = log_precise(v, xnum, xden);
	log_bits = size_of(v) - (long)bits;
	if (mpz_sgn(v) == 0 || mpz_sgn(ynum) == 0) {
		d = 1;
	} else if (y_bits - 2 + log_bits - 1 > 10) { /* |y ln x| > 1000 */
		d = mpz_sgn(v) == mpz_sgn(ynum) ? INFINITY : 0;
	} else {
		if (y_bits > 0) {
			bits += (mp_bitcnt_t)y_bits;
			log_fixed(v, xnum, xden, bits);
		}
		mpz_mul(v, v, ynum);
		fixed(v, v, yden, BITS - (long)bits);
		d = exp_fixed(v);
	}
	mpz_clear(v);
	return d;
}
