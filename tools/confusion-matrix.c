/* stook confusion-matrix: truth against prediction. */
#include "lib/cli/cli.h"
#include "lib/io/term.h"
#include "lib/op/matrix.h"
#include "lib/op/scores.h"

#include <math.h>

struct confusion_args {
	struct common common;
	struct matrix_opts matrix;
	const char *score, *positive, *threshold;
	const char *labels, *svg, *title;
	int normalize, report;
	bool partial;
};

enum { AUTO, MATRIX, CLASSES, SUMMARY, PAIRS, ALL };

#define AT(member) offsetof(struct confusion_args, member)

static const struct opt opts[] = {
	{ 0, "true", OPT_STR, ROLE_PLAIN, "FIELD", AT(matrix.truth), NULL,
	  "field of the true label; :num or :text says how labels compare" },
	{ 0, "pred", OPT_STR, ROLE_PLAIN, "FIELD", AT(matrix.predicted), NULL, "field of the predicted label" },
	{ 0, "score", OPT_STR, ROLE_PLAIN, "FIELD", AT(score), NULL,
	  "instead of --pred: how sure the classifier is of the --positive label, the higher the surer" },
	{ 0, "positive", OPT_STR, ROLE_PLAIN, "LABEL", AT(positive), NULL, "with --score: the label that a high score speaks for" },
	{ 0, "threshold", OPT_STR, ROLE_PLAIN, "NUMBER", AT(threshold), NULL,
	  "with --score: the least score that is predicted positive (default 0.5)" },
	{ 0, "weight", OPT_STR, ROLE_PLAIN, "FIELD", AT(matrix.weight), NULL, "each pair counts as much as this field says" },
	{ 0, "count", OPT_STR, ROLE_PLAIN, "FIELD", AT(matrix.count), NULL,
	  "each pair occurs as often as this field says (whole numbers)" },
	{ 0, "labels", OPT_STR, ROLE_PLAIN, "A,B,...", AT(labels), NULL,
	  "classes in this order; all labels of the data must be there" },
	{ 0, "beta", OPT_STR, ROLE_PLAIN, "B", AT(matrix.beta), NULL,
	  "also the F-beta ratio, in which recall weighs B times as much as precision" },
	{ 0, "normalize", OPT_CHOICE, ROLE_PLAIN, "true|pred|all", AT(normalize), "none|true|pred|all|row|column",
	  "show cells as shares of their true class (row), of their predicted class (column), or of all pairs" },
	{ 0, "report", OPT_CHOICE, ROLE_PLAIN, "NAME", AT(report), "auto|matrix|classes|summary|pairs|all",
	  "what to write: a table (matrix, classes, summary, pairs) or all of it as text" },
	{ 0, "svg", OPT_STR, ROLE_OUTFILE, "FILE", AT(svg), NULL, "also draw the matrix as a picture" },
	{ 0, "title", OPT_STR, ROLE_PLAIN, "TEXT", AT(title), NULL, "title of the picture" },
	{ 0, "partial", OPT_FLAG, ROLE_PLAIN, NULL, AT(partial), NULL,
	  "write the counts of pairs for a later --merge instead of results" },
	{ 0, "merge", OPT_FLAG, ROLE_PLAIN, NULL, AT(matrix.merge), NULL, "the operands are such counts: add them up" },
	{ 0 },
};

static struct score_opts score_options(const struct confusion_args *a)
{
	return (struct score_opts){ .truth = a->matrix.truth,
				    .score = a->score,
				    .weight = a->matrix.weight,
				    .count = a->matrix.count,
				    .positive = a->positive,
				    .threshold = a->threshold,
				    .merge = a->matrix.merge,
				    .on_bad = a->common.read.on_bad,
				    .memory = a->common.memory,
				    .tmpdir = a->common.tmpdir };
}

/* What goes with --score and what does not. A merge learns from its input whether it is of scores. */
static int check_scores(const struct confusion_args *a, struct err *e)
{
	struct score_opts o = score_options(a);

	if (a->score && a->matrix.predicted)
		return err_set(e, ST_USAGE, "--pred and --score exclude each other");
	if (!a->score && !a->matrix.merge && (a->positive || a->threshold))
		return err_set(e, ST_USAGE, "--%s belongs to --score FIELD", a->positive ? "positive" : "threshold");
	if (!a->matrix.merge && (!a->matrix.truth || (!a->matrix.predicted && !a->score)))
		return err_set(e, ST_USAGE, "--true FIELD and --pred FIELD (or --score FIELD) are needed");
	return a->positive || a->threshold || (a->score && !a->partial) ? scores_check(&o, e) : 0;
}

