/* The language of map: expressions and what they give, null tables, guards, errors and their places, explode, selections. */
#include "tests/unit/expr.h"

#include "tests/unit/test.h"

#include <stdio.h>

/* The value of an expression on the first record: its type and its text; or what the error says after "!". */
struct expectation {
	const char *expr, *want;
};

static void evaluate(const char *expr, int row, struct buf *got)
{
	cleanup_buf struct buf program = { 0 }, value = { 0 };
	const struct schema *s = NULL;
	struct err e = { 0 };
	char type[100];
	int rc;

	if (buf_printf(&program, "x = %s; keep x", expr))
		abort();
	rc = test_run_program((char *)program.p, program.n, BAD_FAIL, row, 1, &value, &s, &e);
	got->n = 0;
	if (rc < 0 ? buf_printf(got, "!%d %s", e.status, e.msg)
		   : buf_printf(got, "%s %.*s", type_name(&s->fields[0].type, type, sizeof type), (int)value.n - 1, (char *)value.p))
		abort();
	schema_unref(s);
}

static int check_table(const struct expectation *t, int row)
{
	cleanup_buf struct buf got = { 0 };
	int wrong = 0;

	for (; t->expr; t++) {
		evaluate(t->expr, row, &got);
		bool ok = *t->want == '!' ? memmem(got.p, got.n, t->want + 1, strlen(t->want) - 1) != NULL && got.p[0] == '!'
					  : str_is(buf_view(&got), t->want);

		if (!ok)
			printf("# %s gives \"%.*s\", not \"%s\"\n", t->expr, STR_ARG(buf_view(&got)), t->want);
		wrong += !ok;
	}
	return wrong;
}

#define TABLE(name, row, ...)                                                   \
	TEST(name)                                                              \
	{                                                                       \
		static const struct expectation table[] = { __VA_ARGS__, { 0 } }; \
		CHECK_I64(check_table(table, row), 0);                          \
	}

TABLE(literals, 0,
	{ "1", "int64 1" }, { "-1", "int64 -1" }, { "- -1", "int64 1" }, { "1.50", "num 1.50" }, { "-0.0", "num 0.0" }, { "1e3", "num 1000" },
	{ "1.5e-3", "num 0.0015" }, { ".5", "num 0.5" }, { "9223372036854775807", "int64 9223372036854775807" },
	{ "9223372036854775808", "num 9223372036854775808" }, { "-9223372036854775808", "num -9223372036854775808" },
	{ "123456789012345678901234567890", "num 123456789012345678901234567890" }, { "true", "bool true" }, { "false", "bool false" },
	{ "null", "null -" }, { "'it\\'s'", "text it's" }, { "\"a\\tb\"", "text a\tb" }, { "'\\u{e9}\\u{1F600}'", "text \xc3\xa9\xf0\x9f\x98\x80" },
	{ "'\\d'", "text \\d" }, { "'a # b ; c'", "text a # b ; c" }, { "90s", "duration[us] PT1M30S" }, { "1w", "duration[us] PT168H" },
	{ "500ms", "duration[us] PT0.500S" }, { "5x", "!neither a number nor a duration" }, { "1e9999", "!too many digits" },
	{ "'open", "!no closing '" }, { "'\\u{110000}'", "!not a Unicode code point" }, { "99999999999999w", "!too long" })

/* From the General Decimal Arithmetic specification (add, multiply: exact results) and by hand. */
TABLE(decimals, 0,
	{ "1.50 * 2", "num 3.00" }, { "0.1 + 0.2", "num 0.3" }, { "12 + 7.00", "num 19.00" }, { "1.3 - 1.07", "num 0.23" },
	{ "1.3 - 1.30", "num 0.00" }, { "1.20 * 3", "num 3.60" }, { "7 * 3", "int64 21" }, { "0.9 * 0.8", "num 0.72" },
	{ "0.9 * -0.0", "num 0.00" }, { "654321.0 * 654321.0", "num 428135971041.00" }, { "1e2 + 1e4", "num 10100" },
	{ "99999999999999999999.9 + 0.1", "num 100000000000000000000.0" }, { "a * 2", "num 3.00" }, { "2 * a", "num 3.00" },
	{ "a + n", "num 4.00" }, { "a - a", "num 0.00" }, { "n * n", "num 6.25" }, { "big + 1", "num 9007199254740994" },
	{ "big * big", "num 81129638414606699710187514626049" }, { "-a", "num -1.50" }, { "-n", "num -2.5" }, { "-(-a)", "num 1.50" },
	{ "a + i", "num 8.50" }, { "0.000001 * 0.000001", "num 0.000000000001" }, { "100 * 1.10", "num 110.00" },
	{ "num('1e-3') + 0", "num 0.001" }, { "num('007')", "num 7" }, { "num('-0')", "num 0" }, { "num('+5')", "num 5" },
	{ "num(' 5')", "!\" 5\" is not a number" }, { "num('1,5')", "!not a number" }, { "num('')", "!\"\" is not a number" },
	{ "num('nan') + 1", "num nan" }, { "num('inf') - num('inf')", "num nan" }, { "-num('inf')", "num -inf" }, { "b * 2", "!\"abc\" is not a number" })

TABLE(division, 0,
	{ "1 / 2", "float64 0.5" }, { "1 / 3", "float64 0.3333333333333333" }, { "2 / 3", "float64 0.6666666666666666" },
	{ "10 / 5", "float64 2" }, { "1.50 / 2", "float64 0.75" }, { "0.1 / 0.3", "float64 0.3333333333333333" }, { "1 / 0", "float64 inf" },
	{ "-1 / 0", "float64 -inf" }, { "0 / 0", "float64 nan" }, { "big / 3", "float64 3002399751580331" }, { "max / max", "float64 1" },
	{ "max / 2", "float64 4611686018427388000" }, { "9007199254740993 / 1", "float64 9007199254740992" },
	{ "1e-300 / 1e300", "float64 0" }, { "7 % 3", "int64 1" }, { "-7 % 3", "int64 2" }, { "7 % -3", "int64 -2" }, { "-7 % -3", "int64 -1" },
	{ "6 % 3", "int64 0" }, { "7.5 % 2", "num 1.5" }, { "-7.5 % 2", "num 0.5" }, { "1.00 % 0.3", "num 0.10" },
	{ "5 % 0", "!remainder of a division by zero" }, { "a % 0", "!remainder of a division by zero" }, { "f % 0", "float64 nan" },
	{ "-9223372036854775807 % -1", "int64 0" }, { "f / 0.5", "float64 0.5" })

