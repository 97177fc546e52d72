/* A run: rows that were collected in memory as sorted pieces, then given out in order. The unit of external sorting. */
#ifndef STOOK_OP_RUN_H
#define STOOK_OP_RUN_H

#include "lib/op/piece.h"
#include "lib/op/rowout.h"

struct run {
	struct piece_rules rules;    /* limit, unique, on_bad: set after run_open() */
	struct pool *pool;           /* borrowed */
	int window;                  /* jobs given and not waited for */
	int64_t piece_bytes;         /* batches that make a piece */

	struct piece **pieces;       /* in the order of the input */
	int npieces, cap;
	int given, settled;          /* pieces whose job has been given; the first of them are done and counted */
	int64_t n, bytes;            /* of settled pieces: rows, memory */
	int64_t rows, data;          /* of all batches added: how large a row is */
};

int run_open(const struct schema *schema, const struct key *key, struct pool *pool, int window, int64_t piece_bytes, struct run **ret,
	     struct err *e) nodiscard;
void run_free(struct run *r); /* NULL is fine; waits for its jobs */

/* Adds the rows of b. An error may be about rows added before. */
int run_add(struct run *r, struct batch *b, struct err *e) nodiscard;

/* All pieces are made, or the first error of any. Rows may be added afterwards. */
int run_settle(struct run *r, struct err *e) nodiscard;

/* Forgets all rows that `unique` and `limit` exclude, unless the others take more than `most` bytes: then all stay. From then on
 * rows that cannot come under the limit are dropped as they are added. */
int run_shrink(struct run *r, int64_t most, struct err *e) nodiscard;

/* Memory held, jobs under way included. */
int64_t run_bytes(const struct run *r);

/* A settled run in order; with a limit it may give more rows than that. Takes the run, also when it fails. form->schema is borrowed. */
int run_stream(struct run *r, const struct row_form *form, struct rowstream **ret, struct err *e) nodiscard;

/* `from` with stook.sorted set to the key. */
int schema_sorted(const struct schema *from, const struct key *key, struct schema **ret, struct err *e) nodiscard;

#endif
