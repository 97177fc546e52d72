/* Values as text and as JSON, for every type. Expected texts by hand, from the standards named in value.c. */
#include "lib/format/format.h"
#include "tests/unit/test.h"

#include <math.h>

static struct buf out;

static struct str printed(const struct column *c, int64_t i)
{
	out.n = 0;
	CHECK(value_print(c, i, &out) == 0);
	return buf_view(&out);
}

static struct str as_json(const struct column *c, int64_t i)
{
	out.n = 0;
	CHECK(value_json(c, i, &out) == 0);
	return buf_view(&out);
}

/* A column of fixed-width values in memory. */
static struct column fixed(const struct type *t, const void *values)
{
	return (struct column){ .type = t, .length = 64, .values = values };
}

#define FIXED(tid, w, ...) ((struct type){ .id = (tid), .layout = LAY_FIXED, .width = (w), __VA_ARGS__ })

#define PRINTS(t, value, want)                        \
	do {                                          \
		struct type type_ = (t);              \
		__typeof__(value) value_ = (value);   \
		struct column c_ = fixed(&type_, &value_); \
		CHECK_STR(printed(&c_, 0), want);     \
	} while (0)

#define JSON(t, value, want)                          \
	do {                                          \
		struct type type_ = (t);              \
		__typeof__(value) value_ = (value);   \
		struct column c_ = fixed(&type_, &value_); \
		CHECK_STR(as_json(&c_, 0), want);     \
	} while (0)

TEST(integers)
{
	PRINTS(FIXED(T_INT8, 1), (int8_t)-128, "-128");
	PRINTS(FIXED(T_UINT8, 1), (uint8_t)255, "255");
	PRINTS(FIXED(T_INT16, 2), (int16_t)-32768, "-32768");
	PRINTS(FIXED(T_UINT16, 2), (uint16_t)65535, "65535");
	PRINTS(FIXED(T_INT32, 4), INT32_MIN, "-2147483648");
	PRINTS(FIXED(T_UINT32, 4), UINT32_MAX, "4294967295");
	PRINTS(FIXED(T_INT64, 8), INT64_MIN, "-9223372036854775808");
	PRINTS(FIXED(T_UINT64, 8), UINT64_MAX, "18446744073709551615");
	JSON(FIXED(T_INT64, 8), (int64_t)7, "7");
}

TEST(floats)
{
	PRINTS(TYPE_FLOAT64, 0.1, "0.1");
	PRINTS(TYPE_FLOAT64, 1e15, "1000000000000000");
	PRINTS(TYPE_FLOAT64, (double)INFINITY, "inf");
	PRINTS(FIXED(T_FLOAT32, 4), 0.1f, "0.1");
	PRINTS(FIXED(T_FLOAT16, 2), (uint16_t)0x2e66, "0.1");
	PRINTS(FIXED(T_FLOAT16, 2), (uint16_t)0x3c00, "1");
	PRINTS(FIXED(T_FLOAT16, 2), (uint16_t)0xc000, "-2");
	PRINTS(FIXED(T_FLOAT16, 2), (uint16_t)0x7bff, "65500"); /* 65504 to four digits is still nearest to it */
	PRINTS(FIXED(T_FLOAT16, 2), (uint16_t)0x0001, "6e-8");
	PRINTS(FIXED(T_FLOAT16, 2), (uint16_t)0x8000, "-0");
	PRINTS(FIXED(T_FLOAT16, 2), (uint16_t)0x7c00, "inf");
	JSON(TYPE_FLOAT64, (double)NAN, "\"nan\"");
	JSON(TYPE_FLOAT64, -(double)INFINITY, "\"-inf\"");
	JSON(TYPE_FLOAT64, 2.5, "2.5");
	JSON(FIXED(T_FLOAT16, 2), (uint16_t)0xfc00, "\"-inf\"");
}

TEST(decimals)
{
	struct type d32 = FIXED(T_DECIMAL, 4, .precision = 9, .scale = 2), d128 = FIXED(T_DECIMAL, 16, .precision = 38, .scale = 2);
	struct type d128s0 = FIXED(T_DECIMAL, 16, .precision = 38, .scale = 0), neg = FIXED(T_DECIMAL, 16, .precision = 5, .scale = -3);
	struct type d256 = FIXED(T_DECIMAL, 32, .precision = 76, .scale = 10);
	uint64_t min256[4] = { 0, 0, 0, 1ull << 63 };
	struct column c = fixed(&d256, min256);

	PRINTS(d32, (int32_t)150, "1.50");
	PRINTS(d32, (int32_t)-5, "-0.05");
	PRINTS(d128, (__int128)0, "0.00");
	PRINTS(d128, (__int128)-12345, "-123.45");
	PRINTS(d128s0, (__int128)1 << 100, "1267650600228229401496703205376");
	PRINTS(neg, (__int128)12, "12000");
	PRINTS(neg, (__int128)0, "0");
	CHECK_STR(printed(&c, 0), "-5789604461865809771178549250434395392663499233282028201972879200395.6564819968"); /* -2^255 */
	JSON(d128, (__int128)100, "1.00");
}

