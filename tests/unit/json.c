/* JSON text: what RFC 8259 allows and what it does not, with the byte at fault; strings decoded and written; numbers
 * respelled. */
#include "lib/format/format.h"
#include "lib/format/json.h"
#include "tests/unit/test.h"

#include <stdint.h>

static char text[4096 + JSON_PAD];

/* s as a line with what scanners need behind it. */
static const char *line(struct str s)
{
	CHECK(s.n + 1 + JSON_PAD <= sizeof text);
	memset(text, 0, sizeof text);
	memcpy(text, s.p, s.n);
	text[s.n] = '\n';
	return text;
}

/* 0: a whole value; else the offset of the fault from 1. */
static int64_t fault_at(struct str s)
{
	struct json_fault f = { 0 };
	const char *p = line(s), *end = json_value(json_blanks(p, NULL), NULL, &f);

	if (!end)
		return f.at - p + 1;
	end = json_blanks(end, NULL);
	return *end == '\n' ? 0 : end - p + 1;
}

static const struct {
	const char *text;
	int fault;
} values[] = {
	/* literals */
	{ "null", 0 }, { "true", 0 }, { "false", 0 }, { " true\t", 0 }, { "\r\n", 2 }, { "", 1 }, { "nul", 1 }, { "nulll", 5 },
	{ "True", 1 }, { "NULL", 1 }, { "tru", 1 }, { "truE", 1 }, { "nan", 1 }, { "NaN", 1 }, { "Infinity", 1 }, { "-Infinity", 2 },
	{ "undefined", 1 }, { "'a'", 1 }, { "a", 1 }, { "\\u0061", 1 },
	/* numbers */
	{ "0", 0 }, { "-0", 0 }, { "1", 0 }, { "10", 0 }, { "-1", 0 }, { "1.0", 0 }, { "-1.50", 0 }, { "0.1", 0 }, { "1e5", 0 },
	{ "1E5", 0 }, { "1e+5", 0 }, { "1e-5", 0 }, { "0e0", 0 }, { "0E+00", 0 }, { "1.5e300", 0 }, { "-0.0", 0 },
	{ "123456789012345678901234567890.123456789", 0 }, { "1e999999", 0 },
	{ "-", 2 }, { "+1", 1 }, { "01", 1 }, { "-01", 2 }, { "00", 1 }, { ".5", 1 }, { "-.5", 2 }, { "1.", 3 }, { "1.e5", 3 },
	{ "1e", 3 }, { "1e+", 4 }, { "1E-", 4 }, { "1e5.5", 4 }, { "1.5.5", 4 }, { "0x10", 2 }, { "1_000", 2 }, { "1,000", 2 },
	{ "--1", 2 }, { "-a", 2 }, { "1a", 2 }, { "1 2", 3 }, { "0.", 3 }, { "2.e-3", 3 }, { "-2.", 4 }, { "1ea", 3 }, { "- 1", 2 },
	{ "\xef\xbc\x91", 1 },
	/* strings */
	{ "\"\"", 0 }, { "\"a\"", 0 }, { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 0 }, { "\"\\u0000\"", 0 }, { "\"\\u00e9\"", 0 },
	{ "\"\\uD83D\\uDE00\"", 0 }, { "\"\\uDBFF\\uDFFF\"", 0 }, { "\"\x7f\"", 0 }, { "\"\xc3\xa9\"", 0 }, { "\"\xe2\x80\xa8\"", 0 },
	{ "\"\xf0\x9f\x98\x80\"", 0 }, { "\"\xf4\x8f\xbf\xbf\"", 0 }, { "\"\xef\xbf\xbf\"", 0 }, { "\"/* no comment */\"", 0 },
	{ "\"", 2 }, { "\"a", 3 }, { "\"\\\"", 4 }, { "\"\\a\"", 2 }, { "\"\\'\"", 2 }, { "\"\\x41\"", 2 }, { "\"\\0\"", 2 },
	{ "\"\\\n\"", 2 }, { "\"\\u\"", 2 }, { "\"\\u12\"", 2 }, { "\"\\u12G4\"", 2 }, { "\"\\U0041\"", 2 }, { "\"\\u{41}\"", 2 },
	{ "\"\t\"", 2 }, { "\"a\x01\"", 3 }, { "\"\x1f\"", 2 }, { "\"\\", 2 }, { "\"\\ud800\"", 2 }, { "\"\\udc00\"", 2 },
	{ "\"\\ud800\\u0041\"", 2 }, { "\"\\ud800\\ud800\"", 2 }, { "\"\\ud800a\"", 2 }, { "\"\\uDE00\\uD83D\"", 2 }, { "\"\\ud83d\\ude0\"", 2 },
	{ "\"\x80\"", 2 }, { "\"a\xff\"", 3 }, { "\"\xc0\xaf\"", 2 }, { "\"\xc1\xbf\"", 2 }, { "\"\xe0\x80\xaf\"", 2 },
	{ "\"\xed\xa0\x80\"", 2 }, { "\"\xed\xbf\xbf\"", 2 }, { "\"\xf0\x80\x80\x80\"", 2 }, { "\"\xf4\x90\x80\x80\"", 2 },
	{ "\"\xf5\x80\x80\x80\"", 2 }, { "\"\xe6\xbc\"", 2 }, { "\"\xc3\"", 2 }, { "\"ab\xe9\"", 4 }, { "\"\xf8\x88\x80\x80\x80\"", 2 },
	{ "\"0123456789abcdef\\q\"", 18 }, { "\"0123456789abcde\xff\"", 17 }, { "\"0123456789abcdef0123456789\x02\"", 28 },
	/* arrays */
	{ "[]", 0 }, { "[ ]", 0 }, { "[1]", 0 }, { "[1,2]", 0 }, { "[[],[[]]]", 0 }, { " [ 1 , null , \"a\" ] ", 0 }, { "[1,[2,{\"a\":[]}]]", 0 },
	{ "[", 2 }, { "]", 1 }, { "[1", 3 }, { "[1,", 4 }, { "[1,]", 4 }, { "[,1]", 2 }, { "[1,,2]", 4 }, { "[1 2]", 4 }, { "[1]]", 4 },
	{ "[1}", 3 }, { "[a]", 2 }, { "[\"a\"\"b\"]", 5 }, { "[:]", 2 }, { "[-]", 3 }, { "[1\x0c]", 3 }, { "[\xc2\xa0]", 2 }, { "[tru]", 2 },
	{ "[\"a\":1]", 5 }, { "[*]", 2 }, { "[1;2]", 3 }, { "[\"x\"", 5 }, { "[[[", 4 },
	/* objects */
	{ "{}", 0 }, { "{ }", 0 }, { "{\"a\":1}", 0 }, { "{ \"a\" : 1 , \"b\" : [ ] }", 0 }, { "{\"\":0}", 0 }, { "{\"a\\u0062\":{}}", 0 },
	{ "{\"a\":{\"b\":{\"c\":null}}}", 0 },
	{ "{", 2 }, { "}", 1 }, { "{\"a\"}", 5 }, { "{\"a\":}", 6 }, { "{\"a\":1", 7 }, { "{\"a\":1,}", 8 }, { "{,\"a\":1}", 2 },
	{ "{a:1}", 2 }, { "{'a':1}", 2 }, { "{1:1}", 2 }, { "{\"a\" 1}", 6 }, { "{\"a\",1}", 5 }, { "{\"a\":1 \"b\":2}", 8 }, { "{\"a\":1]", 7 },
	{ "{\"a\":1}}", 8 }, { "{\"a\":1}{\"b\":2}", 8 }, { "{\"a\"::1}", 6 }, { "{\"a\":1,,\"b\":2}", 8 }, { "{\"a\":1 /* c */}", 8 },
	{ "{\"a\":1}//c", 8 }, { "{\"a\":1}#", 8 }, { "{null:1}", 2 }, { "{\"a\":01}", 6 }, { "{\"a", 4 }, { "{\"a\":\"b}", 9 }, { "{[]:1}", 2 },
	{ "{\"a\":x}", 6 }, { "{\"\\x\":1}", 3 }, { "{\"a\":1},", 8 }, { "\xef\xbb\xbf{}", 1 },
};

