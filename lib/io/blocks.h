/* Compression on several threads: plain bytes are cut into blocks of a fixed size, each packed by itself on whatever thread is free,
 * and what the blocks became follows in their order. So the bytes depend neither on the number of threads nor on how the input
 * came in pieces. At most a few blocks a thread are in flight. */
#ifndef STOOK_IO_BLOCKS_H
#define STOOK_IO_BLOCKS_H

#include "lib/base/buf.h"

/* How a format is made of blocks. All but pack() are called by the thread that writes, in order. */
struct block_coder {
	size_t (*size)(int level); /* plain bytes of every block but the last */
	/* Appends what the bytes become; *note is for add(). -1: out of memory. Runs on any thread. */
	int (*pack)(int level, struct str plain, struct buf *packed, uint64_t *note);

	void *(*open)(int level, struct buf *into); /* appends what stands before the first block. NULL: out of memory */
	int (*add)(void *state, struct str plain, struct str packed, uint64_t note, struct buf *into); /* appends a block */
	int (*end)(void *state, struct buf *into);  /* appends what stands behind the last one */
	void (*free)(void *state);
};

void *blocks_open(const struct block_coder *c, int level, int threads); /* NULL: out of memory */
/* Consumes all of src, appends to `into` what is ready; end: everything. -1: out of memory. */
int blocks_encode(void *blocks, const void *src, size_t n, bool end, struct buf *into);
void blocks_free(void *blocks);

#endif
