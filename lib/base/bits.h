/* Bitmaps, least significant bit first (Arrow's validity bitmaps and boolean values). */
#ifndef STOOK_BASE_BITS_H
#define STOOK_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool bit_get(const uint8_t *b, int64_t i)
{
	return b[i >> 3] >> (i & 7) & 1;
}

static inline void bit_set(uint8_t *b, int64_t i)
{
	b[i >> 3] |= (uint8_t)(1u << (i & 7));
}

static inline void bit_clear(uint8_t *b, int64_t i)
{
	b[i >> 3] &= (uint8_t)~(1u << (i & 7));
}

static inline void bit_put(uint8_t *b, int64_t i, bool v)
{
	b[i >> 3] = (uint8_t)((b[i >> 3] & ~(1u << (i & 7))) | (unsigned)v << (i & 7));
}

static inline size_t bits_bytes(int64_t n)
{
	return (size_t)((n + 7) / 8);
}

int64_t bits_count(const uint8_t *b, int64_t n); /* ones among the first n bits */
int64_t bits_count_range(const uint8_t *b, int64_t from, int64_t n);

/* Copies n bits from src, starting at bit `from`, to dst, starting at bit `to`. The ranges must not overlap. Bits of dst
 * outside the range keep their value. */
void bits_copy(uint8_t *dst, int64_t to, const uint8_t *src, int64_t from, int64_t n);
void bits_fill(uint8_t *dst, int64_t to, int64_t n, bool v);

#endif
