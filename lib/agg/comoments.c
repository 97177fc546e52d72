/* cov, corr, wmean: what two fields of a record have to do with each other, rounded once from exact sums.
 *
 *     cov    (n Sxy - Sx Sy) / (n (n - 1))                                  of a sample
 *     corr   (n Sxy - Sx Sy) / sqrt((n Sxx - Sx^2) (n Syy - Sy^2))          Pearson's
 *     wmean  Sxy / Sy                                                       y is the weight
 *
 * A record counts when both of its values are there. Each S is an exact sum of products: of decimals in decsum.h, of two columns
 * of doubles in moments.h; a double beside a decimal is taken as the decimal that it exactly is. State: the count, then the sums
 * of the family's terms. State columns: OUT:FUNC.KIND (the count) and OUT:x, OUT:xy, ... (text; nan when a value was not finite). */
#include "lib/agg/agg.h"
#include "lib/agg/moments.h"
#include "lib/agg/round.h"

#include <math.h>
#include <stdio.h>

enum factor { ONE, X, Y };
enum kind { CO_DEC, CO_FLOAT };

static const struct term {
	const char *name;
	enum factor u, v;
} terms[] = { { "x", ONE, X }, { "y", ONE, Y }, { "xy", X, Y }, { "xx", X, X }, { "yy", Y, Y } };

enum { SX, SY, SXY, SXX, SYY, NTERMS };

struct head {
	int64_t n;
	uint64_t special; /* a value was nan or infinite */
};

struct comoments_more {
	int from, to; /* terms in use */
	struct momentpool floats;
	struct decsums decs;
	struct decpool scratch;
};

static struct head *head_of(const struct agg *a, uint32_t g)
{
	return (struct head *)(void *)(a->groups + g * a->size);
}

static struct decsum *dec_sum(const struct agg *a, uint32_t g, int term)
{
	const struct comoments_more *more = a->more;

	return (struct decsum *)(void *)(head_of(a, g) + 1) + (term - more->from);
}

static struct floatprod *float_sum(const struct agg *a, uint32_t g, int term)
{
	const struct comoments_more *more = a->more;

	return (struct floatprod *)(void *)(head_of(a, g) + 1) + (term - more->from);
}

static void choose_terms(const struct agg *a, struct comoments_more *more)
{
	more->from = a->family == &agg_wmean ? SY : SX;
	more->to = a->family == &agg_corr ? NTERMS : SXX;
}

static int pick_kind(struct agg *a, struct err *e)
{
	bool floats = true;
	int rc;

	for (int i = 0; i < 2; i++) {
		if ((rc = agg_check_numbers(a, i, e)) < 0)
			return rc;
		floats &= type_is_float(&a->schema->fields[a->cols[i]].type);
	}
	return floats ? CO_FLOAT : CO_DEC;
}

static int co_bind(struct agg *a, bool merge, struct err *e)
{
	char names[2][32];
	const char *kinds[] = { names[0], names[1] };
	struct comoments_more *more = a->more;
	int rc;

	snprintf(names[CO_DEC], sizeof names[0], "%s.num", a->family->name);
	snprintf(names[CO_FLOAT], sizeof names[0], "%s.float64", a->family->name);
	a->kind = merge ? agg_state_kind(a, kinds, 2, e) : pick_kind(a, e);
	if (a->kind < 0)
		return a->kind;
	choose_terms(a, more);
	a->need[0] = a->need[1] = AGG_NUMBERS;
	a->size = sizeof(struct head) + (size_t)(more->to - more->from) *
						(a->kind == CO_FLOAT ? sizeof(struct floatprod) : sizeof(struct decsum));
	if ((rc = agg_add_result(a, a->spec.out, TYPE_FLOAT64, true, e)) < 0)
		return rc;
	rc = agg_add_state(a, kinds[a->kind], TYPE_INT64, false, e);
	for (int t = more->from; t < more->to && rc == 0; t++)
		rc = agg_add_state(a, terms[t].name, a->kind == CO_FLOAT ? TYPE_TEXT : TYPE_NUM, true, e);
	return rc;
}

/* ---- update ---- */

static int add_float(struct agg *a, uint32_t g, double x, double y)
{
	const double v[] = { [ONE] = 1, [X] = x, [Y] = y };
	struct comoments_more *more = a->more;

	for (int t = more->from; t < more->to; t++)
		if (floatprod_add(float_sum(a, g, t), v[terms[t].u], v[terms[t].v], &more->floats))
			return -1;
	return 0;
}