TEST(values_and_faults)
{
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		int64_t got = fault_at(str_of(values[i].text));

		if (got != values[i].fault)
			printf("# case %zu: %s\n", i, values[i].text);
		CHECK_I64(got, values[i].fault);
	}
	CHECK_I64(fault_at((struct str){ "\"\0\"", 3 }), 2);
	CHECK_I64(fault_at((struct str){ "[\0]", 3 }), 2);
	CHECK_I64(fault_at((struct str){ "1\0", 2 }), 2);
}

static int64_t nested(int depth, const char *open, const char *inner, const char *close)
{
	char deep[4096];
	size_t n = 0;

	for (int i = 0; i < depth; i++)
		n += (size_t)sprintf(deep + n, "%s", open);
	n += (size_t)sprintf(deep + n, "%s", inner);
	for (int i = 0; i < depth; i++)
		n += (size_t)sprintf(deep + n, "%s", close);
	return fault_at((struct str){ deep, n });
}

TEST(depth)
{
	CHECK_I64(nested(512, "[", "", "]"), 0);
	CHECK_I64(nested(513, "[", "", "]"), 513);
	CHECK_I64(nested(512, "{\"\":", "0", "}"), 0);
	CHECK_I64(nested(513, "{\"\":", "0", "}"), 512 * 4 + 1);
	CHECK_I64(nested(256, "[{\"\":", "0", "}]"), 0);
}