static int check(void *args, struct err *e)
{
	static const enum normalize norms[] = { NORM_NONE, NORM_TRUE, NORM_PRED, NORM_ALL, NORM_TRUE, NORM_PRED };
	struct confusion_args *a = args;

	a->matrix.normalize = norms[a->normalize];
	a->matrix.on_bad = a->common.read.on_bad;
	if (check_scores(a, e) < 0)
		return -e->status;
	if (a->matrix.weight && a->matrix.count)
		return err_set(e, ST_USAGE, "--weight and --count exclude each other");
	if (a->report == ALL && a->common.write.to && strcmp(a->common.write.to, "table") != 0)
		return err_set(e, ST_USAGE, "--report all is text: leave --to %s out, or choose another report", a->common.write.to);
	if (a->partial && a->svg)
		return err_set(e, ST_USAGE, "--svg needs the whole: draw it where the parts are merged (--merge --svg FILE)");
	if (a->svg && strcmp(a->svg, "-") == 0 && !a->common.output)
		return err_set(e, ST_USAGE, "--svg - draws on standard output: give the table a file, -o FILE");
	if (a->title && !a->svg)
		return err_set(e, ST_USAGE, "--title belongs to --svg FILE");
	return 0;
}

/* Where the result goes: a person's terminal, a JSON object, or a table. */
static bool to_text(const struct confusion_args *a)
{
	const struct common *c = &a->common;

	if (a->report != AUTO)
		return a->report == ALL;
	if (c->write.to)
		return strcmp(c->write.to, "table") == 0;
	return !c->output && term_is(1);
}

static bool to_json(const struct confusion_args *a)
{
	const struct common *c = &a->common;
	size_t stem;

	if (a->report != AUTO)
		return false;
	if (c->write.to)
		return strcmp(c->write.to, "json") == 0;
	return c->output && format_by_suffix(str_of(c->output), &stem) == &format_json;
}

static int write_text(const struct confusion_args *a, struct matrix *m, struct err *e)
{
	const struct common *c = &a->common;
	cleanup_buf struct buf b = { 0 };
	size_t stem;
	int rc;

	if (to_json(a))
		rc = matrix_json(m, &b);
	else
		rc = matrix_table(m, c->output ? 200 : term_columns(1), !c->output && term_colour(1), &b);
	return rc ? err_oom(e)
		  : out_put(c->output, c->output ? codec_of_suffix(str_of(c->output), &stem) : CODEC_NONE, buf_view(&b), e);
}

/* The picture is written before the result and gets its name after it: neither is there without the other. */
static int write_svg(const struct confusion_args *a, const struct matrix *m, struct out **ret, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	size_t stem;
	int rc;

	if (!a->svg)
		return 0;
	if (matrix_svg(m, str_of(a->title ? a->title : "Confusion matrix"), &b))
		return err_oom(e);
	if ((rc = out_open(ret, a->svg, codec_of_suffix(str_of(a->svg), &stem), e)) < 0)
		return rc;
	return out_write(*ret, b.p, b.n, e);
}

/* "precision is undefined for 2 classes (never predicted): a, b" */
static int note_undefined(const struct matrix *m, int k, const char *why, struct buf *b)
{
	uint32_t n = 0;
	int rc = 0;

	for (uint32_t i = 0; i < m->nclasses; i++)
		n += isnan(m->classes[i].r.v[k]) != 0;
	if (!n)
		return 0;
	rc = buf_printf(b, "stook-confusion-matrix: %s is undefined for %u class%s (%s):", matrix_ratio_names[k],
			n, n > 1 ? "es" : "", why);
	for (uint32_t i = 0, shown = 0; i < m->nclasses && shown < 5 && !rc; i++) {
		if (!isnan(m->classes[i].r.v[k]))
			continue;
		rc = buf_puts(b, shown++ ? ", " : " ") | term_safe(b, matrix_class(m, i));
	}
	return rc | buf_puts(b, n > 5 ? ", ...\n" : "\n");
}

static int note_specificity(const struct matrix *m, struct buf *b)
{
	for (uint32_t i = 0; i < m->nclasses; i++)
		if (isnan(m->classes[i].specificity))
			return buf_puts(b, "stook-confusion-matrix: specificity is undefined for a class that is true of every pair: ") |
			       term_safe(b, matrix_class(m, i)) | buf_byte(b, '\n');
	return 0;
}

