/* Doubles from exact values and shortest digits for doubles: the machinery under dec and num.
 *
 * f64_scaled() is the method of Eisel and Lemire (D. Lemire, "Number parsing at a gigabyte per second", 2021) with an interval
 * argument in place of its case analysis: a 128-bit power of ten, cut off, gives the product to within one unit of its middle
 * word, and unless a rounding boundary lies in that unit the result is certain. f64_shortest() is R. Giulietti's Schubfach
 * ("The Schubfach way to render doubles", 2020). Both use the table of lib/base/pow10.c. */
#ifndef STOOK_BASE_F64_H
#define STOOK_BASE_F64_H

#include <gmp.h>
#include <stdbool.h>
#include <stdint.h>

/* 10^k = (hi, lo) * 2^e for e = f64_log2_pow10(k) - 127, rounded down; exact for 0 <= k <= 55. lib/base/pow10.c is written by
 * lib/base/pow10.pl. */
#define POW10_MIN -342
#define POW10_MAX 324

struct pow10 {
	uint64_t hi, lo;
};

extern const struct pow10 pow10_table[POW10_MAX - POW10_MIN + 1];

/* floor(log2(10^k)) for |k| <= 1233 */
static inline int f64_log2_pow10(int k)
{
	return (int)((k * (int64_t)1741647) >> 19);
}

/* w * 10^e10 rounded to nearest, ties to even. false: too close to call. */
bool f64_scaled(uint64_t w, int e10, double *ret);

/* num / den rounded once; den > 0. Both exact, any size. */
double f64_ratio(mpz_srcptr num, mpz_srcptr den);

/* The square root of num / den, rounded once; num, den > 0. */
double f64_sqrt_ratio(mpz_srcptr num, mpz_srcptr den);

/* The shortest decimal digits * 10^exp10 that lie in the rounding interval of c * 2^q, the closest to it if there are several.
 * `lower` says that the neighbour below is at half the distance (c is a power of two, not subnormal). Trailing zeros are left
 * in. c > 0, the range of doubles or floats. */
void f64_shortest(uint64_t c, int q, bool lower, uint64_t *digits, int *exp10);

#endif
