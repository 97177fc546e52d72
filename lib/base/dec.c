/* Exact decimals: see dec.h.
 *
 * Invariant: a number is `big` exactly when its mantissa does not fit an int64, so equal mantissas have one form. Every
 * operation tries 64 bits with overflow checks, then 128 bits, then GMP; the slot for a big result is taken from the pool
 * before operands are looked at (the pool's array may move) and given back when the result turns out small. */
#include "lib/base/dec.h"

#include "lib/base/f64.h"
#include "lib/base/spelling.h"

#include <math.h>
#include <stdlib.h>

typedef __int128 i128;
typedef unsigned __int128 u128;

#define POW10_I64 18 /* 10^18 < 2^63 */
#define POW10_WIDE 19 /* |int64| * 10^19 < 2^127 */

static const int64_t pow10_i64[POW10_I64 + 1] = {
	1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000,
	10000000000000, 100000000000000, 1000000000000000, 10000000000000000, 100000000000000000, 1000000000000000000,
};

static i128 pow10_i128(int n) /* n <= 38 */
{
	return n <= POW10_I64 ? (i128)pow10_i64[n] : (i128)pow10_i64[POW10_I64] * pow10_i128(n - POW10_I64);
}

static uint64_t magnitude(int64_t v)
{
	return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

/* ---- the pool ---- */

void decpool_reset(struct decpool *p)
{
	p->n = 0;
}

void decpool_free(struct decpool *p)
{
	for (uint32_t i = 0; i < p->cap; i++)
		mpz_clear(p->v[i]);
	free(p->v);
	*p = (struct decpool){ 0 };
}

static int pool_grow(struct decpool *p)
{
	uint32_t cap = p->cap ? p->cap * 2 : 4;
	mpz_t *v;

	if (cap < p->cap || !(v = realloc(p->v, cap * sizeof *v)))
		return -1;
	for (uint32_t i = p->cap; i < cap; i++)
		mpz_init(v[i]);
	p->v = v;
	p->cap = cap;
	return 0;
}

/* A slot for a result; NULL: no memory. It counts only once pool_keep() says so. */
static mpz_ptr pool_slot(struct decpool *p)
{
	return p->n == p->cap && pool_grow(p) ? NULL : p->v[p->n];
}

/* The number in the slot that pool_slot() gave, times 10^-scale; the slot stays free if 64 bits suffice. */
static struct dec pool_keep(struct decpool *p, int32_t scale)
{
	mpz_srcptr z = p->v[p->n];

	if (mpz_fits_slong_p(z))
		return (struct dec){ mpz_get_si(z), scale, 0 };
	return (struct dec){ 0, scale, ++p->n };
}

/* The mantissa of a number as a GMP integer, without allocation for small ones. */
struct view {
	mp_limb_t limb;
	mpz_t z;
};

static mpz_srcptr view(struct view *v, struct dec a, const struct decpool *p)
{
	if (a.big)
		return p->v[a.big - 1];
	v->limb = magnitude(a.m);
	return mpz_roinit_n(v->z, &v->limb, a.m < 0 ? -1 : a.m > 0);
}

/* ---- making ---- */

struct dec dec_from_i64(int64_t v)
{
	return (struct dec){ v, 0, 0 };
}

int dec_from_mpz(const mpz_t m, int32_t scale, struct decpool *p, struct dec *ret)
{
	mpz_ptr z = pool_slot(p);

	if (!z)
		return -1;
	if (scale < 0)
		mpz_mul_pow10(z, m, -scale);
	else
		mpz_set(z, m);
	*ret = pool_keep(p, scale < 0 ? 0 : scale);
	return 0;
}

int dec_from_i128(i128 m, int32_t scale, struct decpool *p, struct dec *ret)
{
	u128 abs = m < 0 ? 0 - (u128)m : (u128)m;
	mp_limb_t limbs[2] = { (mp_limb_t)abs, (mp_limb_t)(abs >> 64) };
	mp_size_t n = limbs[1] ? 2 : limbs[0] != 0;
	mpz_t z;

	if (scale >= 0 && m >= INT64_MIN && m <= INT64_MAX) {
		*ret = (struct dec){ (int64_t)m, scale, 0 };
		return 0;
	}
	return dec_from_mpz(mpz_roinit_n(z, limbs, m < 0 ? -n : n), scale, p, ret);
}

int dec_copy(struct dec a, const struct decpool *from, struct decpool *p, struct dec *ret)
{
	if (!a.big) {
		*ret = a;
		return 0;
	}
	return dec_from_mpz(from->v[a.big - 1], a.scale, p, ret);
}

#define POW5_I64 27 /* 5^27 < 2^63 */

static const int64_t pow5_i64[POW5_I64 + 1] = {
	1, 5, 25, 125, 625, 3125, 15625, 78125, 390625, 1953125, 9765625, 48828125, 244140625, 1220703125, 6103515625,
	30517578125, 152587890625, 762939453125, 3814697265625, 19073486328125, 95367431640625, 476837158203125,
	2384185791015625, 11920928955078125, 59604644775390625, 298023223876953125, 1490116119384765625, 7450580596923828125,
};

/* m * 2^-n for odd m and n > 0 is m * 5^n * 10^-n. */
static int from_fraction(int64_t m, unsigned n, struct decpool *p, struct dec *ret)
{
	mpz_ptr z;
	int64_t v;

	if (n <= POW5_I64 && !__builtin_mul_overflow(m, pow5_i64[n], &v)) {
		*ret = (struct dec){ v, (int32_t)n, 0 };
		return 0;
	}
	if (!(z = pool_slot(p)))
		return -1;
	mpz_ui_pow_ui(z, 5, n);
	mpz_mul_si(z, z, m);
	*ret = pool_keep(p, (int32_t)n);
	return 0;
}

int dec_from_f64(double v, struct decpool *p, struct dec *ret)
{
	int exp, zeros;
	int64_t m = (int64_t)ldexp(frexp(v, &exp), 53);
	mpz_ptr z;

	if (v >= -0x1p62 && v <= 0x1p62 && v == (double)(int64_t)v) {
		*ret = dec_from_i64((int64_t)v);
		return 0;
	}
	zeros = __builtin_ctzll((uint64_t)m); /* m != 0: zero is an integer */
	exp += zeros - 53;
	if (exp < 0)
		return from_fraction(m >> zeros, (unsigned)-exp, p, ret);
	if (!(z = pool_slot(p)))
		return -1;
	mpz_set_si(z, m >> zeros);
	mpz_mul_2exp(z, z, (mp_bitcnt_t)exp);
	*ret = pool_keep(p, 0);
	return 0;
}

/* ---- reading ---- */

static enum dec_read parse_big(const struct spelling *sp, struct decpool *p, struct dec *ret)
{
	mpz_ptr z;

	if (sp->ndigits <= 38 && sp->scale >= 0) {
		i128 m = (i128)spelling_u128(sp);

		return dec_from_i128(sp->neg ? -m : m, sp->scale, p, ret) ? DEC_NOMEM : DEC_OK;
	}
	z = pool_slot(p);
	if (!z)
		return DEC_NOMEM;
	spelling_mpz(z, sp);
	if (sp->scale < 0)
		mpz_mul_pow10(z, z, -sp->scale);
	*ret = pool_keep(p, sp->scale < 0 ? 0 : sp->scale);
	return DEC_OK;
}

enum dec_read dec_parse(struct str s, struct decpool *p, struct dec *ret)
{
	struct spelling sp;
	enum dec_read rc;
	int64_t m;

	ret->big = 0;
	if (num_plain(s, &ret->m, &ret->scale))
		return DEC_OK;
	rc = spelling_read(s, &sp);
	if (rc != DEC_OK)
		return rc;
	if (!sp.ndigits) {
		*ret = (struct dec){ 0, sp.scale < 0 ? 0 : sp.scale, 0 };
		return DEC_OK;
	}
	if (sp.ndigits - (sp.scale < 0 ? sp.scale : 0) > POW10_I64)
		return parse_big(&sp, p, ret);
	m = (int64_t)spelling_u64(&sp);
	if (sp.neg)
		m = -m;
	*ret = sp.scale < 0 ? (struct dec){ m * pow10_i64[-sp.scale], 0, 0 } : (struct dec){ m, sp.scale, 0 };
	return DEC_OK;
}

/* ---- arithmetic ---- */

bool dec_scale_i64(int64_t m, int32_t places, int64_t *ret)
{
	return places <= POW10_I64 && !__builtin_mul_overflow(m, pow10_i64[places], ret);
}

/* Both mantissas at the larger scale as 128-bit integers below 2^127 / 2 in magnitude. */
static bool align_wide(struct dec a, struct dec b, i128 *x, i128 *y)
{
	int32_t d = a.scale - b.scale;

	if (a.big || b.big || d > POW10_WIDE || d < -POW10_WIDE)
		return false;
	*x = d < 0 ? a.m * pow10_i128(-d) : a.m;
	*y = d > 0 ? b.m * pow10_i128(d) : b.m;
	return true;
}

/* Both mantissas at the larger scale; x and y are initialised. */
static void align_big(struct dec a, struct dec b, const struct decpool *p, mpz_ptr x, mpz_ptr y)
{
	struct view va, vb;
	mpz_srcptr za = view(&va, a, p), zb = view(&vb, b, p);

	mpz_init(x);
	mpz_init(y);
	if (a.scale < b.scale) {
		mpz_mul_pow10(x, za, b.scale - a.scale);
		mpz_set(y, zb);
	} else {
		mpz_mul_pow10(y, zb, a.scale - b.scale);
		mpz_set(x, za);
	}
}

static int32_t larger_scale(struct dec a, struct dec b)
{
	return a.scale > b.scale ? a.scale : b.scale;
}

typedef void (*mpz_op)(mpz_ptr, mpz_srcptr, mpz_srcptr);

static int add_big(struct dec a, struct dec b, struct decpool *p, struct dec *ret, mpz_op op)
{
	mpz_ptr z = pool_slot(p);
	struct view va, vb;
	mpz_t x, y;

	if (!z)
		return -1;
	if (a.scale == b.scale) {
		op(z, view(&va, a, p), view(&vb, b, p));
	} else {
		align_big(a, b, p, x, y);
		op(z, x, y);
		mpz_clear(x);
		mpz_clear(y);
	}
	*ret = pool_keep(p, larger_scale(a, b));
	return 0;
}

int dec_add(struct dec a, struct dec b, struct decpool *p, struct dec *ret)
{
	int32_t scale = larger_scale(a, b);
	int64_t x, y, sum;
	i128 wx, wy;

	if (!(a.big | b.big) && dec_scale_i64(a.m, scale - a.scale, &x) && dec_scale_i64(b.m, scale - b.scale, &y) &&
	    !__builtin_add_overflow(x, y, &sum)) {
		*ret = (struct dec){ sum, scale, 0 };
		return 0;
	}
	if (align_wide(a, b, &wx, &wy))
		return dec_from_i128(wx + wy, scale, p, ret);
	return add_big(a, b, p, ret, mpz_add);
}

int dec_sub(struct dec a, struct dec b, struct decpool *p, struct dec *ret)
{
	int32_t scale = larger_scale(a, b);
	int64_t x, y, diff;
	i128 wx, wy;

	if (!(a.big | b.big) && dec_scale_i64(a.m, scale - a.scale, &x) && dec_scale_i64(b.m, scale - b.scale, &y) &&
	    !__builtin_sub_overflow(x, y, &diff)) {
		*ret = (struct dec){ diff, scale, 0 };
		return 0;
	}
	if (align_wide(a, b, &wx, &wy))
		return dec_from_i128(wx - wy, scale, p, ret);
	return add_big(a, b, p, ret, mpz_sub);
}

int dec_mul(struct dec a, struct dec b, struct decpool *p, struct dec *ret)
{
	struct view va, vb;
	int32_t scale;
	int64_t m;
	mpz_ptr z;

	if (__builtin_add_overflow(a.scale, b.scale, &scale))
		return -1;
	if (a.big | b.big) {
		if (!(z = pool_slot(p)))
			return -1;
		mpz_mul(z, view(&va, a, p), view(&vb, b, p));
		*ret = pool_keep(p, scale);
		return 0;
	}
	if (__builtin_mul_overflow(a.m, b.m, &m))
		return dec_from_i128((i128)a.m * b.m, scale, p, ret);
	*ret = (struct dec){ m, scale, 0 };
	return 0;
}

struct dec dec_neg_small(struct dec a)
{
	a.m = -a.m;
	return a;
}

int dec_neg(struct dec a, struct decpool *p, struct dec *ret)
{
	return dec_sub((struct dec){ 0, a.scale, 0 }, a, p, ret);
}

/* Should a quotient (towards zero, sign `sign`, odd or not) be moved one away from zero? `half` compares twice the remainder
 * with the divisor. */
static bool round_away(char mode, int sign, bool odd, int half)
{
	switch (mode) {
	case 'e':
		return half > 0 || (half == 0 && odd);
	case 'h':
		return half >= 0;
	case 'f':
		return sign < 0;
	case 'c':
		return sign > 0;
	default:
		return false;
	}
}

/* m / 10^k rounded, k > 0. */
static int64_t round_small(int64_t m, int32_t k, char mode)
{
	i128 div = pow10_i128(k < 38 ? k : 38), rem = m % div; /* beyond 20 digits all divisors are alike */
	int64_t q = (int64_t)(m / div);
	i128 twice = (rem < 0 ? -rem : rem) * 2;
	int sign = m < 0 ? -1 : 1;

	if (rem && round_away(mode, sign, q & 1, (twice > div) - (twice < div)))
		q += sign;
	return q;
}

static void round_big(mpz_ptr z, mpz_srcptr m, int32_t k, char mode)
{
	int sign = mpz_sgn(m);
	mpz_t div, rem;

	mpz_init(div);
	mpz_init(rem);
	mpz_ui_pow_ui(div, 10, (unsigned long)k);
	mpz_tdiv_qr(z, rem, m, div);
	if (mpz_sgn(rem)) {
		mpz_mul_2exp(rem, rem, 1);
		if (round_away(mode, sign, mpz_odd_p(z), mpz_cmpabs(rem, div)))
			sign < 0 ? mpz_sub_ui(z, z, 1) : mpz_add_ui(z, z, 1);
	}
	mpz_clear(div);
	mpz_clear(rem);
}

int dec_round(struct dec a, int32_t scale, char mode, struct decpool *p, struct dec *ret)
{
	struct view va;
	mpz_ptr z;
	int32_t k;

	if (scale > 2 * DEC_EXP)
		scale = 2 * DEC_EXP;
	if (scale < -2 * DEC_EXP)
		scale = -2 * DEC_EXP;
	k = a.scale - scale;
	if (k <= 0)
		return dec_add(a, (struct dec){ 0, scale, 0 }, p, ret);
	if (!a.big && scale >= 0) {
		*ret = (struct dec){ round_small(a.m, k, mode), scale, 0 };
		return 0;
	}
	if (!(z = pool_slot(p)))
		return -1;
	round_big(z, view(&va, a, p), k, mode);
	if (scale < 0)
		mpz_mul_pow10(z, z, -scale);
	*ret = pool_keep(p, scale < 0 ? 0 : scale);
	return 0;
}

static int divmod_wide(i128 x, i128 y, int32_t scale, struct decpool *p, struct dec *q, struct dec *r)
{
	i128 quot = x / y, rem = x % y;

	if (rem && (rem < 0) != (y < 0)) {
		quot--;
		rem += y;
	}
	return dec_from_i128(quot, 0, p, q) || dec_from_i128(rem, scale, p, r) ? -1 : 0;
}

int dec_divmod(struct dec a, struct dec b, struct decpool *p, struct dec *q, struct dec *r)
{
	int32_t scale = larger_scale(a, b);
	mpz_t x, y, quot;
	i128 wx, wy;
	int rc;

	if (align_wide(a, b, &wx, &wy))
		return divmod_wide(wx, wy, scale, p, q, r);
	align_big(a, b, p, x, y);
	mpz_init(quot);
	mpz_fdiv_qr(quot, x, x, y);
	rc = dec_from_mpz(quot, 0, p, q) || dec_from_mpz(x, scale, p, r) ? -1 : 0;
	mpz_clear(x);
	mpz_clear(y);
	mpz_clear(quot);
	return rc;
}

/* ---- comparing ---- */

int dec_sign(struct dec a, const struct decpool *p)
{
	return a.big ? mpz_sgn(p->v[a.big - 1]) : (a.m > 0) - (a.m < 0);
}

int dec_cmp(struct dec a, struct dec b, const struct decpool *p)
{
	int sa, sb, c;
	i128 wx, wy;
	mpz_t x, y;

	if (!(a.big | b.big) && a.scale == b.scale)
		return (a.m > b.m) - (a.m < b.m);
	sa = dec_sign(a, p);
	sb = dec_sign(b, p);
	if (sa != sb || !sa)
		return (sa > sb) - (sa < sb);
	if (align_wide(a, b, &wx, &wy))
		return (wx > wy) - (wx < wy);
	align_big(a, b, p, x, y);
	c = mpz_cmp(x, y);
	mpz_clear(x);
	mpz_clear(y);
	return (c > 0) - (c < 0);
}

bool dec_is_int64(struct dec a, const struct decpool *p, int64_t *ret)
{
	struct view va;
	bool fits;
	mpz_t q, div;

	if (!a.big && a.scale <= POW10_I64) {
		*ret = a.m / pow10_i64[a.scale];
		return *ret * pow10_i64[a.scale] == a.m;
	}
	mpz_init(q);
	mpz_init(div);
	mpz_ui_pow_ui(div, 10, (unsigned long)a.scale);
	fits = mpz_divisible_p(view(&va, a, p), div);
	if (fits) {
		mpz_divexact(q, view(&va, a, p), div);
		fits = mpz_fits_slong_p(q);
		*ret = fits ? mpz_get_si(q) : 0;
	}
	mpz_clear(q);
	mpz_clear(div);
	return fits;
}

/* ---- doubles ---- */

double dec_to_f64(struct dec a, const struct decpool *p)
{
	struct view va;
	mpz_t den;
	double v;

	if (!a.big && f64_scaled(magnitude(a.m), -a.scale, &v))
		return a.m < 0 ? -v : v;
	mpz_init(den);
	mpz_ui_pow_ui(den, 10, (unsigned long)a.scale);
	v = f64_ratio(view(&va, a, p), den);
	mpz_clear(den);
	return v;
}

static bool exact_f64(int64_t m)
{
	return m <= (1ll << 53) && m >= -(1ll << 53);
}

double dec_div_f64(struct dec a, struct dec b, const struct decpool *p)
{
	int32_t scale = larger_scale(a, b);
	int64_t x, y;
	mpz_t num, den;
	double v;

	if (!(a.big | b.big) && dec_scale_i64(a.m, scale - a.scale, &x) && dec_scale_i64(b.m, scale - b.scale, &y) && exact_f64(x) &&
	    exact_f64(y) && x && y)
		return (double)x / (double)y;
	if (!dec_sign(b, p))
		return dec_sign(a, p) ? (double)dec_sign(a, p) * HUGE_VAL : NAN;
	align_big(a, b, p, num, den);
	if (mpz_sgn(den) < 0) {
		mpz_neg(num, num);
		mpz_neg(den, den);
	}
	v = f64_ratio(num, den);
	mpz_clear(num);
	mpz_clear(den);
	return v;
}

double dec_sqrt_f64(struct dec a, const struct decpool *p)
{
	int sign = dec_sign(a, p);
	struct view va;
	mpz_t den;
	double v;

	if (sign < 0)
		return NAN;
	if (!a.big && !a.scale && exact_f64(a.m))
		return sqrt((double)a.m);
	if (!sign)
		return 0;
	mpz_init(den);
	mpz_ui_pow_ui(den, 10, (unsigned long)a.scale);
	v = f64_sqrt_ratio(view(&va, a, p), den);
	mpz_clear(den);
	return v;
}

/* ---- printing ---- */

#define U64_ROOM 24 /* for the digits of a number below 2^64 */

/* n digits with `scale` of them behind the point. */
static int print_digits(const char *digits, size_t n, bool neg, size_t scale, struct buf *b)
{
	size_t zeros = scale >= n ? scale - n + 1 : 0; /* in front, so that one digit is before the point */
	size_t whole = n + zeros - scale;
	uint8_t *w;

	if (buf_reserve(b, n + zeros + 2))
		return -1;
	w = b->p + b->n;
	if (neg)
		*w++ = '-';
	memset(w, '0', zeros);
	memcpy(w + zeros, digits, n);
	if (scale) {
		memmove(w + whole + 1, w + whole, scale);
		w[whole] = '.';
	}
	b->n += neg + zeros + n + (scale > 0);
	return 0;
}

static int print_big(struct dec a, const struct decpool *p, struct buf *b)
{
	mpz_srcptr z = p->v[a.big - 1];
	bool neg = mpz_sgn(z) < 0;
	char *text = malloc(mpz_sizeinbase(z, 10) + 2);
	int rc;

	if (!text)
		return -1;
	mpz_get_str(text, 10, z);
	rc = print_digits(text + neg, strlen(text + neg), neg, (size_t)a.scale, b);
	free(text);
	return rc;
}

/* Digits of a number below 2^64, a point after the first `whole` of them: copied whole, in two pieces. */
static int print_short(const char *digits, size_t n, bool neg, size_t whole, struct buf *b)
{
	uint8_t *w;

	if (buf_reserve(b, 2 * U64_ROOM))
		return -1;
	w = b->p + b->n;
	*w = '-';
	w += neg;
	memcpy(w, digits, U64_ROOM);
	if (whole < n) {
		memcpy(w + whole + 1, digits + whole, U64_ROOM);
		w[whole] = '.';
	}
	b->n += neg + n + (whole < n);
	return 0;
}

int dec_print(struct dec a, const struct decpool *p, struct buf *b)
{
	char digits[2 * U64_ROOM];
	size_t n;

	if (a.big)
		return print_big(a, p, b);
	n = num_print_u64(magnitude(a.m), digits);
	if ((size_t)a.scale < n)
		return print_short(digits, n, a.m < 0, n - (size_t)a.scale, b);
	return print_digits(digits, n, a.m < 0, (size_t)a.scale, b);
}

int dec_canonical(struct dec a, const struct decpool *p, struct buf *b)
{
	if (dec_sign(a, p) == 0)
		return buf_byte(b, '0');
	if (dec_print(a, p, b))
		return -1;
	if (a.scale > 0) {
		while (b->p[b->n - 1] == '0')
			b->n--;
		b->n -= b->p[b->n - 1] == '.';
	}
	return 0;
}
