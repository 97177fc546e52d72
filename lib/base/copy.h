/* Values are copied by 16 bytes whatever their length: short ones are one load and one store, no call. */
#ifndef STOOK_BASE_COPY_H
#define STOOK_BASE_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define COPY_SLACK 16 /* bytes from the beginning of a value, and of its place, that may be touched */

/* n bytes; what lies behind them, up to COPY_SLACK, may be read and overwritten. Returns the end of the copy. */
static inline uint8_t *copy_short(uint8_t *to, const void *from, size_t n)
{
	memcpy(to, from, COPY_SLACK);
	if (__builtin_expect(n > COPY_SLACK, 0))
		memcpy(to + COPY_SLACK, (const uint8_t *)from + COPY_SLACK, n - COPY_SLACK);
	return to + n;
}

/* The same for values that are longer than that more often than not. */
static inline uint8_t *copy_long(uint8_t *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i += COPY_SLACK)
		memcpy(to + i, (const uint8_t *)from + i, COPY_SLACK);
	return to + n;
}

#endif
