/* K-way merge of runs: of temporary files and of what is still in memory. */
#ifndef STOOK_OP_ROWMERGE_H
#define STOOK_OP_ROWMERGE_H

#include "lib/op/piece.h"
#include "lib/op/runfile.h"

struct row_feed { /* one of the two */
	struct runreader *file;
	struct rowstream *memory; /* its form: blocks that are not packed */
};

/* Merges n feeds by their rows' keys. Stable: of equal keys the row of the lower feed comes first. `unique` as in a piece. `window`
 * jobs make the output, of about `rows` rows each. Takes the feeds, also when it fails. form->schema is borrowed. */
int rowmerge_open(const struct row_feed *feeds, int n, enum unique unique, const struct row_form *form, int64_t rows, struct pool *pool,
		  int window, struct rowstream **ret, struct err *e) nodiscard;

#endif
