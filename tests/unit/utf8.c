/* UTF-8 against RFC 3629: every scalar value there and back, every sequence of two and three bytes judged as the grammar does. */
#include "lib/base/utf8.h"
#include "tests/unit/test.h"

TEST(every_scalar_value)
{
	for (uint32_t c = 0; c < 0x110000; c++) {
		char s[4];
		size_t n, len;

		if (c >= 0xD800 && c < 0xE000)
			continue;
		n = utf8_encode(c, s);
		CHECK(utf8_valid(s, n));
		CHECK(utf8_decode(s, n, &len) == c && len == n);
		for (size_t cut = 1; cut < n; cut++)
			CHECK(!utf8_valid(s, cut));
	}
}

/* UTF8-2 = %xC2-DF UTF8-tail; UTF8-3 = %xE0 %xA0-BF UTF8-tail / %xE1-EC 2( UTF8-tail ) / %xED %x80-9F UTF8-tail / %xEE-EF ... */
static bool valid3(const uint8_t *s)
{
	bool tail1 = (s[1] & 0xC0) == 0x80, tail2 = (s[2] & 0xC0) == 0x80;

	if (s[0] < 0x80)
		return (s[1] < 0x80 && s[2] < 0x80) || (s[1] >= 0xC2 && s[1] <= 0xDF && tail2);
	if (s[0] >= 0xC2 && s[0] <= 0xDF)
		return tail1 && s[2] < 0x80;
	if (s[0] < 0xE0 || s[0] > 0xEF || !tail1 || !tail2)
		return false;
	return s[0] == 0xE0 ? s[1] >= 0xA0 : s[0] == 0xED ? s[1] <= 0x9F : true;
}

TEST(every_three_bytes)
{
	for (uint32_t v = 0; v < 1 << 24; v++) {
		uint8_t s[3] = { (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

		CHECK(utf8_valid(s, 3) == valid3(s));
	}
}

TEST(four_bytes_at_the_edges)
{
	CHECK(!utf8_valid("\xF0\x8F\xBF\xBF", 4));
	CHECK(utf8_valid("\xF0\x90\x80\x80", 4));
	CHECK(utf8_valid("\xF4\x8F\xBF\xBF", 4));
	CHECK(!utf8_valid("\xF4\x90\x80\x80", 4));
	CHECK(!utf8_valid("\xF5\x80\x80\x80", 4));
}

TEST(the_place_of_the_first_bad_byte)
{
	char s[200];

	for (size_t n = 1; n < sizeof s; n++)
		for (size_t at = 0; at < n; at += 1 + n / 7) {
			memset(s, 'x', n);
			s[at] = (char)0xFF;
			CHECK_I64(utf8_check(s, n), at);
			s[at] = 'x';
			CHECK_I64(utf8_check(s, n), n);
		}
	CHECK_I64(utf8_check("", 0), 0);
}

TEST(counting)
{
	CHECK_I64(utf8_count("aé€😀", 10), 4);
	CHECK_I64(utf8_count("a\xFF\xFE", 3), 3);
}

int main(void)
{
	return RUN_TABLE(T1(every_scalar_value), T1(every_three_bytes), T1(four_bytes_at_the_edges), T1(the_place_of_the_first_bad_byte),
			 T1(counting));
}
