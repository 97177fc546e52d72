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

/* How many files can be merged at once in a half of the memory (0: `most`), at most `most`, when their largest block has `block` bytes: a
 * row that is larger than a block is one. */
#define MERGE_BLOCKS 4 /* that merging a file holds, read ahead and left behind */
static inline int rowmerge_most(int64_t memory, size_t block, int most)
{
	int64_t n = memory / (2 * MERGE_BLOCKS * (int64_t)block);

	return memory <= 0 || n > most ? most : n < 2 ? 2 : (int)n;
}

/* And the jobs that make its output. */
static inline int rowmerge_window(int threads, size_t block)
{
	return block > LARGE_BLOCK ? 1 : threads + 1;
}

#endif
