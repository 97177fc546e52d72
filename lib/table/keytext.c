/* Text as order-preserving bytes that end themselves: as it is, in natural order, folded. */
#include "lib/table/keycode.h"

#include "lib/base/letters.h"
#include "lib/base/utf8.h"

/* Bytes with 00 as 00 FF, then 00 00; at most 2 n + 2. */
uint8_t *key_put_escaped(uint8_t *dst, const char *p, size_t n)
{
	while (n) {
		const char *zero = memchr(p, 0, n);
		size_t run = zero ? (size_t)(zero - p) + 1 : n;

		memcpy(dst, p, run);
		dst += run;
		if (zero)
			*dst++ = 0xff;
		p += run;
		n -= run;
	}
	dst[0] = dst[1] = 0;
	return dst + 2;
}

static bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* A run of digits: '0', so that it stands among other bytes where digits stand, the number of digits without leading zeros,
 * these digits. Lengths from 255 on take four bytes more. */
static uint8_t *put_run(uint8_t *dst, const char *p, size_t n)
{
	while (n && *p == '0') {
		p++;
		n--;
	}
	*dst++ = '0';
	*dst++ = n < 255 ? (uint8_t)n : 255;
	if (n >= 255)
		for (int shift = 24; shift >= 0; shift -= 8)
			*dst++ = (uint8_t)(n >> shift);
	memcpy(dst, p, n);
	return dst + n;
}

/* Texts that differ in leading zeros only are told apart by their bytes, which follow if there are digits at all. */
uint8_t *key_put_natural(uint8_t *dst, const char *p, size_t n)
{
	bool digits = false;

	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; is_digit(p[i]) && end < n && is_digit(p[end]); end++)
			;
		if (is_digit(p[i])) {
			dst = put_run(dst, p + i, end - i);
			digits = true;
			continue;
		}
		*dst++ = (uint8_t)p[i];
		if (!p[i])
			*dst++ = 0xff;
	}
	dst[0] = dst[1] = 0;
	return digits ? key_put_escaped(dst + 2, p, n) : dst + 2;
}

/* No code point grows by more than half, and none that folds is a single byte but letters. */
size_t key_fold(char *dst, const char *p, size_t n)
{
	char *start = dst;

	for (size_t i = 0, len; i < n; i += len) {
		uint32_t c = utf8_decode(p + i, n - i, &len);

		if (c == UTF8_BAD)
			*dst++ = p[i];
		else
			dst += utf8_encode(letter_fold(c), dst);
	}
	return (size_t)(dst - start);
}

/* The folded text is made behind where its escaped form can reach: that takes 2 n + 2 at most. */
uint8_t *key_put_folded(uint8_t *dst, const char *p, size_t n)
{
	char *folded = (char *)dst + 3 * n + 8;

	return key_put_escaped(dst, folded, key_fold(folded, p, n));
}
