/* Rounding an exact ratio to the nearest double, once.
 *
 * Sums are kept exactly and divided at the very end, so that a mean has one rounding (product.md section 5). Ties go to even,
 * results below the normal range lose bits once (gradual underflow), results above it are infinite. */
#ifndef STOOK_AGG_ROUND_H
#define STOOK_AGG_ROUND_H

#include <gmp.h>

/* num / den * 2^exp2, rounded to nearest even. den > 0. */
double round_ratio(const mpz_t num, const mpz_t den, long exp2);

/* sqrt(num / den * 2^exp2), rounded to nearest even. num >= 0, den > 0. */
double round_sqrt_ratio(const mpz_t num, const mpz_t den, long exp2);

#endif
