/* Eight ASCII digits at a time in a 64-bit word, first character in the lowest byte. */
#ifndef STOOK_BASE_SWAR_H
#define STOOK_BASE_SWAR_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SWAR_BYTES(x) ((x) * 0x0101010101010101u)

/* Eight characters, less '0' each: digits are 0 .. 9. */
static inline uint64_t swar_load_digits(const char *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return le64toh(v) ^ SWAR_BYTES(0x30u);
}

static inline void swar_store(void *dst, uint64_t v)
{
	v = htole64(v);
	memcpy(dst, &v, 8);
}

/* High bits of the bytes that are above 9. May flag too much above a byte that is above 0x89, never too little, and the
 * lowest flag is always right. */
static inline uint64_t swar_non_digits(uint64_t v)
{
	return ((v + SWAR_BYTES(0x76u)) | v) & SWAR_BYTES(0x80u);
}

/* The number that eight digits 0 .. 9 stand for. */
static inline uint64_t swar_number(uint64_t v)
{
	v = v * 10 + (v >> 8);
	return ((v & 0xff000000ff) * 0x000f424000000064 + ((v >> 16) & 0xff000000ff) * 0x0000271000000001) >> 32;
}

/* Eight digits as four numbers below 100, as swar_pairs() has them. */
static inline uint32_t swar_pair_up(uint64_t v)
{
	v = (v * 10 + (v >> 8)) & 0x00ff00ff00ff00ff;
	v = (v | v >> 8) & 0x0000ffff0000ffff;
	return (uint32_t)(v | v >> 16);
}

/* "-123.45": one to eight digits, or these, a point and one to eight more. */
struct swar_decimal {
	uint64_t whole, frac; /* their digits, the last one in the highest byte, zeros below the first */
	size_t places;        /* behind the point: 0 .. 8 */
	bool neg;
};

/* p[0 .. n); up to `end` can be read. No branch depends on the digits. false: something else, not necessarily bad. */
static inline bool swar_decimal(const char *p, size_t n, const char *end, struct swar_decimal *ret)
{
	uint64_t word, flags;
	size_t whole;

	ret->neg = n && *p == '-';
	p += ret->neg;
	n -= ret->neg;
	if (n - 1 >= 17 || end - p < 17)
		return false;
	word = swar_load_digits(p);
	flags = swar_non_digits(word);
	whole = flags ? (size_t)__builtin_ctzll(flags) / 8 : 8;
	if (whole >= n) {
		ret->whole = word << (64 - 8 * n);
		ret->frac = ret->places = 0;
		return true;
	}
	ret->places = n - whole - 1;
	if (p[whole] != '.' || ret->places - 1 >= 8 || !whole)
		return false;
	ret->whole = word << (64 - 8 * whole);
	ret->frac = swar_load_digits(p + whole + 1) << (64 - 8 * ret->places);
	return !swar_non_digits(ret->frac);
}

/* v < 10^8 as four numbers below 100, one a byte, the most significant in the lowest. */
static inline uint32_t swar_pairs(uint32_t v)
{
	uint64_t fours = v / 10000 | (uint64_t)(v % 10000) << 32, high = (fours * 5243 >> 19) & 0x0000007f0000007f;
	uint64_t pairs = high | (fours - high * 100) << 16;

	pairs = (pairs | pairs >> 8) & 0x0000ffff0000ffff;
	return (uint32_t)(pairs | pairs >> 16);
}

/* v < 10^8 as eight digits 0 .. 9, one a byte, the most significant in the lowest. */
static inline uint64_t swar_digits(uint32_t v)
{
	uint64_t fours = v / 10000 | (uint64_t)(v % 10000) << 32, high = (fours * 5243 >> 19) & 0x0000007f0000007f;
	uint64_t pairs = high | (fours - high * 100) << 16, tens = (pairs * 103 >> 10) & 0x000f000f000f000f;

	return tens | (pairs - tens * 10) << 8;
}

#endif