/* Big mantissas are in the scratch pool. */
static int add_product(struct decsum *s, struct dec u, struct dec v, struct comoments_more *more)
{
	struct dec d = { .scale = u.scale + v.scale };

	if ((u.big || v.big || __builtin_mul_overflow(u.m, v.m, &d.m)) && dec_mul(u, v, &more->scratch, &d))
		return -1;
	return decsum_add(s, d, &more->scratch, &more->decs);
}

static int add_decs(struct agg *a, uint32_t g, struct dec x, struct dec y)
{
	const struct dec v[] = { [ONE] = { .m = 1 }, [X] = x, [Y] = y };
	struct comoments_more *more = a->more;

	for (int t = more->from; t < more->to; t++)
		if (add_product(dec_sum(a, g, t), v[terms[t].u], v[terms[t].v], more))
			return -1;
	return 0;
}

/* Row i as a decimal in the scratch pool. 1: it is not finite; -1: memory. */
static int as_dec(const struct numbers *n, int64_t i, struct decpool *scratch, struct dec *ret)
{
	struct dec d;

	if (n->kind == NUMS_F64)
		return special_of(n->f64[i]) ? 1 : dec_from_f64(n->f64[i], scratch, ret);
	if (n->special && n->special[i])
		return 1;
	d = n->kind == NUMS_I64 ? (struct dec){ .m = n->i64[i] } : n->dec[i];
	return dec_copy(d, &n->pool, scratch, ret);
}

static int add_row(struct agg *a, uint32_t g, const struct numbers *nx, const struct numbers *ny, int64_t i)
{
	struct comoments_more *more = a->more;
	struct dec x, y;
	int rc;

	head_of(a, g)->n++;
	if (a->kind == CO_FLOAT) {
		if (!special_of(nx->f64[i]) && !special_of(ny->f64[i]))
			return add_float(a, g, nx->f64[i], ny->f64[i]);
		head_of(a, g)->special = 1;
		return 0;
	}
	decpool_reset(&more->scratch);
	if ((rc = as_dec(nx, i, &more->scratch, &x)) == 0 && (rc = as_dec(ny, i, &more->scratch, &y)) == 0)
		return add_decs(a, g, x, y);
	head_of(a, g)->special |= rc > 0;
	return rc < 0 ? -1 : 0;
}

static bool is_there(const struct numbers *n, int64_t i)
{
	return !n->valid || bit_get(n->valid, i);
}

static int co_update(struct agg *a, const struct agg_batch *b, struct err *e)
{
	const struct numbers *x = b->args[0].nums, *y = b->args[1].nums;

	if (x->nulls == x->n || y->nulls == y->n)
		return 0;
	for (int64_t i = 0; i < b->n; i++)
		if (b->ids[i] != NO_GROUP && is_there(x, i) && is_there(y, i) && add_row(a, b->ids[i], x, y, i))
			return err_oom(e);
	return 0;
}

/* ---- finish ---- */

/* A sum as n * 2^exp2 * 10^-scale. */
struct exact {
	mpz_t n;
	long exp2;
	int32_t scale;
};

static void get_sum(const struct agg *a, uint32_t g, int term, struct exact *s)
{
	const struct comoments_more *more = a->more;

	if (a->kind == CO_FLOAT) {
		floatprod_exact(float_sum(a, g, term), &more->floats, s->n, &s->exp2);
	} else {
		decsum_mantissa(dec_sum(a, g, term), &more->decs, s->n);
		s->scale = dec_sum(a, g, term)->scale;
	}
}

/* The same value with a smaller exponent and a larger scale. */
static void refine(struct exact *s, long exp2, int32_t scale)
{
	mpz_mul_2exp(s->n, s->n, (mp_bitcnt_t)(s->exp2 - exp2));
	mpz_scale_up(s->n, s->n, scale - s->scale);
	s->exp2 = exp2;
	s->scale = scale;
}

static long least(long a, long b)
{
	return a < b ? a : b;
}

static long half_down(long v)
{
	return v >= 0 ? v / 2 : -((1 - v) / 2);
}

static int32_t larger(int32_t a, int32_t b)
{
	return a > b ? a : b;
}