TEST(dates)
{
	PRINTS(TYPE_DATE, (int32_t)0, "1970-01-01");
	PRINTS(TYPE_DATE, (int32_t)-1, "1969-12-31");
	PRINTS(TYPE_DATE, (int32_t)11016, "2000-02-29");
	PRINTS(TYPE_DATE, (int32_t)2932896, "9999-12-31");
	PRINTS(TYPE_DATE, (int32_t)2932897, "+10000-01-01");
	PRINTS(TYPE_DATE, (int32_t)-719528, "0000-01-01");
	PRINTS(TYPE_DATE, (int32_t)-719529, "-00001-12-31");
	PRINTS(FIXED(T_DATE64, 8), (int64_t)86400000, "1970-01-02");
	PRINTS(FIXED(T_DATE64, 8), (int64_t)86400001, "1970-01-02T00:00:00.001");
	JSON(TYPE_DATE, (int32_t)0, "\"1970-01-01\"");
}

TEST(timestamps)
{
	struct type s = TYPE_TIMESTAMP(UNIT_S, STR("UTC")), ms = TYPE_TIMESTAMP(UNIT_MS, STR("Europe/Berlin"));
	struct type us = TYPE_TIMESTAMP(UNIT_US, STR("")), ns = TYPE_TIMESTAMP(UNIT_NS, STR("UTC"));

	PRINTS(s, (int64_t)1420167845, "2015-01-02T03:04:05Z");
	PRINTS(ms, (int64_t)1420167845678, "2015-01-02T03:04:05.678Z");
	PRINTS(ms, (int64_t)1420167845000, "2015-01-02T03:04:05Z");
	PRINTS(us, (int64_t)1420167845678900, "2015-01-02T03:04:05.678900");
	PRINTS(us, (int64_t)1420167845678000, "2015-01-02T03:04:05.678");
	PRINTS(ns, (int64_t)-1, "1969-12-31T23:59:59.999999999Z");
	PRINTS(s, INT64_MAX, "+292277026596-12-04T15:30:07Z");
	PRINTS(s, INT64_MIN, "-292277022657-01-27T08:29:52Z");
	JSON(s, (int64_t)0, "\"1970-01-01T00:00:00Z\"");
}

/* What lib/table prints of a time is what is printed here. */
TEST(timestamps_agree_with_time_print)
{
	struct type us = TYPE_TIMESTAMP(UNIT_US, STR("UTC"));
	uint64_t seed = 1;

	for (int k = 0; k < 20000; k++) {
		char want[41];
		int64_t v;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		v = (int64_t)seed >> (k % 40);
		if (k % 3 == 0)
			v -= v % 1000000;
		want[time_print(v, want)] = '\0';
		PRINTS(us, v, want);
	}
}

TEST(times)
{
	PRINTS(FIXED(T_TIME32, 4, .unit = UNIT_S), (int32_t)86399, "23:59:59");
	PRINTS(FIXED(T_TIME32, 4, .unit = UNIT_MS), (int32_t)1, "00:00:00.001");
	PRINTS(FIXED(T_TIME64, 8, .unit = UNIT_NS), (int64_t)3723000000001, "01:02:03.000000001");
	PRINTS(FIXED(T_TIME64, 8, .unit = UNIT_US), (int64_t)-1, "-1");
}

TEST(durations)
{
	struct type s = FIXED(T_DURATION, 8, .unit = UNIT_S), ns = FIXED(T_DURATION, 8, .unit = UNIT_NS);

	PRINTS(s, (int64_t)0, "PT0S");
	PRINTS(s, (int64_t)60, "PT1M");
	PRINTS(s, (int64_t)93784, "PT26H3M4S");
	PRINTS(s, (int64_t)-5, "-PT5S");
	PRINTS(ns, (int64_t)1500000000, "PT1.500S");
	PRINTS(ns, INT64_MIN, "-PT2562047H47M16.854775808S");
}

TEST(intervals)
{
	struct type ym = FIXED(T_INTERVAL, 4, .unit = 0), dt = FIXED(T_INTERVAL, 8, .unit = 1), mdn = FIXED(T_INTERVAL, 16, .unit = 2);
	struct { int32_t months, days; int64_t nanos; } v = { -14, 3, -500000000 };
	struct { int32_t days, ms; } d = { 3, 4500 };
	struct column c = fixed(&mdn, &v);

	PRINTS(ym, (int32_t)14, "P1Y2M");
	PRINTS(ym, (int32_t)0, "PT0S");
	CHECK_STR(printed(&c, 0), "P-1Y-2M3DT-0.500S");
	c = fixed(&dt, &d);
	CHECK_STR(printed(&c, 0), "P3DT4.500S");
}

