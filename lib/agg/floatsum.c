/* Exact sums of doubles: see floatsum.h.
 *
 * Invariant: the value is exactly the integer * 2^(base - 1075), or, after promotion, exactly the sum of chunk[i] * 2^(32 i - 1074).
 * Chunks overlap: each takes at most 32 bits an addition, so 2^30 additions fit between two propagations of carries. */
#include "lib/agg/floatsum.h"

#include "lib/agg/round.h"

#include <math.h>
#include <stdlib.h>

#define MIN_EXP (-1074)
#define TEXT_DIGITS (SUPER_CHUNKS * 8)

void floatsums_free(struct floatsums *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		free(p->v[i]);
	free(p->v);
	*p = (struct floatsums){ 0 };
}

/* Every chunk but the top one into [0, 2^32). The value does not change. */
void superacc_carry(struct superacc *a)
{
	for (int i = 0; i + 1 < SUPER_CHUNKS; i++) {
		int64_t carry = a->chunk[i] >> 32;

		a->chunk[i] -= carry * (INT64_C(1) << 32);
		a->chunk[i + 1] += carry;
	}
	a->pending = 0;
}

/* += words of an unsigned number, the lowest of which counts units of 2^(32 i - 1074). */
static void add_words(struct superacc *a, unsigned i, unsigned __int128 v, bool minus)
{
	for (; v; v >>= 32, i++)
		a->chunk[i] += minus ? -(int64_t)(uint32_t)v : (int64_t)(uint32_t)v;
}

static void add_integer(struct superacc *a, const struct floatsum *s)
{
	__int128 v = floatsum_get(s);
	unsigned __int128 u = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
	unsigned place = s->base ? (unsigned)s->base - 1 : 0;

	add_words(a, place / 32, (unsigned __int128)(uint64_t)u << (place % 32), v < 0);
	add_words(a, place / 32 + 2, (u >> 64) << (place % 32), v < 0);
}

static struct superacc *promote(struct floatsum *s, struct floatsums *p)
{
	struct superacc *a;

	if (s->big)
		return p->v[s->big - 1];
	if (p->n == p->cap) {
		uint32_t cap = p->cap ? p->cap * 2 : 16;
		struct superacc **v = cap > p->cap ? realloc(p->v, cap * sizeof(struct superacc *)) : NULL;

		if (!v)
			return NULL;
		p->v = v;
		p->cap = cap;
	}
	a = calloc(1, sizeof *a);
	if (!a)
		return NULL;
	p->v[p->n++] = a;
	add_integer(a, s);
	floatsum_set(s, 0);
	s->big = p->n;
	return a;
}

int floatsum_add_slow(struct floatsum *s, double v, struct floatsums *p)
{
	struct superacc *a;
	bool minus;
	int exp;

	s->any = 1;
	if (special_of(v)) {
		s->special = (uint8_t)special_add(s->special, special_of(v));
		return 0;
	}
	double_parts(v, &exp, &minus);
	if (v == 0)
		return 0;
	if (!s->base && !s->big) {
		s->base = (int16_t)(exp > FLOATSUM_NEAR ? exp - FLOATSUM_NEAR : 1);
		return floatsum_add(s, v, p);
	}
	a = promote(s, p);
	if (!a)
		return -1;
	superacc_add(a, v);
	return 0;
}

#define SAMPLE 64

struct floatwindow floatwindow_of(const double *v, int64_t n)
{
	int64_t step = n / SAMPLE + 1;
	int top = FLOATPART_SPAN + 1, exp;
	bool minus;

	for (int64_t i = 0; i < n; i += step) {
		double_parts(v[i], &exp, &minus);
		if (exp >= top && exp < 0x7ff - 64) /* the number to round with must be finite */
			top = exp + 1;
	}
	return (struct floatwindow){ ldexp(1.5, top + 1 - 1023 + 25), (uint32_t)(top + 1 - FLOATPART_SPAN) };
}

