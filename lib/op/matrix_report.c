/* The reports of a confusion matrix as tables and as one JSON object: see matrix.h.
 *
 * A report is built whole into rows, cut into batches, and given by a source that owns them; but the matrix itself, whose cells are many,
 * some rows at a time. */
#include "lib/format/format.h"
#include "lib/format/json.h"
#include "lib/op/matrix.h"
#include "lib/table/partial.h"

#include <math.h>
#include <stdlib.h>

#define CHUNK_BYTES (4 << 20)
#define DENSE_CLASSES 1000 /* JSON lists all cells of a matrix up to this size, else those that are not zero */

struct report_source {
	struct source source;
	struct schema *schema;
	struct rows rows;
	struct batch **batches;
	int n, next;

	struct matrix *m; /* its rows are given from `row` on; NULL: all there is has been built */
	uint32_t *order;  /* pairs by class, of which `pair` is the next */
	uint32_t row, pair;
};

static int cut(struct report_source *r, struct err *e)
{
	struct batch **p;
	int rc;

	if (!r->rows.n)
		return 0;
	p = realloc(r->batches, ((size_t)r->n + 1) * sizeof(struct batch *));
	if (!p)
		return err_oom(e);
	r->batches = p;
	if ((rc = rows_take(&r->rows, &r->batches[r->n], e)) == 0)
		r->n++;
	return rc;
}

static int end_row(struct report_source *r, struct err *e)
{
	r->rows.n++;
	return rows_bytes(&r->rows) > CHUNK_BYTES ? cut(r, e) : 0;
}

static int put_ratio(struct builder *b, double v, struct err *e)
{
	return isnan(v) ? builder_null(b, 1, e) : builder_fixed(b, &v, e);
}

/* A count as int64, or with weights as num. */
static int put_amount(const struct matrix *m, struct builder *b, const struct decsum *s, struct err *e)
{
	cleanup_buf struct buf text = { 0 };
	int64_t v;

	if (m->weighted)
		return matrix_print(m, s, &text) ? err_oom(e) : builder_str(b, buf_view(&text), e);
	if (!dec_is_int64(decsum_dec(s), &m->decs.pool, &v))
		return err_set(e, ST_DATA, "the counts add up to more than 2^63");
	return builder_fixed(b, &v, e);
}

static struct type amount_type(const struct matrix *m)
{
	return m->weighted ? TYPE_NUM : TYPE_INT64;
}

static struct type label_type(const struct matrix *m)
{
	return m->numeric ? TYPE_NUM : TYPE_TEXT;
}

static int matrix_fields(struct matrix *m, struct schema *s, struct err *e)
{
	struct type label = label_type(m), cell = m->normalize ? (struct type)TYPE_FLOAT64 : amount_type(m);
	int rc = schema_add(s, STR("truth"), &label, false, e);

	for (uint32_t i = 0; i < m->nclasses && rc == 0; i++) {
		char *name = arena_printf(&m->scratch, "predicted:%.*s", STR_ARG(matrix_class(m, i)));

		rc = name ? schema_add(s, str_of(name), &cell, m->normalize != NORM_NONE, e) : err_oom(e);
	}
	return rc;
}

/* The next pair if it is of these classes, else nothing. */
static struct decsum take_cell(struct report_source *r, uint32_t t, uint32_t p)
{
	const struct matrix *m = r->m;
	const struct pair *next = r->pair < m->npairs ? &m->pairs[r->order[r->pair]] : NULL;

	if (!next || m->place[next->truth] != t || m->place[next->predicted] != p)
		return (struct decsum){ 0 };
	return matrix_count(m, r->order[r->pair++]);
}

static int matrix_row(struct report_source *r, struct err *e)
{
	const struct matrix *m = r->m;
	uint32_t t = r->row++;
	int rc = builder_str(&r->rows.cols[0], matrix_class(m, t), e);

	for (uint32_t p = 0; p < m->nclasses && rc == 0; p++) {
		struct decsum v = take_cell(r, t, p);
		struct builder *b = &r->rows.cols[p + 1];

		rc = m->normalize ? put_ratio(b, matrix_share(m, &v, t, p), e) : put_amount(m, b, &v, e);
	}
	return rc < 0 ? rc : end_row(r, e);
}

