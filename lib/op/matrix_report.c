/* The reports of a confusion matrix as tables and as one JSON object: see matrix.h.
 *
 * A report is built whole into rows, cut into batches, and given by a source that owns them. */
#include "lib/format/format.h"
#include "lib/op/matrix.h"
#include "lib/op/partial.h"

#include <math.h>
#include <stdlib.h>

#define CHUNK_BYTES (4 << 20)

struct report_source {
	struct source source;
	struct schema *schema;
	struct rows rows;
	struct batch **batches;
	int n, next;
};

static int report_next(struct source *s, struct batch **ret, struct err *e)
{
	struct report_source *r = (struct report_source *)s;

	(void)e;
	if (r->next < r->n) {
		*ret = r->batches[r->next];
		r->batches[r->next++] = NULL;
	}
	return 0;
}

static void report_close(struct source *s)
{
	struct report_source *r = (struct report_source *)s;

	for (int i = 0; i < r->n; i++)
		batch_unref(r->batches[i]);
	free(r->batches);
	rows_free(&r->rows);
	schema_unref(r->schema);
	free(r);
}

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
	struct type label = label_type(m), amount = amount_type(m);
	int rc = schema_add(s, STR("truth"), &label, false, e);

	for (uint32_t i = 0; i < m->nclasses && rc == 0; i++) {
		char *name = arena_printf(&m->scratch, "predicted:%.*s", STR_ARG(matrix_class(m, i)));

		rc = name ? schema_add(s, str_of(name), &amount, false, e) : err_oom(e);
	}
	return rc;
}

static int matrix_rows(struct matrix *m, struct report_source *r, struct err *e)
{
	uint32_t *cells = matrix_cells(m), n = m->nclasses;
	int rc = cells ? 0 : err_oom(e);

	for (uint32_t t = 0; t < n && rc == 0; t++) {
		rc = builder_str(&r->rows.cols[0], matrix_class(m, t), e);
		for (uint32_t p = 0; p < n && rc == 0; p++) {
			uint32_t pair = cells[(size_t)t * n + p];
			struct decsum v = pair ? matrix_count(m, pair - 1) : (struct decsum){ 0 };

			rc = put_amount(m, &r->rows.cols[p + 1], &v, e);
		}
		if (rc == 0)
			rc = end_row(r, e);
	}
	free(cells);
	return rc;
}

static int ratio_fields(struct schema *s, struct err *e)
{
	static const char *const names[] = { "precision", "recall", "f1" };
	const struct type real = TYPE_FLOAT64;
	int rc = 0;

	for (int i = 0; i < 3 && rc == 0; i++)
		rc = schema_add(s, str_of(names[i]), &real, true, e);
	return rc;
}

static int put_ratios(struct builder *b, const struct ratios *v, struct err *e)
{
	int rc;

	if ((rc = put_ratio(&b[0], v->precision, e)) < 0 || (rc = put_ratio(&b[1], v->recall, e)) < 0)
		return rc;
	return put_ratio(&b[2], v->f1, e);
}

static int class_fields(struct matrix *m, struct schema *s, struct err *e)
{
	struct type label = label_type(m), amount = amount_type(m), real = TYPE_FLOAT64;
	int rc;

	if ((rc = schema_add(s, STR("label"), &label, false, e)) < 0 || (rc = ratio_fields(s, e)) < 0 ||
	    (rc = schema_add(s, STR("support"), &amount, false, e)) < 0 ||
	    (rc = schema_add(s, STR("predicted"), &amount, false, e)) < 0)
		return rc;
	if ((rc = schema_add(s, STR("correct"), &amount, false, e)) < 0)
		return rc;
	return schema_add(s, STR("specificity"), &real, true, e);
}

