/* Compression in blocks: see blocks.h. A ring of blocks: `first` is the oldest one that a thread may be packing, the one behind the
 * last of those is being filled. */
#include "lib/io/blocks.h"

#include "lib/base/pool.h"

#include <stdlib.h>

#define MOST_THREADS 16

struct block {
	struct job job;
	const struct blocks *of;
	struct buf plain, packed;
	uint64_t note;
	int rc;
};

struct blocks {
	const struct block_coder *coder;
	int level;
	size_t size;
	struct pool *pool;
	void *state; /* the coder's, NULL: nothing has been written */
	int first, busy, n;
	struct block ring[];
};

void *blocks_open(const struct block_coder *c, int level, int threads)
{
	int n = threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : threads;
	int nring = n > 1 ? 2 * n : 1;
	struct blocks *b = calloc(1, sizeof *b + (size_t)nring * sizeof *b->ring);
	struct err e;

	if (b && pool_open(&b->pool, n, &e) < 0) {
		free(b);
		b = NULL;
	}
	if (!b)
		return NULL;
	b->coder = c;
	b->level = level;
	b->size = c->size(level);
	b->n = nring;
	return b;
}

static void pack(struct job *j)
{
	struct block *k = (struct block *)j;

	k->packed.n = 0;
	k->rc = k->of->coder->pack(k->of->level, buf_view(&k->plain), &k->packed, &k->note);
}

/* A packed block takes its place. */
static int put(struct blocks *b, struct block *k, struct buf *into)
{
	int rc = k->rc;

	if (!rc)
		rc = b->coder->add(b->state, buf_view(&k->plain), buf_view(&k->packed), k->note, into);
	k->plain.n = 0;
	return rc;
}

/* Waits for the oldest block. */
static int settle(struct blocks *b, struct buf *into)
{
	struct block *k = &b->ring[b->first];

	pool_wait(b->pool, &k->job);
	b->first = (b->first + 1) % b->n;
	b->busy--;
	return put(b, k, into);
}

/* The block that was being filled goes to the threads; the next one is free afterwards. */
static int give(struct blocks *b, struct block *k, struct buf *into)
{
	k->job.run = pack;
	k->of = b;
	pool_give(b->pool, &k->job);
	b->busy++;
	return b->busy == b->n ? settle(b, into) : 0;
}

/* What is left. A short input is one block, and needs no thread. */
static int finish(struct blocks *b, struct buf *into)
{
	struct block *k = &b->ring[(b->first + b->busy) % b->n];
	bool last = k->plain.n > 0;

	k->of = b;
	if (last)
		pack(&k->job);
	while (b->busy)
		if (settle(b, into))
			return -1;
	if (last && put(b, k, into))
		return -1;
	return b->coder->end(b->state, into);
}

int blocks_encode(void *blocks, const void *src, size_t n, bool end, struct buf *into)
{
	struct blocks *b = blocks;
	const uint8_t *p = src;

	if (!b->state && !(b->state = b->coder->open(b->level, into)))
		return -1;
	while (n) {
		struct block *k = &b->ring[(b->first + b->busy) % b->n];
		size_t take = b->size - k->plain.n < n ? b->size - k->plain.n : n;

		if (buf_add(&k->plain, p, take))
			return -1;
		p += take;
		n -= take;
		if (k->plain.n == b->size && give(b, k, into))
			return -1;
	}
	return end ? finish(b, into) : 0;
}

void blocks_free(void *blocks)
{
	struct blocks *b = blocks;

	if (!b)
		return;
	pool_close(b->pool);
	for (int i = 0; i < b->n; i++) {
		buf_free(&b->ring[i].plain);
		buf_free(&b->ring[i].packed);
	}
	if (b->state)
		b->coder->free(b->state);
	free(b);
}
