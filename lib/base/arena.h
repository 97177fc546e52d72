/* Arenas: many small allocations, freed at once.
 *
 * A zeroed struct is a valid empty arena. Memory is aligned to 64 bytes for requests of 64 bytes and more, to 8 otherwise, and is
 * not cleared. arena_reset() keeps the largest chunk for reuse. Not thread safe: one arena, one thread at a time. Under
 * AddressSanitizer the gap after each allocation is poisoned. */
#ifndef STOOK_BASE_ARENA_H
#define STOOK_BASE_ARENA_H

#include "lib/base/str.h"

#include <stddef.h>

struct arena {
	struct arena_chunk *head; /* newest first */
	size_t used;              /* bytes used in head */
	size_t total;             /* bytes held from malloc, all chunks */
};

/* Returns NULL when out of memory or when n is absurd (over PTRDIFF_MAX). n = 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_calloc(struct arena *a, size_t count, size_t size); /* cleared, multiplication checked */
void *arena_dup(struct arena *a, const void *p, size_t n);
char *arena_strdup(struct arena *a, struct str s); /* NUL terminated copy */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void arena_reset(struct arena *a);
void arena_free(struct arena *a);

#define arena_new(a, type) ((type *)arena_calloc((a), 1, sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_calloc((a), (n), sizeof(type)))
#define cleanup_arena __attribute__((cleanup(arena_free)))

#endif
