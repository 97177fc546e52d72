/* The next records of a split on their way to its parts: some batches, the part that each of their rows goes to, and, where they have
 * lines (batch.h), these laid out part by part. What depends on no other records is a job, deal_run(); what does is left to who splits,
 * in order. A zeroed struct with `rule` set is empty; used by one thread at a time. */
#ifndef STOOK_OP_DEAL_H
#define STOOK_OP_DEAL_H

#include "lib/base/pool.h"
#include "lib/op/splitter.h"

#define DEAL_BATCHES 16
#define NO_PART UINT32_MAX /* the row is left out */

struct split_rule {
	const struct split_opts *opts;
	struct key key;     /* of opts->by; n = 0: none */
	uint64_t *limits;   /* SPLIT_WEIGHTS: hashes below limits[i] go to part i or before */
	uint32_t piles;     /* lines are laid out for so many parts; 0: not at all */
	bool several;       /* batches of lines are dealt together */
	int64_t bytes;      /* as many batches as fit are dealt at once */
};

struct dealt {
	struct batch *batch;
	struct bad_values bad;
	uint64_t *hashes;   /* of the keys, if there are any */
	struct keys keys;   /* SPLIT_VALUE, instead */
	uint32_t *to;       /* a part for each row: those that depend on key or number alone are there after deal_run() */
	int rc;             /* of deal_run(), with the deal's e */
};

struct pile {
	int64_t rows;
	size_t bytes;
	uint8_t *text, *end;
	uint32_t *at, *at_end;
};

struct deal {
	struct job job;
	const struct split_rule *rule;
	int n;
	struct dealt of[DEAL_BATCHES]; /* those with lines, or one */
	int64_t first, rows, bytes;    /* first: number of the first row */
	struct pile *piles;            /* NULL: not laid out */
	struct err e;                  /* of the first that failed; those behind it are not looked at */
	struct arena scratch;
	struct buf text, at;           /* of the piles */
};

/* Takes the batch over; false: it has to begin the next deal. */
bool deal_add(struct deal *d, struct batch *b);
void deal_run(struct job *job);
/* When all rows know their parts. */
int deal_lay_out(struct deal *d, struct err *e) nodiscard;
/* A part's rows as a batch of lines, borrowed: valid until the deal is emptied. */
int deal_pile(const struct deal *d, uint32_t part, struct batch **ret, struct err *e) nodiscard;
void deal_empty(struct deal *d);
void deal_free(struct deal *d);

#endif