TABLE(int64s, 0,
	{ "i + 1", "int64 8" }, { "i - 10", "int64 -3" }, { "i * i", "int64 49" }, { "-i", "int64 -7" }, { "max + 1", "!max + 1 does not fit int64" },
	{ "max * 2", "!does not fit int64" }, { "-max - 2", "!does not fit int64" }, { "num(max) + 1", "num 9223372036854775808" },
	{ "max - 1", "int64 9223372036854775806" }, { "4000000000 * 4000000000", "!does not fit int64" }, { "i + 0.5", "num 7.5" })

TABLE(floats, 0,
	{ "f + 1", "float64 1.25" }, { "f * 2", "float64 0.5" }, { "f - 0.25", "float64 0" }, { "-f", "float64 -0.25" }, { "f + i", "float64 7.25" },
	{ "f * a", "float64 0.375" }, { "f + big", "float64 9007199254740994" }, { "float('0.1') + 0.2", "float64 0.30000000000000004" },
	{ "float('1e400')", "float64 inf" }, { "f * max", "float64 2305843009213694000" }, { "-float(0)", "float64 -0" },
	{ "float('0.1') + num('0.2')", "float64 0.3" })

TABLE(comparisons, 0,
	{ "a == 1.5", "bool true" }, { "a == '1.50'", "bool true" }, { "a == '1.5'", "bool false" }, { "a != 1.5", "bool false" },
	{ "a < 2", "bool true" }, { "a >= 1.50", "bool true" }, { "a > 1.500000000000000000000001", "bool false" }, { "a < n", "bool true" },
	{ "n == '2.50'", "bool true" }, { "n == 'abc'", "!is not a number" }, { "big == 9007199254740993", "bool true" },
	{ "big > 9007199254740992.999", "bool true" }, { "i == 7.0", "bool true" }, { "i < 7.01", "bool true" }, { "f == 0.25", "bool true" },
	{ "float('0.1') == 0.1", "bool true" }, { "float('0.1') == num('0.1')", "bool false" }, { "float('0.1') > num('0.1')", "bool true" },
	{ "max == 9223372036854775807", "bool true" }, { "max < 9223372036854775808", "bool true" }, { "float(max) == max", "bool false" },
	{ "num('nan') == num('nan')", "bool true" }, { "num('nan') > 1e300", "bool true" }, { "float('nan') == float('nan')", "bool true" },
	{ "float('nan') > float('inf')", "bool true" }, { "num('-inf') < -1e300", "bool true" }, { "-0.0 == 0", "bool true" },
	{ "b == 'abc'", "bool true" }, { "b < 'abd'", "bool true" }, { "b > 'ABC'", "bool true" }, { "a < b", "!say how these texts compare" },
	{ "text(a) < text(b)", "bool true" }, { "num(a) < num(n)", "bool true" }, { "a == b", "bool false" }, { "lower(a) < b", "bool true" },
	{ "yes == true", "bool true" }, { "yes != true", "bool false" }, { "yes == 'x'", "!cannot be compared" }, { "yes == 1", "!cannot be compared" },
	{ "d == '2015-03-01'", "bool true" }, { "d < '2015-03-02'", "bool true" }, { "d > '2015-02-28T23:59:59Z'", "bool true" },
	{ "t > d", "bool false" }, { "t < '2015-01-02T03:04:06Z'", "bool true" }, { "t >= '2015-01-02'", "bool true" },
	{ "t == '2015-01-02T04:04:05.678+01:00'", "bool true" }, { "d == 'soon'", "!'soon' is not a timestamp" }, { "t > when", "bool true" },
	{ "90s > 1m", "bool true" }, { "90s == 1m + 30s", "bool true" }, { "1m == 60", "!cannot be compared" }, { "a == null", "!is null" },
	{ "1 < 2 < 3", "!do not chain" }, { "j == '[1,\"x\",null]'", "bool true" }, { "a = 1", "!a comparison is \"==\"" })

TABLE(membership, 0,
	{ "a in (1, 1.5, 2)", "bool true" }, { "a in ('1.50')", "bool true" }, { "a in ('1.5', 'x')", "bool false" }, { "i in (1, 2, 3)", "bool false" },
	{ "i in (1, 7)", "bool true" }, { "i not in (1, 7)", "bool false" }, { "i in (7, null)", "bool true" }, { "i in (1, null)", "bool -" },
	{ "none in ('a')", "bool -" }, { "b in ('x', 'abc', 'y', 'z', 'w', 'v')", "bool true" }, { "b in ('x', 'ab', 'y', 'z', 'w', 'v')", "bool false" },
	{ "i in (i, 1)", "bool true" }, { "a in (n, b)", "bool false" }, { "n in (b, a)", "!\"abc\" is not a number" }, { "f in (0.25, 1)", "bool true" }, { "d in ('2015-03-01')", "bool true" },
	{ "big in (1, 9007199254740993)", "bool true" }, { "big in (9007199254740993.0, 0.0000000000000000000000001)", "bool true" },
	{ "null in (1)", "bool -" }, { "yes in (false, true)", "bool true" }, { "i in ()", "!a value should be" },
	{ "i in (7.0, 8)", "bool true" }, { "123456789012345678901234567890 in (1, 2, 123456789012345678901234567890)", "bool true" },
	{ "num('1.00000000000000000000000000') in (1, 2)", "bool true" })

