/* Readings: text as numbers and times, policies for bad values, selections, typed columns, the calendar. */
#include "lib/base/rng.h"
#include "lib/table/reading.h"
#include "tests/unit/test.h"

#include <math.h>

/* A batch of one column "price" of text; NULL is a null. Leaves a name and lines as a text input has them. */
static struct batch *text_batch(const struct type *type, const char *const *v, int64_t n)
{
	struct schema *s = schema_new();
	struct batch *b = NULL;
	struct rows r;
	struct err e;

	if (schema_add(s, STR("price"), type, true, &e) || rows_init(&r, s, &e))
		abort();
	for (int64_t i = 0; i < n; i++)
		if (v[i] ? builder_str(&r.cols[0], str_of(v[i]), &e) : builder_null(&r.cols[0], 1, &e))
			abort();
	r.n = n;
	if (rows_take(&r, &b, &e))
		abort();
	rows_free(&r);
	schema_unref(s);
	b->origin = (struct origin){ .name = "sales.csv", .row = 100, .line = 102 };
	return b;
}

static struct batch *fixed_batch(struct type type, const void *v, int64_t n)
{
	struct schema *s = schema_new();
	struct batch *b;
	struct err e;

	if (schema_add(s, STR("x"), &type, true, &e))
		abort();
	b = batch_new(s, n);
	b->cols[0].values = v;
	schema_unref(s);
	return b;
}

static bool is_dec(const struct numbers *n, int64_t row, const char *text)
{
	cleanup_buf struct buf b = { 0 };
	struct dec d;

	return numbers_dec(n, row, &d) && dec_print(d, &n->pool, &b) == 0 && str_is(buf_view(&b), text);
}

/* Every spelling by the fast path must be what dec_parse() makes of it, and refused when that refuses. */
TEST(fast_path_agrees_with_dec_parse)
{
	static const char alphabet[] = "0123456789012345678901234567890123456789..-+e x/:\xff";
	cleanup_arena struct arena a = { 0 };
	struct rng g;

	rng_seed(&g, 1);
	for (int round = 0; round < 300; round++) {
		char text[64][24];
		const char *v[64];
		struct bad_values bad = bad_values_of(BAD_NULL);
		struct numbers n;
		struct err e;
		struct batch *b;

		for (int i = 0; i < 64; i++) {
			int len = (int)rng_below(&g, 20);

			for (int k = 0; k < len; k++)
				text[i][k] = alphabet[rng_below(&g, round & 1 ? sizeof alphabet - 1 : 41)];
			text[i][len] = '\0';
			v[i] = text[i];
		}
		b = text_batch(&TYPE_TEXT, v, 64);
		CHECK(read_numbers(b, 0, NULL, 0, &bad, &a, &n, &e) == 0);
		CHECK_I64(n.kind, NUMS_DEC);
		for (int i = 0; i < 64; i++) {
			struct decpool p = { 0 };
			struct dec want, got;
			enum dec_read rc = dec_parse(str_of(v[i]), &p, &want);

			CHECK((rc == DEC_OK) == (!n.valid || bit_get(n.valid, i)));
			if (rc == DEC_OK) {
				CHECK(numbers_dec(&n, i, &got));
				CHECK(got.scale == want.scale && got.m == want.m && !got.big == !want.big);
			}
			decpool_free(&p);
		}
		numbers_free(&n);
		batch_unref(b);
		arena_reset(&a);
	}
}

TEST(bad_fails_at_the_first_row)
{
	static const char *const v[] = { "1", NULL, "12,5", "x", "7" };
	cleanup_arena struct arena a = { 0 };
	struct bad_values bad = bad_values_of(BAD_FAIL);
	struct batch *b = text_batch(&TYPE_TEXT, v, 5);
	struct numbers n;
	struct err e;

	CHECK(read_numbers(b, 0, NULL, 0, &bad, &a, &n, &e) == 0);
	CHECK_I64(bad.bad_row, 2);
	CHECK_I64(bad.count, 1);
	CHECK_I64(e.status, ST_DATA);
	CHECK_STR(str_of(e.msg), "\"12,5\" is not a number");
	CHECK_STR(str_of(e.field), "price");
	CHECK_STR(str_of(e.input), "sales.csv");
	CHECK_I64(e.line, 104);
	CHECK_I64(e.row, 103);
	CHECK(is_dec(&n, 0, "1"));
	CHECK(!bit_get(n.valid, 1));
	numbers_free(&n);
	/* a second reading of the same batch stops before that row and leaves the error alone */
	CHECK(read_numbers(b, 0, NULL, 0, &bad, &a, &n, &e) == 0);
	CHECK_I64(bad.count, 1);
	numbers_free(&n);
	batch_unref(b);
}

