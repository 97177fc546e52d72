/* K-way merge of sorted sources: the last step of an external sort, and `sort --merge`. */
#ifndef STOOK_OP_MERGER_H
#define STOOK_OP_MERGER_H

#include "lib/op/piece.h"
#include "lib/table/key.h"
#include "lib/table/stream.h"

struct merge_opts {
	enum on_bad on_bad;
	enum unique unique; /* one row of each key */
	int64_t limit;  /* the first rows only; < 0: all */
	int64_t batch_bytes; /* size of the batches given out; 0: the usual one */
};

/* Merges n sources that are sorted by `key` (borrowed: it must outlive the result) and have the layout of `schema` (the result's;
 * a reference is taken). Stable: of equal keys the row of the lower source comes first. Takes the sources, also when it fails.
 * A source that is not sorted as claimed fails with ST_DATA naming the first row out of order, after the rows before it. */
int merge_open(struct source *const *from, int n, const struct schema *schema, const struct key *key, const struct merge_opts *o,
	       struct source **ret, struct err *e) nodiscard;

/* The source with its columns in the order of `schema` (by name, ST_DATA when names or types differ); the source itself when they
 * are so already. Takes the source, also when it fails. */
int conform_open(struct source *from, const struct schema *schema, struct source **ret, struct err *e) nodiscard;

#endif
