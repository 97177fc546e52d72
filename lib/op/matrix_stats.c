/* What follows from a confusion matrix: order of the classes, sums and ratios (formulas in matrix.h). Ratios are rounded once
 * from exact sums; averages are exact sums of those, so that the order of the classes does not matter. */
#include "lib/agg/floatsum.h"
#include "lib/agg/round.h"
#include "lib/op/matrix.h"

#include <math.h>
#include <stdlib.h>

/* s as an integer at `scale` digits behind the point. */
static void at_scale(const struct matrix *m, const struct decsum *s, int scale, mpz_t ret)
{
	mpz_t ten;

	decsum_mantissa(s, &m->decs, ret);
	if (scale == s->scale)
		return;
	mpz_init(ten);
	mpz_ui_pow_ui(ten, 10, (unsigned long)(scale - s->scale));
	mpz_mul(ret, ret, ten);
	mpz_clear(ten);
}

double matrix_ratio(const struct matrix *m, const struct decsum *a, const struct decsum *b)
{
	int scale = a->scale > b->scale ? a->scale : b->scale;
	const int64_t limit = (int64_t)1 << 53;
	mpz_t x, y;
	double v;

	if (!a->big && !b->big && a->scale == b->scale && a->m < limit && b->m < limit)
		return b->m ? (double)a->m / (double)b->m : (double)NAN;
	mpz_inits(x, y, NULL);
	at_scale(m, a, scale, x);
	at_scale(m, b, scale, y);
	v = mpz_sgn(y) ? round_ratio(x, y, 0) : (double)NAN;
	mpz_clears(x, y, NULL);
	return v;
}

double matrix_f64(const struct matrix *m, const struct decsum *s)
{
	return decsum_mean(s, 1, &m->decs);
}

static int add_sum(struct matrix *m, struct decsum *to, const struct decsum *s)
{
	return s->any ? decsum_add(to, decsum_dec(s), &m->decs.pool, &m->decs) : 0;
}

bool matrix_same_number(struct str a, struct str b)
{
	struct decpool pool = { 0 };
	struct dec x, y;
	bool same = dec_parse(a, &pool, &x) == DEC_OK && dec_parse(b, &pool, &y) == DEC_OK && dec_cmp(x, y, &pool) == 0;

	decpool_free(&pool);
	return same;
}

/* The number of a label in `index`, which has those of the data in their order: equal labels have the same number, new ones the next. */
static int number_of(const struct matrix *m, struct keyset *index, struct str s, uint32_t *ret, struct err *e)
{
	cleanup_buf struct buf digits = { 0 };
	struct decpool pool = { 0 };
	struct dec d;
	int rc = 0;

	if (m->numeric && dec_parse(s, &pool, &d) == DEC_OK) {
		rc = dec_canonical(d, &pool, &digits) ? err_oom(e) : 0;
		s = buf_view(&digits);
	}
	decpool_free(&pool);
	return rc < 0 ? rc : keyset_add(index, s, keyset_hash(index, s), ret, e);
}

/* The next of "a,b,c" with escapes resolved into `b`. */
static struct str next_label(const char **text, struct buf *b)
{
	const char *p = *text;

	b->n = 0;
	for (; *p && *p != ','; p++) {
		if (*p == '\\' && p[1])
			p++;
		if (buf_byte(b, (uint8_t)*p))
			return (struct str){ 0 };
	}
	*text = *p ? p + 1 : NULL;
	return b->n ? buf_view(b) : (struct str){ "", 0 };
}

/* A label that the data does not have: it becomes a class without records. */
static int add_label(struct matrix *m, struct str s, uint32_t *ret, struct err *e)
{
	int rc = keyset_add(&m->labels, s, keyset_hash(&m->labels, s), ret, e);

	if (rc < 0 || !m->numeric)
		return rc;
	return buf_str(&m->text, s) || buf_add(&m->ends, &m->text.n, sizeof m->text.n) ? err_oom(e) : 0;
}

static int push_class(struct matrix *m, uint32_t label, struct err *e)
{
	struct class_stats *c = realloc(m->classes, ((size_t)m->nclasses + 1) * sizeof *c);

	if (!c)
		return err_oom(e);
	m->classes = c;
	c[m->nclasses++] = (struct class_stats){ .label = label };
	return 0;
}

/* How many labels "a,b,c" names, at most. */
static size_t count_labels(const char *text)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == ',';
	return n;
}

/* named[i]: label i is a class. */
static int take_labels(struct matrix *m, const char *labels, struct keyset *index, bool *named, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	uint32_t label;
	int rc = 0;

	while (labels && rc == 0) {
		struct str s = next_label(&labels, &b);

		if (!s.p)
			return err_oom(e);
		if ((rc = number_of(m, index, s, &label, e)) < 0)
			return rc;
		if (named[label])
			return err_set(e, ST_USAGE, "--labels names \"%.*s\" twice", STR_ARG(s));
		named[label] = true;
		if (label == m->labels.n)
			rc = add_label(m, s, &label, e);
		if (rc == 0)
			rc = push_class(m, label, e);
	}
	return rc;
}

