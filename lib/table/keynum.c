/* Numbers as order-preserving bytes, after SQLite 4's key encoding (D. R. Hipp, "Key Encoding", sqlite.org/src4).
 *
 * A value is +-0.d1d2d3... * 100^E in base-100 digits, d1 > 0, the last digit > 0. For positive numbers:
 *
 *     82 .. BE      E + 30 + 82 for E in -30 .. 30        81 E4 / BF E4   E below or above, as four bytes, sign flipped
 *     2 d + 1       each digit but the last               2 d             the last digit: even, so it ends the number
 *
 * Zero is 80, infinity C0, NaN C1; a negative number is the complement of its absolute value's bytes. */
#include "lib/table/keycode.h"

#include "lib/base/swar.h"

#include <stdlib.h>

enum { NUM_ZERO = 0x80, NUM_TINY, NUM_E0 = 0x82 + 30, NUM_HUGE = 0xbf, NUM_INF, NUM_NAN };

static inline uint8_t *put_exponent(uint8_t *dst, int32_t e, bool flip)
{
	uint32_t big = __builtin_bswap32((uint32_t)e ^ 1u << 31);

	if (e >= -30 && e <= 30) {
		*dst = (uint8_t)((NUM_E0 + e) ^ (flip ? 0xff : 0));
		return dst + 1;
	}
	*dst = e < 0 ? NUM_TINY : NUM_HUGE;
	memcpy(dst + 1, &big, 4);
	if (flip)
		key_invert(dst, 5);
	return dst + 5;
}

/* Eight base-100 digits, a byte each, the most significant in the lowest; not all zero. The first counts 100^(point - 1). */
static inline uint8_t *put_eight(uint8_t *dst, uint64_t pairs, int32_t point, bool flip)
{
	int lead = __builtin_ctzll(pairs) / 8, n = 8 - lead - __builtin_clzll(pairs) / 8;
	uint64_t digits = (pairs >> 8 * lead << 1) + SWAR_BYTES(1u) - (1ull << 8 * (n - 1)); /* the last one is even */

	dst = put_exponent(dst, point - lead, flip);
	swar_store(dst, flip ? ~digits : digits);
	return dst + n;
}

/* m * 100^-scale for 0 < m < 10^16. */
static uint8_t *put_sixteen(uint8_t *dst, uint64_t m, int32_t scale, bool flip)
{
	uint64_t pairs;

	if (m < 100000000)
		pairs = (uint64_t)swar_pairs((uint32_t)m) << 32;
	else
		pairs = (uint64_t)swar_pairs((uint32_t)(m % 100000000)) << 32 | swar_pairs((uint32_t)(m / 100000000));
	return put_eight(dst, pairs, 8 - scale, flip);
}

/* The same for any m > 0. */
static uint8_t *put_pairs(uint8_t *dst, uint64_t m, int32_t scale, bool flip)
{
	uint8_t pairs[10], *start;
	int n = 0;

	for (; m % 100 == 0; m /= 100)
		scale--;
	for (; m; m /= 100)
		pairs[n++] = (uint8_t)(m % 100 * 2 + 1);
	pairs[0]--;
	start = dst = put_exponent(dst, n - scale, flip);
	while (n)
		*dst++ = pairs[--n];
	if (flip)
		key_invert(start, (size_t)(dst - start));
	return dst;
}

/* 0.digits * 10^point, digits without zeros at either end. */
static uint8_t *put_digits(uint8_t *dst, const char *digits, size_t n, int32_t point, bool flip)
{
	bool shift = point & 1; /* a zero in front makes the exponent even */
	uint8_t *start;
	size_t i = 0;

	start = dst = put_exponent(dst, (point + shift) / 2, flip);
	if (shift)
		*dst++ = (uint8_t)((digits[i++] - '0') * 2 + 1);
	for (; i < n; i += 2)
		*dst++ = (uint8_t)(((digits[i] - '0') * 10 + (i + 1 < n ? digits[i + 1] - '0' : 0)) * 2 + 1);
	dst[-1]--;
	if (flip)
		key_invert(start, (size_t)(dst - start));
	return dst;
}

/* A mantissa in text with its scale. */
static uint8_t *put_mantissa(uint8_t *dst, const char *digits, int32_t scale, bool desc)
{
	bool neg = *digits == '-';
	size_t all = strlen(digits + neg), n = all;

	while (digits[neg + n - 1] == '0')
		n--;
	return put_digits(dst, digits + neg, n, (int32_t)all - scale, neg != desc);
}

