/* The confusion matrix: how often each label was predicted for each true label, and what follows from it.
 *
 *     matrix_init(&m, schema, &opts, e);
 *     matrix_add(&m, batch, e);                    // every batch
 *     matrix_finish(&m, labels, e);                // order of classes, sums, ratios
 *
 * Labels are one set for both columns. Two numeric columns (or :num) are compared by exact value and show the first spelling
 * seen; anything else by the bytes of its text. Pairs are counted exactly: in int64, or with weights as exact decimals. Pairs
 * with a missing label are left out and their count is kept.
 *
 * With t = truth and p = prediction, of class c: tp = n(c, c), support = n(t = c), predicted = n(p = c),
 *     precision = tp / predicted      recall = tp / support      f1 = 2 tp / (support + predicted)
 *     f-beta = (1 + beta^2) tp / (beta^2 support + predicted)          (C. J. van Rijsbergen, 1979)
 *     accuracy = sum of tp / all      macro = mean over classes      weighted = mean weighted by support
 *     micro = ratio of the sums over classes; with every pair counted in one class each that is the accuracy
 * (M. Sokolova, G. Lapalme, "A systematic analysis of performance measures for classification tasks", 2009). A ratio with
 * denominator 0 is undefined: NAN here, null in tables; averages are taken over the classes for which it is defined. */
#ifndef STOOK_OP_MATRIX_H
#define STOOK_OP_MATRIX_H

#include "lib/agg/decsum.h"
#include "lib/agg/keyset.h"
#include "lib/table/key.h"
#include "lib/table/stream.h"
#include "lib/table/partial.h"

enum normalize { NORM_NONE, NORM_TRUE, NORM_PRED, NORM_ALL };

struct matrix_opts {
	const char *truth, *predicted; /* FIELD[:num|text] */
	const char *weight, *count;    /* FIELD or NULL; at most one */
	bool merge;                    /* the input holds partial states (matrix_partial()) */
	enum on_bad on_bad;
	const char *beta;              /* of the F-beta ratio: a number >= 0; NULL: none */
	enum normalize normalize;      /* what the shares of the cells are shares of */
};

/* The first `nratios` of a matrix are in use: fbeta only when a beta was given. */
struct ratios {
	union {
		struct {
			double precision, recall, f1, fbeta;
		};
		double v[4];
	};
};
extern const char *const matrix_ratio_names[4];

/* Measures of the whole. With N pairs, R right ones, s and p a class's support and predicted:
 *     balanced accuracy  the mean of recall over classes
 *     kappa = (N R - sum s p) / (N^2 - sum s p)                                  (J. Cohen, 1960)
 *     mcc = (N R - sum s p) / sqrt((N^2 - sum p^2) (N^2 - sum s^2))               (J. Gorodkin, 2004)
 * each rounded once from exact sums. */
struct overall {
	double accuracy, balanced, kappa, mcc;
	double roc_auc, average_precision; /* of scores only (scores.h) */
};

struct class_stats {
	uint32_t label; /* index into the labels */
	struct decsum tp, support, predicted;
	struct ratios r;
	double specificity;           /* (all - support - predicted + tp) / (all - support) */
};

#define LABEL_CACHE 512
#define PAIR_BITS 10
#define PAIR_CACHE (1 << PAIR_BITS)

struct matrix {
	bool numeric; /* labels are compared as numbers */
	bool weighted;
	bool scored; /* made from scores: the two areas are there */
	int cols[3]; /* truth, predicted, weight or count (-1) */
	enum key_reading reading[2];
	enum on_bad on_bad;
	enum normalize normalize;
	const char *beta; /* as given; its value in `beta_value` */
	struct dec beta_value;
	int nratios;

	struct keyset labels; /* by bytes, or by encoded number */
	struct buf text;      /* numeric: spellings, one after another */
	struct buf ends;      /* numeric: size_t each */
	struct label_slot {   /* short labels seen lately, found without hashing them whole */
		uint64_t word;
		uint32_t len, id;
	} * cache;
	struct pair_slot {    /* pairs of short labels seen lately, likewise */
		uint64_t truth, predicted;
		uint32_t lengths, pair;
	} * recent;

