/* reduce: group and aggregate a stream.
 *
 * Three ways: rows in, results out; rows in, partial states out (`partial`); partial states in (`merge`), results or again
 * partial states out. Partial states are ordinary records: the key columns, `:first` (the group's place in first-seen order,
 * from 0), and for every aggregate its state columns OUT:NAME. The schema's metadata entry `stook.partial` says what they are,
 * in lines:
 *
 *     version 1
 *     group   -g as it was given (may be missing)
 *     keys    the key fields and their readings, escaped as for -g
 *     aggregates  the canonical list for -a
 *
 * Any number of groups fits: when the states outgrow `memory` they are set aside by the hash of their key, as partial states
 * with the place of the group's first row, and each part is merged by itself in the end; first-seen order comes back by merging
 * on that place. Where nearly every row is a group of its own, rows go to disk in their order instead, and only those whose key may have come
 * twice are merged so (reducelog.c). One group's own state (the values of an exact quantile, say) must fit.
 *
 * Merging folds records in the order in which they arrive: for any contiguous cut of the input and any order-preserving tree of
 * merges the result is that of the whole, first-seen order included. Sources own what they were made from. */
#ifndef STOOK_OP_REDUCER_H
#define STOOK_OP_REDUCER_H

#include "lib/op/grouper.h"
#include "lib/table/stream.h"

struct reduce_opts {
	const char *group; /* -g; NULL: one group */
	int naggs;
	const char *const *aggs; /* -a, each a list */
	bool partial, merge;
	bool sorted; /* final results in key order; partial states ignore it */
	enum on_bad on_bad;
	int64_t memory;     /* bytes to work in; 0: no limit */
	const char *tmpdir; /* for what does not fit; NULL: $TMPDIR */
	int threads;        /* that work at once on what did not fit; 0: one */
};

/* Takes `in`, also on failure. Results keep the input's schema metadata but the claim of an order. */
int reduce_open(struct source *in, const struct reduce_opts *o, struct source **ret, struct err *e) nodiscard;

/* Syntax of the options, before any input is opened. */
int reduce_check(const struct reduce_opts *o, struct err *e) nodiscard;

#endif
