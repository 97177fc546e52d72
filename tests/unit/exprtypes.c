/* Expressions over the types that come from Arrow inputs: narrow integers, uint64, floats, decimals, times of all units,
 * lists, and
 * types that are only carried. */
#include "lib/expr/expr.h"
#include "lib/format/format.h"
#include "tests/unit/test.h"

#include <math.h>

/* One row of these. Children and their buffers live as long as the test. */
static struct batch *batch;

static struct type list_of(struct field *child)
{
	return (struct type){ .id = T_LIST, .layout = LAY_LIST, .nchildren = 1, .children = child };
}

static int add(struct schema *s, const char *name, struct type type)
{
	struct err e;

	return schema_add(s, str_of(name), &type, true, &e);
}

#define FIXED(ID, W, ...) ((struct type){ .id = ID, .layout = LAY_FIXED, .width = W, __VA_ARGS__ })

static struct schema *make_schema(void)
{
	static struct field item = { .name = { "item", 4 }, .nullable = true, .type = { .id = T_INT64, .layout = LAY_FIXED, .width = 8 } };
	static struct field member = { .name = { "m", 1 }, .nullable = true, .type = { .id = T_INT64, .layout = LAY_FIXED, .width = 8 } };
	struct schema *s = schema_new();
	int rc = 0;

	rc |= add(s, "i8", FIXED(T_INT8, 1)) | add(s, "i16", FIXED(T_INT16, 2)) | add(s, "i32", FIXED(T_INT32, 4)) | add(s, "u8", FIXED(T_UINT8, 1)) |
	      add(s, "u16", FIXED(T_UINT16, 2)) | add(s, "u32", FIXED(T_UINT32, 4)) | add(s, "u64", FIXED(T_UINT64, 8));
	rc |= add(s, "f16", FIXED(T_FLOAT16, 2)) | add(s, "f32", FIXED(T_FLOAT32, 4)) | add(s, "dec", FIXED(T_DECIMAL, 16, .precision = 20, .scale = 2)) |
	      add(s, "dec32", FIXED(T_DECIMAL, 4, .precision = 5, .scale = 1)) | add(s, "wide", FIXED(T_DECIMAL, 32, .precision = 40));
	rc |= add(s, "d64", FIXED(T_DATE64, 8)) | add(s, "ts_s", FIXED(T_TIMESTAMP, 8, .unit = UNIT_S)) | add(s, "ts_ms", FIXED(T_TIMESTAMP, 8, .unit = UNIT_MS)) |
	      add(s, "ts_ns", FIXED(T_TIMESTAMP, 8, .unit = UNIT_NS)) | add(s, "span", FIXED(T_DURATION, 8, .unit = UNIT_MS));
	rc |= add(s, "fb", FIXED(T_FIXED_BINARY, 3)) | add(s, "bin", TYPE_BINARY) | add(s, "l", list_of(&item)) |
	      add(s, "st", (struct type){ .id = T_STRUCT, .layout = LAY_STRUCT, .nchildren = 1, .children = &member }) | add(s, "nil", TYPE_NULL);
	return rc ? NULL : s;
}

static void make_batch(void)
{
	static const int8_t i8 = -8;
	static const int16_t i16 = -16;
	static const int32_t i32 = -32, offsets[] = { 0, 3 }, list_offsets[] = { 1, 3 };
	static const uint8_t u8 = 200, bits = 5;
	static const uint16_t u16 = 60000, f16 = 0x3e00; /* 1.5 */
	static const uint32_t u32 = 4000000000u;
	static const uint64_t u64 = UINT64_MAX;
	static const float f32 = 0.1f;
	static const __int128 dec = -12345;
	static const int32_t dec32 = 15;
	static const uint8_t wide[32] = { 7 };
	static const int64_t d64 = 86400000, ts_s = -1, ts_ms = 1500, ts_ns = -1, span = 1500, items[] = { 10, 20, 30 };
	const void *values[] = { &i8, &i16, &i32, &u8, &u16, &u32, &u64, &f16, &f32, &dec, &dec32, wide, &d64, &ts_s, &ts_ms, &ts_ns, &span, "abc", "xyz" };
	struct schema *s = make_schema();

	if (!s || !(batch = batch_new(s, 1)))
		abort();
	for (size_t k = 0; k < sizeof values / sizeof *values; k++)
		batch->cols[k].values = values[k];
	batch->cols[18].offsets = offsets;
	for (int k = 19; k <= 20; k++) {
		struct column *child = arena_new(&batch->arena, struct column);

		*child = (struct column){ .type = &s->fields[k].type.children[0].type, .length = 3, .values = (const uint8_t *)items };
		if (k == 19) {
			child->valid = &bits; /* the second item is null */
			child->null_count = 1;
			batch->cols[k].offsets = list_offsets;
		}
		batch->cols[k].children = child;
	}
	batch->cols[21].null_count = 1;
	schema_unref(s);
}