	uint32_t npairs, cap; /* pairs in first-seen order */
	struct pair {
		uint32_t truth, predicted;
	} * pairs;
	int64_t *counts;
	struct decsum *weights; /* weighted: instead of counts */
	struct decsums decs;
	struct decpool scratch_digits;
	uint32_t *dense, stride; /* pair number + 1 by truth * stride + predicted, while labels are few */
	struct keyset sparse;    /* pair by (truth, predicted), afterwards */
	struct decsum left_out;  /* pairs with a missing label */
	struct arena scratch, arena;
	struct partial about;    /* the two fields, as partial states say them; texts live in `arena` */

	/* after matrix_finish() */
	uint32_t nclasses;
	struct class_stats *classes; /* in output order */
	uint32_t *place;             /* label -> class */
	struct decsum total, right;
	struct overall overall;
	struct ratios macro, micro, mean; /* mean: weighted by support */
};

/* FIELD[:num|text] of a label; *numeric: labels are compared as numbers. */
int matrix_field(const char *text, const struct schema *s, int *col, enum key_reading *reading, bool *numeric,
		 struct err *e) nodiscard;
/* Equal as numbers; text that is none is equal to nothing. */
bool matrix_same_number(struct str a, struct str b);
/* Describes a table of truth, predicted, count as partial states. */
int matrix_mark(struct schema *s, bool weighted, const struct partial *fields, struct err *e) nodiscard;

/* How partial states name the fields that were read: as given and, with their readings, resolved. Texts live in `a`. */
int matrix_describe(const struct schema *s, const char *truth, const char *other, const int cols[2], const enum key_reading readings[2],
		    struct arena *a, struct partial *ret, struct err *e) nodiscard;
/* ST_DATA when the states are of other fields than those given (NULL: not given). */
int matrix_agrees(const struct partial *about, const char *truth, const char *other, struct err *e) nodiscard;

/* Binds the fields; in a merge, those of the partial states. */
int matrix_init(struct matrix *m, const struct schema *s, const struct matrix_opts *o, struct err *e) nodiscard;
void matrix_free(struct matrix *m);
int matrix_add(struct matrix *m, const struct batch *b, struct err *e) nodiscard;

/* `labels`: classes in this order, "a,b,c" (\ escapes); a label of the data that is missing there is ST_DATA. NULL: byte order,
 * or numeric order. */
int matrix_finish(struct matrix *m, const char *labels, struct err *e) nodiscard;

struct str matrix_label(const struct matrix *m, uint32_t label);
static inline struct str matrix_class(const struct matrix *m, uint32_t i)
{
	return matrix_label(m, m->classes[i].label);
}

/* The count of a pair by its number; as text ("12", "3.5"). */
struct decsum matrix_count(const struct matrix *m, uint32_t pair);
int matrix_print(const struct matrix *m, const struct decsum *s, struct buf *b); /* 0 or -1 */
double matrix_f64(const struct matrix *m, const struct decsum *s);
double matrix_ratio(const struct matrix *m, const struct decsum *a,
		    const struct decsum *b); /* a / b, rounded once; b = 0: NAN */

/* A cell's share of what m->normalize says (NORM_NONE: of its row); NAN when that is 0. t, p: classes. */
double matrix_share(const struct matrix *m, const struct decsum *n, uint32_t t, uint32_t p);

/* Dense counts in class order, nclasses * nclasses pair numbers + 1 (0: none); malloc'ed, the caller frees. NULL: no memory. */
uint32_t *matrix_cells(const struct matrix *m);

/* Reports as tables (each a source that is independent of m once made):
 *     matrix   truth, predicted:LABEL ...
 *     classes  label, precision, recall, f1, support, predicted, correct, specificity
 *     summary  average (macro, micro, weighted), precision, recall, f1, and of the whole accuracy, support,
 *              balanced_accuracy, kappa, mcc
 *     pairs    truth, predicted, count: pairs that occur, in class order; with m->normalize their share
 *     partial  truth, predicted, count in first-seen order, for a later merge (before matrix_finish())
 * The matrix must be there as long as the source. */
enum report { REPORT_MATRIX, REPORT_CLASSES, REPORT_SUMMARY, REPORT_PAIRS, REPORT_PARTIAL };
int matrix_report(struct matrix *m, enum report kind, struct source **ret, struct err *e) nodiscard;

/* The whole as one JSON object; as text for a terminal of `width` cells; as a picture. 0 or -1 (memory). */
int matrix_json(struct matrix *m, struct buf *b);
int matrix_table(const struct matrix *m, int width, bool colour, struct buf *b);
int matrix_svg(const struct matrix *m, struct str title, struct buf *b);

#endif
