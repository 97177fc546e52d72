/* What the modes of split need besides a hash: exact samples, shares of classes, sizes of text. */
#ifndef STOOK_OP_SPLITWORK_H
#define STOOK_OP_SPLITWORK_H

#include "lib/op/draw.h"
#include "lib/op/keytab.h"
#include "lib/op/splitter.h"

/* A share of each class. A class is known by its placement hash, which also seeds its choices: its records are cut into blocks of
 * 1 / share records, and one of each block is taken. */
struct strata {
	struct keytab classes;
	int64_t *seen;  /* records of each class */
	uint32_t cap;
	int64_t share;  /* of UNIT, at most half of it */
	bool inverted;  /* what is taken is what is left */
};

void strata_init(struct strata *t, const struct split_opts *o);
/* Is the next record of this class taken? */
bool strata_take(struct strata *t, uint64_t class, int *rc, struct err *e);
void strata_free(struct strata *t);

/* Exactly n records (of each class): those with the smallest hashes of their number, counted in their class. */
struct chosen {
	const int64_t *rows; /* ascending: all, or the next ones that have come from the disk */
	int64_t n, at;
	int64_t *all;
	struct draw draw;
	struct source *drawn; /* NULL: `all` has them */
	struct batch *batch;  /* of it, with `rows` */
};

/* Reads all of `from` and chooses; *ret gives the records once more, without those that were left out (closed by the caller). */
int chosen_make(struct chosen *c, struct source *from, const struct key *class, const struct split_opts *o, struct source **ret,
		struct err *e) nodiscard;
/* Asked in ascending order. */
int chosen_has(struct chosen *c, int64_t row, bool *ret, struct err *e) nodiscard;
void chosen_free(struct chosen *c);

/* Sizes of records as text: each is formatted for that once more. */
struct measure {
	int64_t limit, header, used; /* used: of the part being filled; 0: none yet */
	int64_t each;                /* guess of a record's size */
	struct sink *sink;
	struct out *out;
	struct buf bytes;
	const struct split_opts *opts;
};

int measure_open(struct measure *m, const struct split_opts *o, const struct schema *s, struct err *e) nodiscard;
/* Rows [at, at + *n) of b go to the same part, a new one if *fresh. A record that fits no part is ST_DATA. */
int measure_fit(struct measure *m, struct batch *b, int64_t at, int64_t *n, bool *fresh, struct err *e) nodiscard;
void measure_close(struct measure *m);

#endif
