/* Exact samples of any size, on disk: which records are drawn, when what must be known of them does not fit into the memory. */
#ifndef STOOK_OP_DRAW_H
#define STOOK_OP_DRAW_H

#include "lib/table/key.h"
#include "lib/table/stream.h"

struct draw {
	int64_t n;               /* records of each class, or all that it has */
	const struct key *class; /* n = 0: all records are one class */
	uint64_t seed;
	enum on_bad on_bad;      /* of the class's key; what it leaves out should not be there any more */
	int64_t memory;          /* to work in; 0: no limit */
	const char *tmpdir;
	int threads;
	struct key_part part;    /* draw.c's own: the column of classes, */
	struct key_spec classes;
	uint64_t last;           /* the class hashed last, */
	int64_t seen;            /* and how many of it there were */
};

/* The numbers of the records of `from` that are drawn, ascending, in column DRAWN_ROW, int64: of each class those whose number in it has
 * the smallest hash, seeded with the hash of the class. Takes `from`, also when it fails; all of it has been read when there is a first
 * batch. `d` is borrowed until the source is closed. */
#define DRAWN_ROW 1
int draw_open(struct source *from, struct draw *d, struct source **ret, struct err *e) nodiscard;

#endif
