/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef STOOK_BASE_UTF8_H
#define STOOK_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_BAD UINT32_MAX

/* Offset of the first byte that is not part of valid UTF-8, or n when all is valid. Long runs of ASCII cost 1/32 cycle a byte
 * or so. */
size_t utf8_check(const void *p, size_t n);

static inline bool utf8_valid(const void *p, size_t n)
{
	return utf8_check(p, n) == n;
}

/* Decodes the code point at p[0 .. n), n > 0, and sets *len to its bytes. Invalid: UTF8_BAD, *len = 1. */
uint32_t utf8_decode(const void *p, size_t n, size_t *len);

/* Writes c (a valid scalar value) to dst and returns its 1 to 4 bytes. */
size_t utf8_encode(uint32_t c, char dst[4]);

/* Number of code points in valid UTF-8; invalid bytes count one each. */
size_t utf8_count(const void *p, size_t n);

#endif