TABLE(logic, 0,
	{ "true and true", "bool true" }, { "true and false", "bool false" }, { "false and true", "bool false" }, { "false and false", "bool false" },
	{ "null and true", "bool -" }, { "null and false", "bool false" }, { "true and null", "bool -" }, { "false and null", "bool false" },
	{ "null and null", "bool -" }, { "true or true", "bool true" }, { "true or false", "bool true" }, { "false or true", "bool true" },
	{ "false or false", "bool false" }, { "null or true", "bool true" }, { "null or false", "bool -" }, { "true or null", "bool true" },
	{ "false or null", "bool -" }, { "null or null", "bool -" }, { "not true", "bool false" }, { "not false", "bool true" }, { "not null", "bool -" },
	{ "!yes", "bool false" }, { "yes && !yes || yes", "bool true" }, { "not yes or yes", "bool true" }, { "!(yes == false)", "bool true" },
	{ "! yes == false", "bool true" }, { "a is null", "bool false" }, { "none is null", "bool true" }, { "none is not null", "bool false" },
	{ "not none is null", "bool false" }, { "(none == 'x') is null", "bool true" }, { "a and yes", "!takes a condition, not text" },
	{ "true and none == 'x'", "bool -" }, { "false and none == 'x'", "bool false" }, { "none == 'x' or true", "bool true" },
	{ "none + 1", "num -" }, { "lower(none)", "text -" }, { "null + 1", "num -" }, { "none == none", "bool -" }, { "concat('a', none)", "text -" })

TABLE(guards, 0,
	{ "b ~ '^[0-9]+$' and b > 5", "bool false" }, { "b == 'abc' or b > 5", "bool true" }, { "if(b == 'abc', 0, num(b))", "num 0" },
	{ "if(b == 'abc', num(b), 0)", "!not a number" }, { "coalesce(a, num(b))", "!the values before are text" }, { "coalesce(num(a), num(b))", "num 1.50" },
	{ "case when b == 'abc' then 1 when b > 3 then 2 end", "int64 1" }, { "case when false then 1 end", "int64 -" },
	{ "case when none == 'x' then 1 else 2 end", "int64 2" }, { "if(none == 'x', 1)", "int64 -" }, { "if(null, 1, 2)", "int64 2" },
	{ "if(false, 5 % 0, 1)", "int64 1" }, { "false and 5 % 0 == 1", "bool false" }, { "b > 5 and b ~ '^[0-9]+$'", "!not a number" },
	{ "if(yes, a, n)", "!this is num where the values before are text" }, { "if(yes, a, 0)", "text 1.50" }, { "if(not yes, a, 0.0)", "text 0.0" },
	{ "if(yes, n, 0)", "num 2.5" }, { "if(not yes, n, 0)", "num 0" }, { "if(yes, i, 0.5)", "num 7" }, { "if(yes, i, f)", "float64 7" },
	{ "if(yes, d, t)", "timestamp[us, UTC] 2015-03-01T00:00:00Z" }, { "if(yes, d, '2020-01-01')", "date 2015-03-01" },
	{ "if(yes, d, 'x')", "!is not date" }, { "if(yes, yes, 1)", "!this is int64" }, { "coalesce(none, 'z')", "text z" },
	{ "coalesce(none, null, b)", "text abc" }, { "coalesce(null)", "null -" }, { "if(1, 2, 3)", "!takes a condition, not int64" },
	{ "coalesce(none, 5)", "text 5" }, { "if(yes, 1, 2, 3, 4)", "!if takes" })

TABLE(text_functions, 0,
	{ "lower(u)", "text \xc3\xa9lan vital" }, { "upper(u)", "text \xc3\x89LAN VITAL" }, { "upper('stra\xc3\x9f\x65')", "text STRA\xc3\x9f\x45" },
	{ "lower('\xc4\xb0\xce\xa3')", "text i\xcf\x83" }, { "upper('\xc8\xbf')", "text \xe2\xb1\xbe" }, { "upper('\xff')", "text \xff" },
	{ "trim('  a b\t\n')", "text a b" }, { "ltrim('  a ')", "text a " }, { "rtrim('  a ')", "text   a" }, { "trim('   ')", "text " },
	{ "length(u)", "int64 10" }, { "bytes(u)", "int64 11" }, { "length('')", "int64 0" }, { "substr(u, 1, 4)", "text \xc3\x89lan" },
	{ "substr(u, 6)", "text Vital" }, { "substr(u, -5, 3)", "text Vit" }, { "substr(u, 20)", "text " }, { "substr(u, 0, 2)", "text \xc3\x89" },
	{ "substr(u, 2, 0)", "text " }, { "substr(u, -99, 3)", "text " }, { "substr(b, 2, -1)", "!substr of -1 characters" },
	{ "substr(b, 2, 9223372036854775807)", "text bc" }, { "find(u, 'V')", "int64 6" }, { "find(b, 'x')", "int64 0" }, { "find(b, '')", "int64 1" },
	{ "part('a,b,c', ',', 2)", "text b" }, { "part('a,b,c', ',', -1)", "text c" }, { "part('a,b,c', ',', 4)", "text -" }, { "part('a,b', ',', 0)", "text -" },
	{ "part('a,b', ',', -3)", "text -" }, { "part('abc', ',', 1)", "text abc" }, { "replace('aaa', 'a', 'bb')", "text bbbbbb" },
	{ "replace('abc', '', 'x')", "text abc" }, { "replace('abc', 'c', '')", "text ab" }, { "starts_with(b, 'ab')", "bool true" },
	{ "ends_with(b, 'bc')", "bool true" }, { "ends_with(b, 'abcd')", "bool false" }, { "contains(b, 'b')", "bool true" }, { "contains(b, '')", "bool true" },
	{ "concat(b, 1, true, 1.50, d)", "text abc1true1.502015-03-01" }, { "join('-', b, i, f)", "text abc-7-0.25" }, { "join(',', 'a')", "text a" },
	{ "pad_left(i, 3, '0')", "!pad_left takes text here, not int64" }, { "pad_left(text(i), 3, '0')", "text 007" }, { "pad_right(b, 5)", "text abc  " },
	{ "pad_left(u, 12, '\xc3\xa9')", "text \xc3\xa9\xc3\xa9\xc3\x89lan Vital" }, { "pad_left(b, 2)", "text abc" }, { "pad_left(b, 5, 'xy')", "!one character" },
	{ "repeat('ab', 3)", "text ababab" }, { "repeat('ab', 0)", "text " }, { "repeat('ab', -1)", "text " }, { "repeat('ab', 999999999999)", "!longer than 256 MiB" },
	{ "reverse('a\xc3\xa9\xe2\x82\xac')", "text \xe2\x82\xac\xc3\xa9\x61" }, { "lower(n)", "text 2.5" }, { "lower(i)", "!lower takes text here, not int64" },
	{ "lowr(b)", "!near it: lower" }, { "nosuch(b)", "!there is no function nosuch" }, { "lower()", "!lower takes more arguments" },
	{ "lower(b, b)", "!lower takes fewer arguments" }, { "concat(j)", "text [1,\"x\",null]" })

