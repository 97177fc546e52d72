/* Integers and doubles as text: known hard cases, ties and their neighbours, round trips over random bit patterns, shortest and
 * closest digits (the C library, correctly rounded, is the reference), the table of powers, random numbers. */
#include "lib/base/dec.h"
#include "lib/base/f64.h"
#include "lib/base/rng.h"
#include "tests/unit/test.h"

#include <inttypes.h>
#include <math.h>

static double parse(const char *text)
{
	double v = -12345;

	if (num_parse_f64(str_of(text), &v) != DEC_OK) {
		printf("# not read: %s\n", text);
		abort();
	}
	return v;
}

static bool same(double a, double b)
{
	return memcmp(&a, &b, sizeof a) == 0;
}

static double random_double(struct rng *g)
{
	uint64_t bits;
	double v;

	do {
		bits = rng_u64(g);
		if (rng_below(g, 8) == 0)
			bits &= ~(2047ull << 52); /* subnormal */
		if (rng_below(g, 8) == 0)
			bits &= ~0ull << rng_below(g, 53);
		memcpy(&v, &bits, sizeof v);
	} while (!isfinite(v));
	return v;
}

TEST(powers_are_exact_and_cut_off)
{
	mpz_t p, q, t;

	mpz_init(p);
	mpz_init(q);
	mpz_init(t);
	for (int k = POW10_MIN; k <= POW10_MAX; k++) {
		const struct pow10 *g = &pow10_table[k - POW10_MIN];
		int e = f64_log2_pow10(k) - 127;

		/* t * 2^e <= 10^k < (t + 1) * 2^e, all made whole */
		mpz_set_ui(t, g->hi);
		mpz_mul_2exp(t, t, 64);
		mpz_add_ui(t, t, g->lo);
		mpz_ui_pow_ui(p, 10, (unsigned long)abs(k));
		if (k < 0) {
			mpz_set_ui(q, 1);
			mpz_mul_2exp(q, q, (mp_bitcnt_t)-e);
			mpz_fdiv_q(q, q, p);
		} else if (e < 0) {
			mpz_mul_2exp(q, p, (mp_bitcnt_t)-e);
		} else {
			mpz_fdiv_q_2exp(q, p, (mp_bitcnt_t)e);
		}
		CHECK(mpz_cmp(q, t) == 0 && mpz_sizeinbase(t, 2) == 128);
	}
	mpz_clear(p);
	mpz_clear(q);
	mpz_clear(t);
}

TEST(known_hard_readings)
{
	static const struct {
		const char *text;
		double v;
	} v[] = {
		{ "0", 0 }, { "-0", -0.0 }, { "0.0e5", 0 }, { "1", 1 }, { "+1.5", 1.5 }, { ".5", .5 }, { "5.", 5 }, { "1e0", 1 }, { "1E+2", 100 },
		{ "00001.50", 1.5 }, { "9007199254740993", 9007199254740992.0 }, { "9007199254740993.0000000000000000000001", 9007199254740994.0 },
		{ "9007199254740992.9999999999999999999999", 9007199254740992.0 }, { "9007199254740995", 9007199254740996.0 },
		{ "2.2250738585072011e-308", 0x0.fffffffffffffp-1022 }, { "2.2250738585072012e-308", 0x1p-1022 }, { "5e-324", 0x1p-1074 },
		{ "2.4703282292062327e-324", 0 }, { "2.4703282292062328e-324", 0x1p-1074 }, { "7.4109846876186981e-324", 0x1p-1074 },
		{ "7.4109846876186982e-324", 0x1p-1073 }, { "1.7976931348623157e308", 0x1.fffffffffffffp1023 },
		{ "1.7976931348623158e308", 0x1.fffffffffffffp1023 }, { "1.7976931348623159e308", INFINITY }, { "-1e309", -INFINITY },
		{ "1e-400", 0 }, { "1e1000", INFINITY }, { "1e-1000", 0 }, { "8.988465674311580536566680721305e307", 0x1p1023 },
		{ "0.500000000000000166533453693773481063544750213623046875", 0x1.0000000000002p-1 },
		{ "3.518437208883201171875e13", 0x1.0000000000002p45 }, { "62.5364939768271845828", 62.5364939768271845828 },
		{ "8.10109172351e-10", 8.10109172351e-10 }, { "1.50000000000000011102230246251565", 1.5 }, { "1e23", 1e23 },
		{ "104110013277974872254e-225", 104110013277974872254e-225 }, { "6929495644600919.5", 6929495644600920.0 },
		{ "inf", INFINITY }, { "-Infinity", -INFINITY }, { "123456789012345678e-340", 123456789012345678e-340 },
	};
	double nan;

	for (size_t i = 0; i < sizeof v / sizeof *v; i++)
		if (!same(parse(v[i].text), v[i].v)) {
			printf("# %s gives %a, not %a\n", v[i].text, parse(v[i].text), v[i].v);
			CHECK(false);
		}
	CHECK(num_parse_f64(STR("-NaN"), &nan) == DEC_OK && isnan(nan));
}

