/* A value kept as bytes: up to 12 of them inside, longer ones on the heap. All zero: no value. */
#ifndef STOOK_AGG_CELL_H
#define STOOK_AGG_CELL_H

#include "lib/table/column.h"

struct cell {
	uint32_t len; /* length + 1; 0: nothing kept */
	char in[12];  /* the bytes, or (longer) a pointer to them */
};

/* Replaces; 0 or -1 (memory: unchanged). *heap counts the bytes that all cells of an aggregate hold. */
int cell_set(struct cell *c, struct str s, size_t *heap);
void cell_free(struct cell *c, size_t *heap);
struct str cell_get(const struct cell *c);  /* borrowed from c */

static inline bool cell_has(const struct cell *c)
{
	return c->len != 0;
}

/* The bytes of row i of an LAY_VAR, LAY_FIXED or LAY_BIT column (`bit` holds a boolean's byte). */
static inline struct str column_bytes_at(const struct column *c, int64_t i, char *bit)
{
	if (c->type->layout == LAY_VAR)
		return column_str(c, i);
	if (c->type->layout == LAY_FIXED)
		return (struct str){ (const char *)c->values + i * c->type->width, (size_t)c->type->width };
	*bit = (char)bit_get(c->values, i);
	return (struct str){ bit, 1 };
}

/* Appends such bytes to a builder of that type. */
int builder_bytes(struct builder *b, struct str s, struct err *e) nodiscard;

static inline bool type_has_bytes(const struct type *t)
{
	return t->layout == LAY_VAR || t->layout == LAY_FIXED || t->layout == LAY_BIT;
}

#endif