/* Runs a program and prints its rows as "value|value". */
static int run(const char *text, struct buf *out)
{
	struct program *p = NULL;
	struct eval *ev = NULL;
	struct batch *b;
	struct err e = { 0 };
	int rc = program_parse(str_of(text), "program", &p, &e);

	out->n = 0;
	if (rc == 0 && (rc = program_bind(p, batch->schema, 0, &e)) == 0 && (rc = eval_new(p, BAD_FAIL, &ev, &e)) == 0)
		rc = eval_start(ev, batch, &e);
	while (rc == 0 && (rc = eval_next(ev, &b, &e)) == 0 && b) {
		for (int64_t i = 0; i < b->nrows; i++)
			for (int k = 0; k < b->schema->nfields; k++)
				if ((k && buf_byte(out, '|')) || (column_is_null(&b->cols[k], i) ? buf_byte(out, '-') : value_print(&b->cols[k], i, out)) ||
				    (k + 1 == b->schema->nfields && buf_byte(out, ';')))
					abort();
		batch_unref(b);
	}
	eval_free(ev);
	program_free(p);
	if (rc < 0 && buf_printf(out, "!%s", e.msg))
		abort();
	return rc;
}

TEST(arrow_types)
{
	static const struct { const char *program, *want; } t[] = {
		{ "x = i8 + i16 + i32; y = u8 + u16; z = u32 * 2; keep x, y, z", "-56|60200|8000000000;" },
		{ "x = u64 + 1; y = u64 == 18446744073709551615; z = u64 in (1, 18446744073709551615); keep x..z", "18446744073709551616|true|true;" },
		{ "x = f16 * 2; y = f32 + 0; z = f32 == 0.1; keep x..z", "3|0.10000000149011612|false;" },
		{ "x = dec * 2; y = dec == -123.45; z = dec32 + dec; keep x..z", "-246.90|true|-121.95;" },
		{ "x = dec < i8; y = u64 > f32; z = coalesce(dec, 0); keep x..z", "true|true|-123.45;" },
		{ "x = d64 == '1970-01-02'; y = year(d64); z = d64 + 1d; keep x..z", "true|1970|1970-01-03;" },
		{ "x = ts_s + 1s; y = ts_ms + 0s; z = ts_ns < ts_s; keep x..z", "1970-01-01T00:00:00Z|1970-01-01T00:00:01.500Z|false;" },
		{ "x = span + 1s; y = seconds(span); z = span > 1s; keep x..z", "PT2.500S|1.500000|true;" },
		{ "x = bin == 'xyz'; y = bin == fb; z = text(fb); keep x..z", "true|false|\\x616263;" },
		{ "explode x = l; y = x + 1; keep x, y", "-|-;30|31;" },
		{ "x = items(l); y = l is null; z = st is not null; keep x..z", "2|false|true;" },
		{ "x = nil; y = nil is null; z = coalesce(nil, 5) + 1; keep x..z", "-|true|6;" },
		{ "q = st; keep wide, q, l", "7|{\"m\":10}|[null,30];" },
		{ "explode k = range(1, 2); keep k, st, l, wide", "1|{\"m\":10}|[null,30]|7;2|{\"m\":10}|[null,30]|7;" },
		{ "where i8 < 0; keep dec, bin, fb, span", "-123.45|\\x78797a|\\x616263|PT1.500S;" },
		{ "x = wide + 1", "!\"+\" computes on numbers, not on a type that map only carries" },
		{ "x = st == 1", "!a type that map only carries cannot be compared" },
		{ "x = if(true, st, null)", "!a value of this type can be carried, not chosen" },
		{ "x = bin + 1", "!computes on numbers, not on binary" },
		{ "x = lower(st)", "!lower takes text here" },
	};
	cleanup_buf struct buf out = { 0 };
	int wrong = 0;

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		(void)run(t[i].program, &out);
		bool ok = *t[i].want == '!' ? out.n && out.p[0] == '!' && memmem(out.p, out.n, t[i].want + 1, strlen(t[i].want) - 1)
					    : str_is(buf_view(&out), t[i].want);

		if (!ok)
			printf("# %s gives \"%.*s\", not \"%s\"\n", t[i].program, STR_ARG(buf_view(&out)), t[i].want);
		wrong += !ok;
	}
	CHECK_I64(wrong, 0);
}

/* More rows than one explode gives at a time, and wide rows, come out whole and in order. */
TEST(explode_in_pieces)
{
	struct program *p;
	struct eval *ev;
	struct batch *b;
	struct err e;
	int64_t n = 0, bad = 0, pieces = 0;

	CHECK(program_parse(STR("explode k = range(1, 200000); explode j = range(k, k + 1); keep k, j, bin"), "program", &p, &e) == 0);
	CHECK(program_bind(p, batch->schema, 0, &e) == 0 && eval_new(p, BAD_FAIL, &ev, &e) == 0 && eval_start(ev, batch, &e) == 0);
	while (eval_next(ev, &b, &e) == 0 && b) {
		for (int64_t i = 0; i < b->nrows; i++, n++)
			bad += column_i64(&b->cols[0], i) != n / 2 + 1 || column_i64(&b->cols[1], i) != n / 2 + 1 + n % 2 ||
			       !str_is(column_str(&b->cols[2], i), "xyz");
		pieces++;
		CHECK(b->nrows <= BATCH_ROWS);
		batch_unref(b);
	}
	CHECK_I64(n, 400000);
	CHECK_I64(bad, 0);
	CHECK(pieces > 6);
	eval_free(ev);
	program_free(p);
}

int main(void)
{
	int rc;

	make_batch();
	rc = RUN_TABLE(T1(arrow_types), T1(explode_in_pieces));
	batch_unref(batch);
	return rc;
}