/* All sums in the units of a common x and y: Sx in ux, Sxy in ux uy, Sxx in ux^2. Terms not in use are zero. */
static void align(struct exact *s)
{
	long ex = least(s[SX].exp2, half_down(s[SXX].exp2)), ey = least(s[SY].exp2, half_down(s[SYY].exp2));
	int32_t cx = larger(s[SX].scale, (s[SXX].scale + 1) / 2), cy = larger(s[SY].scale, (s[SYY].scale + 1) / 2);

	ex += least(0, s[SXY].exp2 - (ex + ey));
	cx += larger(0, s[SXY].scale - (cx + cy));
	refine(&s[SX], ex, cx);
	refine(&s[SY], ey, cy);
	refine(&s[SXY], ex + ey, cx + cy);
	refine(&s[SXX], 2 * ex, 2 * cx);
	refine(&s[SYY], 2 * ey, 2 * cy);
}

/* n ab - a b, in place of ab. */
static void centre(mpz_t ab, const mpz_t a, const mpz_t b, int64_t n)
{
	mpz_mul_si(ab, ab, n);
	mpz_submul(ab, a, b);
}

static double cov_of(struct exact *s, int64_t n)
{
	mpz_t den;
	double v;

	align(s);
	centre(s[SXY].n, s[SX].n, s[SY].n, n);
	mpz_init(den);
	mpz_ui_pow_ui(den, 10, (unsigned long)s[SXY].scale);
	mpz_mul_si(den, den, n);
	mpz_mul_si(den, den, n - 1);
	v = round_ratio(s[SXY].n, den, s[SXY].exp2);
	mpz_clear(den);
	return v;
}

/* false: one of the two does not vary. */
static bool corr_of(struct exact *s, int64_t n, double *ret)
{
	bool minus;

	align(s);
	centre(s[SXY].n, s[SX].n, s[SY].n, n);
	centre(s[SXX].n, s[SX].n, s[SX].n, n);
	centre(s[SYY].n, s[SY].n, s[SY].n, n);
	mpz_mul(s[SXX].n, s[SXX].n, s[SYY].n);
	if (mpz_sgn(s[SXX].n) <= 0)
		return false;
	minus = mpz_sgn(s[SXY].n) < 0;
	mpz_mul(s[SXY].n, s[SXY].n, s[SXY].n);
	*ret = round_sqrt_ratio(s[SXY].n, s[SXX].n, 0);
	*ret = minus ? -*ret : *ret;
	return true;
}

/* false: the weights add up to nothing. */
static bool wmean_of(struct exact *s, double *ret)
{
	long exp2 = least(s[SXY].exp2, s[SY].exp2);
	int32_t scale = larger(s[SXY].scale, s[SY].scale);

	refine(&s[SXY], exp2, scale);
	refine(&s[SY], exp2, scale);
	if (mpz_sgn(s[SY].n) == 0)
		return false;
	if (mpz_sgn(s[SY].n) < 0) {
		mpz_neg(s[SY].n, s[SY].n);
		mpz_neg(s[SXY].n, s[SXY].n);
	}
	*ret = round_ratio(s[SXY].n, s[SY].n, 0);
	return true;
}

static bool result(const struct agg *a, uint32_t g, double *ret)
{
	const struct comoments_more *more = a->more;
	struct exact s[NTERMS] = { 0 };
	int64_t n = head_of(a, g)->n;
	bool there = true;

	if (n < (a->family == &agg_wmean ? 1 : 2))
		return false;
	*ret = (double)NAN;
	if (head_of(a, g)->special)
		return true;
	for (int t = 0; t < NTERMS; t++)
		mpz_init(s[t].n);
	for (int t = more->from; t < more->to; t++)
		get_sum(a, g, t, &s[t]);
	if (a->family == &agg_cov)
		*ret = cov_of(s, n);
	else
		there = a->family == &agg_corr ? corr_of(s, n, ret) : wmean_of(s, ret);
	for (int t = 0; t < NTERMS; t++)
		mpz_clear(s[t].n);
	return there;
}

static int co_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		double v;

		rc = result(a, g, &v) ? builder_fixed(out, &v, e) : builder_null(out, 1, e);
	}
	return rc;
}

/* ---- partial states ---- */

