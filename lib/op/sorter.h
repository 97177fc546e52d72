/* External merge sort: stable, by encoded keys, inside a memory budget. */
#ifndef STOOK_OP_SORTER_H
#define STOOK_OP_SORTER_H

#include "lib/op/piece.h"
#include "lib/table/key.h"
#include "lib/table/stream.h"

struct sort_opts {
	const struct key_spec *key; /* n = 0: whole rows, column by column */
	enum on_bad on_bad;         /* values of the key that cannot be read */
	enum unique unique;         /* one row of each key only */
	int64_t limit;              /* the first rows only, in memory for so many; < 0: all */
	int64_t memory;             /* bytes to work in; 0: no limit */
	const char *tmpdir;         /* for what does not fit; NULL: $TMPDIR */
	int threads;                /* that work at once; 0: one */
};

/* The rows of `from` in order; reads it to its end at the first next(). The result's schema carries stook.sorted. Takes `from`,
 * also when it fails. `o` is copied, the key_spec borrowed during the call. */
int sort_open(struct source *from, const struct sort_opts *o, struct source **ret, struct err *e) nodiscard;

/* Merges sources that are sorted already; see merger.h. The first fixes the columns. Takes the sources, also when it fails. */
int sort_merge_open(struct source **from, int n, const struct sort_opts *o, struct source **ret, struct err *e) nodiscard;

/* Reads `from` to its end (not closed) and compares neighbours: 0, or -ST_NO with the first row out of order. `unique`: equal
 * neighbours are out of order too. */
int sort_check(struct source *from, const struct sort_opts *o, struct err *e) nodiscard;

/* Binds a spec; n = 0 becomes all columns. */
int sort_bind(const struct key_spec *spec, const struct schema *s, struct arena *a, struct key *ret, struct err *e) nodiscard;

#endif
