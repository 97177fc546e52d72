/* How kernels are written. */
#ifndef STOOK_EXPR_KERNEL_H
#define STOOK_EXPR_KERNEL_H

#include "lib/expr/eval.h"

#define KERNEL(name)                                                                                                                \
	static int name(struct eval *ev, const struct expr *x, const struct vec *args, struct sel sel, struct vec *ret, struct err *e)

/* Slot of argument k for row i. */
#define ARG(k, member, i) (args[k].member[(i) & args[k].mask])

#define UNUSED_KERNEL_ARGS (void)ev, (void)x, (void)args, (void)e

static inline struct str text_copy(struct eval *ev, struct str s)
{
	char *p = eval_text(ev, s.n);

	if (p && s.n)
		memcpy(p, s.p, s.n);
	return (struct str){ p, p ? s.n : 0 };
}

/* Is it a continuation byte of UTF-8? */
static inline bool utf8_cont(char c) { return ((unsigned char)c & 0xc0) == 0x80; }

#endif