static int class_rows(struct matrix *m, struct report_source *r, struct err *e)
{
	struct builder *col = r->rows.cols;
	int rc = 0;

	for (uint32_t i = 0; i < m->nclasses && rc == 0; i++) {
		const struct class_stats *c = &m->classes[i];

		if ((rc = builder_str(&col[0], matrix_class(m, i), e)) < 0 || (rc = put_ratios(&col[1], &c->r, e)) < 0 ||
		    (rc = put_amount(m, &col[4], &c->support, e)) < 0 || (rc = put_amount(m, &col[5], &c->predicted, e)) < 0 ||
		    (rc = put_amount(m, &col[6], &c->tp, e)) < 0 ||
		    (rc = put_ratio(&col[7], c->specificity, e)) < 0)
			return rc;
		rc = end_row(r, e);
	}
	return rc;
}

static int summary_fields(struct matrix *m, struct schema *s, struct err *e)
{
	static const char *const more[] = { "balanced_accuracy", "kappa", "mcc" };
	const struct type text = TYPE_TEXT, real = TYPE_FLOAT64, amount = amount_type(m);
	int rc;

	if ((rc = schema_add(s, STR("average"), &text, false, e)) < 0 || (rc = ratio_fields(s, e)) < 0 ||
	    (rc = schema_add(s, STR("accuracy"), &real, true, e)) < 0)
		return rc;
	rc = schema_add(s, STR("support"), &amount, false, e);
	for (int i = 0; i < 3 && rc == 0; i++)
		rc = schema_add(s, str_of(more[i]), &real, true, e);
	return rc;
}

