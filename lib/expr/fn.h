/* The function table: one row a function (or an overload of one): name, signature, kernel, help. To add a function, write
 * its kernel
 * in the file of its family and a row in that file's table.
 *
 * `args`, one letter an argument:
 *     s text (num and json give their characters)     n numbers, brought to one of int64, num, float64; text is read
 *     i whole number      f float64     d num         b bool        t timestamp      D date      u duration
 *     v anything with a printed form, printed         a anything, as it is
 *     k constant text     r constant regex            l list
 *     ? what follows may be missing                   * the last may be repeated
 * `ret`: s i f b d t D u l as above, n the common type of the n arguments, L a list of int64, a as the first argument.
 *
 * kernel[] is indexed by the common type of the n arguments: 0 int64 (or no n at all), 1 float64, 2 num. */
#ifndef STOOK_EXPR_FN_H
#define STOOK_EXPR_FN_H

#include "lib/expr/value.h"

struct check;

struct fn {
	const char *name, *args;
	char ret;
	kernel_fn *kernel[3];
	/* Prepares constants into x->data once the arguments are checked; NULL: nothing to do. */
	int (*prepare)(struct check *c, struct expr *x, struct err *e);
	const char *usage, *help;   /* "substr(s, start, n)", one sentence; usage NULL: an overload told of in the row before */
	const char *gathers;        /* why it cannot be computed on a part of the input; NULL: it can */
};

struct fn_group {
	const char *title;
	const struct fn *fns;       /* terminated by name = NULL */
};

extern const struct fn_group fn_groups[];
extern const struct fn fns_text[], fns_number[], fns_time[], fns_list[], fns_convert[], fns_record[], fns_json[], fns_regex[];

/* The i-th row of that name, or NULL. */
const struct fn *fn_find(struct str name, int i);

#endif
