/* Scores instead of predicted labels: one class against the other by how sure a classifier is.
 *
 * A record says its true label and a score; the higher, the surer is the classifier of the `positive` label. At a threshold the
 * scores make a confusion matrix of two classes (score >= threshold: predicted positive); over all thresholds
 *     ROC AUC            the chance that a random positive scores higher than a random negative, ties half: (W + T/2) / (P N),
 *                        with W and T the pairs of a positive and a negative that are won and tied        (T. Fawcett, 2006)
 *     average precision  sum over thresholds, descending, of (recall - recall before) precision: as scikit-learn defines it,
 *                        without interpolation
 * Counts, weights and scores are exact decimals (doubles count as the decimal they print as). The AUC is one exact ratio, rounded
 * once. The terms of the average precision are cut 128 bits behind the binary point, their sum is rounded once.
 *
 * Partial states are the different (truth, score) in first-seen order with their exact counts or weights: columns truth, score,
 * count; they know neither the positive label nor the threshold. Records without truth or score are the row null, null.
 * Everything larger than memory goes through reduce and sort. */
#ifndef STOOK_OP_SCORES_H
#define STOOK_OP_SCORES_H

#include "lib/op/matrix.h"

struct score_opts {
	const char *truth, *score;    /* FIELD[:num|text]; FIELD */
	const char *weight, *count;   /* FIELD or NULL; at most one */
	const char *positive;         /* label; not needed for partial states */
	const char *threshold;        /* NULL: 0.5 */
	bool merge;                   /* the input holds partial states */
	enum on_bad on_bad;
	int64_t memory;               /* bytes to work in; 0: no limit */
	const char *tmpdir;
};

/* Syntax of the options that a result needs (positive, threshold). */
int scores_check(const struct score_opts *o, struct err *e) nodiscard;

/* Whether a table holds partial states of scores. */
bool scores_are_states(const struct schema *s);

/* The partial states of `in`, which may be partial states itself. Takes `in`, also on failure. */
int scores_partial(struct source *in, const struct score_opts *o, struct source **ret, struct err *e) nodiscard;

/* Reads `in` to its end: the two areas, and the counts at the threshold as partial states of a matrix of two classes (matrix.h).
 * A third label is ST_DATA. Takes `in`, also on failure. */
struct areas {
	bool known;
	double roc_auc, average_precision; /* NAN: undefined, for want of positives or negatives */
};
int scores_open(struct source *in, const struct score_opts *o, struct areas *ret, struct source **states, struct err *e) nodiscard;

#endif
