/* Rows whose keys came before in their batch, so that what a key costs (its hash, a look into a large table, the memory behind it)
 * is paid once a batch for the keys that are most of a batch. Stateless, thread safe. */
#ifndef STOOK_OP_REPEATS_H
#define STOOK_OP_REPEATS_H

#include "lib/table/key.h"

/* Row by row an earlier one with the same key that is not a repeat itself, or the row itself: most repeats of keys up to 16 bytes are
 * found, of longer ones none. In `a`; *ret = NULL: too few for it to be worth while. */
int repeats_find(const struct keys *k, struct arena *a, uint32_t **ret, struct err *e) nodiscard;

#endif