static int more_rows(struct report_source *r, struct err *e)
{
	int rc = 0;

	r->n = r->next = 0;
	while (rc == 0 && !r->n && r->row < r->m->nclasses)
		rc = matrix_row(r, e);
	return rc == 0 && !r->n ? cut(r, e) : rc;
}

static int report_next(struct source *s, struct batch **ret, struct err *e)
{
	struct report_source *r = (struct report_source *)s;
	int rc = r->next == r->n && r->m ? more_rows(r, e) : 0;

	if (r->next < r->n) {
		*ret = r->batches[r->next];
		r->batches[r->next++] = NULL;
	}
	return rc;
}

static void report_close(struct source *s)
{
	struct report_source *r = (struct report_source *)s;

	for (int i = 0; i < r->n; i++)
		batch_unref(r->batches[i]);
	free(r->batches);
	free(r->order);
	rows_free(&r->rows);
	schema_unref(r->schema);
	free(r);
}

static int by_class(const void *a, const void *b, void *arg)
{
	const struct matrix *m = arg;
	const struct pair *x = &m->pairs[*(const uint32_t *)a], *y = &m->pairs[*(const uint32_t *)b];
	uint32_t tx = m->place[x->truth], ty = m->place[y->truth], px = m->place[x->predicted], py = m->place[y->predicted];

	return tx != ty ? (tx > ty) - (tx < ty) : (px > py) - (px < py);
}

/* The pairs in class order; malloc'ed, NULL: no memory. */
static uint32_t *pair_order(struct matrix *m)
{
	uint32_t *order = malloc(((size_t)m->npairs + 1) * sizeof *order);

	for (uint32_t i = 0; order && i < m->npairs; i++)
		order[i] = i;
	if (order)
		qsort_r(order, m->npairs, sizeof *order, by_class, m);
	return order;
}

static int matrix_rows(struct matrix *m, struct report_source *r, struct err *e)
{
	r->m = m;
	r->order = pair_order(m);
	return r->order ? 0 : err_oom(e);
}

static int ratio_fields(const struct matrix *m, struct schema *s, struct err *e)
{
	const struct type real = TYPE_FLOAT64;
	int rc = 0;

	for (int i = 0; i < m->nratios && rc == 0; i++)
		rc = schema_add(s, str_of(matrix_ratio_names[i]), &real, true, e);
	return rc;
}

/* *col moves behind what was put. */
static int put_ratios(const struct matrix *m, struct builder **col, const struct ratios *v, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < m->nratios && rc == 0; i++)
		rc = put_ratio((*col)++, v->v[i], e);
	return rc;
}

static int class_fields(struct matrix *m, struct schema *s, struct err *e)
{
	struct type label = label_type(m), amount = amount_type(m), real = TYPE_FLOAT64;
	int rc;

	if ((rc = schema_add(s, STR("label"), &label, false, e)) < 0 || (rc = ratio_fields(m, s, e)) < 0 ||
	    (rc = schema_add(s, STR("support"), &amount, false, e)) < 0 ||
	    (rc = schema_add(s, STR("predicted"), &amount, false, e)) < 0)
		return rc;
	if ((rc = schema_add(s, STR("correct"), &amount, false, e)) < 0)
		return rc;
	return schema_add(s, STR("specificity"), &real, true, e);
}

static int class_rows(struct matrix *m, struct report_source *r, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; i < m->nclasses && rc == 0; i++) {
		const struct class_stats *c = &m->classes[i];
		struct builder *col = r->rows.cols;

		if ((rc = builder_str(col++, matrix_class(m, i), e)) < 0 || (rc = put_ratios(m, &col, &c->r, e)) < 0 ||
		    (rc = put_amount(m, &col[0], &c->support, e)) < 0 || (rc = put_amount(m, &col[1], &c->predicted, e)) < 0 ||
		    (rc = put_amount(m, &col[2], &c->tp, e)) < 0 || (rc = put_ratio(&col[3], c->specificity, e)) < 0)
			return rc;
		rc = end_row(r, e);
	}
	return rc;
}

