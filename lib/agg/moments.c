/* Exact moments: see moments.h. */
#include "lib/agg/moments.h"

#include "lib/agg/round.h"

#include <math.h>
#include <stdlib.h>

#define WIDE_EXP (-2148) /* the square of the smallest double */
#define WIDE_BITS 4400   /* of a sum of squares read back, at most */

void momentpool_free(struct momentpool *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		mpz_clear(p->v[i]);
	free(p->v);
	floatsums_free(&p->floats);
	*p = (struct momentpool){ 0 };
}

/* n new integers, zero; the number of the first + 1, or 0 (memory). */
static uint32_t new_big(struct momentpool *p, uint32_t n)
{
	uint32_t first = p->n + 1;

	if (p->cap - p->n < n) {
		uint32_t cap = p->cap ? p->cap * 2 : 16;
		mpz_t *v = cap > p->cap ? realloc(p->v, cap * sizeof *v) : NULL;

		if (!v)
			return 0;
		p->v = v;
		p->cap = cap;
	}
	while (n--)
		mpz_init(p->v[p->n++]);
	return first;
}

static int decmoments_promote(struct decmoments *m, struct momentpool *p)
{
	if (m->big)
		return 0;
	m->big = new_big(p, 2);
	if (!m->big)
		return -1;
	mpz_set_i128(p->v[m->big - 1], m->sum);
	mpz_set_i128(p->v[m->big], m->squares);
	return 0;
}

/* Both at the larger scale, in 64-bit steps that fit: mixed scales are common ("1.5", "2"). */
static bool add_scaled(struct decmoments *m, struct dec d)
{
	__int128 by = 1, squares, sum;
	int64_t v = d.m;
	int32_t up = d.scale - m->scale;

	if (m->big || d.big || up > 18 || up < -18)
		return false;
	for (int32_t i = 0; i < (up < 0 ? -up : up); i++)
		by *= 10;
	if (up < 0 && __builtin_mul_overflow(v, (int64_t)by, &v))
		return false;
	if (up < 0)
		by = 1;
	if (__builtin_mul_overflow(m->squares, by * by, &squares) || __builtin_mul_overflow(m->sum, by, &sum) ||
	    __builtin_add_overflow(squares, (__int128)v * v, &squares) || __builtin_add_overflow(sum, v, &sum))
		return false;
	m->squares = squares;
	m->sum = sum;
	m->scale = (int16_t)(up > 0 ? d.scale : m->scale);
	m->n++;
	return true;
}

/* sum += s, squares += q, with s at `scale`; both are consumed. */
static int add_big(struct decmoments *m, mpz_t s, mpz_t q, int32_t scale, struct momentpool *p)
{
	int32_t up = scale - m->scale;

	if (decmoments_promote(m, p))
		return -1;
	if (up > 0) {
		mpz_scale_up(p->v[m->big - 1], p->v[m->big - 1], up);
		mpz_scale_up(p->v[m->big], p->v[m->big], 2 * up);
		m->scale = (int16_t)scale;
	} else {
		mpz_scale_up(s, s, -up);
		mpz_scale_up(q, q, -2 * up);
	}
	mpz_add(p->v[m->big - 1], p->v[m->big - 1], s);
	mpz_add(p->v[m->big], p->v[m->big], q);
	return 0;
}

int decmoments_add_slow(struct decmoments *m, struct dec d, const struct decpool *from, struct momentpool *p)
{
	mpz_t s, q;
	int rc;

	if (!m->n && !m->big)
		m->scale = (int16_t)d.scale;
	if (add_scaled(m, d))
		return 0;
	mpz_init(q);
	if (d.big)
		mpz_init_set(s, from->v[d.big - 1]);
	else
		mpz_init_set_si(s, d.m);
	mpz_mul(q, s, s);
	rc = add_big(m, s, q, d.scale, p);
	m->n++;
	mpz_clears(s, q, NULL);
	return rc;
}

/* v = m * 2^(e - 53) */
static int64_t mantissa_of(double v, int *e)
{
	return (int64_t)ldexp(frexp(v, e), 53);
}

/* += u * v where the product leaves the range in which it is two doubles. */
static int add_wide(struct floatprod *s, double u, double v, struct momentpool *p)
{
	int eu, ev;
	int64_t mu = mantissa_of(u, &eu), mv = mantissa_of(v, &ev);
	long e = eu + ev - 106 - WIDE_EXP;
	mpz_t q;

	if (!s->wide && !(s->wide = new_big(p, 1)))
		return -1;
	mpz_init_set_si(q, mu);
	mpz_mul_si(q, q, mv);
	if (e >= 0)
		mpz_mul_2exp(q, q, (mp_bitcnt_t)e);
	else
		mpz_tdiv_q_2exp(q, q, (mp_bitcnt_t)-e); /* exact: the bits below are zero */
	mpz_add(p->v[s->wide - 1], p->v[s->wide - 1], q);
	mpz_clear(q);
	return 0;
}