static struct buf out;

static struct str decoded(const char *json)
{
	struct json_fault f;
	char *to;
	const char *p = line(str_of(json));

	out.n = 0;
	CHECK(buf_reserve(&out, strlen(json) + 32) == 0);
	to = (char *)out.p;
	CHECK(json_decode(p, &to, &f) == p + strlen(json));
	return (struct str){ (char *)out.p, (size_t)(to - (char *)out.p) };
}

TEST(decoding)
{
	CHECK_STR(decoded("\"\""), "");
	CHECK_STR(decoded("\"plain and more than sixteen bytes\""), "plain and more than sixteen bytes");
	CHECK_STR(decoded("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\/\b\f\n\r\t");
	CHECK_STR(decoded("\"\\u0041\\u00e9\\u6f22\\ud83d\\ude00\""), "A\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80");
	CHECK_STR(decoded("\"\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97\""),
		  "\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97");
	CHECK(decoded("\"a\\u0000b\"").n == 3);
}

static struct str quoted(struct str s)
{
	out.n = 0;
	CHECK(json_quote(&out, s) == 0);
	return buf_view(&out);
}

TEST(quoting)
{
	CHECK_STR(quoted(STR("")), "\"\"");
	CHECK_STR(quoted(STR("a\"b\\c/d")), "\"a\\\"b\\\\c/d\"");
	CHECK_STR(quoted(STR("\b\f\n\r\t\x01\x1f\x7f")), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
	CHECK_STR(quoted((struct str){ "a\0b", 3 }), "\"a\\u0000b\"");
	CHECK_STR(quoted(STR("\xe6\xbc\xa2 and twenty plain bytes behind it")), "\"\xe6\xbc\xa2 and twenty plain bytes behind it\"");
	CHECK_STR(quoted(STR("a\xff" "b")), "\"a\xef\xbf\xbd" "b\"");
	CHECK_STR(quoted(STR("cut\xe6\xbc")), "\"cut\xef\xbf\xbd\xef\xbf\xbd\"");
}

/* Any text that is UTF-8 comes back from quoting and decoding. */
TEST(quoting_is_undone_by_decoding)
{
	unsigned seed = 3;
	static const char *const bits[] = { "a", "\"", "\\", "\n", "\x01", "\xc3\xa9", "\xf0\x9f\x98\x80", "0123456789abcdef", "/", "\x7f" };

	for (int k = 0; k < 20000; k++) {
		char s[512], json[2048];
		size_t n = 0;
		struct str q;

		for (int i = 0; i < 20; i++) {
			seed = seed * 1664525 + 1013904223;
			if (seed >> 28 < 10)
				n += (size_t)sprintf(s + n, "%s", bits[seed >> 28]);
		}
		s[n] = '\0';
		q = quoted((struct str){ s, n });
		memcpy(json, q.p, q.n);
		json[q.n] = '\0';
		CHECK_I64(fault_at(q), 0);
		CHECK_STR(decoded(json), s);
	}
}

static struct str number(const char *z)
{
	out.n = 0;
	CHECK(json_put_number(&out, str_of(z)) == 0);
	return buf_view(&out);
}

TEST(numbers_keep_their_digits)
{
	static const char *const same[] = { "0", "-0", "1.50", "1e5", "1E+05", "9007199254740993", "-0.00", "1e-999" };
	static const char *const respelled[][2] = { { "+1", "1" }, { "007", "7" }, { "-007.50", "-7.50" }, { ".5", "0.5" }, { "-.5", "-0.5" },
		{ "1.", "1" }, { "+.5e3", "0.5e3" }, { "1.e5", "1e5" }, { "000", "0" }, { "00.10", "0.10" } };
	static const char *const strings[] = { "nan", "inf", "-inf", "", "12,5", "1.2.3", "abc", "1e", ".", "-", "+", "0x1f", "1 2", ".e5" };
	char want[64];

	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		CHECK_STR(number(same[i]), same[i]);
	for (size_t i = 0; i < sizeof respelled / sizeof *respelled; i++)
		CHECK_STR(number(respelled[i][0]), respelled[i][1]);
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
		sprintf(want, "\"%s\"", strings[i]);
		CHECK_STR(number(strings[i]), want);
	}
}

/* json_is_number() and the scanner agree on everything up to five characters of the alphabet of numbers. */
TEST(two_scanners_of_numbers_agree)
{
	static const char alphabet[] = "01-+.eE";
	char s[8];

	for (int len = 1; len <= 5; len++) {
		int count = 1;

		for (int i = 0; i < len; i++)
			count *= 7;
		for (int k = 0; k < count; k++) {
			struct json_fault f;
			const char *p;

			for (int i = 0, v = k; i < len; i++, v /= 7)
				s[i] = alphabet[v % 7];
			p = line((struct str){ s, (size_t)len });
			CHECK(json_is_number((struct str){ s, (size_t)len }) == (json_number(p, &f) == p + len));
		}
	}
}

static struct str json(const char *z)
{
	out.n = 0;
	CHECK(json_put_json(&out, str_of(z)) == 0);
	return buf_view(&out);
}

TEST(json_stays_on_one_line)
{
	CHECK_STR(json("[1, 2]"), "[1, 2]");
	CHECK_STR(json("{\n \"a\": [1,\r\n2]\n}"), "{  \"a\": [1,  2] }");
	CHECK_STR(json(" null "), " null ");
	CHECK_STR(json("[1"), "\"[1\"");
	CHECK_STR(json("{\"a\":\"x\ny\"}"), "\"{\\\"a\\\":\\\"x\\ny\\\"}\"");
	CHECK_STR(json(""), "\"\"");
	CHECK_STR(json("1 2"), "\"1 2\"");
}

int main(void)
{
	int rc = RUN_TABLE(T1(values_and_faults), T1(depth), T1(decoding), T1(quoting), T1(quoting_is_undone_by_decoding),
			   T1(numbers_keep_their_digits), T1(two_scanners_of_numbers_agree), T1(json_stays_on_one_line));

	buf_free(&out);
	return rc;
}