TABLE(pattern_functions, 0,
	{ "b ~ '^a'", "bool true" }, { "b ~ 'z'", "bool false" }, { "b !~ 'z'", "bool true" }, { "u ~ '^\xc3\x89.an'", "bool true" }, { "u ~ '(?i)vital$'", "bool true" },
	{ "b ~ 'a('", "!wrong at its character 3" }, { "b ~ b", "!a pattern that is written in the program" }, { "none ~ 'a'", "bool -" },
	{ "'' ~ '^$'", "bool true" }, { "n ~ '^2'", "bool true" }, { "extract('id=42;', 'id=(\\d+)')", "text 42" }, { "extract(b, 'b')", "text b" },
	{ "extract(b, 'z')", "text -" }, { "extract('k=v', '(\\w)=(\\w)', 2)", "text v" }, { "extract('k=v', '(\\w)=(\\w)', 0)", "text k=v" },
	{ "extract('k', '(\\w)(=)?', 2)", "text -" }, { "extract('k', 'k', 1)", "!no group 1" }, { "sub('aaa', 'a', 'b')", "text baa" },
	{ "gsub('aaa', 'a', 'b')", "text bbb" }, { "gsub('abc', 'x*', '-')", "text -a-b-c-" }, { "gsub('2015-01-02', '(\\d+)-(\\d+)-(\\d+)', '\\3.\\2.\\1')", "text 02.01.2015" },
	{ "gsub('a.b', '\\.', '\\\\\\\\')", "text a\\b" }, { "gsub('abc', 'b', '[\\0]')", "text a[b]c" }, { "gsub('abc', 'b', '\\1')", "!no group 1" },
	{ "gsub('\xc3\xa9\xc3\xa9', '', '.')", "text .\xc3\xa9.\xc3\xa9." }, { "gsub('abc', 'z', 'y')", "text abc" }, { "gsub('', 'a', 'b')", "text " },
	{ "gsub('abc', 'abc', '')", "text " }, { "matches(b, 'b')", "bool true" }, { "repeat('a', 40) ~ '^(a+)+$'", "bool true" }, { "'a\xff' ~ 'a'", "bool true" },
	{ "repeat('a', 3000) ~ '^(a|a)+$'", "bool true" })

TABLE(number_functions, 0,
	{ "abs(-5)", "int64 5" }, { "abs(-1.50)", "num 1.50" }, { "abs(f - 1)", "float64 0.75" }, { "abs(-9223372036854775807 - 1)", "!does not fit" },
	{ "abs(a)", "num 1.50" }, { "sign(-2)", "int64 -1" }, { "sign(a)", "int64 1" }, { "sign(f - f)", "int64 0" }, { "round(2.5)", "num 3" }, { "round(-2.5)", "num -3" },
	{ "round(2.345, 2)", "num 2.35" }, { "round(1.5, 3)", "num 1.500" }, { "round(1234, -2)", "int64 1200" }, { "round(1250, -2)", "int64 1300" },
	{ "round(1234.5, -2)", "num 1200" }, { "round(f * 10)", "float64 3" }, { "round(float('2.675'), 2)", "float64 2.67" }, { "round(float('-0.4'))", "float64 -0" },
	{ "floor(-1.5)", "num -2" }, { "ceil(-1.5)", "num -1" }, { "trunc(-1.5)", "num -1" }, { "trunc(1.99, 1)", "num 1.9" }, { "floor(i)", "int64 7" },
	{ "floor(f)", "float64 0" }, { "trunc(a)", "num 1" }, { "sqrt(2)", "float64 1.4142135623730951" }, { "sqrt(-1)", "float64 nan" },
	{ "sqrt(a * a)", "float64 1.5" }, { "sqrt(num('1e-400') * num('1e400'))", "float64 1" }, { "log(a)", "float64 0.4054651081081644" }, { "log10(1000)", "float64 3" }, { "log10(0.001)", "float64 -3" }, { "log2(f)", "float64 -2" },
	{ "log(0)", "float64 -inf" }, { "log(-1)", "float64 nan" }, { "exp(0)", "float64 1" }, { "exp('1')", "float64 2.718281828459045" },
	{ "log(num('inf'))", "float64 inf" }, { "exp(-num('inf'))", "float64 0" }, { "pow(1.1, 2)", "float64 1.21" }, { "pow(-2, 3)", "float64 -8" },
	{ "pow(-2, 0.5)", "float64 nan" }, { "pow(0, 0)", "float64 1" }, { "pow(0, -1)", "float64 inf" }, { "pow(i, 2)", "float64 49" },
	{ "pow(2, num('nan'))", "float64 nan" }, { "pow(0.5, num('inf'))", "float64 0" }, { "pow(4, 0.5)", "float64 2" }, { "pow(1e500, 2e-3)", "float64 10" },
	{ "fixed(3, 2)", "text 3.00" }, { "fixed(f, 1)", "text 0.3" },
	{ "fixed(-2.345, 2)", "text -2.35" }, { "base(255, 16)", "text ff" }, { "base(-5, 2)", "text -101" }, { "base(1, 1)", "!the base is 2 to 36" },
	{ "least(3, 1, 2)", "int64 1" }, { "greatest(1.50, 1.5)", "num 1.50" }, { "greatest(n, 2)", "num 2.5" }, { "least(f, 1)", "float64 0.25" },
	{ "greatest(a, b)", "!say how these texts compare" }, { "greatest(text(a), text(b))", "text abc" }, { "least(d, '2010-01-01')", "date 2010-01-01" },
	{ "greatest(1, null)", "int64 -" }, { "int(2.0)", "int64 2" }, { "int(2.5)", "!2.5 is not a whole number" }, { "int('12')", "int64 12" },
	{ "int(round(2.5))", "int64 3" }, { "int(1e30)", "!not a whole number that fits" }, { "int('x')", "!not a number" }, { "int(f * 4)", "int64 1" },
	{ "float(a)", "float64 1.5" }, { "float(big)", "float64 9007199254740992" }, { "bool('Yes')", "bool true" }, { "bool('off')", "bool false" },
	{ "bool('maybe')", "!is not a bool" }, { "bool(0)", "bool false" }, { "bool(a - a)", "bool false" }, { "text(1.50)", "text 1.50" }, { "text(f)", "text 0.25" },
	{ "text(yes)", "text true" }, { "hash('x') == hash('x')", "bool true" }, { "hash(1.0) == hash(1)", "bool true" }, { "hash('1.0') == hash('1')", "bool false" },
	{ "hash(f * 4) == hash(1)", "bool true" }, { "hash(a, 1) == hash(a)", "bool false" }, { "hash('') ", "int64 1622210670741801569" })

