/* Doubles from exact values, shortest digits from doubles: see f64.h. All rounding goes through one place, f64_assemble(): a
 * mantissa that has been cut to its final width and rounded, and the exponent of its top bit before rounding. */
#include "lib/base/f64.h"

#include <math.h>
#include <string.h>

typedef unsigned __int128 u128;

#define EXACT_INT (1ull << 53)
#define EXACT_POW10 22 /* the largest power of ten that is a double */
#define MIN_EXP -1022
#define MAX_EXP 1023

/* `keep` is the rounded mantissa: 53 bits (or 2^53) for a number whose top bit weighs 2^exp, fewer when it is subnormal. A
 * carry out of the mantissa moves the exponent up by itself. */
static double assemble(uint64_t keep, int exp)
{
	uint64_t bits = exp < MIN_EXP ? keep : ((uint64_t)(exp - MIN_EXP) << 52) + keep;
	double v;

	if (exp > MAX_EXP)
		return INFINITY;
	memcpy(&v, &bits, sizeof v);
	return v;
}

/* Bits to cut from a mantissa of n bits whose top bit weighs 2^exp. */
static int surplus(int n, int exp)
{
	return n - 53 + (exp < MIN_EXP ? MIN_EXP - exp : 0);
}

/* q * 2^scale, plus something below one unit of q if `sticky`, rounded; q has 63 or 64 bits. */
static double round_u64(uint64_t q, bool sticky, int scale)
{
	int n = 64 - __builtin_clzll(q), exp = n - 1 + scale, drop = surplus(n, exp);
	u128 half, rest;
	uint64_t keep;

	if (drop > 100)
		return 0;
	half = (u128)1 << (drop - 1);
	rest = q & ((half << 1) - 1);
	keep = (uint64_t)((u128)q >> drop);
	keep += rest > half || (rest == half && (sticky || (keep & 1)));
	return assemble(keep, exp);
}

