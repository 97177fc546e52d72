/* Exact sums of decimals and integers.
 *
 * A sum is 16 bytes, all zero when nothing has been added: a 64-bit mantissa and a scale while that is enough (`big` = 0), else
 * an index into the pool of GMP integers that all sums of an aggregate share. Its scale is the largest of its addends' scales.
 * Additions are exact, so their order and grouping do not matter. Text may hold nan and infinities: they are remembered apart.
 */
#ifndef STOOK_AGG_DECSUM_H
#define STOOK_AGG_DECSUM_H

#include "lib/base/dec.h"
#include "lib/base/err.h"

#include <stdbool.h>

#define DECSUM_TEXT_MAX 8192 /* digits of a sum that are read back: of products 4000 before the point, 4000 behind, and carries */

#define DECSUM_BIG 64 /* bytes a promoted mantissa costs, about */

enum special { SP_NONE, SP_NAN, SP_INF, SP_NEG_INF };

struct decsum {
	int64_t m;
	uint32_t big; /* 0: the value is m * 10^-scale; else the mantissa is pool->v[big - 1] */
	int16_t scale;
	uint8_t special; /* enum special */
	uint8_t any;     /* something has been added */
};

/* Mantissas that outgrew 64 bits. Zeroed is empty; decpool_free() is not used on it: decsums_free(). */
struct decsums {
	struct decpool pool;
	mpz_t tmp;
	bool ready; /* tmp is initialised */
};

void decsums_free(struct decsums *p);

/* A copy of d whose digits, when they are big, live in this pool. 0 or -1. */
int decsums_keep(struct decsums *p, struct dec d, const struct decpool *from, struct dec *ret);

/* The special value of a sum of two: nan wins, inf - inf is nan. */
enum special special_add(enum special a, enum special b);
enum special special_of(double v); /* SP_NONE for finite v */
double special_f64(enum special s);

/* The general case: any size and scale. `from` holds d's digits when d.big. 0 or -1 (memory). */
int decsum_add_slow(struct decsum *s, struct dec d, const struct decpool *from, struct decsums *p);

static inline int decsum_add(struct decsum *s, struct dec d, const struct decpool *from, struct decsums *p)
{
	int64_t m;

	if (!s->big && !d.big && s->any && s->scale == d.scale && !__builtin_add_overflow(s->m, d.m, &m)) {
		s->m = m;
		return 0;
	}
	return decsum_add_slow(s, d, from, p);
}

static inline int decsum_add_i64(struct decsum *s, int64_t v, struct decsums *p)
{
	return decsum_add(s, (struct dec){ .m = v }, NULL, p);
}

static inline void decsum_add_special(struct decsum *s, enum special v)
{
	s->any = 1;
	s->special = (uint8_t)special_add(s->special, v);
}

/* to = from * 10^places (both initialised by the caller; they may be the same). places >= 0. */
void mpz_scale_up(mpz_t to, const mpz_t from, int32_t places);

/* The sum as a number that borrows the pool (only without special). */
static inline struct dec decsum_dec(const struct decsum *s)
{
	return (struct dec){ .m = s->m, .scale = s->scale, .big = s->big };
}

/* sum / count, rounded once. count > 0. */
double decsum_mean(const struct decsum *s, int64_t count, const struct decsums *p);

/* The mantissa as a GMP integer (initialised by the caller). */
void decsum_mantissa(const struct decsum *s, const struct decsums *p, mpz_t ret);

/* Appends the text of the sum: its digits, or nan, inf, -inf. 0 or -1. */
int decsum_print(const struct decsum *s, const struct decsums *p, struct buf *b);

/* Adds what decsum_print() wrote (or any number). DEC_OK, or why it cannot be read. `scratch` is used for its digits. */
enum dec_read decsum_add_text(struct decsum *s, struct str text, struct decpool *scratch, struct decsums *p);

#endif
