/* Kernels of the arithmetic operators, by the class of their operands. */
#ifndef STOOK_EXPR_ARITH_H
#define STOOK_EXPR_ARITH_H

#include "lib/expr/eval.h"

enum arith_class {
	ARITH_I64, ARITH_F64, ARITH_DEC,
	ARITH_MIXED, /* one operand float64, the other num: computed exactly, then rounded once to float64 */
	ARITH_CLASSES
};

struct arith_op {
	const char *name;
	kernel_fn *kernel[ARITH_CLASSES];
	enum value_type result[ARITH_CLASSES];
};

/* NULL: no such operator. */
const struct arith_op *arith_find(struct str name);

#endif
