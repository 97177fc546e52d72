/* A run: rows that were collected in memory, then sorted, then given out as a source. The unit of external sorting. */
#ifndef STOOK_OP_RUN_H
#define STOOK_OP_RUN_H

#include "lib/op/radix.h"
#include "lib/table/stream.h"

struct run {
	struct source source;   /* after run_sort(): the rows in order; closing it frees the run */
	struct key key;         /* borrowed parts */
	enum on_bad on_bad;
	bool unique;            /* keep the first row of each key */
	int64_t limit;          /* keep the first rows only; < 0: all */

	struct batch **batches; /* nbatches of each of these three */
	struct keys *keys;
	struct arena *arenas;   /* of the keys */
	uint32_t nbatches, cap;

	struct entry *v;        /* one a row */
	int64_t n, vcap;
	bool ascending;         /* v is in order as it stands */
	struct str last;        /* key of the last row added */
	struct buf bound;       /* rows that do not sort before this key are not wanted */
	bool bounded;

	int64_t bytes;          /* memory held, about; what sorting will need included */
	int64_t data;           /* of these, the rows' own bytes */
	int64_t at;             /* entries given out */
};

/* An empty run of rows of `schema` (a reference is taken). */
int run_open(const struct schema *schema, const struct key *key, struct run **ret, struct err *e) nodiscard;

/* Adds the rows of b (a reference is taken). Bad values in keys by run->on_bad. */
int run_add(struct run *r, struct batch *b, struct err *e) nodiscard;

/* Sorts stably; applies `unique` and `limit`. Further rows may follow, and another run_sort(). */
int run_sort(struct run *r, struct err *e) nodiscard;

/* Sorts and forgets all rows that `unique` and `limit` exclude; from then on rows that cannot come under the limit are dropped as
 * they are added. */
int run_shrink(struct run *r, struct err *e) nodiscard;

/* `from` with stook.sorted set to the key. */
int schema_sorted(const struct schema *from, const struct key *key, struct schema **ret, struct err *e) nodiscard;

#endif
