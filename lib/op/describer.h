/* reduce --describe: one record a field of the input, with what can be said of it in one pass and fixed memory. */
#ifndef STOOK_OP_DESCRIBER_H
#define STOOK_OP_DESCRIBER_H

#include "lib/op/reducer.h"

/* Takes `in`, also on failure. Columns: field, type, count (values that are there), missing, distinct~, numbers (values that read as
 * numbers), min, p25~, p50~, p75~, max, mean, sd. min and max are by number when all values are numbers, by bytes otherwise; the rest
 * is over the numbers alone. Fields that nothing can be computed on are only counted. */
int describe_open(struct source *in, struct source **ret, struct err *e) nodiscard;

#endif
