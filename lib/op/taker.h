/* Some records of a stream, in their order. */
#ifndef STOOK_OP_TAKER_H
#define STOOK_OP_TAKER_H

#include "lib/table/key.h"
#include "lib/table/stream.h"

struct take_opts {
	int64_t limit;  /* so many, of each group if there are groups; < 0: all */
	int64_t skip;   /* not the first so many */
	int64_t every;  /* of the rest every so many-th, beginning with the first; >= 1 */
	int64_t last;   /* the last so many; < 0: not asked for */
	int64_t sample; /* so many chosen at random; < 0: not asked for */
	double share;   /* or this part of all; 0: not asked for */
	uint64_t seed;  /* of the sample */
	const struct key_spec *groups; /* n = 0: none */
	enum on_bad on_bad;
	int64_t memory; /* bytes to work in; 0: no limit */
	const char *tmpdir;
	int threads;
};

/* `last`, `sample`, `share` and groups exclude each other and skip and every. Once no further record can be wanted the source is closed,
 * before the last batch is given out. A sample is the records with the smallest hash of (seed, record number), a share
 * those whose hash is within it: they depend on nothing else. More groups, last or sampled records than the memory holds go through
 * temporary files. Takes `from`, also when it fails. */
int take_open(struct source *from, const struct take_opts *o, struct source **ret, struct err *e) nodiscard;

#endif