TEST(what_is_no_number)
{
	static const char *const bad[] = { "", "-", "+", ".", "-.", "e5", "1e", "1e+", "1.2.3", " 1", "1 ", "1,5", "0x10", "1_000", "--1", "1-", "nano",
					   "infinit", "infinity1", "in", "1e5.0", "1e 5", "\xc2\xbd" };
	static const char *const beyond[] = { "1e1001", "1e-1001", "1e99999999999999999999", "-1e-99999999999999999999" };
	double v;
	int64_t i;

	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
		CHECK(num_parse_f64(str_of(bad[k]), &v) == DEC_BAD && num_parse_i64(str_of(bad[k]), &i) == DEC_BAD);
	for (size_t k = 0; k < sizeof beyond / sizeof *beyond; k++)
		CHECK(num_parse_f64(str_of(beyond[k]), &v) == DEC_LIMIT);
	CHECK(num_parse_f64((struct str){ "1\0", 2 }, &v) == DEC_BAD);
}

TEST(integers)
{
	static const struct {
		const char *text;
		enum dec_read rc;
		int64_t v;
	} v[] = {
		{ "0", DEC_OK, 0 }, { "-0", DEC_OK, 0 }, { "+7", DEC_OK, 7 }, { "007", DEC_OK, 7 }, { "9223372036854775807", DEC_OK, INT64_MAX },
		{ "-9223372036854775808", DEC_OK, INT64_MIN }, { "9223372036854775808", DEC_LIMIT, 0 }, { "-9223372036854775809", DEC_LIMIT, 0 },
		{ "99999999999999999999999", DEC_LIMIT, 0 }, { "9999999999999999999999x", DEC_BAD, 0 }, { "1.0", DEC_BAD, 0 }, { "1e3", DEC_BAD, 0 },
	};
	struct rng g;
	char text[32];
	int64_t got;

	for (size_t k = 0; k < sizeof v / sizeof *v; k++) {
		got = 0;
		CHECK(num_parse_i64(str_of(v[k].text), &got) == v[k].rc && got == v[k].v);
	}
	rng_seed(&g, 1);
	for (int k = 0; k < 100000; k++) {
		int64_t n = k == 0 ? INT64_MIN : k == 1 ? INT64_MAX : (int64_t)rng_u64(&g) >> rng_below(&g, 64);
		size_t len = num_print_i64(n, text);
		char want[32];

		CHECK(len == (size_t)snprintf(want, sizeof want, "%" PRId64, n) && memcmp(text, want, len) == 0);
		CHECK(num_parse_i64((struct str){ text, len }, &got) == DEC_OK && got == n);
		len = num_print_u64((uint64_t)n, text);
		CHECK(len == (size_t)snprintf(want, sizeof want, "%" PRIu64, (uint64_t)n) && memcmp(text, want, len) == 0);
	}
}

/* The exact text of the middle between a positive double and the next one, with a digit 0 added: (2 c + 1) * 2^(q - 1). */
static void middle(double v, char *text)
{
	uint64_t bits;
	char digits[1200];
	mpz_t m, five;
	int q, exp = 0;

	memcpy(&bits, &v, sizeof bits);
	q = (int)(bits >> 52) ? (int)(bits >> 52) - 1075 : -1074;
	bits = bits >> 52 ? (bits & ((1ull << 52) - 1)) | 1ull << 52 : bits;
	mpz_init_set_ui(m, 2 * bits + 1);
	mpz_init(five);
	if (q >= 1) {
		mpz_mul_2exp(m, m, (mp_bitcnt_t)(q - 1));
	} else {
		mpz_ui_pow_ui(five, 5, (unsigned long)(1 - q));
		mpz_mul(m, m, five);
		exp = q - 1;
	}
	mpz_get_str(digits, 10, m);
	exp += (int)strlen(digits) - 1;
	sprintf(text, "%c.%s0e%d", digits[0], digits + 1, exp);
	mpz_clear(m);
	mpz_clear(five);
}