TABLE(time_functions, 0,
	{ "time('2015-01-02')", "timestamp[us, UTC] 2015-01-02T00:00:00Z" }, { "time(when)", "timestamp[us, UTC] 2015-01-02T03:04:05Z" },
	{ "time('x')", "!\"x\" is not a time" }, { "date(t)", "date 2015-01-02" }, { "date('2015-01-02')", "date 2015-01-02" }, { "date('2015-02-29')", "!is not a date" },
	{ "year(t)", "int64 2015" }, { "month(d)", "int64 3" }, { "day(when)", "int64 2" }, { "hour(t)", "int64 3" }, { "minute(t)", "int64 4" }, { "second(t)", "int64 5" },
	{ "weekday(t)", "int64 5" }, { "weekday('2021-01-03')", "int64 7" }, { "week('2021-01-03')", "int64 53" }, { "week('2015-01-01')", "int64 1" },
	{ "week('2016-01-03')", "int64 53" }, { "yearday('2016-12-31')", "int64 366" }, { "quarter('2015-10-01')", "int64 4" },
	{ "trunc(t, 1m)", "timestamp[us, UTC] 2015-01-02T03:04:00Z" }, { "trunc(t, 1d)", "timestamp[us, UTC] 2015-01-02T00:00:00Z" },
	{ "trunc(t, 1w)", "timestamp[us, UTC] 2014-12-29T00:00:00Z" }, { "trunc(when, 15m)", "timestamp[us, UTC] 2015-01-02T03:00:00Z" },
	{ "trunc(t, 'month')", "timestamp[us, UTC] 2015-01-01T00:00:00Z" }, { "trunc(d, 'quarter')", "timestamp[us, UTC] 2015-01-01T00:00:00Z" },
	{ "trunc(t, 'week')", "timestamp[us, UTC] 2014-12-29T00:00:00Z" }, { "trunc(t, 'hour')", "timestamp[us, UTC] 2015-01-02T03:00:00Z" },
	{ "trunc(t, 'moon')", "!the unit is one of" }, { "trunc(t, 0s)", "!not above zero" }, { "trunc(time('1969-12-31T23:59:59Z'), 1m)", "timestamp[us, UTC] 1969-12-31T23:59:00Z" },
	{ "t + 1d", "timestamp[us, UTC] 2015-01-03T03:04:05.678Z" }, { "t - 678ms", "timestamp[us, UTC] 2015-01-02T03:04:05Z" }, { "1h + t", "timestamp[us, UTC] 2015-01-02T04:04:05.678Z" },
	{ "d + 1d", "date 2015-03-02" }, { "d - 1d", "date 2015-02-28" }, { "d + 1h", "timestamp[us, UTC] 2015-03-01T01:00:00Z" }, { "d - date('2015-02-01')", "duration[us] PT672H" },
	{ "t - time('2015-01-02')", "duration[us] PT3H4M5.678S" }, { "when + 1h", "timestamp[us, UTC] 2015-01-02T04:04:05Z" }, { "t - when", "duration[us] PT0.678S" },
	{ "1h / 1m", "float64 60" }, { "2 * 1h", "duration[us] PT2H" }, { "1h * 1h", "!cannot be multiplied" }, { "-1h", "duration[us] -PT1H" }, { "90m % 1h", "duration[us] PT30M" },
	{ "t * 2", "!does not take" }, { "d + 5", "!does not take" }, { "seconds(90m)", "num 5400" }, { "epoch(t)", "num 1420167845.678000" }, { "epoch(d)", "num 1425168000" },
	{ "from_epoch(0)", "timestamp[us, UTC] 1970-01-01T00:00:00Z" }, { "from_epoch('1420167845.678')", "timestamp[us, UTC] 2015-01-02T03:04:05.678Z" },
	{ "from_epoch(1e30)", "!are no timestamp" }, { "format_time(t, '%Y/%m/%d %H:%M:%S.%f %a %b %j %%')", "text 2015/01/02 03:04:05.678000 Fri Jan 002 %" },
	{ "format_time(t, '%I %p %e %V %u %s')", "text 03 AM  2 01 5 1420167845" }, { "format_time(t, '%Q')", "!in a time's format" },
	{ "parse_time('02/Jan/2015:03:04:05 +0100', '%d/%b/%Y:%H:%M:%S %z')", "timestamp[us, UTC] 2015-01-02T02:04:05Z" },
	{ "parse_time('12:30 am', '%I:%M %p')", "timestamp[us, UTC] 1970-01-01T00:30:00Z" }, { "parse_time('2016 366', '%Y %j')", "timestamp[us, UTC] 2016-12-31T00:00:00Z" },
	{ "parse_time('x', '%Y')", "!is not a time of the form" }, { "parse_time('2015-13-01', '%Y-%m-%d')", "!is not a time of the form" },
	{ "parse_time('1420167845', '%s')", "timestamp[us, UTC] 2015-01-02T03:04:05Z" }, { "parse_time('5.25', '%S.%f')", "timestamp[us, UTC] 1970-01-01T00:00:05.250Z" },
	{ "now()", "timestamp[us, UTC] 2015-01-02T03:04:05Z" }, { "now() - now()", "duration[us] PT0S" })

