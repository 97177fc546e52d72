/* What the two halves of a build share: for joinbuild.c and jointable.c alone. */
#ifndef STOOK_OP_JOINTABLE_H
#define STOOK_OP_JOINTABLE_H

#include "lib/base/hash.h"
#include "lib/op/joinwork.h"

#define BUCKET_LOAD 8 /* rows for which there is a bucket: of sixteen buckets, one is passed */

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
		uint32_t base;        /* the place of that, */
		uint32_t bytes;
	} *moved;
	uint32_t nmoved;
	struct slice {            /* where each slice of its rows begins: build.slices, and the end */
		uint32_t block, at;   /* bytes */
	} *slices;
	int64_t n;                /* rows */
	int rc;
	struct err e;
};

/* 31 bits, the upper ones. */
static inline uint32_t build_hash(const struct build *b, struct str key)
{
	return (uint32_t)hash64(key.p, key.n, b->seed) & ~(uint32_t)1;
}

void build_drop_table(struct build *b);

#endif
