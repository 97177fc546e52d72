/* Conversions between the types of values. */
#ifndef STOOK_EXPR_CONVERT_H
#define STOOK_EXPR_CONVERT_H

#include "lib/expr/eval.h"

/* The kernel that makes `to` of `from`, or NULL. Text becomes numbers, times and so on by being read: what cannot be read is
 * a bad
 * value. Everything but lists becomes text by being printed. */
kernel_fn *conversion(enum value_type from, enum value_type to);

/* eval of conversions to num: whole columns of text go through read_numbers(). */
eval_fn eval_to_decimal;

/* Appends the printed form of row i, which is not null. 0 or -1. */
int print_value(struct eval *ev, const struct vec *v, int64_t i, struct buf *b);

#endif