static int summary_fields(struct matrix *m, struct schema *s, struct err *e)
{
	static const char *const more[] = { "balanced_accuracy", "kappa", "mcc", "roc_auc", "average_precision" };
	const struct type text = TYPE_TEXT, real = TYPE_FLOAT64, amount = amount_type(m);
	int rc;

	if ((rc = schema_add(s, STR("average"), &text, false, e)) < 0 || (rc = ratio_fields(m, s, e)) < 0 ||
	    (rc = schema_add(s, STR("accuracy"), &real, true, e)) < 0)
		return rc;
	rc = schema_add(s, STR("support"), &amount, false, e);
	for (int i = 0; i < (m->scored ? 5 : 3) && rc == 0; i++)
		rc = schema_add(s, str_of(more[i]), &real, true, e);
	return rc;
}

static int summary_row(struct matrix *m, struct report_source *r, const char *name, const struct ratios *v, struct err *e)
{
	const struct overall *o = &m->overall;
	struct builder *col = r->rows.cols;
	int rc;

	if ((rc = builder_str(col++, str_of(name), e)) < 0 || (rc = put_ratios(m, &col, v, e)) < 0 ||
	    (rc = put_ratio(col++, o->accuracy, e)) < 0 || (rc = put_amount(m, col++, &m->total, e)) < 0 ||
	    (rc = put_ratio(col++, o->balanced, e)) < 0 || (rc = put_ratio(col++, o->kappa, e)) < 0 ||
	    (rc = put_ratio(col++, o->mcc, e)) < 0)
		return rc;
	if (m->scored && ((rc = put_ratio(col++, o->roc_auc, e)) < 0 || (rc = put_ratio(col, o->average_precision, e)) < 0))
		return rc;
	return end_row(r, e);
}

static int summary_rows(struct matrix *m, struct report_source *r, struct err *e)
{
	int rc;

	if ((rc = summary_row(m, r, "macro", &m->macro, e)) < 0 || (rc = summary_row(m, r, "micro", &m->micro, e)) < 0)
		return rc;
	return summary_row(m, r, "weighted", &m->mean, e);
}

static int pair_fields(struct matrix *m, struct schema *s, struct err *e)
{
	struct type label = label_type(m), amount = amount_type(m);
	int rc;

	if ((rc = schema_add(s, STR("truth"), &label, true, e)) < 0 ||
	    (rc = schema_add(s, STR("predicted"), &label, true, e)) < 0)
		return rc;
	return schema_add(s, STR("count"), &amount, false, e);
}

static int pair_and_share_fields(struct matrix *m, struct schema *s, struct err *e)
{
	const struct type real = TYPE_FLOAT64;
	int rc = pair_fields(m, s, e);

	return rc < 0 || !m->normalize ? rc : schema_add(s, STR("share"), &real, true, e);
}

static int put_pair(struct matrix *m, struct report_source *r, uint32_t i, struct err *e)
{
	struct builder *col = r->rows.cols;
	struct decsum v = matrix_count(m, i);
	int rc;

	if ((rc = builder_str(&col[0], matrix_label(m, m->pairs[i].truth), e)) < 0 ||
	    (rc = builder_str(&col[1], matrix_label(m, m->pairs[i].predicted), e)) < 0 ||
	    (rc = put_amount(m, &col[2], &v, e)) < 0)
		return rc;
	if (r->schema->nfields == 4 &&
	    (rc = put_ratio(&col[3], matrix_share(m, &v, m->place[m->pairs[i].truth], m->place[m->pairs[i].predicted]), e)) < 0)
		return rc;
	return end_row(r, e);
}

static int pair_rows(struct matrix *m, struct report_source *r, struct err *e)
{
	uint32_t *order = pair_order(m);
	int rc = order ? 0 : err_oom(e);

	for (uint32_t i = 0; i < m->npairs && rc == 0; i++)
		rc = put_pair(m, r, order[i], e);
	free(order);
	return rc;
}

static int partial_fields(struct matrix *m, struct schema *s, struct err *e)
{
	int rc = pair_fields(m, s, e);

	return rc < 0 ? rc : matrix_mark(s, m->weighted, &m->about, e);
}

