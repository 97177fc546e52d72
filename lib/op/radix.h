/* Stable sort of rows by their encoded keys (lib/table/key.h). */
#ifndef STOOK_OP_RADIX_H
#define STOOK_OP_RADIX_H

#include "lib/op/rowstore.h"

/* Sorts v[0 .. n) stably by the rows' whole keys. tmp has room for n entries. Afterwards the words are undefined. */
void radix_sort(struct entry *v, struct entry *tmp, int64_t n);

#endif
