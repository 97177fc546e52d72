/* A growing byte buffer: see buf.h. Growth is by half, so that appending n bytes costs O(n). */
#include "lib/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}

int buf_grow(struct buf *b, size_t more)
{
	size_t need, cap;
	uint8_t *p;

	if (__builtin_add_overflow(b->n, more, &need) || need > PTRDIFF_MAX)
		return -1;
	cap = b->cap + b->cap / 2;
	if (cap < need)
		cap = need;
	if (cap < 64)
		cap = 64;
	p = realloc(b->p, cap);
	if (!p)
		return -1;
	b->p = p;
	b->cap = cap;
	return 0;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n, rc = -1;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n >= 0 && buf_reserve(b, (size_t)n + 1) == 0) {
		vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
		rc = 0;
	}
	va_end(again);
	va_end(ap);
	return rc;
}

int buf_zero(struct buf *b, size_t n)
{
	if (buf_reserve(b, n))
		return -1;
	if (n)
		memset(b->p + b->n, 0, n);
	b->n += n;
	return 0;
}
