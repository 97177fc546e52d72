/* Bitmaps: see bits.h. Whole bytes in the middle, single bits at the ends. */
#include "lib/base/bits.h"

#include <string.h>

int64_t bits_count(const uint8_t *b, int64_t n)
{
	int64_t ones = 0, i = 0;

	for (; i + 64 <= n; i += 64) {
		uint64_t w;

		memcpy(&w, b + i / 8, 8);
		ones += __builtin_popcountll(w);
	}
	for (; i < n; i++)
		ones += bit_get(b, i);
	return ones;
}

int64_t bits_count_range(const uint8_t *b, int64_t from, int64_t n)
{
	int64_t ones = 0;

	for (; n > 0 && (from & 7); n--)
		ones += bit_get(b, from++);
	return ones + bits_count(b + from / 8, n);
}

void bits_copy(uint8_t *dst, int64_t to, const uint8_t *src, int64_t from, int64_t n)
{
	while (n > 0 && (to & 7)) {
		bit_put(dst, to++, bit_get(src, from++));
		n--;
	}
	if (n >= 8 && (from & 7) == 0) {
		memcpy(dst + to / 8, src + from / 8, (size_t)(n / 8));
	} else {
		int shift = (int)(from & 7);

		for (int64_t k = 0; k < n / 8; k++) {
			const uint8_t *s = src + from / 8 + k;

			dst[to / 8 + k] = (uint8_t)(s[0] >> shift | (unsigned)s[1] << (8 - shift));
		}
	}
	for (int64_t k = n / 8 * 8; k < n; k++)
		bit_put(dst, to + k, bit_get(src, from + k));
}

void bits_fill(uint8_t *dst, int64_t to, int64_t n, bool v)
{
	while (n > 0 && (to & 7)) {
		bit_put(dst, to++, v);
		n--;
	}
	memset(dst + to / 8, v ? 0xff : 0, (size_t)(n / 8));
	for (int64_t k = n / 8 * 8; k < n; k++)
		bit_put(dst, to + k, v);
}
