/* Sixteen bytes of a JSON string at a time: which of them are plain, that is neither quote, backslash, control character nor
 * beyond ASCII. One signed comparison with blank finds the last two kinds at once. */
#ifndef STOOK_FORMAT_JSON_SIMD_H
#define STOOK_FORMAT_JSON_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool json_is_plain(char c)
{
	return (signed char)c >= ' ' && c != '"' && c != '\\';
}

#ifdef __SSE2__
#include <emmintrin.h>

static inline int json_special16(__m128i v)
{
	__m128i special = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));

	return _mm_movemask_epi8(_mm_or_si128(special, _mm_cmplt_epi8(v, _mm_set1_epi8(' '))));
}

/* Copies 16 bytes and returns how many of them at the beginning are plain. Both sides need 16 accessible bytes. */
static inline int json_copy16(const char *p, char *to)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);

	_mm_storeu_si128((__m128i *)(void *)to, v);
	return __builtin_ctz((unsigned)json_special16(v) | 0x10000u);
}
#else
static inline int json_copy16(const char *p, char *to)
{
	int n = 0;

	memcpy(to, p, 16);
	while (n < 16 && json_is_plain(p[n]))
		n++;
	return n;
}
#endif

/* Plain bytes at the beginning of p[0 .. n). */
static inline size_t json_plain(const char *p, size_t n)
{
	size_t i = 0;

#ifdef __SSE2__
	for (; n - i >= 16; i += 16) {
		int special = json_special16(_mm_loadu_si128((const __m128i *)(const void *)(p + i)));

		if (special)
			return i + (size_t)__builtin_ctz((unsigned)special);
	}
#endif
	while (i < n && json_is_plain(p[i]))
		i++;
	return i;
}

#endif
