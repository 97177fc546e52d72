/* A growing byte buffer. A zeroed struct is a valid empty buffer. Functions that may grow it return 0, or -1 when out of memory
 * (the contents are then as before). */
#ifndef STOOK_BASE_BUF_H
#define STOOK_BASE_BUF_H

#include "lib/base/str.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	uint8_t *p;
	size_t n, cap;
};

#define cleanup_buf __attribute__((cleanup(buf_free)))
#define must_check __attribute__((warn_unused_result))

void buf_free(struct buf *b);
must_check int buf_grow(struct buf *b, size_t more); /* room for n + more bytes, amortised */
must_check int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
must_check int buf_zero(struct buf *b, size_t n); /* appends n zero bytes */

/* Guarantees room for `more` further bytes. */
must_check static inline int buf_reserve(struct buf *b, size_t more)
{
	return b->cap - b->n >= more ? 0 : buf_grow(b, more);
}

must_check static inline int buf_add(struct buf *b, const void *p, size_t n)
{
	if (buf_reserve(b, n))
		return -1;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	return 0;
}

must_check static inline int buf_str(struct buf *b, struct str s)
{
	return buf_add(b, s.p, s.n);
}

must_check static inline int buf_puts(struct buf *b, const char *z)
{
	return buf_add(b, z, strlen(z));
}

must_check static inline int buf_byte(struct buf *b, uint8_t c)
{
	if (buf_reserve(b, 1))
		return -1;
	b->p[b->n++] = c;
	return 0;
}

static inline struct str buf_view(const struct buf *b)
{
	return (struct str){ (const char *)b->p, b->n };
}

#endif