static int given_order(struct matrix *m, const char *labels, struct err *e)
{
	uint32_t known = m->labels.n, id;
	bool *named = calloc(known + count_labels(labels), sizeof *named);
	struct keyset index = { 0 };
	int rc = named ? keyset_init(&index, e) : err_oom(e);

	for (uint32_t i = 0; i < known && rc == 0; i++)
		rc = number_of(m, &index, matrix_label(m, i), &id, e);
	if (rc == 0)
		rc = take_labels(m, labels, &index, named, e);
	for (uint32_t i = 0; i < known && rc == 0; i++)
		if (!named[i])
			rc = err_set(e, ST_DATA, "label \"%.*s\" occurs in the data but not in --labels",
				     STR_ARG(matrix_label(m, i)));
	keyset_free(&index);
	free(named);
	return rc;
}

static int by_key(const void *a, const void *b, void *set)
{
	return str_cmp(keyset_at(set, ((const struct class_stats *)a)->label),
		       keyset_at(set, ((const struct class_stats *)b)->label));
}

static int key_order(struct matrix *m, struct err *e)
{
	m->classes = calloc((size_t)m->labels.n + 1, sizeof *m->classes);
	if (!m->classes)
		return err_oom(e);
	m->nclasses = m->labels.n;
	for (uint32_t i = 0; i < m->nclasses; i++)
		m->classes[i].label = i;
	qsort_r(m->classes, m->nclasses, sizeof *m->classes, by_key, &m->labels);
	return 0;
}

static int sum_up(struct matrix *m, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; i < m->npairs && rc == 0; i++) {
		struct decsum n = matrix_count(m, i);
		struct class_stats *t = &m->classes[m->place[m->pairs[i].truth]],
				   *p = &m->classes[m->place[m->pairs[i].predicted]];

		rc |= add_sum(m, &m->total, &n) | add_sum(m, &t->support, &n) | add_sum(m, &p->predicted, &n);
		if (t == p)
			rc |= add_sum(m, &t->tp, &n) | add_sum(m, &m->right, &n);
	}
	return rc ? err_oom(e) : 0;
}

/* (1 + b^2) tp / (b^2 support + predicted), with b = B 10^-k: both multiplied by 10^2k. */
static double f_beta(const struct matrix *m, const struct class_stats *c)
{
	int scale = m->total.scale;
	mpz_t b2, one, tp, support, predicted;
	double v;

	mpz_inits(b2, one, tp, support, predicted, NULL);
	mpz_set_si(b2, m->beta_value.m);
	mpz_mul(b2, b2, b2);
	mpz_ui_pow_ui(one, 10, 2 * (unsigned long)m->beta_value.scale);
	at_scale(m, &c->tp, scale, tp);
	at_scale(m, &c->support, scale, support);
	at_scale(m, &c->predicted, scale, predicted);
	mpz_mul(predicted, predicted, one);
	mpz_addmul(predicted, support, b2);
	mpz_add(one, one, b2);
	mpz_mul(tp, tp, one);
	v = mpz_sgn(predicted) ? round_ratio(tp, predicted, 0) : (double)NAN;
	mpz_clears(b2, one, tp, support, predicted, NULL);
	return v;
}

static int class_ratios(struct matrix *m, struct class_stats *c, struct err *e)
{
	struct decsum twice = { 0 }, both = { 0 };

	if (add_sum(m, &twice, &c->tp) || add_sum(m, &twice, &c->tp) || add_sum(m, &both, &c->support) ||
	    add_sum(m, &both, &c->predicted))
		return err_oom(e);
	c->r.precision = matrix_ratio(m, &c->tp, &c->predicted);
	c->r.recall = matrix_ratio(m, &c->tp, &c->support);
	c->r.f1 = matrix_ratio(m, &twice, &both);
	c->r.fbeta = m->beta ? f_beta(m, c) : (double)NAN;
	return 0;
}

/* Averages of one ratio, over the classes for which it is defined. */
static int average(struct matrix *m, int k, struct err *e)
{
	struct floatsums pool = { 0 };
	struct floatsum plain = { 0 }, weighted = { 0 };
	struct decsum weights = { 0 };
	int64_t n = 0;
	int rc = 0;
	double w;

	for (uint32_t i = 0; i < m->nclasses && rc == 0; i++) {
		double v = m->classes[i].r.v[k];

		if (isnan(v))
			continue;
		n++;
		rc = floatsum_add(&plain, v, &pool) | add_sum(m, &weights, &m->classes[i].support) |
		     floatsum_add(&weighted, v * matrix_f64(m, &m->classes[i].support), &pool);
	}
	w = matrix_f64(m, &weights);
	m->macro.v[k] = n ? floatsum_mean(&plain, n, &pool) : (double)NAN;
	m->mean.v[k] = w > 0 ? floatsum_round(&weighted, &pool) / w : (double)NAN;
	floatsums_free(&pool);
	return rc ? err_oom(e) : 0;
}

