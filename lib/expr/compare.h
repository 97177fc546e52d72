/* Kernels of the comparisons, by the class of their operands. Numbers compare by exact value; NaN equals itself and comes
 * last. */
#ifndef STOOK_EXPR_COMPARE_H
#define STOOK_EXPR_COMPARE_H

#include "lib/expr/eval.h"

enum compare_class { COMPARE_I64, COMPARE_F64, COMPARE_DEC, COMPARE_TEXT, COMPARE_BOOL, COMPARE_CLASSES };

struct compare_op {
	const char *name;
	kernel_fn *kernel[COMPARE_CLASSES];
};

const struct compare_op *compare_find(struct str name); /* "==" ...; NULL: none */

/* x in (constants): x->data is what set_prepare() made of them. */
struct set;
int set_prepare(struct check *c, enum value_type type, struct expr *const *items, int n, const struct set **ret,
		struct err *e) nodiscard;
eval_fn eval_in_set;

/* The kernel of least() or greatest() of values of one type. */
kernel_fn *extreme_kernel(enum value_type type, bool greatest);

/* -1, 0, 1 */
int compare_dec(struct dec a, struct dec b, const struct decpool *p);
static inline int compare_f64(double a, double b)
{
	if (a != a || b != b)
		return (a != a) - (b != b);
	return (a > b) - (a < b);
}

#endif