int floatprod_add(struct floatprod *s, double u, double v, struct momentpool *p)
{
	double product = u * v, size = fabs(product);

	if (u == 0 || v == 0)
		return 0;
	if (size < 0x1p-900 || size > 0x1p1000)
		return add_wide(s, u, v, p);
	if (floatsum_add(&s->sum, product, &p->floats))
		return -1;
	return floatsum_add(&s->sum, fma(u, v, -product), &p->floats);
}

int floatmoments_add(struct floatmoments *m, double v, struct momentpool *p)
{
	m->n++;
	if (floatsum_add(&m->sum, v, &p->floats))
		return -1;
	return special_of(v) ? 0 : floatprod_add(&m->squares, v, v, p);
}

/* (n q - s^2) / (n (n - ddof)) * 2^exp2 / 10^(2 scale), or its root. s and q are consumed. */
static double var_of(mpz_t s, mpz_t q, int64_t n, int ddof, bool root, long exp2, int scale)
{
	mpz_t den;
	double v;

	mpz_init_set_si(den, n);
	mpz_mul(q, q, den);
	mpz_submul(q, s, s);
	mpz_mul_si(den, den, n - ddof);
	mpz_scale_up(den, den, 2 * scale);
	v = root ? round_sqrt_ratio(q, den, exp2) : round_ratio(q, den, exp2);
	mpz_clear(den);
	return v;
}

static void dec_parts(const struct decmoments *m, const struct momentpool *p, mpz_t s, mpz_t q)
{
	if (m->big) {
		mpz_set(s, p->v[m->big - 1]);
		mpz_set(q, p->v[m->big]);
	} else {
		mpz_set_i128(s, m->sum);
		mpz_set_i128(q, m->squares);
	}
}

double decmoments_var(const struct decmoments *m, int ddof, bool root, const struct momentpool *p)
{
	mpz_t s, q;
	double v;

	if (m->n <= ddof || m->special)
		return (double)NAN;
	mpz_inits(s, q, NULL);
	dec_parts(m, p, s, q);
	v = var_of(s, q, m->n, ddof, root, 0, m->scale);
	mpz_clears(s, q, NULL);
	return v;
}

void floatprod_exact(const struct floatprod *s, const struct momentpool *p, mpz_t n, long *exp2)
{
	floatsum_exact(&s->sum, &p->floats, n, exp2);
	if (!s->wide)
		return;
	mpz_mul_2exp(n, n, (mp_bitcnt_t)(*exp2 - WIDE_EXP));
	mpz_add(n, n, p->v[s->wide - 1]);
	*exp2 = WIDE_EXP;
}

double floatmoments_var(const struct floatmoments *m, int ddof, bool root, const struct momentpool *p)
{
	mpz_t s, q;
	long es, eq;
	double v;

	if (m->n <= ddof || m->sum.special)
		return (double)NAN;
	mpz_inits(s, q, NULL);
	floatsum_exact(&m->sum, &p->floats, s, &es);
	floatprod_exact(&m->squares, p, q, &eq);
	if (eq > 2 * es) {
		mpz_mul_2exp(q, q, (mp_bitcnt_t)(eq - 2 * es));
		eq = 2 * es;
	} else if (eq < 2 * es) { /* s must carry half of an even exponent */
		if (eq & 1) {
			mpz_mul_2exp(q, q, 1);
			eq--;
		}
		mpz_mul_2exp(s, s, (mp_bitcnt_t)(es - eq / 2));
	}
	v = var_of(s, q, m->n, ddof, root, eq, 0);
	mpz_clears(s, q, NULL);
	return v;
}

static int print_dec(mpz_t z, int32_t scale, struct buf *b)
{
	struct dec d = { .scale = scale, .big = 1 };

	return dec_print(d, &(struct decpool){ .v = (mpz_t *)z, .n = 1, .cap = 1 }, b);
}

int decmoments_print(const struct decmoments *m, bool squares, const struct momentpool *p, struct buf *b)
{
	mpz_t s, q;
	int rc;

	if (m->special)
		return buf_puts(b, "nan");
	mpz_inits(s, q, NULL);
	dec_parts(m, p, s, q);
	rc = print_dec(squares ? q : s, squares ? 2 * m->scale : m->scale, b);
	mpz_clears(s, q, NULL);
	return rc;
}

static int print_hex(mpz_t n, long exp2, struct buf *b)
{
	mp_bitcnt_t zeros = mpz_sgn(n) ? mpz_scan1(n, 0) : 0;

	if (!mpz_sgn(n))
		return buf_byte(b, '0');
	if (buf_reserve(b, mpz_sizeinbase(n, 16) + 32))
		return -1;
	mpz_tdiv_q_2exp(n, n, zeros);
	mpz_get_str((char *)b->p + b->n, 16, n);
	b->n += strlen((const char *)b->p + b->n);
	return buf_printf(b, "p%ld", exp2 + (long)zeros);
}