void double_exact(double v, mpz_t n, long *exp2)
{
	bool minus;
	int exp;

	mpz_set_ui(n, double_parts(v, &exp, &minus));
	if (minus)
		mpz_neg(n, n);
	*exp2 = exp - 1075;
}

void mpz_set_i128(mpz_t n, __int128 v)
{
	unsigned __int128 u = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;

	mpz_set_ui(n, (unsigned long)(u >> 64));
	mpz_mul_2exp(n, n, 64);
	mpz_add_ui(n, n, (unsigned long)u);
	if (v < 0)
		mpz_neg(n, n);
}

static void superacc_exact(const struct superacc *from, mpz_t n)
{
	struct superacc a = *from;
	uint32_t words[SUPER_CHUNKS - 1];
	mpz_t top;

	superacc_carry(&a);
	for (int i = 0; i + 1 < SUPER_CHUNKS; i++)
		words[i] = (uint32_t)a.chunk[i];
	mpz_import(n, SUPER_CHUNKS - 1, -1, sizeof words[0], 0, 0, words);
	mpz_init_set_si(top, a.chunk[SUPER_CHUNKS - 1]);
	mpz_mul_2exp(top, top, 32 * (SUPER_CHUNKS - 1));
	mpz_add(n, n, top);
	mpz_clear(top);
}

void floatsum_exact(const struct floatsum *s, const struct floatsums *p, mpz_t n, long *exp2)
{
	if (s->big) {
		superacc_exact(p->v[s->big - 1], n);
		*exp2 = MIN_EXP;
		return;
	}
	mpz_set_i128(n, floatsum_get(s));
	*exp2 = (s->base ? s->base : 1) - 1075;
}

static double round_exact(const struct floatsum *s, int64_t count, const struct floatsums *p)
{
	mpz_t n, d;
	long exp2;
	double v;

	mpz_init(n);
	mpz_init_set_si(d, count);
	floatsum_exact(s, p, n, &exp2);
	v = round_ratio(n, d, exp2);
	mpz_clears(n, d, NULL);
	return v;
}

/* v * 2^exp2, with v rounded already; false: the range of doubles has its own rounding there. */
static bool scale_rounded(double v, int exp2, double *ret)
{
	*ret = ldexp(v, exp2);
	return v == 0 || (fabs(*ret) >= 0x1p-1021 && fabs(*ret) < HUGE_VAL);
}

double floatsum_round(const struct floatsum *s, const struct floatsums *p)
{
	double v;

	if (s->special)
		return special_f64(s->special);
	if (!s->big && scale_rounded((double)floatsum_get(s), s->base - 1075, &v))
		return v + 0.0;
	return round_exact(s, 1, p);
}

/* The quotient to 64 bits or more, its lowest bit set when something is left: converting it to a double is the one rounding. */
static bool mean_small(const struct floatsum *s, int64_t count, double *ret)
{
	__int128 v = floatsum_get(s);
	unsigned __int128 u = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v, q;
	int up = 0;

	if (!u) {
		*ret = 0;
		return true;
	}
	up = (uint64_t)(u >> 64) ? __builtin_clzll((uint64_t)(u >> 64)) : 64 + __builtin_clzll((uint64_t)u);
	u <<= up;
	q = u / (uint64_t)count;
	q |= u % (uint64_t)count != 0;
	return scale_rounded(v < 0 ? -(double)q : (double)q, s->base - 1075 - up, ret);
}

double floatsum_mean(const struct floatsum *s, int64_t count, const struct floatsums *p)
{
	double v;

	if (s->special)
		return special_f64(s->special);
	return !s->big && mean_small(s, count, &v) ? v : round_exact(s, count, p);
}