TABLE(json_functions, 1,
	{ "json_get(j, 'k')", "text {\"l\": [10, 20]}" }, { "json_get(j, 'k', 'l', 1)", "text 20" }, { "json_get(j, 'k', 'l', 2)", "text -" }, { "json_get(j, 'z')", "text -" },
	{ "json_get('{\"a\": \"x\\\\u00e9\\\\n\"}', 'a')", "text x\xc3\xa9\n" }, { "json_get('{\"a\": null}', 'a')", "text -" }, { "json_get('[true]', 0)", "text true" },
	{ "json_get('[1', 0)", "!not JSON" }, { "json_get('1 2', 0)", "!something behind the value" }, { "json_get(' 5 ', 'x')", "text -" }, { "json_quote('a\"b')", "text \"a\\\"b\"" },
	{ "json_get('{\"a\":1,\"a\":2}', 'a')", "text 1" }, { "n + 1", "num 8" }, { "n", "num 007" }, { "when + 1d", "timestamp[us, UTC] 2016-03-01T00:00:00Z" },
	{ "b == ''", "bool true" }, { "max - 1", "!does not fit int64" }, { "-max", "!does not fit int64" }, { "max % -1", "int64 0" }, { "max / -1", "float64 9223372036854776000" })

TABLE(syntax, 0,
	{ "1 + 2 * 3", "int64 7" }, { "(1 + 2) * 3", "int64 9" }, { "2 - 3 - 4", "int64 -5" }, { "-2 * -3", "int64 6" }, { "1 +\n 2", "int64 3" },
	{ "1 # one\n and", "!a value should be" }, { "(1\n+ 2)", "int64 3" }, { "yes\n and yes", "bool true" }, { "yes\n&& not yes", "bool false" },
	{ "case\n when yes then 1\n else 2\nend", "int64 1" }, { "@1", "text 1.50" }, { "@'a'", "text 1.50" }, { "@\"a\" + 1", "num 2.50" }, { "@99", "!there is no field @99" },
	{ "@0", "!there is no field @0" }, { "nosuch", "!no field \"nosuch\"" }, { "1 2", "!the end of the statement" }, { "(1", "!should be" }, { "1 +", "!a value should be" },
	{ "a b", "!the end of the statement" }, { "lower(b", "!\",\" or \")\"" }, { "end", "!no field \"end\"" }, { "case when end then 1 end", "!a field of that name is @'end'" }, { "1 $ 2", "!does not belong here" },
	{ "a is nul", "!\"null\"" }, { "split(b, ',')", "!a list cannot be a field's value" }, { "case else 1 end", "!\"when\"" })

/* ---- programs ---- */

static int run_program(const char *text, enum on_bad policy, struct buf *out, struct err *e)
{
	out->n = 0;
	return test_run_program(text, strlen(text), policy, 0, 3, out, NULL, e);
}

struct program_test {
	const char *program, *want;
};

static int check_programs(const struct program_test *t, enum on_bad policy)
{
	cleanup_buf struct buf out = { 0 };
	int wrong = 0;

	for (; t->program; t++) {
		struct err e = { 0 };
		int rc = run_program(t->program, policy, &out, &e);
		bool ok = *t->want == '!' ? rc < 0 && strstr(e.msg, t->want + 1) : rc == 0 && str_is(buf_view(&out), t->want);

		if (!ok)
			printf("# %s gives \"%.*s\" %s, not \"%s\"\n", t->program, STR_ARG(buf_view(&out)), rc < 0 ? e.msg : "", t->want);
		wrong += !ok;
	}
	return wrong;
}