TEST(binary_and_bool)
{
	uint8_t bits = 2;
	int32_t offsets[] = { 0, 3, 3 };
	struct type b = TYPE_BINARY, flag = TYPE_BOOL, fb = FIXED(T_FIXED_BINARY, 2);
	struct column c = { .type = &b, .length = 2, .values = (const uint8_t *)"\x00\xff" "a", .offsets = offsets };

	CHECK_STR(printed(&c, 0), "\\x00ff61");
	CHECK_STR(printed(&c, 1), "\\x");
	CHECK_STR(as_json(&c, 0), "\"\\\\x00ff61\"");
	c = fixed(&fb, "\xab\xcd");
	CHECK_STR(printed(&c, 0), "\\xabcd");
	c = (struct column){ .type = &flag, .length = 2, .values = &bits };
	CHECK_STR(printed(&c, 0), "false");
	CHECK_STR(as_json(&c, 1), "true");
}

static struct column strings(const struct type *t, const char *z, int32_t offsets[2])
{
	offsets[0] = 0;
	offsets[1] = (int32_t)strlen(z);
	return (struct column){ .type = t, .length = 1, .values = (const uint8_t *)z, .offsets = offsets };
}

TEST(text_kinds)
{
	struct type text = TYPE_TEXT, num = TYPE_NUM, json = TYPE_JSON;
	int32_t o[2];
	struct column c = strings(&text, "a\"b", o);

	CHECK_STR(printed(&c, 0), "a\"b");
	CHECK_STR(as_json(&c, 0), "\"a\\\"b\"");
	c = strings(&num, "1.50", o);
	CHECK_STR(as_json(&c, 0), "1.50");
	c = strings(&json, "[1, 2]", o);
	CHECK_STR(printed(&c, 0), "[1, 2]");
	CHECK_STR(as_json(&c, 0), "[1, 2]");
}

/* list<struct<a: text, b: map<text, int64>>> of one row with two elements, the second's a null. */
TEST(nested)
{
	struct field kv[2] = { { .name = STR("key"), .type = TYPE_TEXT }, { .name = STR("value"), .type = TYPE_INT64 } };
	struct field entries = { .name = STR("entries"), .type = { .id = T_STRUCT, .layout = LAY_STRUCT, .nchildren = 2, .children = kv } };
	struct field ab[2] = { { .name = STR("a"), .type = TYPE_TEXT },
			       { .name = STR("b"), .type = { .id = T_MAP, .layout = LAY_LIST, .nchildren = 1, .children = &entries } } };
	struct field item = { .name = STR("item"), .type = { .id = T_STRUCT, .layout = LAY_STRUCT, .nchildren = 2, .children = ab } };
	struct type list = { .id = T_LIST, .layout = LAY_LIST, .nchildren = 1, .children = &item };
	int32_t text_offsets[] = { 0, 1, 1 }, key_offsets[] = { 0, 1, 2 }, map_offsets[] = { 0, 1, 2 }, list_offsets[] = { 0, 2 };
	int64_t numbers[] = { 1, 2 };
	uint8_t first = 1;
	struct column kvs[2] = { { .type = &kv[0].type, .length = 2, .values = (const uint8_t *)"kl", .offsets = key_offsets },
				 { .type = &kv[1].type, .length = 2, .null_count = 1, .valid = &first, .values = (const uint8_t *)numbers } };
	struct column entry = { .type = &entries.type, .length = 2, .children = kvs };
	struct column abs[2] = { { .type = &ab[0].type, .length = 2, .null_count = 1, .valid = &first, .values = (const uint8_t *)"x",
				   .offsets = text_offsets },
				 { .type = &ab[1].type, .length = 2, .offsets = map_offsets, .children = &entry } };
	struct column items = { .type = &item.type, .length = 2, .children = abs };
	struct column c = { .type = &list, .length = 1, .offsets = list_offsets, .children = &items };

	CHECK_STR(printed(&c, 0), "[{\"a\":\"x\",\"b\":{\"k\":1}},{\"a\":null,\"b\":{\"l\":null}}]");
	CHECK_STR(as_json(&c, 0), "[{\"a\":\"x\",\"b\":{\"k\":1}},{\"a\":null,\"b\":{\"l\":null}}]");
}

int main(void)
{
	int rc = RUN_TABLE(T1(integers), T1(floats), T1(decimals), T1(dates), T1(timestamps), T1(timestamps_agree_with_time_print), T1(times),
			   T1(durations), T1(intervals), T1(binary_and_bool), T1(text_kinds), T1(nested));

	buf_free(&out);
	return rc;
}
