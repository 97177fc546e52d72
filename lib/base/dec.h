/* Exact decimal numbers (General Decimal Arithmetic, exact results only) and their text.
 *
 * A number is mantissa * 10^-scale with scale 0 .. 2000, so 1.50 is {150, 2} and keeps its zero; `1.50 * 2` is 3.00. The common
 * case is one 64-bit integer; anything larger lives in a GMP integer that an arena-like pool owns. Limits on what is read: at
 * most DEC_DIGITS digits and an exponent within +-DEC_EXP (product.md section 5). Results may be larger. Positive exponents are
 * multiplied out (1e3 is {1000, 0}); -0 reads as 0 for arithmetic.
 *
 * struct dec is 16 bytes so that a column of them is an array. `big` = 0: the value is `m`. Otherwise it is pool->v[big - 1].
 * GMP aborts on failed allocation: lib/cli installs allocation functions that report ST_OSERR (mp_set_memory_functions). */
#ifndef STOOK_BASE_DEC_H
#define STOOK_BASE_DEC_H

#include "lib/base/buf.h"
#include "lib/base/str.h"

#include <gmp.h>
#include <stdint.h>

#define DEC_DIGITS 1000
#define DEC_EXP 1000

struct dec {
	int64_t m;
	int32_t scale;
	uint32_t big;
};

struct decpool { /* zeroed = empty */
	mpz_t *v;
	uint32_t n, cap;
};

void decpool_reset(struct decpool *p); /* forgets all numbers, keeps memory */
void decpool_free(struct decpool *p);

enum dec_read {
	DEC_OK,
	DEC_BAD,      /* not a number: optional sign, digits with at most one point, optional exponent; no blanks, no separators */
	DEC_LIMIT,    /* too many digits or exponent out of range */
	DEC_SPECIAL,  /* nan, inf, infinity (any case, signed): a float, not a decimal; see num_parse_f64() */
	DEC_NOMEM,
};

enum dec_read dec_parse(struct str s, struct decpool *p, struct dec *ret);

struct dec dec_from_i64(int64_t v);
int dec_from_f64(double v, struct decpool *p, struct dec *ret);  /* the exact value; v finite. 0 or -1 (memory) */
/* m * 10^-scale, also for decimal columns; scale < 0: it is multiplied in. */
int dec_from_i128(__int128 m, int32_t scale, struct decpool *p, struct dec *ret);
int dec_from_mpz(const mpz_t m, int32_t scale, struct decpool *p, struct dec *ret);

/* Operands and results of one call share one pool: what comes from another is copied first. */
int dec_copy(struct dec a, const struct decpool *from, struct decpool *p, struct dec *ret);

int dec_add(struct dec a, struct dec b, struct decpool *p, struct dec *ret); /* scale: the larger */
int dec_sub(struct dec a, struct dec b, struct decpool *p, struct dec *ret);
int dec_mul(struct dec a, struct dec b, struct decpool *p, struct dec *ret); /* scale: the sum */
/* m * 10^places, places >= 0; false: it is not within 64 bits, or places > 18. */
bool dec_scale_i64(int64_t m, int32_t places, int64_t *ret);
struct dec dec_neg_small(struct dec a); /* big = 0 and m > INT64_MIN */
int dec_neg(struct dec a, struct decpool *p, struct dec *ret);
/* Rounds to `scale` digits behind the point: mode 'e' half even, 'h' half away from zero, 'f' floor, 'c' ceiling, 't' towards
 * zero. A coarser number is padded: 1.5 to 2 digits is 1.50. scale may be negative (tens, hundreds): the result then has
 * scale 0. Beyond +-2000 it counts as that. */
int dec_round(struct dec a, int32_t scale, char mode, struct decpool *p, struct dec *ret);
/* Integer quotient towards negative infinity and the remainder of the same sign as b (floor division). b != 0. */
int dec_divmod(struct dec a, struct dec b, struct decpool *p, struct dec *q, struct dec *r);

int dec_cmp(struct dec a, struct dec b, const struct decpool *p); /* by value: -1, 0, 1 */
int dec_sign(struct dec a, const struct decpool *p);
bool dec_is_int64(struct dec a, const struct decpool *p, int64_t *ret); /* value is an integer that fits */

/* The nearest double, ties to even, rounded once; +-inf when out of range. */
double dec_to_f64(struct dec a, const struct decpool *p);
/* a / b rounded once from the exact quotient. b = 0: IEEE (nan or inf). */
double dec_div_f64(struct dec a, struct dec b, const struct decpool *p);
double dec_sqrt_f64(struct dec a, const struct decpool *p); /* rounded once; a < 0: nan */

/* Appends the plain digits, exactly `scale` of them behind the point; never an exponent. 0 or -1. */
int dec_print(struct dec a, const struct decpool *p, struct buf *b);

/* Appends the canonical text, the same for equal values: no exponent, no trailing zeros behind the point, no point without
 * digits behind it, 0 for all zeros. It is what placement hashes are taken over. */
int dec_canonical(struct dec a, const struct decpool *p, struct buf *b);

/* Doubles and integers, without locale (lib/base/num.c). */
enum dec_read num_parse_f64(struct str s, double *ret);  /* correctly rounded; nan, inf included; beyond the range: inf or 0 */
enum dec_read num_parse_i64(struct str s, int64_t *ret); /* plain integer only; DEC_LIMIT: out of range */
size_t num_print_i64(int64_t v, char *dst); /* all printers: length, no terminator; 24 bytes for these two, any of them written */
size_t num_print_u64(uint64_t v, char *dst);
/* Shortest digits that read back as the same value, closest to it if there are several, laid out as ECMAScript's
 * Number::toString does (5, 0.000001, 1e-7, 100000000000000000000, 1e+21); "nan", "inf", "-inf", "-0". dst has 32 bytes,
 * any of which may be written. */
size_t num_print_f64(double v, char *dst);
size_t num_print_f32(float v, char *dst);

#endif
