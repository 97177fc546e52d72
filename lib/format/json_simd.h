/* Sixteen bytes of a JSON string at a time: which of them are plain, that is neither quote, backslash, control character nor
 * beyond ASCII. One signed comparison with blank finds the last two kinds at once. */
#ifndef STOOK_FORMAT_JSON_SIMD_H
#define STOOK_FORMAT_JSON_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool json_is_plain(char c)
{
	return (signed char)c >= ' ' && c != '"' && c != '\\';
}

/* json_first_special(v): how many of the 16 bytes are plain before the first that is not. */
#if defined(__SSE2__)
#include <emmintrin.h>
typedef __m128i json_bytes;
#define json_load(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define json_store(p, v) _mm_storeu_si128((__m128i *)(void *)(p), v)

static inline unsigned json_special_bits(json_bytes v)
{
	json_bytes special = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));

	special = _mm_or_si128(special, _mm_cmplt_epi8(v, _mm_set1_epi8(' ')));
	return (unsigned)_mm_movemask_epi8(special);
}

static inline int json_first_special(json_bytes v)
{
	return __builtin_ctz(json_special_bits(v) | 0x10000u);
}
#elif defined(__aarch64__)
#include <arm_neon.h>
typedef uint8x16_t json_bytes;
#define json_load(p) vld1q_u8((const uint8_t *)(p))
#define json_store(p, v) vst1q_u8((uint8_t *)(p), v)

static inline int json_first_special(json_bytes v)
{
	uint8x16_t special = vorrq_u8(vceqq_u8(v, vdupq_n_u8('"')), vceqq_u8(v, vdupq_n_u8('\\')));
	uint64_t nibbles; /* four bits a byte */

	special = vorrq_u8(special, vcltq_s8(vreinterpretq_s8_u8(v), vdupq_n_s8(' ')));
	nibbles = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(special), 4)), 0);
	return nibbles ? __builtin_ctzll(nibbles) / 4 : 16;
}
#endif

/* Copies 16 bytes and returns how many of them at the beginning are plain. Both sides need 16 accessible bytes. */
static inline int json_copy16(const char *p, char *to)
{
#ifdef json_load
	json_bytes v = json_load(p);

	json_store(to, v);
	return json_first_special(v);
#else
	int n = 0;

	memcpy(to, p, 16);
	while (n < 16 && json_is_plain(p[n]))
		n++;
	return n;
#endif
}

/* How many of the 32 bytes at p are plain before the first that is not; 0 also where nothing looks at so many. */
static inline int json_plain32(const char *p)
{
#ifdef __SSE2__
	uint64_t second = json_special_bits(json_load(p + 16));

	return __builtin_ctzll(json_special_bits(json_load(p)) | second << 16 | UINT64_C(1) << 32);
#else
	(void)p;
	return 0;
#endif
}

/* Length of the number at p where it is digits, or digits, a point and digits, a minus sign perhaps before them, 15 bytes or fewer; else 0:
 * to be looked at by bytes. Needs 17 accessible bytes. */
static inline int json_plain_number(const char *p)
{
#ifdef __SSE2__
	int sign = *p == '-', n, fraction;
	__m128i v = _mm_sub_epi8(json_load(p + sign), _mm_set1_epi8('0'));
	unsigned other = ~(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(9)), v)); /* bits of what is no digit */

	p += sign;
	n = __builtin_ctz(other);
	if (n == 0 || n > 14 || (*p == '0' && n > 1))
		return 0;
	if (p[n] == '.') {
		fraction = __builtin_ctz(other >> (n + 1));
		n += fraction + 1;
		if (fraction == 0 || n > 14)
			return 0;
	}
	return (p[n] | 32) == 'e' ? 0 : sign + n;
#else
	(void)p;
	return 0;
#endif
}

/* Plain bytes at the beginning of p[0 .. n). */
static inline size_t json_plain(const char *p, size_t n)
{
	size_t i = 0;

#ifdef json_load
	for (; n - i >= 16; i += 16) {
		int plain = json_first_special(json_load(p + i));

		if (plain < 16)
			return i + (size_t)plain;
	}
#endif
	while (i < n && json_is_plain(p[i]))
		i++;
	return i;
}

#endif
