/* Large arrays in pages of their own: they grow without a copy (mremap), leave no holes in the heap, and are given back at once. */
#ifndef STOOK_BASE_PAGES_H
#define STOOK_BASE_PAGES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* `to` bytes instead of `from` (0: none yet, p is then not looked at); new ones are zero. NULL when out of memory, p is then as it was. */
static inline void *pages_resize(void *p, size_t from, size_t to)
{
#ifdef __SANITIZE_THREAD__ /* does not see mremap(): what other threads did at an address before would count */
	void *moved = mmap(NULL, to, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (moved != MAP_FAILED && from) {
		memcpy(moved, p, from < to ? from : to);
		munmap(p, from);
	}
	p = moved;
#else
	p = from ? mremap(p, from, to, MREMAP_MAYMOVE) : mmap(NULL, to, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#endif
	return p == MAP_FAILED ? NULL : p;
}

/* Makes the pages that begin in bytes [from, to) of p ready to be written to. Without it, pages that are read first are mapped twice, and the
 * second time every processor has to be told. */
static inline void pages_touch(void *p, size_t from, size_t to)
{
	char *begin = (char *)p + from;

	begin += -(uintptr_t)begin & 4095;
	if (begin < (char *)p + to)
		(void)madvise(begin, (size_t)((char *)p + to - begin), MADV_POPULATE_WRITE);
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
