/* What the two halves of a build share: for joinbuild.c and jointable.c alone. */
#ifndef STOOK_OP_JOINTABLE_H
#define STOOK_OP_JOINTABLE_H

#include "lib/base/hash.h"
#include "lib/op/joinwork.h"

#define PIECE_BITS 18 /* of a place in a piece, in units of 8 bytes: the rest is the block */
#define SLOTS_PER_ROW 1.5

/* Rows of a batch. Afterwards they lie in the extents, and this is what the table is made of. */
struct build_piece {
	struct job job;
	const struct build *build;
	const struct feed *feed;  /* until the job has run; `own`, or the caller's */
	struct feed own;
	int64_t from, to, data;   /* of its batch */
	struct rowstore store;    /* until its rows are moved: */
	struct piece_block {
		uint8_t *to;          /* where each of its blocks goes, */
		uint32_t base;        /* and the place of that */
	} *moved;
	struct build_slot *rows;  /* place in the piece, by part of the table; */
	uint32_t end[BUILD_PARTS]; /* where each part ends */
	int64_t n, listed;        /* rows; those with a key */
	int rc;
	struct err e;
};

static inline uint32_t build_hash(const struct build *b, struct str key)
{
	return (uint32_t)hash64(key.p, key.n, b->seed);
}

static inline uint32_t part_of(uint32_t hash)
{
	return hash / (uint32_t)(((uint64_t)1 << 32) / BUILD_PARTS);
}

void build_drop_table(struct build *b);

#endif