static int partial_rows(struct matrix *m, struct report_source *r, struct err *e)
{
	struct builder *col = r->rows.cols;
	int rc = 0;

	for (uint32_t i = 0; i < m->npairs && rc == 0; i++)
		rc = put_pair(m, r, i, e);
	if (rc < 0 || !m->left_out.any)
		return rc;
	if ((rc = builder_null(&col[0], 1, e)) < 0 || (rc = builder_null(&col[1], 1, e)) < 0 ||
	    (rc = put_amount(m, &col[2], &m->left_out, e)) < 0)
		return rc;
	return end_row(r, e);
}

static const struct {
	int (*fields)(struct matrix *m, struct schema *s, struct err *e);
	int (*rows)(struct matrix *m, struct report_source *r, struct err *e);
} reports[] = {
	[REPORT_MATRIX] = { matrix_fields, matrix_rows },    [REPORT_CLASSES] = { class_fields, class_rows },
	[REPORT_SUMMARY] = { summary_fields, summary_rows }, [REPORT_PAIRS] = { pair_and_share_fields, pair_rows },
	[REPORT_PARTIAL] = { partial_fields, partial_rows },
};

int matrix_report(struct matrix *m, enum report kind, struct source **ret, struct err *e)
{
	struct report_source *r = calloc(1, sizeof *r);
	int rc;

	if (!r)
		return err_oom(e);
	r->source = (struct source){ .next = report_next, .close = report_close };
	r->schema = schema_new();
	rc = r->schema ? reports[kind].fields(m, r->schema, e) : err_oom(e);
	if (rc == 0 && (rc = rows_init(&r->rows, r->schema, e)) == 0 && (rc = reports[kind].rows(m, r, e)) == 0)
		rc = cut(r, e);
	if (rc < 0) {
		report_close(&r->source);
		return rc;
	}
	r->source.schema = r->schema;
	*ret = &r->source;
	return 0;
}

static int json_ratio(struct buf *b, const char *name, double v)
{
	char text[32];

	if (isnan(v))
		return buf_printf(b, "\"%s\":null", name);
	return buf_printf(b, "\"%s\":", name) | buf_add(b, text, num_print_f64(v, text));
}

static int json_ratios(const struct matrix *m, struct buf *b, const struct ratios *r)
{
	int rc = 0;

	for (int i = 0; i < m->nratios && !rc; i++)
		rc = (i ? buf_byte(b, ',') : 0) | json_ratio(b, matrix_ratio_names[i], r->v[i]);
	return rc;
}

static int json_label(const struct matrix *m, uint32_t i, struct buf *b)
{
	return m->numeric ? json_put_number(b, matrix_class(m, i)) : json_quote(b, matrix_class(m, i));
}

static int json_labels(const struct matrix *m, struct buf *b)
{
	int rc = buf_puts(b, "{\"labels\":[");

	for (uint32_t i = 0; i < m->nclasses && !rc; i++)
		rc = (i ? buf_byte(b, ',') : 0) | json_quote(b, matrix_class(m, i));
	return rc | buf_puts(b, "],\n");
}

static int put_real(struct buf *b, double v)
{
	char text[32];

	return isnan(v) ? buf_puts(b, "null") : buf_add(b, text, num_print_f64(v, text));
}

/* One cell: its count, or its share. */
static int json_cell(const struct matrix *m, const uint32_t *cells, uint32_t t, uint32_t p, bool share, struct buf *b)
{
	uint32_t pair = cells[(size_t)t * m->nclasses + p];
	struct decsum v = pair ? matrix_count(m, pair - 1) : (struct decsum){ 0 };

	return share ? put_real(b, matrix_share(m, &v, t, p)) : matrix_print(m, &v, b);
}

static int json_rows(const struct matrix *m, const uint32_t *cells, const char *name, bool share, struct buf *b)
{
	int rc = buf_printf(b, "\"%s\":[", name);

	for (uint32_t t = 0; t < m->nclasses && !rc; t++) {
		rc = buf_puts(b, t ? ",\n[" : "\n[");
		for (uint32_t p = 0; p < m->nclasses && !rc; p++)
			rc = (p ? buf_byte(b, ',') : 0) | json_cell(m, cells, t, p, share, b);
		rc |= buf_byte(b, ']');
	}
	return rc | buf_puts(b, "],\n");
}

