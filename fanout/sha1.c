#include "fanout/sha1.h"

#include <string.h>

static uint32_t rol(uint32_t v, int n)
{
	return v << n | v >> (32 - n);
}

static void block(uint32_t h[5], const uint8_t *p)
{
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

	for (int t = 0; t < 16; t++)
		w[t] = (uint32_t)p[4 * t] << 24 | (uint32_t)p[4 * t + 1] << 16 | (uint32_t)p[4 * t + 2] << 8 | p[4 * t + 3];
	for (int t = 16; t < 80; t++)
		w[t] = rol(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
	for (int t = 0; t < 80; t++) {
		static const uint32_t k[4] = { 0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6 };
		uint32_t f = t < 20 ? (b & c) | (~b & d) : t >= 40 && t < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
		uint32_t next = rol(a, 5) + f + e + w[t] + k[t / 20];

		e = d;
		d = c;
		c = rol(b, 30);
		b = a;
		a = next;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

void sha1(const void *data, size_t n, uint8_t digest[20])
{
	uint32_t h[5] = { 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0 };
	const uint8_t *p = data;
	uint8_t last[128] = { 0 };
	size_t rest = n % 64, end = rest < 56 ? 64 : 128;

	for (size_t i = 0; i + 64 <= n; i += 64)
		block(h, p + i);
	if (rest)
		memcpy(last, p + n - rest, rest);
	last[rest] = 0x80;
	for (int i = 0; i < 8; i++)
		last[end - 1 - (size_t)i] = (uint8_t)((uint64_t)n * 8 >> (8 * i));
	for (size_t i = 0; i < end; i += 64)
		block(h, last + i);
	for (int i = 0; i < 20; i++)
		digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

void hmac_sha1(const void *key, size_t nkey, const void *p, size_t n, uint8_t digest[20])
{
	uint8_t inner[64 + 1024], outer[64 + 20];

	memset(inner, 0x36, 64);
	memset(outer, 0x5C, 64);
	for (size_t i = 0; i < nkey && i < 64; i++) {
		inner[i] ^= ((const uint8_t *)key)[i];
		outer[i] ^= ((const uint8_t *)key)[i];
	}
	n = n < 1024 ? n : 1024;
	memcpy(inner + 64, p, n);
	sha1(inner, 64 + n, outer + 64);
	sha1(outer, sizeof outer, digest);
}
