/* The cutter: a thread that decodes the inputs once, here, and cuts them into shards, each an Arrow stream of its own.
 *
 * A shard keeps its batches as long as it is open, so that an error on a host can be told with the place in the user's file. How
 * the input is cut has no influence on the result. */
#ifndef STOOK_FANOUT_CUT_H
#define STOOK_FANOUT_CUT_H

#include "fanout/plan.h"
#include "lib/table/batch.h"

struct shard {
	int64_t index, rows, first_row;  /* first_row: rows of the whole input before it */
	int nbatches;
	struct batch **batches;
	struct buf bytes;                /* the Arrow stream */
	uint64_t hash;                   /* XXH3 of bytes, seed 0 */
};

void shard_free(struct shard *s);

/* Completes an error about row `row` (from 1) of the shard: place in the user's input, as the local run would tell it. */
void shard_locate(const struct shard *s, int64_t row, struct err *e);

struct cut_opts {
	int64_t rows, bytes;  /* size of a shard; 0: as fanout sees fit */
	bool compress;        /* zstd bodies */
};

struct cutter;

/* Starts it; `wake` is an eventfd that is written whenever there may be something to take. */
int cutter_start(struct cutter **ret, const struct plan *p, const struct cut_opts *o, int wake, struct err *e) nodiscard;

/* *ret: the next shard, the caller's from then on, or NULL when there is none yet. *end: there will be none any more; then e->status
 * says whether the input failed (the shards given out hold what came before). */
void cutter_take(struct cutter *c, struct shard **ret, bool *end, struct err *e);
void cutter_stop(struct cutter *c); /* ends the thread wherever it is, frees all */

/* An input decoded here into an Arrow stream at descriptor fd. */
int cut_table(const char *path, const struct read_opts *o, int fd, struct err *e) nodiscard;

#endif
