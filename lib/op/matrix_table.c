/* The confusion matrix on a terminal: a heat map in 256 colours that says the same without them, the classes, the averages.
 *
 * A cell's colour is its share of its row: blue on the diagonal, orange beside it, so that a good classifier is a blue line.
 * Every cell shows its count. When the matrix is too wide for the terminal, the most frequent confusions are listed instead. */
#include "lib/io/term.h"
#include "lib/op/matrix.h"

#include <math.h>
#include <stdlib.h>

#define LABEL_CELLS 24 /* of a row label */
#define TOP_ERRORS 20
#define TOP_CLASSES 100 /* with more of them only the worst are shown */

/* From hardly any to all of the row; the second half is dark enough for white text. */
static const uint8_t right_ramp[8] = { 195, 159, 153, 117, 75, 33, 26, 20 };
static const uint8_t wrong_ramp[8] = { 230, 229, 222, 215, 208, 202, 166, 124 };

struct view {
	const struct matrix *m;
	uint32_t *cells;
	bool colour;
	bool shares;     /* cells show shares instead of counts */
	bool numbered;   /* columns are headed by numbers that the row labels explain */
	int label, cell; /* widths */
};

static int pad(struct buf *b, int n)
{
	int rc = 0;

	while (n-- > 0 && !rc)
		rc = buf_byte(b, ' ');
	return rc;
}