/* a - b; both are sums of the matrix, a >= b. */
static int subtract(struct matrix *m, struct decsum *a, const struct decsum *b)
{
	struct dec minus;

	if (!b->any)
		return 0;
	decpool_reset(&m->scratch_digits);
	if (dec_copy(decsum_dec(b), &m->decs.pool, &m->scratch_digits, &minus) || dec_neg(minus, &m->scratch_digits, &minus))
		return -1;
	return decsum_add(a, minus, minus.big ? &m->scratch_digits : NULL, &m->decs);
}

static int specificity(struct matrix *m, struct class_stats *c, struct err *e)
{
	struct decsum others = { 0 }, right = { 0 };

	if (add_sum(m, &others, &m->total) || subtract(m, &others, &c->support) || add_sum(m, &right, &others) ||
	    subtract(m, &right, &c->predicted) || add_sum(m, &right, &c->tp))
		return err_oom(e);
	c->specificity = matrix_ratio(m, &right, &others);
	return 0;
}

/* ret += a b, all at one scale. */
static void add_product(const struct matrix *m, const struct decsum *a, const struct decsum *b, int scale, mpz_t ret)
{
	mpz_t x, y;

	mpz_inits(x, y, NULL);
	at_scale(m, a, scale, x);
	at_scale(m, b, scale, y);
	mpz_addmul(ret, x, y);
	mpz_clears(x, y, NULL);
}

/* Cohen's kappa and the multiclass correlation coefficient; see matrix.h. */
static void agreement(struct matrix *m)
{
	int scale = m->total.scale;
	mpz_t sp, ss, pp, nn, nr, num;

	mpz_inits(sp, ss, pp, nn, nr, num, NULL);
	for (uint32_t i = 0; i < m->nclasses; i++) {
		const struct class_stats *c = &m->classes[i];

		add_product(m, &c->support, &c->predicted, scale, sp);
		add_product(m, &c->support, &c->support, scale, ss);
		add_product(m, &c->predicted, &c->predicted, scale, pp);
	}
	add_product(m, &m->total, &m->total, scale, nn);
	add_product(m, &m->total, &m->right, scale, nr);
	mpz_sub(num, nr, sp);
	mpz_sub(sp, nn, sp);
	m->overall.kappa = mpz_sgn(sp) ? round_ratio(num, sp, 0) : (double)NAN;
	mpz_sub(ss, nn, ss);
	mpz_sub(pp, nn, pp);
	mpz_mul(pp, pp, ss);
	mpz_mul(nr, num, num);
	m->overall.mcc = mpz_sgn(pp) ? round_sqrt_ratio(nr, pp, 0) * mpz_sgn(num) : (double)NAN;
	mpz_clears(sp, ss, pp, nn, nr, num, NULL);
}

int matrix_finish(struct matrix *m, const char *labels, struct err *e)
{
	int rc = labels ? given_order(m, labels, e) : key_order(m, e);

	if (rc < 0)
		return rc;
	m->place = calloc((size_t)m->labels.n + 1, sizeof *m->place);
	if (!m->place)
		return err_oom(e);
	for (uint32_t i = 0; i < m->nclasses; i++)
		m->place[m->classes[i].label] = i;
	if ((rc = sum_up(m, e)) < 0)
		return rc;
	for (uint32_t i = 0; i < m->nclasses && rc == 0; i++)
		if ((rc = class_ratios(m, &m->classes[i], e)) == 0)
			rc = specificity(m, &m->classes[i], e);
	for (int k = 0; k < 4 && rc == 0; k++)
		rc = average(m, k, e);
	m->overall.accuracy = matrix_ratio(m, &m->right, &m->total);
	m->overall.balanced = m->macro.recall;
	for (int k = 0; k < 4; k++)
		m->micro.v[k] = m->overall.accuracy;
	if (rc == 0)
		agreement(m);
	return rc;
}

double matrix_share(const struct matrix *m, const struct decsum *n, uint32_t t, uint32_t p)
{
	const struct decsum *whole[] = { [NORM_NONE] = &m->classes[t].support,
					 [NORM_TRUE] = &m->classes[t].support,
					 [NORM_PRED] = &m->classes[p].predicted,
					 [NORM_ALL] = &m->total };

	return matrix_ratio(m, n, whole[m->normalize]);
}

uint32_t *matrix_cells(const struct matrix *m)
{
	size_t n = m->nclasses;
	uint32_t *cells = calloc(n * n + 1, sizeof *cells);

	for (uint32_t i = 0; cells && i < m->npairs; i++)
		cells[m->place[m->pairs[i].truth] * n + m->place[m->pairs[i].predicted]] = i + 1;
	return cells;
}