/* A tie goes to the even mantissa, anything beside it to its side. */
TEST(halfway_cases)
{
	struct rng g;
	char text[2000];

	rng_seed(&g, 2);
	for (int k = 0; k < 20000; k++) {
		double v = fabs(random_double(&g)), next = nextafter(v, INFINITY);
		uint64_t bits;
		char *last;

		memcpy(&bits, &v, sizeof bits);
		if (isinf(next))
			continue;
		middle(v, text);
		CHECK(same(parse(text), bits & 1 ? next : v));
		last = strchr(text, 'e') - 1;
		*last = '1';
		CHECK(same(parse(text), next));
		last[-1]--; /* not 0: an exact middle that ends in 0 is an integer, and then only some */
		if (last[-1] >= '0')
			CHECK(same(parse(text), v));
	}
}

TEST(readings_agree_with_the_c_library)
{
	struct rng g;
	char text[200];

	rng_seed(&g, 3);
	for (int k = 0; k < 200000; k++) {
		int digits = 1 + (int)rng_below(&g, k % 10 ? 20 : 60), n = 0, point = (int)rng_below(&g, 25);

		for (int i = 0; i < digits; i++) {
			if (i == point)
				text[n++] = '.';
			text[n++] = (char)('0' + rng_below(&g, 10));
		}
		sprintf(text + n, "e%d", (int)rng_below(&g, 700) - 350);
		if (k & 1)
			text[n] = '\0';
		if (!same(parse(text), strtod(text, NULL))) {
			printf("# %s\n", text);
			CHECK(false);
		}
	}
}

/* Significant digits of a printed number, without zeros at either end. */
static int digits_of(const char *text, size_t len, char *dst)
{
	int n = 0;

	for (size_t i = 0; i < len && text[i] != 'e'; i++)
		if (text[i] >= '0' && text[i] <= '9' && (n || text[i] != '0'))
			dst[n++] = text[i];
	while (n && dst[n - 1] == '0')
		n--;
	dst[n] = '\0';
	return n;
}

TEST(printed_doubles_are_shortest_and_read_back)
{
	struct rng g;

	rng_seed(&g, 4);
	for (int k = 0; k < 200000; k++) {
		double v = random_double(&g), back;
		char text[64], digits[64], near[64];
		size_t len;
		int n;
		uint64_t bits;

		if (k % 3 == 0)
			v = (double)((int64_t)rng_u64(&g) >> rng_below(&g, 64)) / pow(10, (double)rng_below(&g, 9));
		len = num_print_f64(v, text);
		text[len] = '\0';
		CHECK(len < 32 && num_parse_f64((struct str){ text, len }, &back) == DEC_OK && same(back, v));
		memcpy(&bits, &v, sizeof bits);
		if (v == 0 || !(bits << 12))
			continue; /* powers of two: the interval is not symmetric */
		n = digits_of(text, len, digits);
		snprintf(near, sizeof near, "%.*e", n - 1, v);
		digits_of(near, strlen(near), near + 32);
		CHECK_STR(str_of(digits), near + 32); /* of that length, the closest */
		snprintf(near, sizeof near, "%.*e", n > 1 ? n - 2 : 0, v);
		CHECK(n == 1 || strtod(near, NULL) != v); /* none shorter */
	}
}

TEST(printed_floats_are_shortest_and_read_back)
{
	struct rng g;

	rng_seed(&g, 5);
	for (int k = 0; k < 200000; k++) {
		uint32_t bits = (uint32_t)rng_u64(&g);
		char text[64], digits[64], near[64];
		size_t len;
		float v;
		int n;

		if (k % 8 == 0)
			bits &= ~(255u << 23);
		memcpy(&v, &bits, sizeof v);
		if (!isfinite(v) || v == 0)
			continue;
		len = num_print_f32(v, text);
		text[len] = '\0';
		CHECK(len < 32 && strtof(text, NULL) == v);
		if (!(bits << 9))
			continue;
		n = digits_of(text, len, digits);
		snprintf(near, sizeof near, "%.*e", n - 1, (double)v);
		digits_of(near, strlen(near), near + 32);
		CHECK_STR(str_of(digits), near + 32);
		snprintf(near, sizeof near, "%.*e", n > 1 ? n - 2 : 0, (double)v);
		CHECK(n == 1 || strtof(near, NULL) != v);
	}
}