/* "undefined for the whole: kappa, mcc" */
static int note_overall(const struct matrix *m, struct buf *b)
{
	const struct {
		const char *name;
		double v;
	} all[] = { { "kappa", m->overall.kappa },
		    { "mcc", m->overall.mcc },
		    { "roc_auc", m->overall.roc_auc },
		    { "average_precision", m->overall.average_precision } };
	const char *before = "stook-confusion-matrix: undefined for the whole: ";
	int rc = 0;

	for (int i = 0; m->total.any && i < (m->scored ? 4 : 2) && !rc; i++)
		if (isnan(all[i].v)) {
			rc = buf_puts(b, before) | buf_puts(b, all[i].name);
			before = ", ";
		}
	return rc | (before[0] == ',' ? buf_byte(b, '\n') : 0);
}

static void notes(const struct confusion_args *a, const struct matrix *m)
{
	cleanup_buf struct buf b = { 0 };
	int rc;

	if (a->common.quiet)
		return;
	rc = note_undefined(m, 0, "never predicted", &b) | note_undefined(m, 1, "never true", &b) |
	     note_specificity(m, &b) | note_overall(m, &b);
	if (m->left_out.any)
		rc |= buf_puts(&b, "stook-confusion-matrix: left out for a missing label: ") |
		      matrix_print(m, &m->left_out, &b) | buf_puts(&b, m->weighted ? " in weight\n" : " pairs\n");
	if (!rc)
		term_err(buf_view(&b));
}

static int count_all(struct matrix *m, struct source *s, struct err *e)
{
	int rc;

	do {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(s, &b, e)) < 0 || !b)
			return rc;
		rc = matrix_add(m, b, e);
	} while (rc == 0);
	return rc;
}

static int write_table(const struct confusion_args *a, struct matrix *m, struct err *e)
{
	static const enum report kinds[] = { REPORT_CLASSES, REPORT_MATRIX, REPORT_CLASSES, REPORT_SUMMARY, REPORT_PAIRS };
	struct source *s;
	int rc = matrix_report(m, a->partial ? REPORT_PARTIAL : kinds[a->report], &s, e);

	return rc < 0 ? rc : cli_drain(&a->common, s, e);
}

static int report(const struct confusion_args *a, struct matrix *m, struct err *e)
{
	struct out *svg = NULL;
	int rc;

	if (a->partial)
		return write_table(a, m, e);
	if ((rc = matrix_finish(m, a->labels, e)) < 0)
		return rc;
	notes(a, m);
	if ((rc = write_svg(a, m, &svg, e)) == 0)
		rc = to_text(a) || to_json(a) ? write_text(a, m, e) : write_table(a, m, e);
	if (rc == 0 && svg)
		rc = out_commit(svg, e);
	if (svg)
		out_close(svg);
	return rc;
}

/* What is counted: the input, or what the scores of the input make of it at the threshold. */
static int open_pairs(const struct confusion_args *a, struct matrix_opts *o, struct areas *areas, struct source **s, struct err *e)
{
	struct score_opts scores = score_options(a);
	int rc;

	if (!a->score && !scores_are_states((*s)->schema))
		return 0;
	if ((rc = scores_check(&scores, e)) < 0) {
		source_close(*s);
		return rc;
	}
	o->merge = true;
	return scores_open(*s, &scores, areas, s, e);
}

static int partial_scores(const struct confusion_args *a, struct source *s, struct err *e)
{
	struct score_opts scores = score_options(a);
	int rc = scores_partial(s, &scores, &s, e);

	return rc < 0 ? rc : cli_drain(&a->common, s, e);
}

static int run(void *args, struct err *e)
{
	const struct confusion_args *a = args;
	struct matrix m = { 0 };
	struct matrix_opts o = a->matrix;
	struct areas areas = { 0 };
	struct source *s;
	int rc = cli_source(&a->common, 0, &s, e);

	if (rc < 0)
		return rc;
	if (a->partial && (a->score || scores_are_states(s->schema)))
		return partial_scores(a, s, e);
	if ((rc = open_pairs(a, &o, &areas, &s, e)) < 0)
		return rc;
	if ((rc = matrix_init(&m, s->schema, &o, e)) == 0)
		rc = count_all(&m, s, e);
	source_close(s);
	m.scored = areas.known;
	m.overall.roc_auc = areas.roc_auc;
	m.overall.average_precision = areas.average_precision;
	if (rc == 0)
		rc = report(a, &m, e);
	matrix_free(&m);
	return rc;
}

/* Shards count their pairs, the counts are added up here. */
static void share(const void *args, struct share_plan *ret)
{
	static const char *partial[] = { "--partial" }, *merge[] = { "--merge" };
	const struct confusion_args *a = args;

	ret->how = SHARE_COMBINE;
	if (!a->partial)
		ret->remote = (struct strv){ 1, partial };
	if (!a->matrix.merge)
		ret->merge = (struct strv){ 1, merge };
}