/* Length of the longest prefix of s that fits `width` cells, and the cells it takes. */
static size_t fit(struct str s, int width, int *cells)
{
	size_t n = s.n;
	cleanup_buf struct buf safe = { 0 };

	for (;; n--) {
		safe.n = 0;
		if (n < s.n && n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
			continue; /* not inside a character */
		if (term_safe_width(&safe, (struct str){ s.p, n }, cells) || *cells <= width || !n)
			return n;
	}
}

/* A label in `width` cells: cut with an ellipsis when longer, aligned left or right. */
static int put_label(struct buf *b, struct str s, int width, bool right)
{
	int cells = 0, rc = 0;
	size_t n = fit(s, width, &cells);
	bool cut = n < s.n;

	if (cut)
		n = fit(s, width - 1, &cells);
	if (right)
		rc = pad(b, width - cells - cut);
	rc |= term_safe(b, (struct str){ s.p, n });
	if (cut)
		rc |= buf_puts(b, "\xe2\x80\xa6");
	return right ? rc : rc | pad(b, width - cells - cut);
}

static int label_cells(struct str s)
{
	cleanup_buf struct buf safe = { 0 };
	int cells;

	return term_safe_width(&safe, s, &cells) ? LABEL_CELLS : cells;
}

static struct decsum cell(const struct view *v, uint32_t t, uint32_t p)
{
	uint32_t pair = v->cells[(size_t)t * v->m->nclasses + p];

	return pair ? matrix_count(v->m, pair - 1) : (struct decsum){ 0 };
}

static int digits(uint32_t n)
{
	int d = 1;

	for (; n >= 10; n /= 10)
		d++;
	return d;
}

/* What is written into a cell. */
static int cell_text(const struct view *v, const struct decsum *n, double share, struct buf *b)
{
	if (!v->shares)
		return matrix_print(v->m, n, b);
	if (isnan(share))
		return buf_byte(b, '-');
	return share >= 0.0005 ? buf_printf(b, "%.3f", share) : buf_puts(b, "<.001");
}

/* Cells that the longest count takes. */
static int longest_count(const struct view *v)
{
	cleanup_buf struct buf text = { 0 };
	int longest = 3;

	if (v->shares)
		return 5;
	for (uint32_t i = 0; i < v->m->npairs; i++) {
		struct decsum n = matrix_count(v->m, i);

		text.n = 0;
		if (matrix_print(v->m, &n, &text) == 0 && (int)text.n > longest)
			longest = (int)text.n;
	}
	return longest;
}

static void measure(struct view *v, int width)
{
	const struct matrix *m = v->m;
	int longest = 0, number = digits(m->nclasses);

	v->cell = longest_count(v);
	for (uint32_t i = 0; i < m->nclasses; i++) {
		int n = label_cells(matrix_class(m, i));

		longest = n > longest ? n : longest;
	}
	if (longest <= LABEL_CELLS && longest > v->cell && longest + (longest + 2) * (int64_t)m->nclasses <= width)
		v->cell = longest;
	v->numbered = longest > v->cell;
	if (v->numbered && number > v->cell)
		v->cell = number;
	v->cell += 2;
	v->label = (longest < LABEL_CELLS ? longest : LABEL_CELLS) + (v->numbered ? number + 1 : 0);
}

static int put_row_label(const struct view *v, uint32_t t, struct buf *b)
{
	int number = digits(v->m->nclasses);

	if (!v->numbered)
		return put_label(b, matrix_class(v->m, t), v->label, false);
	return buf_printf(b, "%*u ", number, t + 1) | put_label(b, matrix_class(v->m, t), v->label - number - 1, false);
}

static int put_head(const struct view *v, struct buf *b)
{
	int rc = pad(b, v->label);

	for (uint32_t p = 0; p < v->m->nclasses && !rc; p++)
		if (v->numbered)
			rc = buf_printf(b, "%*u", v->cell, p + 1);
		else
			rc = buf_byte(b, ' ') | put_label(b, matrix_class(v->m, p), v->cell - 1, true);
	return rc | buf_byte(b, '\n');
}

static int put_cell(const struct view *v, uint32_t t, uint32_t p, struct buf *b)
{
	struct decsum n = cell(v, t, p);
	double share = matrix_share(v->m, &n, t, p);
	cleanup_buf struct buf text = { 0 };
	int step = share > 0 ? (int)((t == p ? share : sqrt(share)) * 8) : -1, rc; /* errors are rare: small shares must show */

	step = step > 7 ? 7 : step;
	if (cell_text(v, &n, share, &text))
		return -1;
	if (!n.any || (!n.big && !n.m))
		return pad(b, v->cell - 2) | buf_puts(b, "\xc2\xb7 ");
	if (!v->colour)
		return pad(b, v->cell - 1 - (int)text.n) | buf_str(b, buf_view(&text)) | buf_byte(b, ' ');
	rc = buf_printf(b, "\033[48;5;%d;38;5;%dm", t == p ? right_ramp[step] : wrong_ramp[step], step >= 5 ? 231 : 16);
	return rc | pad(b, v->cell - 1 - (int)text.n) | buf_str(b, buf_view(&text)) | buf_puts(b, " \033[0m");
}

static int put_matrix(const struct view *v, struct buf *b)
{
	static const char *const shares[] = { "", ", shares of the true class", ", shares of the predicted class",
					      ", shares of all pairs" };
	int rc = buf_printf(b, "rows: truth, columns: predicted%s\n", shares[v->m->normalize]) | put_head(v, b);

	for (uint32_t t = 0; t < v->m->nclasses && !rc; t++) {
		rc = put_row_label(v, t, b);
		for (uint32_t p = 0; p < v->m->nclasses && !rc; p++)
			rc = put_cell(v, t, p, b);
		rc |= buf_byte(b, '\n');
	}
	return rc;
}

struct ranked {
	double n;
	uint32_t t, p, pair;
};

static int by_count(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	return x->t != y->t ? (x->t > y->t) - (x->t < y->t) : (x->p > y->p) - (x->p < y->p);
}

/* Instead of a matrix that does not fit. */
static int put_errors(const struct view *v, struct buf *b)
{
	const struct matrix *m = v->m;
	struct ranked *r = calloc((size_t)m->npairs + 1, sizeof *r);
	uint32_t n = 0;
	int rc = r ? buf_printf(b, "%u classes do not fit this terminal (--svg draws them); most frequent confusions:\n",
				m->nclasses)
		   : -1;

	for (uint32_t i = 0; r && i < m->npairs; i++) {
		struct decsum c = matrix_count(m, i);

		if (m->pairs[i].truth != m->pairs[i].predicted)
			r[n++] = (struct ranked){ matrix_f64(m, &c), m->place[m->pairs[i].truth],
						  m->place[m->pairs[i].predicted], i };
	}
	if (r)
		qsort(r, n, sizeof *r, by_count);
	for (uint32_t i = 0; r && i < n && i < TOP_ERRORS && !rc; i++) {
		struct decsum c = matrix_count(m, r[i].pair);

		rc = buf_puts(b, "  ") | put_label(b, matrix_class(m, r[i].t), LABEL_CELLS, false) |
		     buf_puts(b, " taken for ") | put_label(b, matrix_class(m, r[i].p), LABEL_CELLS, false) | buf_byte(b, ' ') |
		     matrix_print(m, &c, b) | buf_byte(b, '\n');
	}
	free(r);
	return rc;
}

static int put_ratio(struct buf *b, double v)
{
	return isnan(v) ? pad(b, 10) | buf_byte(b, '-') : buf_printf(b, "%11.4f", v);
}

/* `specificity` NULL: averages have none. */
static int put_stats(const struct view *v, const struct ratios *r, const double *specificity, const struct decsum *support,
		     struct buf *b)
{
	cleanup_buf struct buf text = { 0 };
	int rc = 0;

	for (int i = 0; i < v->m->nratios; i++)
		rc |= put_ratio(b, r->v[i]);
	rc |= specificity ? buf_puts(b, "  ") | put_ratio(b, *specificity) : pad(b, 13);
	if (rc || matrix_print(v->m, support, &text))
		return -1;
	return pad(b, 11 - (int)text.n) | buf_byte(b, ' ') | buf_str(b, buf_view(&text)) | buf_byte(b, '\n');
}

static int worse(const void *a, const void *b, void *arg)
{
	const struct matrix *m = arg;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	double x = m->classes[i].r.f1, y = m->classes[k].r.f1;

	if (x < y || (isnan(y) && !isnan(x)))
		return -1;
	return x > y || (isnan(x) && !isnan(y)) ? 1 : (i > k) - (i < k);
}

/* The classes in order, or the worst of very many; malloc'ed. */
static uint32_t *chosen(const struct matrix *m, uint32_t *ret_n)
{
	uint32_t *order = malloc(((size_t)m->nclasses + 1) * sizeof *order);

	for (uint32_t i = 0; order && i < m->nclasses; i++)
		order[i] = i;
	*ret_n = m->nclasses;
	if (order && m->nclasses > TOP_CLASSES) {
		qsort_r(order, m->nclasses, sizeof *order, worse, (void *)(uintptr_t)m);
		*ret_n = TOP_ERRORS;
	}
	return order;
}

static int put_class_head(const struct view *v, int width, uint32_t shown, struct buf *b)
{
	int rc = buf_byte(b, '\n');

	if (shown < v->m->nclasses)
		rc |= buf_printf(b, "%u of %u classes, those with the lowest f1 (--report classes has all):\n", shown, v->m->nclasses);
	rc |= pad(b, width) | buf_puts(b, "  precision     recall         f1");
	if (v->m->beta)
		rc |= pad(b, 10 - (int)strlen(v->m->beta)) | buf_byte(b, 'f') | buf_puts(b, v->m->beta);
	return rc | buf_puts(b, "  specificity     support\n");
}

static int put_classes(const struct view *v, int width, struct buf *b)
{
	const struct matrix *m = v->m;
	uint32_t n, *order = chosen(m, &n);
	int rc = order ? put_class_head(v, width, n, b) : -1;

	for (uint32_t i = 0; i < n && !rc; i++) {
		const struct class_stats *c = &m->classes[order[i]];

		rc = put_label(b, matrix_class(m, order[i]), width, false) | put_stats(v, &c->r, &c->specificity, &c->support, b);
	}
	free(order);
	return rc;
}

static int put_averages(const struct view *v, int width, struct buf *b)
{
	const struct matrix *m = v->m;
	const struct {
		const char *name;
		double v;
	} whole[] = { { "accuracy", m->overall.accuracy },
		      { "balanced accuracy", m->overall.balanced },
		      { "Cohen's kappa", m->overall.kappa },
		      { "Matthews' corr.", m->overall.mcc },
		      { "ROC AUC", m->overall.roc_auc },
		      { "average precision", m->overall.average_precision } };
	int rc = buf_byte(b, '\n');

	rc |= put_label(b, STR("macro average"), width, false) | put_stats(v, &m->macro, NULL, &m->total, b);
	rc |= put_label(b, STR("micro average"), width, false) | put_stats(v, &m->micro, NULL, &m->total, b);
	rc |= put_label(b, STR("weighted average"), width, false) | put_stats(v, &m->mean, NULL, &m->total, b) | buf_byte(b, '\n');
	for (int i = 0; i < (m->scored ? 6 : 4) && !rc; i++)
		rc = put_label(b, str_of(whole[i].name), width, false) | put_ratio(b, whole[i].v) | buf_byte(b, '\n');
	return rc;
}

int matrix_table(const struct matrix *m, int width, bool colour, struct buf *b)
{
	struct view v = { .m = m, .colour = colour, .shares = m->normalize != NORM_NONE };
	int label, rc;

	measure(&v, width < 100 ? width : 100);
	label = v.label > 17 ? v.label : 17;
	if ((int64_t)v.label + (int64_t)v.cell * m->nclasses > width)
		rc = put_errors(&v, b);
	else
		rc = (v.cells = matrix_cells(m)) ? put_matrix(&v, b) : -1;
	rc |= put_classes(&v, label, b) | put_averages(&v, label, b);
	free(v.cells);
	return rc ? -1 : 0;
}