int floatsum_print(const struct floatsum *s, const struct floatsums *p, struct buf *b)
{
	static const char *const names[] = { "", "nan", "inf", "-inf" };
	mp_bitcnt_t zeros;
	long exp2;
	mpz_t n;
	int rc;

	if (s->special)
		return buf_puts(b, names[s->special]);
	mpz_init(n);
	floatsum_exact(s, p, n, &exp2);
	if (mpz_sgn(n) == 0) {
		rc = buf_byte(b, '0');
	} else if ((rc = buf_reserve(b, mpz_sizeinbase(n, 16) + 32)) == 0) {
		zeros = mpz_scan1(n, 0);
		mpz_tdiv_q_2exp(n, n, zeros);
		mpz_get_str((char *)b->p + b->n, 16, n);
		b->n += strlen((const char *)b->p + b->n);
		rc = buf_printf(b, "p%ld", exp2 + (long)zeros);
	}
	mpz_clear(n);
	return rc;
}

/* |n| * 2^exp2 fits the chunks and is a multiple of their unit. */
static bool in_range(const mpz_t n, long exp2)
{
	return exp2 >= MIN_EXP && exp2 <= 2200 && (long)mpz_sizeinbase(n, 2) + exp2 - MIN_EXP <= 32 * (SUPER_CHUNKS - 1) + 31;
}

/* Adds n * 2^exp2, as two doubles when that is exact, else word by word. */
static enum dec_read add_mpz(struct floatsum *s, mpz_t n, long exp2, struct floatsums *p)
{
	uint32_t words[SUPER_CHUNKS + 2] = { 0 };
	struct superacc *a;
	size_t count;

	if (mpz_sizeinbase(n, 2) <= 53 && exp2 <= 960)
		return floatsum_add(s, ldexp((double)mpz_get_si(n), (int)exp2), p) ? DEC_NOMEM : DEC_OK;
	if (mpz_sizeinbase(n, 2) <= 106 && exp2 <= 900) {
		int64_t low = (int64_t)(mpz_get_ui(n) & ((UINT64_C(1) << 53) - 1)) * mpz_sgn(n);

		mpz_tdiv_q_2exp(n, n, 53);
		if (floatsum_add(s, ldexp((double)mpz_get_si(n), (int)exp2 + 53), p) ||
		    floatsum_add(s, ldexp((double)low, (int)exp2), p))
			return DEC_NOMEM;
		return DEC_OK;
	}
	a = promote(s, p);
	if (!a)
		return DEC_NOMEM;
	if (a->pending++ >= SUPER_CARRY_EVERY)
		superacc_carry(a);
	s->any = 1;
	mpz_mul_2exp(n, n, (mp_bitcnt_t)(exp2 - MIN_EXP));
	mpz_export(words, &count, -1, sizeof words[0], 0, 0, n);
	for (size_t i = 0; i < count && i < SUPER_CHUNKS; i++)
		a->chunk[i] += mpz_sgn(n) < 0 ? -(int64_t)words[i] : (int64_t)words[i];
	return DEC_OK;
}

static bool parse_exp(struct str s, long *ret)
{
	int64_t v;

	if (num_parse_i64(s, &v) != DEC_OK || v < MIN_EXP || v > 2200)
		return false;
	*ret = (long)v;
	return true;
}

enum dec_read floatsum_add_text(struct floatsum *s, struct str text, struct floatsums *p)
{
	const char *mark = text.n ? memchr(text.p, 'p', text.n) : NULL;
	size_t digits = mark ? (size_t)(mark - text.p) : text.n;
	char z[TEXT_DIGITS + 2];
	enum dec_read why = DEC_BAD;
	double v;
	long exp2 = 0;
	mpz_t n;

	if (str_is(text, "nan") || str_is(text, "inf") || str_is(text, "-inf"))
		return num_parse_f64(text, &v) == DEC_OK && floatsum_add_slow(s, v, p) == 0 ? DEC_OK : DEC_NOMEM;
	if (!digits || digits >= sizeof z || memchr(text.p, 0, digits) || text.p[0] == '+' || memchr(text.p, ' ', digits) ||
	    (mark && !parse_exp(str_from(text, digits + 1), &exp2)))
		return DEC_BAD;
	memcpy(z, text.p, digits);
	z[digits] = 0;
	mpz_init(n);
	if (mpz_set_str(n, z, 16) == 0 && in_range(n, exp2))
		why = add_mpz(s, n, exp2, p);
	mpz_clear(n);
	return why;
}
