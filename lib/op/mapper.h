/* A map program over a stream. */
#ifndef STOOK_OP_MAPPER_H
#define STOOK_OP_MAPPER_H

#include "lib/expr/expr.h"
#include "lib/table/stream.h"

struct mapper_opts {
	enum on_bad on_bad;
	int64_t now_us;   /* what now() gives */
};

/* Binds the program to the source's schema and runs it over its batches. Takes `from`, also when it fails; the program stays
 * the
 * caller's and must outlive the source. */
int mapper_open(struct source *from, struct program *p, const struct mapper_opts *o, struct source **ret,
		struct err *e) nodiscard;

#endif
