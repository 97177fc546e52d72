/* Stable sort of rows by their encoded keys (lib/table/key.h). */
#ifndef STOOK_OP_RADIX_H
#define STOOK_OP_RADIX_H

#include "lib/op/rowstore.h"

struct radix_room { /* for one entry; from malloc() */
	struct entry entry;
	uint64_t item;
};

/* Sorts v[0 .. n) stably by the rows' whole keys. Room is for n entries. Afterwards the words are undefined. */
void radix_sort(struct entry *v, struct radix_room *room, int64_t n);

#endif
