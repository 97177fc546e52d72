/* Exact decimal sums: see decsum.h.
 *
 * Invariant: value = mantissa * 10^-scale, with the mantissa in `m` or, once 64 bits did not hold it, in the pool for good. */
#include "lib/agg/decsum.h"

#include "lib/agg/round.h"

#include <math.h>
#include <stdlib.h>

void decsums_free(struct decsums *p)
{
	for (uint32_t i = 0; i < p->pool.n; i++)
		mpz_clear(p->pool.v[i]);
	free(p->pool.v);
	if (p->ready)
		mpz_clear(p->tmp);
	*p = (struct decsums){ 0 };
}

enum special special_add(enum special a, enum special b)
{
	if (a == SP_NONE || a == b)
		return b;
	return b == SP_NONE ? a : SP_NAN;
}

enum special special_of(double v)
{
	if (isnan(v))
		return SP_NAN;
	if (isinf(v))
		return v > 0 ? SP_INF : SP_NEG_INF;
	return SP_NONE;
}

double special_f64(enum special s)
{
	return s == SP_INF ? HUGE_VAL : s == SP_NEG_INF ? -HUGE_VAL : (double)NAN;
}

/* Room for one more integer in the pool. */
static int pool_grow(struct decpool *q)
{
	uint32_t cap = q->cap ? q->cap * 2 : 16;
	mpz_t *v;

	if (q->n < q->cap)
		return 0;
	v = cap > q->cap ? realloc(q->v, cap * sizeof *v) : NULL;
	if (!v)
		return -1;
	q->v = v;
	q->cap = cap;
	return 0;
}

int decsums_keep(struct decsums *p, struct dec d, const struct decpool *from, struct dec *ret)
{
	*ret = d;
	if (!d.big)
		return 0;
	if (pool_grow(&p->pool))
		return -1;
	mpz_init_set(p->pool.v[p->pool.n++], from->v[d.big - 1]);
	ret->big = p->pool.n;
	return 0;
}

static int decsum_promote(struct decsum *s, struct decsums *p)
{
	if (s->big)
		return 0;
	if (pool_grow(&p->pool))
		return -1;
	mpz_init_set_si(p->pool.v[p->pool.n++], s->m);
	s->big = p->pool.n;
	return 0;
}

/* Both in 64 bits, brought to the same scale there. false: does not fit. */
static bool add_small(struct decsum *s, struct dec d)
{
	int64_t a = s->m, b = d.m;
	int32_t scale = s->scale > d.scale ? s->scale : d.scale;

	if (s->big || d.big || !dec_scale_i64(a, scale - s->scale, &a) || !dec_scale_i64(b, scale - d.scale, &b) ||
	    __builtin_add_overflow(a, b, &a))
		return false;
	s->m = a;
	s->scale = (int16_t)scale;
	return true;
}

void mpz_scale_up(mpz_t to, const mpz_t from, int32_t places)
{
	mpz_t ten;

	if (!places) {
		mpz_set(to, from);
		return;
	}
	mpz_init(ten);
	mpz_ui_pow_ui(ten, 10, (unsigned long)places);
	mpz_mul(to, from, ten);
	mpz_clear(ten);
}

int decsum_add_slow(struct decsum *s, struct dec d, const struct decpool *from, struct decsums *p)
{
	mpz_t *sum;

	if (!s->any)
		s->any = 1;
	if (add_small(s, d))
		return 0;
	if (decsum_promote(s, p))
		return -1;
	if (!p->ready)
		mpz_init(p->tmp);
	p->ready = true;
	sum = &p->pool.v[s->big - 1];
	if (d.big)
		mpz_set(p->tmp, from->v[d.big - 1]);
	else
		mpz_set_si(p->tmp, d.m);
	if (d.scale < s->scale)
		mpz_scale_up(p->tmp, p->tmp, s->scale - d.scale);
	else if (d.scale > s->scale)
		mpz_scale_up(*sum, *sum, d.scale - s->scale);
	mpz_add(*sum, *sum, p->tmp);
	if (d.scale > s->scale)
		s->scale = (int16_t)d.scale;
	return 0;
}

void decsum_mantissa(const struct decsum *s, const struct decsums *p, mpz_t ret)
{
	if (s->big)
		mpz_set(ret, p->pool.v[s->big - 1]);
	else
		mpz_set_si(ret, s->m);
}

/* Numerator and denominator are doubles exactly: one IEEE division is one rounding. */
static bool mean_small(const struct decsum *s, int64_t count, double *ret)
{
	int64_t den, limit = (int64_t)1 << 53;

	if (s->big || s->m > limit || s->m < -limit || !dec_scale_i64(count, s->scale, &den) || den > limit)
		return false;
	*ret = (double)s->m / (double)den;
	return true;
}

double decsum_mean(const struct decsum *s, int64_t count, const struct decsums *p)
{
	mpz_t num, den;
	double v;

	if (s->special)
		return special_f64(s->special);
	if (mean_small(s, count, &v))
		return v;
	mpz_inits(num, den, NULL);
	decsum_mantissa(s, p, num);
	mpz_set_si(den, count);
	mpz_scale_up(den, den, s->scale);
	v = round_ratio(num, den, 0);
	mpz_clears(num, den, NULL);
	return v;
}

int decsum_print(const struct decsum *s, const struct decsums *p, struct buf *b)
{
	static const char *const names[] = { "", "nan", "inf", "-inf" };

	if (s->special)
		return buf_puts(b, names[s->special]);
	return dec_print(decsum_dec(s), &p->pool, b);
}

/* Plain digits beyond what dec_parse() takes: sums of long numbers are longer than any of them. */
static enum dec_read add_long(struct decsum *s, struct str text, struct decsums *p)
{
	cleanup_buf struct buf digits = { 0 };
	size_t i = text.n && text.p[0] == '-', point = text.n;
	enum dec_read why = DEC_OK;
	mpz_t z;

	if (text.n > DECSUM_TEXT_MAX)
		return DEC_LIMIT;
	for (; i < text.n; i++) {
		if (text.p[i] == '.' && point == text.n)
			point = i;
		else if (text.p[i] < '0' || text.p[i] > '9')
			return DEC_BAD;
		else if (buf_byte(&digits, (uint8_t)text.p[i]))
			return DEC_NOMEM;
	}
	if (!digits.n || buf_byte(&digits, 0))
		return digits.n ? DEC_NOMEM : DEC_BAD;
	mpz_init_set_str(z, (const char *)digits.p, 10);
	if (text.p[0] == '-')
		mpz_neg(z, z);
	if (text.n - point > 4 * DEC_EXP + 1) /* products have twice the digits behind the point */
		why = DEC_LIMIT;
	else if (decsum_add(s, (struct dec){ .scale = point < text.n ? (int32_t)(text.n - point - 1) : 0, .big = 1 },
			    &(struct decpool){ .v = &z, .n = 1, .cap = 1 }, p))
		why = DEC_NOMEM;
	mpz_clear(z);
	return why;
}

enum dec_read decsum_add_text(struct decsum *s, struct str text, struct decpool *scratch, struct decsums *p)
{
	struct dec d;
	double v;
	enum dec_read why;

	decpool_reset(scratch);
	why = dec_parse(text, scratch, &d);
	if (why == DEC_OK)
		return decsum_add(s, d, scratch, p) ? DEC_NOMEM : DEC_OK;
	if (why == DEC_LIMIT)
		return add_long(s, text, p);
	if (why != DEC_SPECIAL)
		return why;
	why = num_parse_f64(text, &v);
	if (why == DEC_OK)
		decsum_add_special(s, special_of(v));
	return why;
}
