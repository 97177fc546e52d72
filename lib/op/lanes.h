/* Batches on disk in their order: dealt out to several temporary files in turn, so that as many threads compress them or read them at once.
 *
 *     lanes_open(&l, schema, pool, tmpdir, e);
 *     lanes_write(&l, batch, e);           // any number of times
 *     lanes_read(&l, &source, e);          // the same batches; again as soon as the source is closed
 *     lanes_close(&l);                     // after the source
 *
 * The pool (NULL: none) is borrowed; one thread calls. */
#ifndef STOOK_OP_LANES_H
#define STOOK_OP_LANES_H

#include "lib/op/regroup.h"

#define LANES 4

struct lanes { /* zeroed is closed */
	struct regroup files;
	int64_t batches, rows;
	struct buf starts; /* int64 a batch: rows before it */
};

int lanes_open(struct lanes *l, const struct schema *schema, struct pool *pool, const char *tmpdir, struct err *e) nodiscard;
/* A batch with rows; a reference is taken. The failure may be that of an earlier batch. */
int lanes_write(struct lanes *l, struct batch *b, struct err *e) nodiscard;
/* origin.row of a batch says how many rows come before it. */
int lanes_read(struct lanes *l, struct source **ret, struct err *e) nodiscard;
void lanes_close(struct lanes *l);

#endif
