/* How kernels are written. */
#ifndef STOOK_EXPR_KERNEL_H
#define STOOK_EXPR_KERNEL_H

#include "lib/expr/eval.h"

#define KERNEL(name)                                                                                                           \
	static int name(struct eval *ev, const struct expr *x, const struct vec *args, struct sel sel, struct vec *ret, struct err *e)

/* Slot of argument k for row i. */
#define ARG(k, member, i) (args[k].member[(i) & args[k].mask])

/* At most 60 bytes of a text, for "%.*s" in messages. */
#define EXCERPT(s) ((s).n > 60 ? 60 : (int)(s).n), (s).p

#define UNUSED_KERNEL_ARGS (void)ev, (void)x, (void)args, (void)e

static inline struct str text_copy(struct eval *ev, struct str s)
{
	char *p = eval_text(ev, s.n);

	if (p && s.n)
		memcpy(p, s.p, s.n);
	return (struct str){ p, p ? s.n : 0 };
}

/* Eight bytes at a time, then the rest. */
static inline bool text_is_ascii(struct str s)
{
	uint64_t any = 0, v;
	size_t i = 0;

	for (; i + 8 <= s.n; i += 8) {
		memcpy(&v, s.p + i, 8);
		any |= v;
	}
	for (; i < s.n; i++)
		any |= (unsigned char)s.p[i];
	return !(any & 0x8080808080808080);
}

#endif