static const struct opt *const groups[] = { opts, opts_read, opts_write, opts_common, NULL };

static const struct example examples[] = {
	{ "stook confusion-matrix --true y --pred yhat test.csv", "The matrix, the classes and the averages on a terminal." },
	{ "stook confusion-matrix --true y --pred yhat --svg cm.svg test.csv -o cm.json",
	  "A picture, and everything as one JSON object." },
	{ "stook confusion-matrix --true y --pred yhat --report classes --to csv test.csv",
	  "Precision, recall, F1 and support of every class as CSV." },
	{ "stook confusion-matrix --true y --pred yhat --normalize true --report matrix --to csv test.csv",
	  "The matrix as shares of each true class." },
	{ "stook confusion-matrix --true y --score p --positive yes --threshold 0.4 scored.csv",
	  "Scores instead of labels: the matrix at a threshold, ROC AUC and average precision." },
	{ "stook confusion-matrix --true y --pred yhat --count n --labels low,mid,high pairs.csv",
	  "Pairs that come with their counts, classes in an order of their own." },
	{ 0 },
};

const struct tool tool_confusion_matrix = {
	.name = "confusion-matrix",
	.summary = "truth against prediction: the matrix, precision, recall, F1, support; partial and merged; a picture",
	.operands = "[FILE]...",
	.description =
		"Counts how often each label was predicted for each true label, and computes precision, recall, F1 and "
		"support of every\n"
		"class, accuracy, and the macro, micro and weighted averages.\n"
		".Pp\nOn a terminal (or with\n.Fl -report Cm all )\nit shows the matrix as a heat map: rows are true "
		"labels, columns predicted ones, the colour is\n"
		"the share of the row, blue where truth and prediction agree and orange where they do not.\n"
		"Otherwise it writes one table:\n.Cm classes\n(the default),\n.Cm matrix ,\n.Cm summary\nor\n.Cm pairs ;\n"
		"with\n.Fl -to Cm json\none object that holds everything.\n"
		".Pp\nWith\n.Fl -score\na field of numbers takes the place of predicted labels: how sure a classifier is of the\n"
		".Fl -positive\nlabel, against one other. The matrix is that of the\n.Fl -threshold ;\nROC AUC and average precision are over all "
		"thresholds: the AUC is\nthe chance that a positive scores higher than a negative, ties half, the average precision the sum of (recall "
		"- recall before) precision\nover thresholds from high to low, without interpolation. Both are computed from exact sums.\n"
		".Pp\n.Fl -partial\nwrites the exact counts of pairs, or of labels and scores;\n.Fl -merge\nadds them up, and the result is that "
		"of the whole, byte for byte.\nScores that do not fit into\n.Fl S\ngo through temporary files.\n"
		".Pp\nTwo text fields are compared by bytes, two numeric ones (or with\n.Cm :num )\nby value. Classes are "
		"in byte order, numbers in\n"
		"numeric order, or as\n.Fl -labels\nsays. Records with a missing label are left out, and their number is "
		"said.\n"
		".Pp\nPrecision is correct / predicted, recall correct / support, F1 2 correct / (support + predicted). A "
		"ratio whose denominator is 0 is\n"
		"missing in the output, named once on standard error, and does not enter the averages.\n"
		"With\n.Fl -beta Ar B\nthere is also (1 + B^2) correct / (B^2 support + predicted), called fbeta.\n"
		".Pp\nWith\n.Fl -normalize\nthe matrix holds shares instead of counts:\n.Cm true\n(or\n.Cm row )\nof the pairs "
		"with that true label,\n.Cm pred\n(or\n.Cm column )\nof those with that prediction,\n.Cm all\nof all pairs; the table of\n"
		".Cm pairs\ngets a column\n.Ql share ,\nJSON a list\n.Ql normalized\nbeside\n.Ql matrix .\n"
		"Beyond 1,000 classes JSON lists the cells that are not zero, as\n.Ql pairs\nof class numbers from 0 with their "
		"count,\nand the text shows the worst classes and the most frequent confusions.\n.Pp\n"
		"The micro average counts all pairs alike; as every pair has one class, it is the accuracy.\n"
		"The summary and JSON also hold balanced accuracy (the mean recall), Cohen's kappa and Matthews' correlation coefficient\n"
		"for any number of classes, the classes their specificity.\n",
	.groups = groups,
	.size = sizeof(struct confusion_args),
	.check = check,
	.run = run,
	.share = share,
	.examples = examples,
};
