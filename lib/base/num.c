/* Integers and doubles as text, without locale: see dec.h, and f64.h for the methods.
 *
 * A number as written is first taken apart (spelling.h). Nineteen digits fit 64 bits and are settled there; only a longer one,
 * or one that lies too close to a rounding boundary, is rounded from its exact value with GMP. */
#include "lib/base/dec.h"

#include "lib/base/f64.h"
#include "lib/base/spelling.h"
#include "lib/base/swar.h"

#include <math.h>

static bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

static bool is_special(struct str s)
{
	static const char *const names[] = { "nan", "inf", "infinity" };

	if (s.n && (*s.p == '-' || *s.p == '+'))
		s = str_from(s, 1);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t k = 0;

		while (k < s.n && names[i][k] && (s.p[k] | 0x20) == names[i][k])
			k++;
		if (k == s.n && !names[i][k])
			return true;
	}
	return false;
}

/* "e-12" at s.p[i]: its value, saturated, or false. */
static bool spell_exponent(struct str s, size_t i, int32_t *exp)
{
	bool neg = false;
	int32_t v = 0;

	if (++i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
		neg = s.p[i++] == '-';
	if (i == s.n)
		return false;
	for (; i < s.n; i++) {
		if (!is_digit(s.p[i]))
			return false;
		if (v < 100000)
			v = v * 10 + (s.p[i] - '0');
	}
	*exp = neg ? -v : v;
	return true;
}

enum dec_read spelling_read(struct str s, struct spelling *sp)
{
	size_t i = 0, digits = 0, behind = 0, point = 0, first = 0, zeros = 0;
	int32_t exp = 0;

	sp->neg = s.n && *s.p == '-';
	if (s.n && (*s.p == '-' || *s.p == '+'))
		i++;
	for (first = i; i < s.n; i++) {
		if (is_digit(s.p[i])) {
			if (digits == zeros && s.p[i] == '0') {
				zeros++;
				first = i + 1;
			}
			digits++;
			behind += point;
		} else if (s.p[i] == '.' && !point) {
			point = 1;
			first += digits == zeros;
		} else {
			break;
		}
	}
	if (!digits)
		return is_special(s) ? DEC_SPECIAL : DEC_BAD;
	sp->digits = (struct str){ s.p + first, i - first };
	if (i < s.n && ((s.p[i] | 0x20) != 'e' || !spell_exponent(s, i, &exp)))
		return DEC_BAD;
	if (digits - zeros > DEC_DIGITS || behind > 2 * DEC_EXP || exp > DEC_EXP || exp < -DEC_EXP)
		return DEC_LIMIT;
	sp->ndigits = (int32_t)(digits - zeros);
	sp->scale = (int32_t)behind - exp;
	return sp->scale > 2 * DEC_EXP ? DEC_LIMIT : DEC_OK;
}

uint64_t spelling_u64(const struct spelling *sp)
{
	uint64_t v = 0;

	for (size_t i = 0; i < sp->digits.n; i++)
		if (sp->digits.p[i] != '.')
			v = v * 10 + (uint64_t)(sp->digits.p[i] - '0');
	return v;
}

unsigned __int128 spelling_u128(const struct spelling *sp)
{
	unsigned __int128 v = 0;
	uint64_t part = 0, unit = 1;

	for (size_t i = 0; i < sp->digits.n; i++) {
		if (sp->digits.p[i] == '.')
			continue;
		part = part * 10 + (uint64_t)(sp->digits.p[i] - '0');
		unit *= 10;
		if (unit == 1000000000000000000) {
			v = v * unit + part;
			part = 0;
			unit = 1;
		}
	}
	return v * unit + part;
}

/* Digits from *p on, at most up to `end`, appended to v. */
static uint64_t take_digits(const char **p, const char *end, uint64_t v)
{
	const char *q = *p;

	for (; end - q >= 8; q += 8) {
		uint64_t word = swar_load_digits(q);

		if (swar_non_digits(word))
			break;
		v = v * 100000000 + swar_number(word);
	}
	for (; q < end && is_digit(*q); q++)
		v = v * 10 + (uint64_t)(*q - '0');
	*p = q;
	return v;
}

bool num_plain(struct str s, int64_t *m, int32_t *scale)
{
	bool neg = s.n && *s.p == '-';
	const char *start = s.p + neg, *p = start, *end = s.p + s.n, *point;
	uint64_t v;

	if (end - start > 20 || start == end)
		return false;
	v = take_digits(&p, end, 0);
	*scale = 0;
	if (p < end && *p == '.') {
		point = p++;
		v = take_digits(&p, end, v);
		*scale = (int32_t)(p - point - 1);
	} else if (end - start == 20) {
		return false;
	}
	if (v > INT64_MAX) /* nineteen digits do not overflow v */
		return false;
	*m = neg ? -(int64_t)v : (int64_t)v;
	return p == end && is_digit(s.p[s.n - 1]);
}

void spelling_mpz(mpz_ptr z, const struct spelling *sp)
{
	char text[DEC_DIGITS + 1];
	size_t n = 0;

	for (size_t i = 0; i < sp->digits.n; i++)
		if (sp->digits.p[i] != '.')
			text[n++] = sp->digits.p[i];
	text[n] = '\0';
	mpz_set_str(z, n ? text : "0", 10);
	if (sp->neg)
		mpz_neg(z, z);
}

void mpz_mul_pow10(mpz_ptr z, mpz_srcptr a, int32_t n)
{
	mpz_t p;

	mpz_init(p);
	mpz_ui_pow_ui(p, 10, (unsigned long)n);
	mpz_mul(z, a, p);
	mpz_clear(p);
}

/* A finite number whose double 64 bits of digits do not settle: rounded once from the exact value. */
static double parse_exact(const struct spelling *sp)
{
	double v;
	mpz_t m, one;

	mpz_init(m);
	mpz_init_set_ui(one, 1);
	spelling_mpz(m, sp);
	if (sp->scale < 0)
		mpz_mul_pow10(m, m, -sp->scale);
	else
		mpz_mul_pow10(one, one, sp->scale);
	v = f64_ratio(m, one);
	mpz_clear(m);
	mpz_clear(one);
	return v;
}

static double parse_special(struct str s)
{
	bool neg = *s.p == '-';
	char c = s.p[*s.p == '-' || *s.p == '+'];

	if ((c | 0x20) == 'n')
		return NAN;
	return neg ? -INFINITY : INFINITY;
}

enum dec_read num_parse_f64(struct str s, double *ret)
{
	struct spelling sp;
	enum dec_read rc;
	int32_t scale;
	int64_t m;
	double v;

	if (num_plain(s, &m, &scale) && f64_scaled((uint64_t)(m < 0 ? -m : m), -scale, &v)) {
		*ret = *s.p == '-' ? -v : v;
		return DEC_OK;
	}
	rc = spelling_read(s, &sp);
	if (rc == DEC_SPECIAL) {
		*ret = parse_special(s);
		return DEC_OK;
	}
	if (rc != DEC_OK)
		return rc;
	if (sp.ndigits <= 19 && f64_scaled(spelling_u64(&sp), -sp.scale, &v))
		*ret = sp.neg ? -v : v;
	else
		*ret = parse_exact(&sp);
	return DEC_OK;
}

enum dec_read num_parse_i64(struct str s, int64_t *ret)
{
	bool neg = s.n && *s.p == '-', over = false;
	size_t i = s.n && (*s.p == '-' || *s.p == '+');
	int64_t v = 0;

	if (i == s.n)
		return DEC_BAD;
	for (; i < s.n; i++) {
		int d = s.p[i] - '0';

		if (!is_digit(s.p[i]))
			return DEC_BAD;
		over = over || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, neg ? -d : d, &v);
	}
	if (over)
		return DEC_LIMIT;
	*ret = v;
	return DEC_OK;
}

