/* Between the files that run programs: eval.c (statements, selections, guards), column.c (columns in, columns out), regex.c. */
#ifndef STOOK_EXPR_EVAL_H
#define STOOK_EXPR_EVAL_H

#include "lib/expr/program.h"

size_t value_size(enum value_type t); /* bytes a slot */

/* Reads a slot's column into its vec; `type` is the slot's. */
int column_load(struct eval *ev, struct slot *s, enum value_type type, struct err *e) nodiscard;

static inline bool slot_is_null(const struct slot *s, int64_t i)
{
	return column_is_null(&s->col, s->map ? s->map[i] : i);
}

/* The selected rows of the level in hand as a batch of the program's schema. */
int output_batch(struct eval *ev, struct batch **ret, struct err *e) nodiscard;

int sel_filter(struct eval *ev, struct sel sel, const uint8_t *test, uint8_t want, struct sel *ret, struct err *e) nodiscard;

/* What a thread needs to match regexes, made when first needed. */
void match_free(struct match *m);

#endif
