/* UTF-8: ASCII is skipped in words; everything else goes through one decoder, so that validity has one definition. */
#include "lib/base/utf8.h"

#include <string.h>

#define HIGH 0x8080808080808080u

static size_t skip_ascii(const uint8_t *s, size_t i, size_t n)
{
	uint64_t w[4];

	for (; n - i >= sizeof w; i += sizeof w) {
		memcpy(w, s + i, sizeof w);
		if ((w[0] | w[1] | w[2] | w[3]) & HIGH)
			break;
	}
	while (i < n && s[i] < 0x80)
		i++;
	return i;
}

/* Bytes of the valid sequence at s[0 .. n), or 0. The second byte's range is what excludes overlong forms, surrogates and too
 * large values (RFC 3629 section 4). */
static size_t sequence(const uint8_t *s, size_t n)
{
	uint8_t lo = 0x80, hi = 0xBF;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xC2 || s[0] > 0xF4)
		return 0;
	len = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
	if (n < len)
		return 0;
	if (s[0] == 0xE0)
		lo = 0xA0;
	else if (s[0] == 0xED)
		hi = 0x9F;
	else if (s[0] == 0xF0)
		lo = 0x90;
	else if (s[0] == 0xF4)
		hi = 0x8F;
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	return len;
}

size_t utf8_check(const void *p, size_t n)
{
	const uint8_t *s = p;
	size_t i = 0, len;

	for (;;) {
		i = skip_ascii(s, i, n);
		for (; i < n && s[i] >= 0x80; i += len)
			if (!(len = sequence(s + i, n - i)))
				return i;
		if (i >= n)
			return n;
	}
}

uint32_t utf8_decode(const void *p, size_t n, size_t *len)
{
	const uint8_t *s = p;
	size_t k = sequence(s, n);
	uint32_t c;

	*len = k ? k : 1;
	if (!k)
		return UTF8_BAD;
	if (k == 1)
		return s[0];
	c = s[0] & (0xFFu >> (k + 1));
	for (size_t i = 1; i < k; i++)
		c = c << 6 | (s[i] & 0x3F);
	return c;
}

size_t utf8_encode(uint32_t c, char dst[4])
{
	if (c < 0x80) {
		dst[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		dst[0] = (char)(0xC0 | c >> 6);
		dst[1] = (char)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		dst[0] = (char)(0xE0 | c >> 12);
		dst[1] = (char)(0x80 | (c >> 6 & 0x3F));
		dst[2] = (char)(0x80 | (c & 0x3F));
		return 3;
	}
	dst[0] = (char)(0xF0 | c >> 18);
	dst[1] = (char)(0x80 | (c >> 12 & 0x3F));
	dst[2] = (char)(0x80 | (c >> 6 & 0x3F));
	dst[3] = (char)(0x80 | (c & 0x3F));
	return 4;
}

size_t utf8_count(const void *p, size_t n)
{
	size_t count = 0, len;

	for (size_t i = 0; i < n; i += len, count++)
		utf8_decode((const uint8_t *)p + i, n - i, &len);
	return count;
}