/* ---- printing ---- */

#define E8 100000000u

/* Eight digits. */
static void put_eight(uint64_t v, char *dst)
{
	swar_store(dst, swar_digits((uint32_t)v) | SWAR_BYTES(0x30u));
}

/* v < 10^8 without leading zeros; returns their number. Writes eight bytes all the same. */
static size_t put_short(uint64_t v, char *dst)
{
	uint64_t digits = swar_digits((uint32_t)v);
	unsigned zeros = (unsigned)__builtin_ctzll(digits | 1ull << 63) / 8;

	swar_store(dst, (digits | SWAR_BYTES(0x30u)) >> 8 * zeros);
	return 8 - zeros;
}

size_t num_print_u64(uint64_t v, char *dst)
{
	size_t n;

	if (v < 10) {
		*dst = (char)('0' + v);
		return 1;
	}
	if (v < E8)
		return put_short(v, dst);
	if (v < (uint64_t)E8 * E8) {
		n = put_short(v / E8, dst);
	} else {
		n = put_short(v / E8 / E8, dst) + 8;
		put_eight(v / E8 % E8, dst + n - 8);
	}
	put_eight(v % E8, dst + n);
	return n + 8;
}

size_t num_print_i64(int64_t v, char *dst)
{
	if (v >= 0)
		return num_print_u64((uint64_t)v, dst);
	*dst = '-';
	return 1 + num_print_u64(0 - (uint64_t)v, dst + 1);
}

