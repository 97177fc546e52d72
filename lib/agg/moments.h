/* Exact first and second moments: the count, the sum and the sum of squares of a group's numbers.
 *
 * Decimals: two 128-bit integers at one scale while they are enough, then two GMP integers. Doubles: two exact sums
 * (floatsum.h); a product is two doubles exactly (T. J. Dekker's product, by fma) unless it leaves their range: then it goes to
 * a GMP integer of units of 2^-2148. From these variance and deviation are rounded once (product.md section 5). All zero:
 * nothing added. */
#ifndef STOOK_AGG_MOMENTS_H
#define STOOK_AGG_MOMENTS_H

#include "lib/agg/floatsum.h"

struct decmoments {
	__int128 sum, squares; /* units of 10^-scale and 10^-(2 scale) */
	int64_t n;
	uint32_t big; /* 0, or pool->v[big - 1] and pool->v[big] are sum and squares */
	int16_t scale;
	uint8_t special; /* enum special of the sum: any makes all results nan */
};

/* The exact sum of products of two doubles. */
struct floatprod {
	struct floatsum sum;
	uint32_t wide; /* 0, or pool->v[wide - 1] holds products beyond the range of doubles, in units of 2^-2148 */
};

struct floatmoments {
	struct floatsum sum;
	struct floatprod squares;
	int64_t n;
};

struct momentpool { /* zeroed is empty */
	mpz_t *v;
	uint32_t n, cap;
	struct floatsums floats;
};

void momentpool_free(struct momentpool *p);

/* Adds u * v, both finite. 0 or -1 (memory). */
int floatprod_add(struct floatprod *s, double u, double v, struct momentpool *p);
/* The sum as n * 2^exp2 (n initialised by the caller). */
void floatprod_exact(const struct floatprod *s, const struct momentpool *p, mpz_t n, long *exp2);
/* As text that is the same for equal sums (hexadecimal mantissa "p" binary exponent), and added back. */
int floatprod_print(const struct floatprod *s, const struct momentpool *p, struct buf *b);
enum dec_read floatprod_load(struct floatprod *s, struct str text, struct momentpool *p);

/* The general case: any size and scale. 0 or -1 (memory). */
int decmoments_add_slow(struct decmoments *m, struct dec d, const struct decpool *from, struct momentpool *p);

static inline int decmoments_add(struct decmoments *m, struct dec d, const struct decpool *from, struct momentpool *p)
{
	__int128 squares;

	if (m->big || d.big || d.scale != m->scale || __builtin_add_overflow(m->squares, (__int128)d.m * d.m, &squares))
		return decmoments_add_slow(m, d, from, p);
	m->squares = squares;
	m->sum += d.m;
	m->n++;
	return 0;
}

int floatmoments_add(struct floatmoments *m, double v, struct momentpool *p);

/* The variance with divisor n - ddof, or its root; nan when n <= ddof or a value was not finite. */
double decmoments_var(const struct decmoments *m, int ddof, bool root, const struct momentpool *p);
double floatmoments_var(const struct floatmoments *m, int ddof, bool root, const struct momentpool *p);

/* Sum and sum of squares as text (decimals; or hexadecimal mantissa "p" binary exponent), and added back. */
int decmoments_print(const struct decmoments *m, bool squares, const struct momentpool *p, struct buf *b);
int floatmoments_print(const struct floatmoments *m, bool squares, const struct momentpool *p, struct buf *b);
enum dec_read decmoments_load(struct decmoments *m, int64_t n, struct str sum, struct str squares, struct momentpool *p);
enum dec_read floatmoments_load(struct floatmoments *m, int64_t n, struct str sum, struct str squares, struct momentpool *p);

#endif
