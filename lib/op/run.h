/* A run: rows that were collected in memory, then sorted, then given out as a source. The unit of external sorting. */
#ifndef STOOK_OP_RUN_H
#define STOOK_OP_RUN_H

#include "lib/op/rowstore.h"
#include "lib/table/key.h"
#include "lib/table/stream.h"

struct run {
	struct source source;   /* after run_sort(): the rows in order; closing it frees the run */
	struct key key;         /* borrowed parts */
	enum on_bad on_bad;
	bool unique;            /* keep the first row of each key */
	int64_t limit;          /* keep the first rows only; < 0: all */
	int64_t batch_bytes;    /* size of the batches given out; 0: the usual one */

	struct rowstore store;
	struct entry *v;        /* one a row */
	int64_t n, cap;
	bool ascending;         /* v is in order as it stands */
	struct key_view last;   /* key of the last row, all but the word in last_key */
	struct buf last_key;
	bool bounded;           /* rows that do not sort before `bound` are not wanted */
	struct key_view bound;
	struct buf bound_key;
	struct arena arena;     /* keys of the batch being added */

	int64_t rows, data;     /* of all batches added: how large a row is */
	int64_t at;             /* entries given out */
};

/* An empty run of rows of `schema` (a reference is taken). */
int run_open(const struct schema *schema, const struct key *key, struct run **ret, struct err *e) nodiscard;

/* Adds the rows of b. Bad values in keys by run->on_bad. */
int run_add(struct run *r, struct batch *b, struct err *e) nodiscard;

/* Sorts stably; applies `unique` and `limit`. Further rows may follow, and another run_sort(). */
int run_sort(struct run *r, struct err *e) nodiscard;

/* Sorts and forgets all rows that `unique` and `limit` exclude; from then on rows that cannot come under the limit are dropped as
 * they are added. */
int run_shrink(struct run *r, struct err *e) nodiscard;

/* Memory held, what sorting will need included. */
int64_t run_bytes(const struct run *r);

/* `from` with stook.sorted set to the key. */
int schema_sorted(const struct schema *from, const struct key *key, struct schema **ret, struct err *e) nodiscard;

#endif
