/* Kept values: see cell.h. Invariant: len - 1 > sizeof in means that `in` begins with a pointer we own. */
#include "lib/agg/cell.h"

#include <stdlib.h>

#define CHUNK 16 /* what an allocation costs beside its bytes, about */

static char *cell_heap(const struct cell *c)
{
	char *p;

	memcpy(&p, c->in, sizeof p);
	return p;
}

static bool is_long(const struct cell *c)
{
	return c->len > sizeof c->in + 1;
}

int cell_set(struct cell *c, struct str s, size_t *heap)
{
	char *p;

	if (s.n >= UINT32_MAX)
		return -1;
	if (s.n <= sizeof c->in) {
		cell_free(c, heap);
		if (s.n)
			memcpy(c->in, s.p, s.n);
	} else {
		p = malloc(s.n);
		if (!p)
			return -1;
		memcpy(p, s.p, s.n);
		cell_free(c, heap);
		memcpy(c->in, &p, sizeof p);
		*heap += s.n + CHUNK;
	}
	c->len = (uint32_t)s.n + 1;
	return 0;
}

void cell_free(struct cell *c, size_t *heap)
{
	if (is_long(c)) {
		free(cell_heap(c));
		*heap -= c->len - 1 + CHUNK;
	}
	c->len = 0;
}

struct str cell_get(const struct cell *c)
{
	return (struct str){ is_long(c) ? cell_heap(c) : c->in, c->len ? c->len - 1 : 0 };
}

int builder_bytes(struct builder *b, struct str s, struct err *e)
{
	if (b->type->layout == LAY_VAR)
		return builder_str(b, s, e);
	if (b->type->layout == LAY_FIXED)
		return builder_fixed(b, s.p, e);
	return builder_bool(b, s.p[0] != 0, e);
}