static int put_sum(struct agg *a, uint32_t g, int term, struct builder *out, struct err *e)
{
	struct comoments_more *more = a->more;
	cleanup_buf struct buf b = { 0 };
	int rc;

	if (!head_of(a, g)->n)
		return builder_null(out, 1, e);
	if (head_of(a, g)->special)
		rc = buf_puts(&b, "nan");
	else if (a->kind == CO_FLOAT)
		rc = floatprod_print(float_sum(a, g, term), &more->floats, &b);
	else
		rc = decsum_print(dec_sum(a, g, term), &more->decs, &b);
	return rc ? err_oom(e) : builder_str(out, buf_view(&b), e);
}

static int co_dump(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	const struct comoments_more *more = a->more;
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		rc = builder_fixed(&out[0], &head_of(a, g)->n, e);
		for (int t = more->from; t < more->to && rc == 0; t++)
			rc = put_sum(a, g, t, &out[1 + t - more->from], e);
	}
	return rc;
}

static enum dec_read load_sum(struct agg *a, uint32_t g, int term, struct str text)
{
	struct comoments_more *more = a->more;

	if (str_is(text, "nan")) {
		head_of(a, g)->special = 1;
		return DEC_OK;
	}
	if (a->kind == CO_FLOAT)
		return floatprod_load(float_sum(a, g, term), text, &more->floats);
	return decsum_add_text(dec_sum(a, g, term), text, &more->scratch, &more->decs);
}

/* Row i of the states; *bad is the number of the column that is being read. */
static enum dec_read load_row(struct agg *a, const struct column *cols, int64_t i, uint32_t g, int *bad)
{
	const struct comoments_more *more = a->more;
	int64_t *n = &head_of(a, g)->n;
	enum dec_read why = DEC_OK;

	*bad = 0;
	if (column_is_null(&cols[0], i) || column_i64(&cols[0], i) < 0 || __builtin_add_overflow(*n, column_i64(&cols[0], i), n))
		return DEC_BAD;
	for (int k = 1; k <= more->to - more->from && why == DEC_OK; k++) {
		*bad = k;
		if (column_is_null(&cols[k], i) != (column_i64(&cols[0], i) == 0))
			return DEC_BAD;
		if (!column_is_null(&cols[k], i))
			why = load_sum(a, g, more->from + k - 1, column_str(&cols[k], i));
	}
	return why;
}

static int co_load(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e)
{
	const struct comoments_more *more = a->more;
	const struct column *cols = &b->cols[a->state_col];
	int n = more->to - more->from, bad;

	if (a->state_col + n >= b->schema->nfields || cols[0].type->id != T_INT64)
		return agg_bad_state(a, b, 0, 0, e);
	for (int k = 1; k <= n; k++)
		if (cols[k].type->id != T_UTF8)
			return agg_bad_state(a, b, 0, k, e);
	for (int64_t i = 0; i < b->nrows; i++) {
		enum dec_read why = load_row(a, cols, i, ids[i], &bad);

		if (why == DEC_NOMEM)
			return err_oom(e);
		if (why != DEC_OK)
			return agg_bad_state(a, b, i, bad, e);
	}
	return 0;
}

static size_t co_memory(const struct agg *a)
{
	const struct comoments_more *more = a->more;

	return (more->decs.pool.n + more->floats.n) * DECSUM_BIG + more->floats.floats.n * sizeof(struct superacc);
}

static void co_drop(struct agg *a)
{
	struct comoments_more *more = a->more;

	momentpool_free(&more->floats);
	decsums_free(&more->decs);
	decpool_free(&more->scratch);
}

#define COMOMENTS                                                                                                           \
	.min_fields = 2, .max_fields = 2, .more = sizeof(struct comoments_more), .bind = co_bind, .update = co_update,      \
	.finish = co_finish, .dump = co_dump, .load = co_load, .memory = co_memory, .drop = co_drop

const struct agg_family agg_cov = {
	.name = "cov",
	.signature = "cov:X:Y",
	.example = "cov:price:qty",
	.help = "covariance of a sample (divisor n - 1) of the records that have both, rounded once",
	COMOMENTS,
};

const struct agg_family agg_corr = {
	.name = "corr",
	.signature = "corr:X:Y",
	.example = "corr:price:qty",
	.help = "Pearson's correlation, rounded once; missing when a field does not vary",
	COMOMENTS,
};

const struct agg_family agg_wmean = {
	.name = "wmean",
	.signature = "wmean:FIELD:WEIGHT",
	.example = "wmean:price:qty",
	.help = "mean weighted by another field, rounded once",
	COMOMENTS,
};
