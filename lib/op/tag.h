/* Numbers carried beside rows: int64 columns added behind a source's own, and taken off again. What is sorted, or thrown away in parts,
 * finds its old order by them. */
#ifndef STOOK_OP_TAG_H
#define STOOK_OP_TAG_H

#include "lib/op/sorter.h"
#include "lib/table/key.h"
#include "lib/table/stream.h"

/* Fills to[c][0 .. from->nrows) for row numbers from `row` on: rows of the source so far. */
typedef void tag_fill(void *context, const struct batch *from, int64_t row, int64_t *const *to);

/* `from` with n further columns (at most TAG_MOST). Takes `from`, also when it fails. */
#define TAG_MOST 2
int tag_open(struct source *from, int n, tag_fill *fill, void *context, struct source **ret, struct err *e) nodiscard;

/* Sorted by the number in column `at` (from 1), as `o` says but for its key. Takes `from`, also when it fails. */
int tag_sort(struct source *from, int at, const struct sort_opts *o, struct source **ret, struct err *e) nodiscard;

/* Only the first columns of `from`, as those of `schema`. Takes `from`, also when it fails. */
int untag_open(struct source *from, const struct schema *schema, struct source **ret, struct err *e) nodiscard;

#endif