/* The cells that are not zero, by the numbers of their classes: [truth, predicted, count] or with the share behind. */
static int json_sparse(struct matrix *m, struct buf *b)
{
	uint32_t *order = pair_order(m);
	int rc = order ? buf_puts(b, "\"matrix\":null,\n\"pairs\":[") : -1;

	for (uint32_t i = 0; i < m->npairs && !rc; i++) {
		const struct pair *at = &m->pairs[order[i]];
		uint32_t t = m->place[at->truth], p = m->place[at->predicted];
		struct decsum v = matrix_count(m, order[i]);

		rc = buf_printf(b, i ? ",\n[%u,%u," : "\n[%u,%u,", t, p) | matrix_print(m, &v, b);
		if (m->normalize)
			rc |= buf_byte(b, ',') | put_real(b, matrix_share(m, &v, t, p));
		rc |= buf_byte(b, ']');
	}
	free(order);
	return rc | buf_puts(b, "],\n");
}

static int json_matrix(struct matrix *m, struct buf *b)
{
	static const char *const names[] = { "none", "true", "pred", "all" };
	uint32_t *cells = NULL;
	int rc = m->normalize ? buf_printf(b, "\"normalize\":\"%s\",\n", names[m->normalize]) : 0;

	if (rc || m->nclasses > DENSE_CLASSES)
		return rc ? rc : json_sparse(m, b);
	if (!(cells = matrix_cells(m)))
		return -1;
	rc = json_rows(m, cells, "matrix", false, b);
	if (m->normalize)
		rc |= json_rows(m, cells, "normalized", true, b);
	free(cells);
	return rc;
}

static int json_classes(const struct matrix *m, struct buf *b)
{
	int rc = buf_puts(b, "\"classes\":[");

	for (uint32_t i = 0; i < m->nclasses && !rc; i++) {
		const struct class_stats *c = &m->classes[i];

		rc = buf_puts(b, i ? ",\n{\"label\":" : "\n{\"label\":") | json_label(m, i, b) | buf_byte(b, ',') |
		     json_ratios(m, b, &c->r) | buf_puts(b, ",\"support\":") | matrix_print(m, &c->support, b) |
		     buf_puts(b, ",\"predicted\":") | matrix_print(m, &c->predicted, b) | buf_puts(b, ",\"correct\":") |
		     matrix_print(m, &c->tp, b) | buf_byte(b, ',') |
		     json_ratio(b, "specificity", c->specificity) | buf_byte(b, '}');
	}
	return rc | buf_puts(b, "],\n");
}

static int json_average(const struct matrix *m, struct buf *b, const char *name, const struct ratios *r)
{
	return buf_printf(b, ",\n\"%s\":{", name) | json_ratios(m, b, r) | buf_byte(b, '}');
}

static int json_overall(struct buf *b, const struct matrix *m)
{
	const struct overall *o = &m->overall;
	int rc = json_ratio(b, "accuracy", o->accuracy) | buf_puts(b, ",\n") | json_ratio(b, "balanced_accuracy", o->balanced) |
		 buf_puts(b, ",\n") | json_ratio(b, "kappa", o->kappa) | buf_puts(b, ",\n") | json_ratio(b, "mcc", o->mcc);

	if (!m->scored)
		return rc;
	return rc | buf_puts(b, ",\n") | json_ratio(b, "roc_auc", o->roc_auc) | buf_puts(b, ",\n") |
	       json_ratio(b, "average_precision", o->average_precision);
}

int matrix_json(struct matrix *m, struct buf *b)
{
	int rc = json_labels(m, b);

	if (!rc)
		rc = json_matrix(m, b) || json_classes(m, b) ? -1 : 0;
	if (rc)
		return -1;
	if (m->beta)
		rc = buf_puts(b, "\"beta\":") | dec_canonical(m->beta_value, NULL, b) | buf_puts(b, ",\n");
	rc |= json_overall(b, m) | json_average(m, b, "macro", &m->macro) |
	     json_average(m, b, "micro", &m->micro) | json_average(m, b, "weighted", &m->mean) | buf_puts(b, ",\n\"support\":") |
	     matrix_print(m, &m->total, b) | buf_puts(b, ",\n\"left_out\":") | matrix_print(m, &m->left_out, b) |
	     buf_puts(b, "}\n");
	return rc ? -1 : 0;
}
