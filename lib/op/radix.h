/* Stable sort of rows by their encoded keys (lib/table/key.h). */
#ifndef STOOK_OP_RADIX_H
#define STOOK_OP_RADIX_H

#include "lib/op/rowstore.h"

/* Sorts v[0 .. n), whose rows lie in s, stably by whole keys. tmp has room for n entries. Afterwards the words of rows whose keys
 * are kept in the store are undefined. */
void radix_sort(struct entry *v, struct entry *tmp, int64_t n, const struct rowstore *s);

#endif