int floatprod_print(const struct floatprod *s, const struct momentpool *p, struct buf *b)
{
	long exp2;
	mpz_t n;
	int rc;

	mpz_init(n);
	floatprod_exact(s, p, n, &exp2);
	rc = print_hex(n, exp2, b);
	mpz_clear(n);
	return rc;
}

int floatmoments_print(const struct floatmoments *m, bool squares, const struct momentpool *p, struct buf *b)
{
	if (!squares || m->sum.special)
		return floatsum_print(&m->sum, &p->floats, b);
	return floatprod_print(&m->squares, p, b);
}

/* Plain decimal text as a mantissa at its own scale. */
static enum dec_read read_dec(struct str text, mpz_t ret, int32_t *scale)
{
	struct decpool scratch = { 0 };
	struct decsums sums = { 0 };
	struct decsum s = { 0 };
	enum dec_read why = decsum_add_text(&s, text, &scratch, &sums);

	if (why == DEC_OK && s.special)
		why = DEC_SPECIAL;
	if (why == DEC_OK) {
		decsum_mantissa(&s, &sums, ret);
		*scale = s.scale;
	}
	decsums_free(&sums);
	decpool_free(&scratch);
	return why;
}

enum dec_read decmoments_load(struct decmoments *m, int64_t n, struct str sum, struct str squares, struct momentpool *p)
{
	mpz_t s, q;
	int32_t scale = 0, both = 0;
	enum dec_read why;

	mpz_inits(s, q, NULL);
	why = read_dec(sum, s, &scale);
	if (why == DEC_OK)
		why = read_dec(squares, q, &both);
	if (why == DEC_SPECIAL) {
		m->special = SP_NAN;
		why = DEC_OK;
	} else if (why == DEC_OK && (both != 2 * scale || mpz_sgn(q) < 0 || !m->n)) {
		if (both != 2 * scale || mpz_sgn(q) < 0)
			why = DEC_BAD;
		else
			m->scale = (int16_t)scale;
	}
	if (why == DEC_OK && !m->special && add_big(m, s, q, scale, p))
		why = DEC_NOMEM;
	mpz_clears(s, q, NULL);
	if (why == DEC_OK && __builtin_add_overflow(m->n, n, &m->n))
		why = DEC_BAD;
	return why;
}

/* "-1f7p-2000": what print_hex() wrote, beyond the range of floatsum_add_text(). */
static enum dec_read load_wide(struct floatprod *s, struct str text, struct momentpool *p)
{
	const char *mark = text.n ? memchr(text.p, 'p', text.n) : NULL;
	bool minus = text.n && text.p[0] == '-', ok;
	size_t digits = mark ? (size_t)(mark - text.p) : 0;
	char z[WIDE_BITS / 4 + 3];
	int64_t exp2;
	mpz_t n;

	if (digits <= minus || digits >= sizeof z || strspn(text.p + minus, "0123456789abcdef") + minus < digits ||
	    num_parse_i64(str_from(text, digits + 1), &exp2) != DEC_OK || exp2 < WIDE_EXP || exp2 > WIDE_BITS)
		return DEC_BAD;
	memcpy(z, text.p, digits);
	z[digits] = 0;
	mpz_init(n);
	ok = mpz_set_str(n, z, 16) == 0 && (long)mpz_sizeinbase(n, 2) + exp2 - WIDE_EXP <= WIDE_BITS;
	if (ok) {
		mpz_mul_2exp(n, n, (mp_bitcnt_t)(exp2 - WIDE_EXP));
		if (!s->wide)
			s->wide = new_big(p, 1);
		if (s->wide)
			mpz_add(p->v[s->wide - 1], p->v[s->wide - 1], n);
	}
	mpz_clear(n);
	return !ok ? DEC_BAD : s->wide ? DEC_OK : DEC_NOMEM;
}

static bool is_special(struct str text)
{
	return str_is(text, "nan") || str_is(text, "inf") || str_is(text, "-inf");
}

enum dec_read floatprod_load(struct floatprod *s, struct str text, struct momentpool *p)
{
	enum dec_read why;

	if (is_special(text))
		return DEC_BAD;
	why = floatsum_add_text(&s->sum, text, &p->floats);
	return why == DEC_BAD ? load_wide(s, text, p) : why;
}

enum dec_read floatmoments_load(struct floatmoments *m, int64_t n, struct str sum, struct str squares, struct momentpool *p)
{
	enum dec_read why = floatsum_add_text(&m->sum, sum, &p->floats);

	if (why != DEC_OK)
		return why;
	if (squares.n && squares.p[0] == '-' && !str_is(squares, "-inf"))
		return DEC_BAD;
	if (!is_special(sum))
		why = floatprod_load(&m->squares, squares, p);
	return why == DEC_OK && __builtin_add_overflow(m->n, n, &m->n) ? DEC_BAD : why;
}