/* w * 10^e10 where both factors are doubles and the result is rounded once by the machine (Clinger's fast path). */
static double scaled_short(uint64_t w, int e10)
{
	static const double p[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
				    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

	return e10 < 0 ? (double)w / p[-e10] : (double)w * p[e10];
}

/* The product of w (top bit set) with the table's power is (hi, mid, lo); what the table cut off adds less than one unit of
 * mid. */
static bool scaled_wide(uint64_t w, int e10, double *ret)
{
	const struct pow10 *t = &pow10_table[e10 - POW10_MIN];
	bool exact = e10 >= 0 && e10 <= 55;
	int lz = __builtin_clzll(w);
	u128 low = (u128)(w << lz) * t->lo, high = (u128)(w << lz) * t->hi + (uint64_t)(low >> 64);
	uint64_t hi = (uint64_t)(high >> 64), mid = (uint64_t)high, lo = (uint64_t)low;
	int n = 64 - __builtin_clzll(hi), exp = n + 127 + f64_log2_pow10(e10) - 127 - lz, drop = surplus(n, exp);
	uint64_t half, rest, keep;

	if (drop > 63)
		return false;
	half = 1ull << (drop - 1);
	rest = hi & ((half << 1) - 1);
	if (!exact && rest == half - 1 && mid == UINT64_MAX)
		return false;
	keep = hi >> drop;
	keep += rest > half || (rest == half && (!exact || mid || lo || (keep & 1)));
	*ret = assemble(keep, exp);
	return true;
}

bool f64_scaled(uint64_t w, int e10, double *ret)
{
	if (w <= EXACT_INT && e10 >= -EXACT_POW10 && e10 <= EXACT_POW10) {
		*ret = scaled_short(w, e10);
		return true;
	}
	if (!w || e10 < POW10_MIN) { /* 2^64 * 10^-343 is less than half the smallest double */
		*ret = 0;
		return true;
	}
	if (e10 > 308) {
		*ret = INFINITY;
		return true;
	}
	return scaled_wide(w, e10, ret);
}

/* floor(num / den * 2^shift) in q; true when something was cut off. */
static bool divide_shifted(mpz_ptr q, mpz_srcptr num, mpz_srcptr den, long shift)
{
	mpz_t a, b, rem;
	bool sticky;

	mpz_init(a);
	mpz_init(b);
	mpz_init(rem);
	mpz_abs(a, num);
	mpz_set(b, den);
	if (shift >= 0)
		mpz_mul_2exp(a, a, (mp_bitcnt_t)shift);
	else
		mpz_mul_2exp(b, b, (mp_bitcnt_t)-shift);
	mpz_tdiv_qr(q, rem, a, b);
	sticky = mpz_sgn(rem) != 0;
	mpz_clear(a);
	mpz_clear(b);
	mpz_clear(rem);
	return sticky;
}

static long log2_ratio(mpz_srcptr num, mpz_srcptr den)
{
	return (long)mpz_sizeinbase(num, 2) - (long)mpz_sizeinbase(den, 2);
}

/* Far beyond the range of doubles either way. */
static int clamp_exp(long e)
{
	return e > 5000 ? 5000 : e < -5000 ? -5000 : (int)e;
}

double f64_ratio(mpz_srcptr num, mpz_srcptr den)
{
	long shift = 63 - log2_ratio(num, den); /* the quotient then has 63 or 64 bits */
	bool sticky;
	double v;
	mpz_t q;

	if (!mpz_sgn(num))
		return 0;
	mpz_init(q);
	sticky = divide_shifted(q, num, den, shift);
	v = round_u64(mpz_get_ui(q), sticky, clamp_exp(-shift));
	mpz_clear(q);
	return mpz_sgn(num) < 0 ? -v : v;
}

double f64_sqrt_ratio(mpz_srcptr num, mpz_srcptr den)
{
	long shift = 127 - log2_ratio(num, den);
	bool sticky;
	double v;
	mpz_t q, rem;

	shift -= shift & 1; /* the quotient has 126 to 128 bits, its root 63 or 64 */
	mpz_init(q);
	mpz_init(rem);
	sticky = divide_shifted(q, num, den, shift);
	mpz_sqrtrem(q, rem, q);
	sticky |= mpz_sgn(rem) != 0;
	v = round_u64(mpz_get_ui(q), sticky, clamp_exp(-shift / 2));
	mpz_clear(q);
	mpz_clear(rem);
	return v;
}

/* The upper 64 bits of cp * g / 2^64, its last bit set when bits were cut off (Giulietti's "round to odd"). */
static uint64_t round_to_odd(struct pow10 g, uint64_t cp)
{
	u128 x = (u128)g.lo * cp, y = (u128)g.hi * cp + (uint64_t)(x >> 64);

	return (uint64_t)(y >> 64) | ((uint64_t)y > 1);
}

/* The table's power rounded up, as Schubfach wants it. */
static struct pow10 pow10_up(int k)
{
	struct pow10 g = pow10_table[k - POW10_MIN];

	if (k < 0 || k > 55) {
		g.lo++;
		g.hi += !g.lo;
	}
	return g;
}

void f64_shortest(uint64_t c, int q, bool lower, uint64_t *digits, int *exp10)
{
	/* floor(log10(2^q)), or of 3/4 * 2^q for a narrower interval below */
	int k = (int)((q * 661971961083ll - (lower ? 274743187321ll : 0)) >> 41);
	int h = q + f64_log2_pow10(-k) + 1;
	struct pow10 g = pow10_up(-k);
	uint64_t odd = c & 1, cb = c << 2; /* four times the value, so that interval ends are integers */
	uint64_t v = round_to_odd(g, cb << h);
	uint64_t low = round_to_odd(g, (cb - (lower ? 1 : 2)) << h) + odd, high = round_to_odd(g, (cb + 2) << h) - odd;
	uint64_t s = v >> 2, tens = s / 10 * 10;
	bool down, up;

	*exp10 = k;
	if (s >= 10) {
		down = low <= tens << 2;
		up = (tens + 10) << 2 <= high;
		if (down != up) {
			*digits = tens + (up ? 10 : 0);
			return;
		}
	}
	down = low <= s << 2;
	up = (s + 1) << 2 <= high;
	if (down == up) {
		uint64_t middle = 4 * s + 2;

		up = v > middle || (v == middle && (s & 1));
	}
	*digits = s + up;
}