static uint8_t *put_zero(uint8_t *dst, bool desc)
{
	*dst = (uint8_t)(NUM_ZERO ^ (desc ? 0xff : 0));
	return dst + 1;
}

uint8_t *key_put_decimal(uint8_t *dst, const char *p, size_t n, const char *end, bool desc)
{
	struct swar_decimal d;
	char copy[32];
	uint64_t pairs;

	if (end - p < 18 && n <= 18) {
		memset(copy, 0, sizeof copy);
		memcpy(copy, p, n);
		p = copy;
		end = copy + sizeof copy;
	}
	if (!swar_decimal(p, n, end, &d))
		return NULL;
	pairs = swar_pair_up(d.whole) | (uint64_t)swar_pair_up(d.frac >> 8 * (8 - d.places) % 64) << 32;
	return pairs ? put_eight(dst, pairs, 4, d.neg != desc) : put_zero(dst, desc);
}

uint8_t *key_put_dec(uint8_t *dst, struct dec d, bool desc)
{
	uint64_t m = d.m < 0 ? 0 - (uint64_t)d.m : (uint64_t)d.m;
	bool odd = d.scale & 1, flip = (d.m < 0) != desc;
	char digits[24];

	if (!m)
		return put_zero(dst, desc);
	if (m < 1000000000000000)
		return put_sixteen(dst, odd ? m * 10 : m, (d.scale + odd) / 2, flip);
	if (!odd || m <= UINT64_MAX / 10)
		return put_pairs(dst, odd ? m * 10 : m, (d.scale + odd) / 2, flip);
	digits[num_print_i64(d.m, digits)] = '\0';
	return put_mantissa(dst, digits, d.scale, desc);
}

uint8_t *key_put_special(uint8_t *dst, double v, bool desc)
{
	int c = v != v ? NUM_NAN : v > 0 ? NUM_INF : ~NUM_INF;

	*dst = (uint8_t)(desc ? ~c : c);
	return dst + 1;
}

size_t key_big_room(struct dec d, const struct decpool *pool)
{
	return mpz_sizeinbase(pool->v[d.big - 1], 10) / 2 + KEY_NUMBER_ROOM;
}

uint8_t *key_put_big(uint8_t *dst, struct dec d, const struct decpool *pool, bool desc)
{
	mpz_srcptr z = pool->v[d.big - 1];
	size_t room = mpz_sizeinbase(z, 10) + 2;
	char small[128], *text = room <= sizeof small ? small : malloc(room);

	if (!text)
		return NULL;
	mpz_get_str(text, 10, z);
	dst = put_mantissa(dst, text, d.scale, desc);
	if (text != small)
		free(text);
	return dst;
}

/* m * 10^k, m >= 0, rounded down, or with `up` up; INT64_MAX when it is more. */
static int64_t shifted(int64_t m, int k, bool up)
{
	int64_t unit, r;

	if (k >= 0)
		return m == 0 || dec_scale_i64(m, k, &r) ? (m ? r : 0) : INT64_MAX;
	if (!dec_scale_i64(1, -k, &unit))
		return m && up;
	return m / unit + (up && m % unit);
}

bool key_limit_read(const uint8_t *p, size_t n, bool desc, struct key_limit *ret)
{
	bool neg = n && (desc ? p[0] > (uint8_t)~NUM_ZERO : p[0] < NUM_ZERO);
	uint8_t flip = neg != desc ? 0xff : 0, byte = 1;
	int64_t m = 0;
	int e, digits = 0;

	if (n == 0)
		return false;
	e = (p[0] ^ flip) - NUM_E0;
	if ((p[0] ^ flip) != NUM_ZERO && (e < -30 || e > 30))
		return false;
	for (size_t i = 1; (p[0] ^ flip) != NUM_ZERO && byte & 1; i++, digits++) {
		if (i == n || digits == 8)
			return false;
		byte = p[i] ^ flip;
		m = m * 100 + byte / 2;
	}
	ret->desc = desc;
	for (int scale = 0; scale < KEY_LIMIT_SCALES; scale++) {
		int64_t v = shifted(m, 2 * (e - digits) + scale, neg != desc);

		ret->at[scale] = !neg ? v : v == INT64_MAX ? INT64_MIN : -v;
	}
	return true;
}