TEST(bad_as_null_and_skip)
{
	static const char *const v[] = { "1", NULL, "12,5", "", "7" };
	cleanup_arena struct arena a = { 0 };
	struct bad_values bad = bad_values_of(BAD_NULL), skip = bad_values_of(BAD_SKIP);
	struct batch *b = text_batch(&TYPE_NUM, v, 5);
	struct numbers n;
	struct err e;

	CHECK(read_numbers(b, 0, NULL, 0, &bad, &a, &n, &e) == 0);
	CHECK(bad.bad_row == -1 && bad.count == 2 && !bad.skip);
	CHECK(n.nulls == 3 && n.valid[0] == 0x11);
	CHECK(is_dec(&n, 4, "7"));
	CHECK(b->cols[0].valid[0] == 0x1d); /* the batch itself is as it was */
	numbers_free(&n);
	CHECK(read_numbers(b, 0, NULL, 0, &skip, &a, &n, &e) == 0);
	CHECK(skip.skip && skip.skip[0] == 0x0c && skip.count == 2);
	numbers_free(&n);
	batch_unref(b);
}

TEST(selection_reads_only_its_rows)
{
	static const char *const v[] = { "x", "1.50", "y", "2e3", "z" };
	static const uint32_t sel[] = { 1, 3 }, bad_sel[] = { 1, 2, 3 };
	cleanup_arena struct arena a = { 0 };
	struct bad_values bad = bad_values_of(BAD_FAIL);
	struct batch *b = text_batch(&TYPE_TEXT, v, 5);
	struct numbers n;
	struct err e;

	CHECK(read_numbers(b, 0, sel, 2, &bad, &a, &n, &e) == 0);
	CHECK(bad.bad_row == -1 && n.n == 5);
	CHECK(is_dec(&n, 1, "1.50") && is_dec(&n, 3, "2000"));
	numbers_free(&n);
	CHECK(read_numbers(b, 0, bad_sel, 3, &bad, &a, &n, &e) == 0);
	CHECK_I64(bad.bad_row, 2);
	numbers_free(&n);
	CHECK(read_numbers(b, 0, sel, 0, &bad, &a, &n, &e) == 0);
	numbers_free(&n);
	batch_unref(b);
}

TEST(special_values)
{
	static const char *const v[] = { "1", "nan", "-Inf", "+INFINITY", "-nan", "2" };
	cleanup_arena struct arena a = { 0 };
	struct bad_values bad = bad_values_of(BAD_FAIL);
	struct batch *b = text_batch(&TYPE_TEXT, v, 6);
	struct numbers n;
	struct dec d;
	struct err e;

	CHECK(read_numbers(b, 0, NULL, 0, &bad, &a, &n, &e) == 0);
	CHECK(bad.bad_row == -1 && n.special && !n.special[0] && n.special[1] && !numbers_dec(&n, 1, &d));
	CHECK(isnan(numbers_f64(&n, 1)) && numbers_f64(&n, 2) == -INFINITY && numbers_f64(&n, 3) == INFINITY && isnan(numbers_f64(&n, 4)));
	CHECK(numbers_f64(&n, 5) == 2);
	numbers_free(&n);
	batch_unref(b);
}

TEST(limits_and_long_values)
{
	char digits[DEC_DIGITS + 2], garbage[201];
	const char *v[] = { digits, "1e1001", garbage };
	cleanup_arena struct arena a = { 0 };
	struct batch *b;
	struct numbers n;
	struct err e;

	memset(digits, '9', sizeof digits);
	digits[DEC_DIGITS + 1] = '\0';
	memset(garbage, 'x', 59);
	for (int i = 59; i < 199; i += 2)
		memcpy(garbage + i, "\xc3\xa4", 2); /* a two-byte letter lies across byte 60 */
	garbage[199] = '\0';
	b = text_batch(&TYPE_TEXT, v, 3);
	for (uint32_t i = 0; i < 3; i++) {
		struct bad_values bad = bad_values_of(BAD_FAIL);

		CHECK(read_numbers(b, 0, &i, 1, &bad, &a, &n, &e) == 0);
		CHECK_I64(bad.bad_row, i);
		CHECK((strstr(e.msg, "at most 1000 digits") != NULL) == (i < 2));
		numbers_free(&n);
	}
	CHECK(strlen(e.msg) == 2 + 59 + 3 + strlen(" is not a number") && strncmp(e.msg + 60, "...\"", 4) == 0);
	batch_unref(b);
}

