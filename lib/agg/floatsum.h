/* Exact sums of doubles, rounded once, whatever the order of the additions.
 *
 * A sum is 24 bytes, all zero when nothing has been added: a 128-bit integer of units that suit the first addend, as long as the
 * others' exponents are near (FLOATSUM_NEAR) and nothing overflows; then an index of a superaccumulator: 70 signed 64-bit chunks,
 * one for every 32 binary places from 2^-1074 on (R. M. Neal, "Fast exact summation using small and large superaccumulators",
 * 2015). The value is the same exact number in both forms, so the result depends on the set of addends alone. nan and infinities
 * are remembered apart.
 */
#ifndef STOOK_AGG_FLOATSUM_H
#define STOOK_AGG_FLOATSUM_H

#include "lib/agg/decsum.h"

#include <math.h>
#include <string.h>

#define SUPER_CHUNKS 70

struct superacc {
	int64_t chunk[SUPER_CHUNKS]; /* chunk i counts units of 2^(32 i - 1074) */
	uint32_t pending;            /* additions since carries were propagated */
};

struct floatsum {
	uint64_t low; /* of the 128-bit integer, which counts units of 2^(base - 1075) */
	int64_t high;
	uint32_t big; /* 0: that integer; else pool->v[big - 1] */
	int16_t base; /* 0: no value but zero yet */
	uint8_t special; /* enum special */
	uint8_t any;
};

#define FLOATSUM_NEAR 25 /* binary places to either side of the first addend */

struct floatsums { /* zeroed is empty */
	struct superacc **v;
	uint32_t n, cap;
};

void floatsums_free(struct floatsums *p);

int floatsum_add_slow(struct floatsum *s, double v, struct floatsums *p); /* 0 or -1 (memory) */
void superacc_carry(struct superacc *a);

#define SUPER_CARRY_EVERY (UINT32_C(1) << 30)

static inline __int128 floatsum_get(const struct floatsum *s)
{
	return (__int128)((unsigned __int128)(uint64_t)s->high << 64 | s->low);
}

static inline void floatsum_set(struct floatsum *s, __int128 v)
{
	s->low = (uint64_t)v;
	s->high = (int64_t)(v >> 64);
}

/* |v| = mantissa * 2^(exp - 1075), v finite; subnormal numbers have exp 1. */
static inline uint64_t double_parts(double v, int *exp, bool *minus)
{
	uint64_t bits, e;

	memcpy(&bits, &v, sizeof bits);
	e = bits >> 52 & 0x7ff;
	*minus = bits >> 63;
	*exp = e ? (int)e : 1;
	return (bits & ((UINT64_C(1) << 52) - 1)) | (uint64_t)(e != 0) << 52;
}

static inline void superacc_add(struct superacc *a, double v)
{
	int exp;
	bool minus;
	unsigned __int128 wide = double_parts(v, &exp, &minus);
	int64_t *c = &a->chunk[(exp - 1) / 32], sign = minus ? -1 : 1;

	wide <<= (exp - 1) % 32;
	if (a->pending++ >= SUPER_CARRY_EVERY)
		superacc_carry(a);
	c[0] += sign * (int64_t)(uint32_t)wide;
	c[1] += sign * (int64_t)(uint32_t)(wide >> 32);
	c[2] += sign * (int64_t)(uint32_t)(wide >> 64);
}

static inline int floatsum_add(struct floatsum *s, double v, struct floatsums *p)
{
	int exp;
	bool minus;
	uint64_t m = double_parts(v, &exp, &minus);
	__int128 sum = floatsum_get(s), add;

	if (s->big && exp < 0x7ff) {
		superacc_add(p->v[s->big - 1], v);
		return 0;
	}
	if (!s->base || (unsigned)(exp - s->base) > 2 * FLOATSUM_NEAR || exp == 0x7ff)
		return floatsum_add_slow(s, v, p);
	add = (__int128)m << (exp - s->base);
	if (__builtin_add_overflow(sum, minus ? -add : add, &sum))
		return floatsum_add_slow(s, v, p);
	floatsum_set(s, sum);
	return 0;
}

/* Some doubles of nearly the same size, added up exactly in two: `high` takes each one rounded to a multiple of 2^-27 of the largest
 * (by adding and subtracting a large number, as T. J. Dekker does), `low` what is left. At most FLOATPART_ROWS additions of values
 * within FLOATPART_SPAN binary places make no carry that either would lose: 28 and 14 bits fit into 53; what is left is below 2^-28 of
 * the largest and, with the last of 53 bits of one FLOATPART_SPAN places smaller, the sum has 53 at most. Zero fits always. */
struct floatpart {
	double high, low;
	int64_t n; /* the caller's */
};

#define FLOATPART_NONE ((struct floatpart){ .high = -0.0 }) /* it is never -0 again: nearest sums are not */

static inline bool floatpart_any(const struct floatpart *p)
{
	return p->high != 0 || !signbit(p->high);
}

struct floatwindow {
	double round;  /* adding and subtracting it rounds */
	uint32_t from; /* the least exponent that fits */
};

#define FLOATPART_ROWS (INT64_C(1) << 14)
#define FLOATPART_SPAN 15

/* A window that suits most of v[0 .. n), if any does. */
struct floatwindow floatwindow_of(const double *v, int64_t n);

/* false: v does not fit, nothing is added. */
static inline bool floatpart_add(struct floatpart *p, double v, const struct floatwindow *w)
{
	double high;
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	if ((uint32_t)(bits >> 52 & 0x7ff) - w->from >= FLOATPART_SPAN && v != 0)
		return false;
	high = v + w->round - w->round;
	p->high += high;
	p->low += v - high;
	return true;
}

/* v as n * 2^exp2 (n initialised by the caller). v is finite. */
void double_exact(double v, mpz_t n, long *exp2);
void mpz_set_i128(mpz_t n, __int128 v); /* n initialised by the caller */

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
