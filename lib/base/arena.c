/* Arenas: a list of chunks of doubling size; allocation bumps a pointer in the newest. */
#include "lib/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define REDZONE 16
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define REDZONE 0
#endif

#define FIRST_CHUNK 4096u
#define LARGEST_DOUBLING (4u << 20)
#define OWN_CHUNK (1u << 20) /* what is larger has a chunk to itself, and small things go on where they were */

struct arena_chunk {
	_Alignas(64) struct arena_chunk *next;
	size_t size; /* usable bytes */
	void *block; /* what malloc() gave: aligned_alloc() finds no place for a chunk where one of the same size has been */
	_Alignas(64) unsigned char data[];
};

/* A chunk of its own at *at. */
static struct arena_chunk *add_chunk(struct arena *a, struct arena_chunk **at, size_t size)
{
	struct arena_chunk *c;
	void *block = malloc(sizeof *c + size + 63);

	if (!block)
		return NULL;
	c = (struct arena_chunk *)(((uintptr_t)block + 63) & ~(uintptr_t)63);
	c->block = block;
	c->size = size;
	c->next = *at;
	*at = c;
	a->total += sizeof *c + size;
	ASAN_POISON_MEMORY_REGION(c->data, c->size);
	return c;
}

static bool new_head(struct arena *a, size_t need)
{
	size_t size = a->head ? a->head->size * 2 : FIRST_CHUNK;

	if (size > LARGEST_DOUBLING)
		size = LARGEST_DOUBLING;
	if (!add_chunk(a, &a->head, size < need ? need : size))
		return false;
	a->used = 0;
	return true;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t align = n >= 64 ? 64 : 8;
	size_t at = (a->used + align - 1) & ~(align - 1);
	unsigned char *p;

	if (n > PTRDIFF_MAX / 2)
		return NULL;
	if (!a->head || at > a->head->size || a->head->size - at < n + REDZONE) {
		if (a->head && n > OWN_CHUNK) {
			struct arena_chunk *c = add_chunk(a, &a->head->next, n + REDZONE);

			if (c)
				ASAN_UNPOISON_MEMORY_REGION(c->data, n);
			return c ? c->data : NULL;
		}
		if (!new_head(a, n + REDZONE))
			return NULL;
		at = 0;
	}
	p = a->head->data + at;
	a->used = at + n + REDZONE;
	ASAN_UNPOISON_MEMORY_REGION(p, n);
	return p;
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
	size_t n;
	void *p;

	if (__builtin_mul_overflow(count, size, &n))
		return NULL;
	p = arena_alloc(a, n);
	if (p && n)
		memset(p, 0, n);
	return p;
}

void *arena_dup(struct arena *a, const void *p, size_t n)
{
	void *q = arena_alloc(a, n);

	if (q && n)
		memcpy(q, p, n);
	return q;
}

char *arena_strdup(struct arena *a, struct str s)
{
	char *z = arena_alloc(a, s.n + 1);

	if (!z)
		return NULL;
	if (s.n)
		memcpy(z, s.p, s.n);
	z[s.n] = '\0';
	return z;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *z = NULL;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n >= 0 && (z = arena_alloc(a, (size_t)n + 1)))
		vsnprintf(z, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return z;
}

static void free_chunk(struct arena_chunk *c)
{
	ASAN_UNPOISON_MEMORY_REGION(c->data, c->size);
	free(c->block);
}

void arena_reset(struct arena *a)
{
	struct arena_chunk *keep = a->head, *c, *next;

	for (c = a->head; c; c = c->next)
		if (c->size > keep->size)
			keep = c;
	for (c = a->head; c; c = next) {
		next = c->next;
		if (c != keep)
			free_chunk(c);
	}
	a->head = keep;
	a->used = 0;
	a->total = keep ? sizeof *keep + keep->size : 0;
	if (keep) {
		keep->next = NULL;
		ASAN_POISON_MEMORY_REGION(keep->data, keep->size);
	}
}

void arena_free(struct arena *a)
{
	struct arena_chunk *c, *next;

	for (c = a->head; c; c = next) {
		next = c->next;
		free_chunk(c);
	}
	*a = (struct arena){ 0 };
}