static int summary_row(struct matrix *m, struct report_source *r, const char *name, const struct ratios *v, struct err *e)
{
	const struct overall *o = &m->overall;
	struct builder *col = r->rows.cols;
	int rc;

	if ((rc = builder_str(&col[0], str_of(name), e)) < 0 || (rc = put_ratios(&col[1], v, e)) < 0 ||
	    (rc = put_ratio(&col[4], o->accuracy, e)) < 0 || (rc = put_amount(m, &col[5], &m->total, e)) < 0 ||
	    (rc = put_ratio(&col[6], o->balanced, e)) < 0 || (rc = put_ratio(&col[7], o->kappa, e)) < 0 ||
	    (rc = put_ratio(&col[8], o->mcc, e)) < 0)
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

static int put_pair(struct matrix *m, struct report_source *r, uint32_t i, struct err *e)
{
	struct builder *col = r->rows.cols;
	struct decsum v = matrix_count(m, i);
	int rc;

	if ((rc = builder_str(&col[0], matrix_label(m, m->pairs[i].truth), e)) < 0 ||
	    (rc = builder_str(&col[1], matrix_label(m, m->pairs[i].predicted), e)) < 0 ||
	    (rc = put_amount(m, &col[2], &v, e)) < 0)
		return rc;
	return end_row(r, e);
}

static int by_class(const void *a, const void *b, void *arg)
{
	const struct matrix *m = arg;
	const struct pair *x = &m->pairs[*(const uint32_t *)a], *y = &m->pairs[*(const uint32_t *)b];
	uint32_t tx = m->place[x->truth], ty = m->place[y->truth], px = m->place[x->predicted], py = m->place[y->predicted];

	return tx != ty ? (tx > ty) - (tx < ty) : (px > py) - (px < py);
}

static int pair_rows(struct matrix *m, struct report_source *r, struct err *e)
{
	uint32_t *order = malloc(((size_t)m->npairs + 1) * sizeof *order);
	int rc = order ? 0 : err_oom(e);

	for (uint32_t i = 0; i < m->npairs && rc == 0; i++)
		order[i] = i;
	if (rc == 0)
		qsort_r(order, m->npairs, sizeof *order, by_class, m);
	for (uint32_t i = 0; i < m->npairs && rc == 0; i++)
		rc = put_pair(m, r, order[i], e);
	free(order);
	return rc;
}

static int partial_fields(struct matrix *m, struct schema *s, struct err *e)
{
	struct partial about = { .aggregates = m->weighted ? STR("confusion-matrix weights") : STR("confusion-matrix counts") };
	int rc = pair_fields(m, s, e);

	return rc < 0 ? rc : partial_set(s, &about, e);
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
	[REPORT_SUMMARY] = { summary_fields, summary_rows }, [REPORT_PAIRS] = { pair_fields, pair_rows },
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

static int json_ratios(struct buf *b, const struct ratios *r)
{
	return json_ratio(b, "precision", r->precision) | buf_byte(b, ',') | json_ratio(b, "recall", r->recall) |
	       buf_byte(b, ',') | json_ratio(b, "f1", r->f1);
}

static int json_label(const struct matrix *m, uint32_t i, struct buf *b)
{
	return m->numeric ? buf_str(b, matrix_class(m, i)) : json_quote(b, matrix_class(m, i));
}

static int json_labels(const struct matrix *m, struct buf *b)
{
	int rc = buf_puts(b, "{\"labels\":[");

	for (uint32_t i = 0; i < m->nclasses && !rc; i++)
		rc = (i ? buf_byte(b, ',') : 0) | json_quote(b, matrix_class(m, i));
	return rc | buf_puts(b, "],\n\"matrix\":[");
}

static int json_matrix(const struct matrix *m, struct buf *b)
{
	uint32_t *cells = matrix_cells(m), n = m->nclasses;
	int rc = cells ? 0 : -1;

	for (uint32_t t = 0; t < n && !rc; t++) {
		rc = buf_puts(b, t ? ",\n[" : "\n[");
		for (uint32_t p = 0; p < n && !rc; p++) {
			uint32_t pair = cells[(size_t)t * n + p];
			struct decsum v = pair ? matrix_count(m, pair - 1) : (struct decsum){ 0 };

			rc = (p ? buf_byte(b, ',') : 0) | matrix_print(m, &v, b);
		}
		rc |= buf_byte(b, ']');
	}
	free(cells);
	return rc | buf_puts(b, "],\n\"classes\":[");
}

static int json_classes(const struct matrix *m, struct buf *b)
{
	int rc = 0;

	for (uint32_t i = 0; i < m->nclasses && !rc; i++) {
		const struct class_stats *c = &m->classes[i];

		rc = buf_puts(b, i ? ",\n{\"label\":" : "\n{\"label\":") | json_label(m, i, b) | buf_byte(b, ',') |
		     json_ratios(b, &c->r) | buf_puts(b, ",\"support\":") | matrix_print(m, &c->support, b) |
		     buf_puts(b, ",\"predicted\":") | matrix_print(m, &c->predicted, b) | buf_puts(b, ",\"correct\":") |
		     matrix_print(m, &c->tp, b) | buf_byte(b, ',') |
		     json_ratio(b, "specificity", c->specificity) | buf_byte(b, '}');
	}
	return rc | buf_puts(b, "],\n");
}

static int json_average(struct buf *b, const char *name, const struct ratios *r)
{
	return buf_printf(b, ",\n\"%s\":{", name) | json_ratios(b, r) | buf_byte(b, '}');
}

static int json_overall(struct buf *b, const struct overall *o)
{
	return json_ratio(b, "accuracy", o->accuracy) | buf_puts(b, ",\n") | json_ratio(b, "balanced_accuracy", o->balanced) |
	       buf_puts(b, ",\n") | json_ratio(b, "kappa", o->kappa) | buf_puts(b, ",\n") | json_ratio(b, "mcc", o->mcc);
}

int matrix_json(const struct matrix *m, struct buf *b)
{
	int rc = json_labels(m, b);

	if (!rc)
		rc = json_matrix(m, b) || json_classes(m, b) ? -1 : 0;
	if (rc)
		return -1;
	rc = json_overall(b, &m->overall) | json_average(b, "macro", &m->macro) |
	     json_average(b, "micro", &m->micro) | json_average(b, "weighted", &m->mean) | buf_puts(b, ",\n\"support\":") |
	     matrix_print(m, &m->total, b) | buf_puts(b, ",\n\"left_out\":") | matrix_print(m, &m->left_out, b) |
	     buf_puts(b, "}\n");
	return rc ? -1 : 0;
}