TEST(statements)
{
	static const struct program_test t[] = {
		{ "keep a, i", "1.50|7\n20|-7\n-3|0\n" },
		{ "keep i, a", "7|1.50\n-7|20\n0|-3\n" },
		{ "keep a; a = a * 2", "3.00\n40\n-6\n" },
		{ "keep a..u", "1.50|abc|\xc3\x89lan Vital\n20||na\xc3\xafve\n-3|-|x\n" },
		{ "keep @7", "7\n-7\n0\n" },
		{ "keep 'ma*', @'i'", "9223372036854775807|7\n-9223372036854775808|-7\n-|0\n" },
		{ "drop b..none; z = 1", "1.50|1\n20|1\n-3|1\n" },
		{ "keep a, i; rename i = a, a = i", "1.50|7\n20|-7\n-3|0\n" },
		{ "keep a, i; rename i = a", "!two fields" },
		{ "keep a; rename x = y", "!no field \"y\"" },
		{ "keep nosuch", "!nosuch" },
		{ "where i > 0; keep a", "1.50\n" },
		{ "where b == 'abc'; keep a", "1.50\n" },
		{ "where not b == 'abc'; keep a", "20\n" },
		{ "where b is null; keep a", "-3\n" },
		{ "where a > 0; where a < 5; keep a", "1.50\n" },
		{ "where false", "" },
		{ "where null", "" },
		{ "where a", "!where takes a condition" },
		{ "keep = i; where = keep + 1; keep keep, where", "7|8\n-7|-6\n0|1\n" },
		{ "c = a; a = 1; keep a, c", "1|1.50\n1|20\n1|-3\n" },
		{ "@'odd name' = 1; keep @'odd name'", "1\n1\n1\n" },
		{ "x.y = 1\nkeep x.y # the end", "1\n1\n1\n" },
		{ "", NULL },
		{ "explode w = split('a,b', ','); keep w, i", "a|7\nb|7\na|-7\nb|-7\na|0\nb|0\n" },
		{ "explode w = words(u); keep w", "\xc3\x89lan\nVital\nna\xc3\xafve\nx\n" },
		{ "explode w = words('don\\'t stop-it x_1 \xe2\x82\xac'); where i == 7; keep w", "don\nt\nstop\nit\nx_1\n" },
		{ "explode w = chars(b); keep w, a", "a|1.50\nb|1.50\nc|1.50\n" },
		{ "explode k = range(1, i); keep k", "1\n2\n3\n4\n5\n6\n7\n" },
		{ "where i == 7; explode k = range(1, 2); explode l = range(k, 2); keep k, l, i", "1|1|7\n1|2|7\n2|2|7\n" },
		{ "x = a * 2; explode k = range(1, 2); where k == 2; y = x + k; keep a, x, y", "1.50|3.00|5.00\n20|40|42\n-3|-6|-4\n" },
		{ "explode b = split(b, 'b'); keep b", "a\nc\n\n" },
		{ "explode k = split(b, ''); keep k", "abc\n\n" },
		{ "where i == 7; explode x = json_array(j); keep x", "1\nx\n-\n" },
		{ "explode x = a", "!explode takes a list" },
		{ "explode k = range(1, 100000000)", "!too many items" },
		{ "keep a; r = row(); l = line(); f = file(); explode k = range(1, 2); s = row(); where k == 2; drop k",
		  "1.50|1|2|in.csv|1\n20|2|3|in.csv|2\n-3|3|4|in.csv|3\n" },
		{ 0 },
	};
	struct program_test copy[sizeof t / sizeof *t];
	int n = 0;

	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		if (!t[i].program || t[i].want)
			copy[n++] = t[i];
	CHECK_I64(check_programs(copy, BAD_FAIL), 0);
}

TEST(bad_values_become_null_or_take_their_row)
{
	static const struct program_test null[] = {
		{ "x = b * 2; keep a, x", "1.50|-\n20|-\n-3|-\n" },
		{ "x = int(n / 2.5); keep x", "1\n-\n400\n" },
		{ "where b > 1; keep a", "" },
		{ "x = a * 1; y = max + 1; keep x, y", "1.50|-\n20|-9223372036854775807\n-3|-\n" },
		{ 0 },
	};
	static const struct program_test skip[] = {
		{ "x = int(n / 2.5); keep x", "1\n400\n" },
		{ "where b is not null; x = num(b); keep a", "" },
		{ "where b is null or b > 5 or true; keep a", "-3\n" },
		{ "explode k = range(1, 2); x = 5 % (i + 7); keep k, x", "1|5\n2|5\n1|5\n2|5\n" },
		{ 0 },
	};

	CHECK_I64(check_programs(null, BAD_NULL), 0);
	CHECK_I64(check_programs(skip, BAD_SKIP), 0);
}

/* The rows before a bad one come out first, and the first bad record in order is the one that is told of. */
TEST(errors_are_values_in_order)
{
	static const struct {
		const char *program, *out, *msg, *field;
		int64_t row;
	} t[] = {
		{ "x = b * 2; keep a", "", "\"abc\" is not a number", "b", 1 },
		{ "where i != 7; x = b * 2; keep a", "", "\"\" is not a number", "b", 2 },
		{ "x = 1 % (i + 7); keep a", "1.50\n", "remainder of a division by zero in 1 % (i + 7)", "", 2 },
		{ "x = 1 % (i + 7); y = 1 % (i - 7); keep a", "", "remainder of a division by zero in 1 % (i - 7)", "", 1 },
		{ "y = 1 % i; x = 1 % (i + 7); keep a", "1.50\n", "remainder of a division by zero in 1 % (i + 7)", "", 2 },
		{ "x = 1 % i; explode k = range(1, 2); keep k", "1\n2\n1\n2\n", "division by zero in 1 % i", "", 3 },
		{ "x = 1 % i; explode k = range(1, 2); y = 1 % (k + i + 5); keep k", "1\n2\n1\n", "in 1 % (k + i + 5)", "", 2 },
		{ "where a > 0 and num(b) > 0; keep a", "", "\"abc\" is not a number", "b", 1 },
		{ "where i < 0 and num(b) > 0; keep a", "", "\"\" is not a number", "b", 2 },
		{ "explode w = split(u, ' '); x = num(w); keep x", "", "lan\" is not a number", "", 1 },
	};
	cleanup_buf struct buf out = { 0 };

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct err e = { 0 };

		CHECK(run_program(t[i].program, BAD_FAIL, &out, &e) == -ST_DATA);
		CHECK_STR(buf_view(&out), t[i].out);
		if (!strstr(e.msg, t[i].msg))
			printf("# %s: %s\n", t[i].program, e.msg);
		CHECK(strstr(e.msg, t[i].msg));
		CHECK_STR(str_of(e.field), t[i].field);
		CHECK_STR(str_of(e.input), "in.csv");
		CHECK_I64(e.row, t[i].row);
		CHECK_I64(e.line, t[i].row + 1);
	}
}

TEST(errors_in_programs_have_places)
{
	static const struct {
		const char *program;
		int64_t line, column;
	} t[] = {
		{ "x = nosuch", 1, 5 }, { "x = 1\ny = 2 +\n  foo(1)", 3, 3 }, { "where a ~ '('", 1, 11 }, { "keep a\nkeep b", 2, 1 }, { "x = 'abc", 1, 5 },
		{ "x = lower(i)", 1, 11 }, { "rename x = a, y = zz", 1, 19 }, { "x = d == 'soon'", 1, 10 }, { "x = 1 +\n", 2, 1 }, { "x = \x01", 1, 5 },
	};
	cleanup_buf struct buf out = { 0 };

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct err e = { 0 };

		CHECK(run_program(t[i].program, BAD_FAIL, &out, &e) == -ST_USAGE);
		CHECK_STR(str_of(e.input), "program");
		CHECK_I64(e.line, t[i].line);
		CHECK_I64(e.column, t[i].column);
	}
}