TEST(typed_columns)
{
	static const int8_t i8[] = { -128, 127 };
	static const uint64_t u64[] = { UINT64_MAX, 5 };
	static const float f32[] = { 0.5f, -1 };
	static const uint16_t f16[] = { 0x3c00, 0xfbff, 0x7c00, 0x0001 };
	static const uint8_t d256[64] = { [0 ... 31] = 0xff, [32] = 1 };
	static const __int128 d128[] = { -12345, (__int128)1 << 100 };
	cleanup_arena struct arena a = { 0 };
	struct {
		struct type type;
		const void *values;
		enum number_kind kind;
		const char *first, *second;
	} rows[] = {
		{ { .id = T_INT8, .layout = LAY_FIXED, .width = 1 }, i8, NUMS_I64, "-128", "127" },
		{ { .id = T_UINT64, .layout = LAY_FIXED, .width = 8 }, u64, NUMS_DEC, "18446744073709551615", "5" },
		{ { .id = T_DECIMAL, .layout = LAY_FIXED, .width = 16, .precision = 38, .scale = 2 }, d128, NUMS_DEC, "-123.45",
		  "12676506002282294014967032053.76" },
		{ { .id = T_DECIMAL, .layout = LAY_FIXED, .width = 32, .precision = 76, .scale = -2 }, d256, NUMS_DEC, "-100", "100" },
		{ { .id = T_FLOAT32, .layout = LAY_FIXED, .width = 4 }, f32, NUMS_F64, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct bad_values bad = bad_values_of(BAD_FAIL);
		struct batch *b = fixed_batch(rows[i].type, rows[i].values, 2);
		struct numbers n;
		struct err e;

		CHECK(read_numbers(b, 0, NULL, 0, &bad, &a, &n, &e) == 0);
		CHECK_I64(n.kind, rows[i].kind);
		if (rows[i].first)
			CHECK(is_dec(&n, 0, rows[i].first) && is_dec(&n, 1, rows[i].second));
		else
			CHECK(n.f64[0] == 0.5 && n.f64[1] == -1);
		numbers_free(&n);
		batch_unref(b);
	}
	{
		struct bad_values bad = bad_values_of(BAD_FAIL);
		struct batch *b = fixed_batch((struct type){ .id = T_FLOAT16, .layout = LAY_FIXED, .width = 2 }, f16, 4);
		struct numbers n;
		struct err e;

		CHECK(read_numbers(b, 0, NULL, 0, &bad, &a, &n, &e) == 0);
		CHECK(n.f64[0] == 1 && n.f64[1] == -65504 && n.f64[2] == INFINITY && n.f64[3] == 0x1p-24);
		batch_unref(b);
		b = fixed_batch(TYPE_BOOL, f16, 4);
		CHECK(read_numbers(b, 0, NULL, 0, &bad, &a, &n, &e) == -ST_USAGE);
		CHECK_STR(str_of(e.msg), "bool cannot be read as numbers");
		CHECK_STR(str_of(e.field), "x");
		batch_unref(b);
	}
}

TEST(dates_round_trip)
{
	char text[32];
	int32_t d;

	for (int64_t day = -800000; day < 800000; day += 7) {
		size_t n = date_print((int32_t)day, text);

		CHECK(date_parse((struct str){ text, n }, &d) && d == day);
	}
	for (int i = 0; i < 2; i++) {
		int32_t end = i ? INT32_MAX : INT32_MIN;
		size_t n = date_print(end, text);

		CHECK(n < 16 && date_parse((struct str){ text, n }, &d) && d == end);
	}
	CHECK(date_parse(STR("1970-01-01"), &d) && d == 0);
	CHECK(date_parse(STR("2000-02-29"), &d) && d == 11016);
	CHECK(date_parse(STR("0000-01-01"), &d) && d == -719528);
	CHECK(!date_parse(STR("1900-02-29"), &d) && !date_parse(STR("2001-04-31"), &d) && !date_parse(STR("2001-13-01"), &d));
	CHECK(!date_parse(STR("2001-00-01"), &d) && !date_parse(STR("2001-1-1"), &d) && !date_parse(STR("2001-01-01 "), &d));
	CHECK(!date_parse(STR("+2001-01-01"), &d) && date_parse(STR("+12001-01-01"), &d) && date_parse(STR("-00001-01-01"), &d));
	CHECK(!date_parse(STR(""), &d) && !date_parse(STR("-"), &d) && !date_parse(STR("20010101"), &d));
}

TEST(times_parse)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2015-01-02T03:04:05.678Z", 1420167845678000 },
		{ "2015-01-02 03:04:05,678", 1420167845678000 },
		{ "2015-01-02t03:04:05.678000000z", 1420167845678000 },
		{ "2015-01-02T03:04", 1420167840000000 },
		{ "2015-01-02", 1420156800000000 },
		{ "2015-01-02T05:34:05.678+02:30", 1420167845678000 },
		{ "2015-01-02T05:34:05.678+0230", 1420167845678000 },
		{ "2015-01-01T19:04:05.678-08", 1420167845678000 },
		{ "1969-12-31T23:59:59.999999Z", -1 },
	};
	static const char *const bad[] = {
		"2015-01-02T", "2015-01-02T03", "2015-01-02T03:04:60Z", "2015-01-02T24:00:00Z", "2015-01-02T03:60Z", "2015-01-02T03:04:05.Z",
		"2015-01-02T03:04:05.1234567Z", "2015-01-02T03:04:05+24:00", "2015-01-02T03:04:05+2", "2015-01-02T03:04:05+02:3",
		"2015-01-02T03:04:05ZZ", "2015-01-02T03:04:05Z ", " 2015-01-02", "2015-02-30T00:00", "03:04:05", "", "now", "2015-01-02Z",
		"+99999-01-01T00:00:00+", "+299999-01-01",
	};
	int64_t us;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		CHECK(time_parse(str_of(good[i].text), &us));
		CHECK_I64(us, good[i].us);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (time_parse(str_of(bad[i]), &us)) {
			printf("# accepted %s\n", bad[i]);
			CHECK(false);
		}
}

