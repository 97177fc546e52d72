/* Large arrays in pages of their own: they grow without a copy (mremap), leave no holes in the heap, and are given back at once. */
#ifndef STOOK_BASE_PAGES_H
#define STOOK_BASE_PAGES_H

#include <stddef.h>
#include <sys/mman.h>

/* `to` bytes instead of `from` (0: none yet, p is then not looked at); new ones are zero. NULL when out of memory, p is then as it was. */
static inline void *pages_resize(void *p, size_t from, size_t to)
{
	p = from ? mremap(p, from, to, MREMAP_MAYMOVE) : mmap(NULL, to, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

/* The pages that lie in bytes [from, to) of p, and those that begin before `from`, hold nothing from now on. Returns where that ends. */
static inline size_t pages_give_back(void *p, size_t from, size_t to)
{
	to &= ~(size_t)4095;
	if (to <= from || madvise((char *)p + from, to - from, MADV_DONTNEED) != 0)
		return from;
	return to;
}

static inline void pages_free(void *p, size_t n)
{
	if (n)
		munmap(p, n);
}

#endif