/* Every power of two, where the interval below is half as wide, and its neighbours. */
TEST(powers_of_two)
{
	char text[64];

	for (int e = -1074; e < 1024; e++)
		for (int d = -1; d <= 1; d++) {
			double v = ldexp(1, e), back;

			v = d < 0 ? nextafter(v, 0) : d > 0 ? nextafter(v, INFINITY) : v;
			CHECK(num_parse_f64((struct str){ text, num_print_f64(v, text) }, &back) == DEC_OK && same(back, v));
		}
	CHECK_STR(((struct str){ text, num_print_f64(0x1p-44, text) }), "5.684341886080802e-14"); /* the closest of 16 digits lies outside */
	CHECK_STR(((struct str){ text, num_print_f64(9007199254740992.0, text) }), "9007199254740992");
}

TEST(layout)
{
	static const struct {
		double v;
		const char *text;
	} v[] = {
		{ 0, "0" }, { -0.0, "-0" }, { 1, "1" }, { -1.5, "-1.5" }, { 0.1, "0.1" }, { 0.1 + 0.2, "0.30000000000000004" }, { 100, "100" },
		{ 1e-6, "0.000001" }, { 1.5e-6, "0.0000015" }, { 1e-7, "1e-7" }, { 1.25e-7, "1.25e-7" }, { 123456789012345680000.0, "123456789012345680000" },
		{ 1e20, "100000000000000000000" }, { 1e21, "1e+21" }, { 1.5e300, "1.5e+300" }, { 5e-324, "5e-324" },
		{ 1.7976931348623157e308, "1.7976931348623157e+308" }, { 2251799813685249.5, "2251799813685249.5" }, { NAN, "nan" }, { -NAN, "nan" },
		{ INFINITY, "inf" }, { -INFINITY, "-inf" }, { 9007199254740993.0, "9007199254740992" }, { 123.456, "123.456" }, { 1e23, "1e+23" },
		{ 0.000002, "0.000002" }, { -0.5, "-0.5" }, { 4.35, "4.35" }, { 12.000001, "12.000001" }, { 99999999.999999, "99999999.999999" },
		{ 100000000.5, "100000000.5" }, { 0.0000005, "5e-7" }, { 1234567.1234567, "1234567.1234567" }, { 70000000.1, "70000000.1" },
		{ 2.2250738585072014e-308, "2.2250738585072014e-308" }, { -1.2345678901234568e-300, "-1.2345678901234568e-300" },
	};
	static const struct {
		float v;
		const char *text;
	} f[] = { { 0.1f, "0.1" }, { 16777216, "16777216" }, { 3.4028235e38f, "3.4028235e+38" }, { 1e-45f, "1e-45" }, { -0.0f, "-0" }, { NAN, "nan" },
		  { 1.1754944e-38f, "1.1754944e-38" }, { 1e10f, "10000000000" } };
	char text[64];

	for (size_t i = 0; i < sizeof v / sizeof *v; i++)
		CHECK_STR(((struct str){ text, num_print_f64(v[i].v, text) }), v[i].text);
	for (size_t i = 0; i < sizeof f / sizeof *f; i++)
		CHECK_STR(((struct str){ text, num_print_f32(f[i].v, text) }), f[i].text);
}

TEST(random_numbers)
{
	static const uint64_t want[] = { 11520, 0, 1509978240, 1215971899390074240, 1216172134540287360, 607988272756665600 };
	struct rng g = { { 1, 2, 3, 4 } };
	uint64_t count[7] = { 0 };

	for (size_t i = 0; i < sizeof want / sizeof *want; i++)
		CHECK(rng_u64(&g) == want[i]);
	CHECK(rng_mix(0) == 0xe220a8397b1dcdaf);
	rng_seed(&g, 0);
	CHECK(g.s[0] == 0xe220a8397b1dcdaf && g.s[1] == 0x6e789e6aa1b965f4 && g.s[2] == 0x06c45d188009454f && g.s[3] == 0xf88bb8a8724c81ec);
	for (int i = 0; i < 70000; i++)
		count[rng_below(&g, 7)]++;
	for (int i = 0; i < 7; i++)
		CHECK(count[i] > 9600 && count[i] < 10400);
	for (int i = 0; i < 1000; i++) {
		double d = rng_f64(&g);

		CHECK(d >= 0 && d < 1 && rng_below(&g, 1) == 0 && rng_below(&g, (1ull << 63) + 1) <= 1ull << 63);
	}
}

int main(void)
{
	return RUN_TABLE(T1(powers_are_exact_and_cut_off), T1(known_hard_readings), T1(what_is_no_number), T1(integers), T1(halfway_cases),
			 T1(readings_agree_with_the_c_library), T1(printed_doubles_are_shortest_and_read_back),
			 T1(printed_floats_are_shortest_and_read_back), T1(powers_of_two), T1(layout), T1(random_numbers));
}