TEST(times_round_trip)
{
	struct rng g;
	char text[48];
	int64_t back;

	rng_seed(&g, 2);
	for (int i = 0; i < 100000; i++) {
		int64_t us = (int64_t)rng_u64(&g) >> rng_below(&g, 40);
		size_t n;

		us -= i % 3 == 1 ? us % 1000 : i % 3 == 2 ? us % 1000000 : 0;
		n = time_print(us, text);
		CHECK(n <= 40 && time_parse((struct str){ text, n }, &back) && back == us);
	}
	CHECK_STR(((struct str){ text, time_print(1420167845678000, text) }), "2015-01-02T03:04:05.678Z");
	CHECK_STR(((struct str){ text, time_print(1420167845000010, text) }), "2015-01-02T03:04:05.000010Z");
	CHECK_STR(((struct str){ text, time_print(-1000000, text) }), "1969-12-31T23:59:59Z");
}

TEST(times_of_columns)
{
	static const char *const v[] = { "2015-01-02", NULL, "soon" };
	static const int64_t ns[] = { -1, 1999 };
	static const int32_t days[] = { -1, 1 };
	cleanup_arena struct arena a = { 0 };
	struct bad_values bad = bad_values_of(BAD_FAIL), nul = bad_values_of(BAD_NULL);
	struct batch *b = text_batch(&TYPE_TEXT, v, 3);
	struct times t;
	struct err e;

	CHECK(read_times(b, 0, NULL, 0, &bad, &a, &t, &e) == 0);
	CHECK(bad.bad_row == 2 && t.us[0] == 1420156800000000 && t.nulls == 1);
	CHECK(strstr(e.msg, "\"soon\" is not a time") != NULL);
	CHECK(read_times(b, 0, NULL, 0, &nul, &a, &t, &e) == 0);
	CHECK(nul.count == 1 && t.nulls == 2 && t.valid[0] == 1);
	batch_unref(b);
	b = fixed_batch(TYPE_TIMESTAMP(UNIT_NS, STR("UTC")), ns, 2);
	CHECK(read_times(b, 0, NULL, 0, &nul, &a, &t, &e) == 0);
	CHECK(t.us[0] == -1 && t.us[1] == 1 && !t.valid);
	batch_unref(b);
	b = fixed_batch(TYPE_DATE, days, 2);
	CHECK(read_times(b, 0, NULL, 0, &nul, &a, &t, &e) == 0);
	CHECK(t.us[0] == -86400000000 && t.us[1] == 86400000000);
	batch_unref(b);
}

int main(void)
{
	return RUN_TABLE(T1(fast_path_agrees_with_dec_parse), T1(bad_fails_at_the_first_row), T1(bad_as_null_and_skip),
			 T1(selection_reads_only_its_rows), T1(special_values), T1(limits_and_long_values), T1(typed_columns), T1(dates_round_trip),
			 T1(times_parse), T1(times_round_trip), T1(times_of_columns));
}