/* Whatever a program does to a batch, it does to its records one by one. */
TEST(a_batch_is_its_records)
{
	static const char *const programs[] = {
		"x = a * n + i", "where a > 0; x = upper(u)", "x = if(b is null, 'none', b)", "x = coalesce(f, float(a))",
		"where b is null or length(b) > 1", "explode w = words(u); x = length(w)", "x = i in (7, 0); y = n in (7, 1000)", "x = max % 10 - i",
		"x = case when yes then 1 when i < 0 then 2 end", "x = when is null or trunc(when, 1d) > d", "explode k = range(0, abs(i)); where k % 2 == 0",
		"x = greatest(num(a), n, 3)", "x = hash(b); y = hash(n)", "x = big * big - 1", "where yes or f is null; drop a..n",
	};
	cleanup_buf struct buf whole = { 0 }, parts = { 0 };
	struct err e;

	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
		whole.n = parts.n = 0;
		CHECK(test_run_program(programs[i], strlen(programs[i]), BAD_NULL, 0, 3, &whole, NULL, &e) == 0);
		for (int row = 0; row < 3; row++)
			CHECK(test_run_program(programs[i], strlen(programs[i]), BAD_NULL, row, 1, &parts, NULL, &e) == 0);
		CHECK(str_eq(buf_view(&whole), buf_view(&parts)));
	}
}

TEST(deep_programs_are_refused_or_run)
{
	static const char *const open[] = { "(", "-", "not ", "if(yes, ", "a in (" };
	cleanup_buf struct buf program = { 0 }, out = { 0 };
	struct err e;

	for (size_t k = 0; k < sizeof open / sizeof *open; k++) {
		program.n = 0;
		CHECK(buf_puts(&program, "x = ") == 0);
		for (int i = 0; i < 100000; i++)
			CHECK(buf_puts(&program, open[k]) == 0);
		CHECK(test_run_program((char *)program.p, program.n, BAD_FAIL, 0, 1, &out, NULL, &e) == -ST_USAGE);
	}
	program.n = 0;
	CHECK(buf_puts(&program, "x = 1") == 0);
	for (int i = 0; i < 10000; i++)
		CHECK(buf_puts(&program, " + 1") == 0);
	CHECK(test_run_program((char *)program.p, program.n, BAD_FAIL, 0, 1, &out, NULL, &e) == -ST_USAGE);
	program.n = 0;
	CHECK(buf_puts(&program, "x = yes") == 0);
	for (int i = 0; i < 60; i++)
		CHECK(buf_puts(&program, " in (yes, a == '1', b == '2')") == 0);
	CHECK(test_run_program((char *)program.p, program.n, BAD_FAIL, 0, 1, &out, NULL, &e) == -ST_USAGE);
}

TEST(schema_keeps_what_it_describes)
{
	struct schema *s = schema_new();
	struct program *p;
	struct err e;

	CHECK(schema_add(s, STR("k"), &TYPE_TEXT, true, &e) == 0 && schema_add(s, STR("v"), &TYPE_TEXT, true, &e) == 0);
	CHECK(field_set_meta(s, 0, STR("unit"), STR("m"), &e) == 0);
	CHECK(schema_set_meta(s, STR("stook.sorted"), STR("k"), &e) == 0 && schema_set_meta(s, STR("made"), STR("here"), &e) == 0);
	static const struct {
		const char *program;
		bool sorted;
		const char *unit_of;
	} t[] = {
		{ "where v == 'x'", true, "k" }, { "v = 1", true, "k" }, { "k = lower(k)", false, NULL }, { "drop k", false, NULL }, { "rename j = k", false, "j" },
		{ "keep v, k", true, "k" }, { "explode v = words(v)", false, "k" }, { "c = k", true, "c" }, { "k = v", false, NULL },
		{ "rename v = k, k = v", false, "v" },
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		CHECK(program_parse(str_of(t[i].program), "program", &p, &e) == 0 && program_bind(p, s, 0, &e) == 0);
		const struct schema *o = program_schema(p);

		CHECK((kvs_get(&o->meta, STR("stook.sorted")) != NULL) == t[i].sorted);
		CHECK_STR(*kvs_get(&o->meta, STR("made")), "here");
		for (int k = 0; k < o->nfields; k++)
			if (t[i].unit_of && str_is(o->fields[k].name, t[i].unit_of))
				CHECK(kvs_get(&o->fields[k].meta, STR("unit")) != NULL);
		program_free(p);
	}
	schema_unref(s);
}

TEST(what_depends_on_the_whole_is_known)
{
	static const struct {
		const char *program;
		bool gathers;
	} t[] = { { "x = a + 1", false }, { "where row() > 1", true }, { "x = lower(file())", true }, { "explode w = split(text(line()), '1')", true }, { "x = now()", true } };
	struct program *p;
	struct err e;

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		CHECK(program_parse(str_of(t[i].program), "program", &p, &e) == 0);
		CHECK((program_gathers(p) != NULL) == t[i].gathers);
		program_free(p);
	}
}

int main(void)
{
	return RUN_TABLE(T1(literals), T1(decimals), T1(division), T1(int64s), T1(floats), T1(comparisons), T1(membership), T1(logic), T1(guards),
			 T1(text_functions), T1(pattern_functions), T1(number_functions), T1(time_functions), T1(json_functions), T1(syntax),
			 T1(statements), T1(bad_values_become_null_or_take_their_row), T1(errors_are_values_in_order),
			 T1(errors_in_programs_have_places), T1(a_batch_is_its_records), T1(deep_programs_are_refused_or_run),
			 T1(schema_keeps_what_it_describes), T1(what_depends_on_the_whole_is_known));
}
