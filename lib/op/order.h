/* Order as a claim: whoever relies on sorted input compares neighbours as it reads (--check, --merge). */
#ifndef STOOK_OP_ORDER_H
#define STOOK_OP_ORDER_H

#include "lib/base/buf.h"
#include "lib/table/key.h"

struct order { /* zeroed: nothing seen yet */
	struct buf last; /* key of the last row seen */
	bool any;
	bool repeated;   /* the row found out of order has the key of the one before it */
};

void order_free(struct order *o);

/* Compares the keys of the next rows with their predecessors; rows whose bits are set in `skip` (NULL: none) do not count. *ret = the
 * first row that is smaller than the one before it (with `strict`: not greater), or -1. */
int order_check(struct order *o, const struct keys *k, const uint8_t *skip, bool strict, int64_t *ret, struct err *e) nodiscard;

/* Fills *e with `status`: row `row` of b, which order_check() found, is out of order by the key. Returns -status. */
int order_error(const struct order *o, const struct batch *b, int64_t row, const struct key *key, enum status status, struct err *e);

#endif
