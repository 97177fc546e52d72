/* Exact sums of doubles, rounded once, whatever the order of the additions.
 *
 * A sum is 24 bytes, all zero when nothing has been added: two doubles whose exact sum it is while two are enough (Dekker's
 * and Knuth's error-free transformation), then an index of a superaccumulator: 70 signed 64-bit chunks, one for every 32 binary
 * places from 2^-1074 on (R. M. Neal, "Fast exact summation using small and large superaccumulators", 2015). The value is the
 * same exact number in both forms, so the result depends on the set of addends alone. nan and infinities are remembered apart.
 */
#ifndef STOOK_AGG_FLOATSUM_H
#define STOOK_AGG_FLOATSUM_H

#include "lib/agg/decsum.h"

#define SUPER_CHUNKS 70

struct superacc {
	int64_t chunk[SUPER_CHUNKS]; /* chunk i counts units of 2^(32 i - 1074) */
	uint32_t pending;            /* additions since carries were propagated */
};

struct floatsum {
	double hi, lo;   /* hi = hi + lo rounded */
	uint32_t big;    /* 0: hi + lo; else pool->v[big - 1] */
	uint8_t special; /* enum special */
	uint8_t any;
};

struct floatsums { /* zeroed is empty */
	struct superacc **v;
	uint32_t n, cap;
};

void floatsums_free(struct floatsums *p);

int floatsum_add_slow(struct floatsum *s, double v, struct floatsums *p); /* 0 or -1 (memory) */

static inline int floatsum_add(struct floatsum *s, double v, struct floatsums *p)
{
	double a = s->hi, sum = a + v, bv = sum - a, err = (a - (sum - bv)) + (v - bv);
	double l = s->lo, low = l + err, be = low - l, rest = (l - (low - be)) + (err - be);
	double hi = sum + low, bl = hi - sum;

	if (s->big || rest != 0 || !(hi - hi == 0) || !(sum - sum == 0))
		return floatsum_add_slow(s, v, p);
	s->any = 1;
	s->hi = hi;
	s->lo = (sum - (hi - bl)) + (low - bl);
	return 0;
}

/* The sum as n * 2^exp2 (n initialised by the caller). Only without special. */
void floatsum_exact(const struct floatsum *s, const struct floatsums *p, mpz_t n, long *exp2);

double floatsum_round(const struct floatsum *s, const struct floatsums *p);               /* nearest double */
double floatsum_mean(const struct floatsum *s, int64_t count, const struct floatsums *p); /* rounded once; count > 0 */

/* The exact value as text that is the same for equal sums: odd hexadecimal mantissa and binary exponent, "-1f7p-12", "0", or
 * nan, inf, -inf. 0 or -1. */
int floatsum_print(const struct floatsum *s, const struct floatsums *p, struct buf *b);

/* Adds what floatsum_print() wrote. DEC_OK, DEC_BAD or DEC_NOMEM. */
enum dec_read floatsum_add_text(struct floatsum *s, struct str text, struct floatsums *p);

#endif