static void strip_zeros(uint64_t *v, int *exp10)
{
	static const struct {
		uint64_t div;
		int n;
	} steps[] = { { 100000000, 8 }, { 100000000, 8 }, { 10000, 4 }, { 100, 2 }, { 10, 1 } };

	if (*v % 10)
		return;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (*v % steps[i].div == 0) {
			*v /= steps[i].div;
			*exp10 += steps[i].n;
		}
}

static size_t print_exponent(int exp, char *dst)
{
	dst[0] = 'e';
	dst[1] = exp < 0 ? '-' : '+';
	return 2 + num_print_u64((uint64_t)(exp < 0 ? -exp : exp), dst + 2);
}

/* n digits whose point stands before digit `point` (0 = in front of all): the thresholds of ECMAScript's Number::toString. */
static size_t lay_out(char *dst, int n, int point)
{
	if (n <= point && point <= 21) {
		memset(dst + n, '0', (size_t)(point - n));
		return (size_t)point;
	}
	if (0 < point && point <= 21) {
		memmove(dst + point + 1, dst + point, (size_t)(n - point));
		dst[point] = '.';
		return (size_t)n + 1;
	}
	if (-6 < point && point <= 0) {
		memmove(dst + 2 - point, dst, (size_t)n);
		memset(dst, '0', (size_t)(2 - point));
		dst[1] = '.';
		return (size_t)(n + 2 - point);
	}
	if (n > 1) {
		memmove(dst + 2, dst + 1, (size_t)(n - 1));
		dst[1] = '.';
		n++;
	}
	return (size_t)n + print_exponent(point - 1, dst + n);
}

static size_t print_special(bool neg, const char *word, char *dst)
{
	*dst = '-';
	memcpy(dst + neg, word, strlen(word));
	return neg + strlen(word);
}

/* +-c * 2^q in the fewest digits. */
static size_t print_shortest(bool neg, uint64_t c, int q, bool lower, char *dst)
{
	uint64_t digits;
	int exp10, n;

	f64_shortest(c, q, lower, &digits, &exp10);
	strip_zeros(&digits, &exp10);
	*dst = '-';
	n = (int)num_print_u64(digits, dst + neg);
	return neg + lay_out(dst + neg, n, n + exp10);
}

/* 0 < v < 10^8, not whole, with six decimals or fewer, as most data has: m * 10^-6 has at most 15 digits, and no two decimals of
 * so few share a double (DBL_DIG). So when reading it gives v, which is m / 10^6 rounded once (Clinger), its digits are the
 * shortest. 0: it does not. */
static size_t print_micros(double v, char *dst)
{
	int64_t m = (int64_t)(v * 1e6 + 0.5);
	uint64_t decimals;
	size_t n;

	if ((double)m / 1e6 != v)
		return 0;
	n = put_short((uint64_t)m / 1000000, dst);
	decimals = swar_digits((uint32_t)((uint64_t)m % 1000000 * 100));
	dst[n] = '.';
	swar_store(dst + n + 1, decimals | SWAR_BYTES(0x30u));
	return n + 9 - (size_t)__builtin_clzll(decimals) / 8;
}

size_t num_print_f64(double v, char *dst)
{
	uint64_t bits, frac;
	size_t n;
	bool neg;
	int exp;

	memcpy(&bits, &v, sizeof bits);
	neg = bits >> 63;
	exp = (int)(bits >> 52) & 2047;
	frac = bits & ((1ull << 52) - 1);
	if (exp == 2047)
		return frac ? print_special(false, "nan", dst) : print_special(neg, "inf", dst);
	if (!exp)
		return frac ? print_shortest(neg, frac, -1074, false, dst) : print_special(neg, "0", dst);
	if (fabs(v) < 0x1p53 && v == (double)(int64_t)v)
		return num_print_i64((int64_t)v, dst);
	*dst = '-';
	if (fabs(v) < E8 && (n = print_micros(fabs(v), dst + neg)))
		return neg + n;
	return print_shortest(neg, frac | 1ull << 52, exp - 1075, !frac && exp > 1, dst);
}

size_t num_print_f32(float v, char *dst)
{
	uint32_t bits, frac;
	bool neg;
	int exp;

	memcpy(&bits, &v, sizeof bits);
	neg = bits >> 31;
	exp = (int)(bits >> 23) & 255;
	frac = bits & ((1u << 23) - 1);
	if (exp == 255)
		return frac ? print_special(false, "nan", dst) : print_special(neg, "inf", dst);
	if (!exp)
		return frac ? print_shortest(neg, frac, -149, false, dst) : print_special(neg, "0", dst);
	return print_shortest(neg, frac | 1u << 23, exp - 150, !frac && exp > 1, dst);
}
