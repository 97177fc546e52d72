/* Amounts: how often a record counts, from a field of weights or counts (confusion-matrix).
 *
 * A count is a whole number below 2^63, a weight any finite decimal; neither is negative or missing. A double counts as the
 * decimal it prints as, so that a table means the same in any format. */
#ifndef STOOK_OP_AMOUNT_H
#define STOOK_OP_AMOUNT_H

#include "lib/table/reading.h"

/* The amount in row `row` of column `col`, which `n` has read whole. Its digits, if big, are in n->pool. ST_DATA with the place. */
int amount_at(const struct batch *b, int col, bool weight, struct numbers *n, int64_t row, struct dec *ret, struct err *e) nodiscard;

#define AMOUNT_NOT_WHOLE "a count must be a whole number, and all of them together below 2^63"

/* The decimal that a row's value prints as; false: it is not finite. For NUMS_F64 the digits go into n->pool. */
bool spelled_dec(struct numbers *n, int64_t row, struct dec *ret);

#endif
