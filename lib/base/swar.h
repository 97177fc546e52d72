/* Eight ASCII digits at a time in a 64-bit word, first character in the lowest byte. */
#ifndef STOOK_BASE_SWAR_H
#define STOOK_BASE_SWAR_H

#include <endian.h>
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
