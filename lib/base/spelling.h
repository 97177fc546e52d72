/* A number as it is written, taken apart: what the readers of decimals and doubles share (lib/base/num.c). */
#ifndef STOOK_BASE_SPELLING_H
#define STOOK_BASE_SPELLING_H

#include "lib/base/dec.h"

/* The value is +-digits * 10^-scale. */
struct spelling {
	bool neg;
	struct str digits; /* from the first digit other than 0 on, a point possibly among them; may be empty */
	int32_t ndigits;   /* digits in it */
	int32_t scale;     /* digits behind the point less the exponent; may be negative */
};

enum dec_read spelling_read(struct str s, struct spelling *ret);
uint64_t spelling_u64(const struct spelling *sp);            /* the digits, sign aside; ndigits <= 19 */
void spelling_mpz(mpz_ptr z, const struct spelling *sp); /* the digits with the sign */

unsigned __int128 spelling_u128(const struct spelling *sp);  /* the same; ndigits <= 38 */

/* The common case at once: [-]digits[.digits] of at most 19 digits is *m * 10^-*scale. false: something else. */
bool num_plain(struct str s, int64_t *m, int32_t *scale);

void mpz_mul_pow10(mpz_ptr z, mpz_srcptr a, int32_t n); /* z = a * 10^n */

#endif
