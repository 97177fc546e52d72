/* A run: rows that were collected in memory as sorted pieces, then given out in order. The unit of external sorting. */
#ifndef STOOK_OP_RUN_H
#define STOOK_OP_RUN_H

#include "lib/op/piece.h"
#include "lib/table/stream.h"

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

/* Forgets all rows that `unique` and `limit` exclude; from then on rows that cannot come under the limit are dropped as they are
 * added. */
int run_shrink(struct run *r, struct err *e) nodiscard;

/* Memory held, jobs under way included. */
int64_t run_bytes(const struct run *r);

/* A settled run in order, `range` about that many bytes at a time. Takes the run, also when it fails. */
struct ranges;
int ranges_open(struct run *r, int64_t range_bytes, struct ranges **ret, struct err *e) nodiscard;
void ranges_close(struct ranges *g); /* NULL is fine */

/* The next rows: as a batch (schema: the run's), or NULL at the end. */
int ranges_batch(struct ranges *g, const struct schema *schema, struct batch **ret, struct err *e) nodiscard;

/* The next rows, *n of them (0: the end), packed one after another in memory that is the caller's to free(). Not to be mixed with
 * ranges_batch(). */
int ranges_rows(struct ranges *g, uint8_t **ret, size_t *bytes, int64_t *n, struct err *e) nodiscard;

/* A settled run as a source of batches of `schema` (a reference is taken). Takes the run, also when it fails. */
int run_source(struct run *r, const struct schema *schema, struct source **ret, struct err *e) nodiscard;

/* `from` with stook.sorted set to the key. */
int schema_sorted(const struct schema *from, const struct key *key, struct schema **ret, struct err *e) nodiscard;

#endif
