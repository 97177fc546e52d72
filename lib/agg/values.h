/* All numbers of groups, in the order in which they came, 9 bytes each.
 *
 * VALUES_SHARE neighbouring groups share a chain of blocks, which double up to VALUES_BLOCK values, and all chains share an arena:
 * nothing is ever moved, and only few places are written to at a time. A value is an integer, a byte beside it says whose it is. The
 * values of a block have one form: decimals at one scale, or what the caller puts in their place. A value of a smaller scale than the
 * block's is brought to it, so that mixed scales ("1.5", "2") soon are one. All zero: no values.
 *
 * values_sort() puts the values of a share together group by group (a counting sort); values_select() finds one by its rank. */
#ifndef STOOK_AGG_VALUES_H
#define STOOK_AGG_VALUES_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define VALUES_SHARE 64
#define VALUES_BLOCK 4096

/* A form: the scale, or a mark that only the caller understands. */
#define VALUES_OTHER UINT32_MAX

struct value_block {
	struct value_block *prev;
	int64_t before; /* values in earlier blocks */
	uint32_t cap, form;
	int64_t v[]; /* cap values, then the cap bytes that say whose they are */
};

struct values {
	struct value_block *last;
	int64_t *at; /* where the next value goes, */
	uint8_t *of; /* and whose it is */
	uint32_t left, form;
};

int values_add_slow(struct values *s, uint32_t group, int64_t v, uint32_t form, struct arena *a);

/* Adds a value of a group to its share. 0 or -1 (memory). */
static inline int values_add(struct values *s, uint32_t group, int64_t v, uint32_t form, struct arena *a)
{
	if (!s->left || s->form != form)
		return values_add_slow(s, group, v, form, a);
	*s->at++ = v;
	*s->of++ = group % VALUES_SHARE;
	s->left--;
	return 0;
}

static inline int64_t values_count(const struct values *s)
{
	return s->last ? s->last->before + (s->at - s->last->v) : 0;
}

/* The values of a share, group by group. Zeroed is empty. */
struct sorted_values {
	struct buf v;    /* int64_t[] */
	struct buf room; /* for values_select() */
	int64_t starts[VALUES_SHARE + 1];
	uint32_t form; /* of all; VALUES_OTHER: some are not, or do not fit at one scale */
	struct buf forms; /* uint32_t[], with VALUES_OTHER */
};

void sorted_values_free(struct sorted_values *s);

/* 0 or -1 (memory). */
int values_sort(const struct values *s, struct sorted_values *ret);

/* The k-th smallest (from 0) of v[0 .. n) and the one after it (INT64_MAX when it is the last), in linear time for any values: by the
 * topmost 8 bits in which they differ, then the next 8 of those that share them, and so on (a radix sort, most significant digit
 * first, that follows one bucket). v is left as it is. 0 or -1 (memory). */
int values_select(const int64_t *v, int64_t n, int64_t k, struct buf *room, int64_t *kth, int64_t *next);

#endif
