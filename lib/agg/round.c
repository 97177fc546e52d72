/* Rounding of exact ratios: see round.h.
 *
 * The quotient is computed to 64 or more bits with a sticky bit for the remainder; that decides every rounding to at most 53
 * bits. Invariant: `q` and `sticky` together determine on which side of any 53-bit boundary the exact value lies. */
#include "lib/agg/round.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* q * 2^exp2 (+ something below the last bit when sticky), rounded to nearest even. q > 0 has more bits than a double holds. */
static double round_bits(mpz_t q, long exp2, bool sticky)
{
	long bits = (long)mpz_sizeinbase(q, 2), top = bits - 1 + exp2; /* the value is in [2^top, 2^(top + 1)) */
	long keep = top >= -1022 ? 53 : 53 - (-1022 - top), drop = bits - keep;
	bool half, rest;
	uint64_t m;
	mpz_t r;

	if (top > 1023)
		return HUGE_VAL;
	if (keep < 0)
		return 0;
	half = mpz_tstbit(q, (mp_bitcnt_t)(drop - 1));
	rest = sticky || mpz_scan1(q, 0) < (mp_bitcnt_t)(drop - 1);
	mpz_init(r);
	mpz_tdiv_q_2exp(r, q, (mp_bitcnt_t)drop);
	m = mpz_get_ui(r);
	mpz_clear(r);
	m += half && (rest || (m & 1));
	return ldexp((double)m, (int)(exp2 + drop));
}

double round_ratio(const mpz_t num, const mpz_t den, long exp2)
{
	mpz_t n, d, q;
	long shift;
	bool sticky;
	double v;

	if (mpz_sgn(num) == 0)
		return 0;
	mpz_inits(n, d, q, NULL);
	mpz_abs(n, num);
	mpz_set(d, den);
	shift = 66 - (long)mpz_sizeinbase(n, 2) + (long)mpz_sizeinbase(d, 2);
	if (shift > 0)
		mpz_mul_2exp(n, n, (mp_bitcnt_t)shift);
	else
		mpz_mul_2exp(d, d, (mp_bitcnt_t)-shift);
	mpz_tdiv_qr(q, n, n, d);
	sticky = mpz_sgn(n) != 0;
	v = round_bits(q, exp2 - shift, sticky);
	mpz_clears(n, d, q, NULL);
	return mpz_sgn(num) < 0 ? -v : v;
}

double round_sqrt_ratio(const mpz_t num, const mpz_t den, long exp2)
{
	mpz_t n, d, q;
	long shift;
	bool sticky;
	double v;

	if (mpz_sgn(num) == 0)
		return 0;
	mpz_inits(n, d, q, NULL);
	mpz_set(n, num);
	mpz_set(d, den);
	shift = 132 - (long)mpz_sizeinbase(n, 2) + (long)mpz_sizeinbase(d, 2);
	shift += (exp2 - shift) & 1; /* the power of two that is left must be even */
	if (shift > 0)
		mpz_mul_2exp(n, n, (mp_bitcnt_t)shift);
	else
		mpz_mul_2exp(d, d, (mp_bitcnt_t)-shift);
	mpz_tdiv_qr(q, n, n, d);
	sticky = mpz_sgn(n) != 0;
	mpz_sqrtrem(q, n, q);
	sticky |= mpz_sgn(n) != 0;
	v = round_bits(q, (exp2 - shift) / 2, sticky);
	mpz_clears(n, d, q, NULL);
	return v;
}
