/* Arrow streams and files of our own: every type there and back, every truncation and every flipped bit noticed, poison,
 * sequels. */
#include "tests/unit/arrow_help.h"
#include "tests/unit/test.h"

#include <sys/mman.h>
#include <unistd.h>

/* The example of the byte reference: n: int64 not null, s: utf8; (7,"007") (-1,null) (9007199254740993,"zz"); metadata k=v. */
static const uint8_t worked_example[552] = {
	0xff, 0xff, 0xff, 0xff, 0x00, 0x01, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x0e, 0x00, 0x18, 0x00, 0x14, 0x00, 0x16, 0x00, 0x10, 0x00, 0x08, 0x00, 0x00, 0x00,
	0x0e, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x14, 0x00, 0x00, 0x00, 0x04, 0x00, 0x01, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x0c, 0x00, 0x00, 0x00,
	0x04, 0x00, 0x08, 0x00, 0x0a, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x8c, 0x00, 0x00, 0x00,
	0x02, 0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00, 0x58, 0x00, 0x00, 0x00, 0x10, 0x00, 0x14, 0x00,
	0x04, 0x00, 0x00, 0x00, 0x10, 0x00, 0x08, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x10, 0x00, 0x00, 0x00,
	0x10, 0x00, 0x00, 0x00, 0x1c, 0x00, 0x00, 0x00, 0x24, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00,
	0x01, 0x00, 0x00, 0x00, 0x6e, 0x00, 0x00, 0x00, 0x08, 0x00, 0x0c, 0x00, 0x04, 0x00, 0x08, 0x00,
	0x08, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x10, 0x00, 0x14, 0x00, 0x04, 0x00, 0x10, 0x00, 0x11, 0x00, 0x08, 0x00, 0x00, 0x00, 0x0c, 0x00,
	0x10, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00,
	0x01, 0x05, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x73, 0x00, 0x00, 0x00, 0x04, 0x00, 0x04, 0x00,
	0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x00, 0x00,
	0x08, 0x00, 0x0c, 0x00, 0x04, 0x00, 0x08, 0x00, 0x08, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00,
	0x0c, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x6b, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
	0x76, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xd8, 0x00, 0x00, 0x00,
	0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0e, 0x00, 0x18, 0x00, 0x14, 0x00,
	0x16, 0x00, 0x10, 0x00, 0x08, 0x00, 0x00, 0x00, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x38, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00, 0x04, 0x00, 0x03, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x18, 0x00, 0x08, 0x00, 0x10, 0x00, 0x14, 0x00,
	0x0a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x0c, 0x00, 0x00, 0x00, 0x30, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00,
	0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x30, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00,
	0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00,
	0x03, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x30, 0x30, 0x37, 0x7a, 0x7a, 0x00, 0x00, 0x00,
	0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
};

static uint64_t seed;

static uint32_t any(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return below ? (uint32_t)(seed >> 33) % below : 0;
}

static struct field child(const char *name, struct type t)
{
	return (struct field){ .name = str_of(name), .nullable = true, .type = t };
}

static struct type fixed(enum type_id id, int32_t width, int16_t unit)
{
	return (struct type){ .id = id, .layout = LAY_FIXED, .width = width, .unit = unit };
}

static struct type decimal(int32_t width, int32_t precision, int32_t scale)
{
	return (struct type){ .id = T_DECIMAL, .layout = LAY_FIXED, .width = width, .precision = precision, .scale = scale };
}

static struct type nested(struct arena *a, enum type_id id, int n, const struct field *children)
{
	struct type t = { .id = id, .layout = type_layout(id), .nchildren = n };

	t.children = arena_dup(a, children, (size_t)n * sizeof *children);
	return t;
}

static struct type fixed_list(struct arena *a, int32_t n, struct type of)
{
	struct type t = nested(a, T_FIXED_LIST, 1, &(struct field){ .name = STR("item"), .nullable = true, .type = of });

	t.list_size = n;
	return t;
}

static struct type list(struct arena *a, enum type_id id, struct type of)
{
	return nested(a, id, 1, &(struct field){ .name = STR("item"), .nullable = true, .type = of });
}

static struct type pair(struct arena *a, struct type x, struct type y)
{
	return nested(a, T_STRUCT, 2, (struct field[]){ child("x", x), child("y", y) });
}

static struct type union_of(struct arena *a, int mode)
{
	struct type t = nested(a, T_UNION, 2, (struct field[]){ child("i", TYPE_INT64), child("t", TYPE_TEXT) });

	t.unit = (int16_t)mode;
	t.type_ids = arena_dup(a, (int8_t[]){ 5, 9 }, 2);
	return t;
}

/* All types, some of them inside others. */
static struct schema *every_type(struct arena *a, bool unions)
{
	const struct type types[] = {
		TYPE_NULL, TYPE_BOOL, TYPE_INT64, TYPE_FLOAT64, TYPE_TEXT, TYPE_NUM, TYPE_JSON, TYPE_BINARY, TYPE_DATE,
		fixed(T_INT8, 1, 0), fixed(T_INT16, 2, 0), fixed(T_INT32, 4, 0), fixed(T_UINT8, 1, 0), fixed(T_UINT16, 2, 0),
		fixed(T_UINT32, 4, 0), fixed(T_UINT64, 8, 0), fixed(T_FLOAT16, 2, 0), fixed(T_FLOAT32, 4, 0), fixed(T_DATE64, 8, 0),
		fixed(T_TIME32, 4, UNIT_S), fixed(T_TIME32, 4, UNIT_MS), fixed(T_TIME64, 8, UNIT_US), fixed(T_TIME64, 8, UNIT_NS),
		TYPE_TIMESTAMP(UNIT_US, STR("Europe/Berlin")), TYPE_TIMESTAMP(UNIT_NS, STR("")), fixed(T_DURATION, 8, UNIT_S),
		fixed(T_INTERVAL, 4, 0), fixed(T_INTERVAL, 8, 1), fixed(T_INTERVAL, 16, 2), fixed(T_FIXED_BINARY, 5, 0),
		fixed(T_FIXED_BINARY, 0, 0), decimal(4, 9, 2), decimal(8, 18, 0), decimal(16, 38, -3), decimal(32, 76, 10),
		list(a, T_LIST, TYPE_TEXT), list(a, T_LARGE_LIST, TYPE_BOOL), fixed_list(a, 3, TYPE_INT64), fixed_list(a, 0, TYPE_TEXT),
		pair(a, TYPE_NUM, TYPE_BOOL), list(a, T_LIST, list(a, T_LIST, pair(a, TYPE_TEXT, TYPE_NULL))),
		list(a, T_MAP, pair(a, TYPE_TEXT, TYPE_INT64)), nested(a, T_STRUCT, 0, NULL), fixed_list(a, 2, list(a, T_LARGE_LIST, TYPE_DATE)),
		pair(a, pair(a, TYPE_BOOL, TYPE_JSON), fixed_list(a, 5, TYPE_BOOL)),
	};
	struct schema *s = schema_new();
	struct err e;
	char name[16];

	CHECK(s);
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		snprintf(name, sizeof name, "f%zu", i);
		CHECK_I64(schema_add(s, str_of(name), &types[i], i % 3 != 0, &e), 0);
	}
	for (int mode = 0; unions && mode < 2; mode++) {
		struct type u = union_of(a, mode), in = list(a, T_LIST, u);

		CHECK_I64(schema_add(s, mode ? STR("dense") : STR("sparse"), &u, true, &e), 0);
		CHECK_I64(schema_add(s, mode ? STR("denses") : STR("sparses"), &in, true, &e), 0);
	}
	CHECK_I64(schema_set_meta(s, STR("k"), STR("v \xc3\xa9"), &e), 0);
	CHECK_I64(field_set_meta(s, 4, STR("ARROW:extension:name"), STR("geo.point"), &e), 0);
	return s;
}

static void fill_valid(struct arena *a, struct column *c)
{
	uint8_t *v = arena_calloc(a, bits_bytes(c->length) + 1, 1);

	if (!any(3) || !c->length)
		return;
	for (int64_t i = 0; i < c->length; i++)
		bit_put(v, i, any(4));
	c->null_count = c->length - bits_count(v, c->length);
	c->valid = c->null_count ? v : NULL;
}

static void fill(struct arena *a, struct column *c, const struct type *t, int64_t n);

static void fill_children(struct arena *a, struct column *c, int64_t n)
{
	c->children = arena_array(a, struct column, (size_t)c->type->nchildren);
	for (int i = 0; i < c->type->nchildren; i++)
		fill(a, &c->children[i], &c->type->children[i].type, n);
}

/* Offsets of n values of up to 5, of nulls 0; they start where they like. */
static int64_t fill_offsets(struct arena *a, struct column *c)
{
	int64_t *o64 = arena_array(a, int64_t, (size_t)c->length + 1), at = any(3);
	int32_t *o32 = arena_array(a, int32_t, (size_t)c->length + 1);

	for (int64_t i = 0; i <= c->length; i++) {
		o64[i] = at;
		o32[i] = (int32_t)at;
		at += i < c->length && !column_is_null(c, i) ? any(6) : 0;
	}
	c->offsets = o32;
	c->offsets64 = o64;
	return at;
}

static void fill_fixed(struct arena *a, struct column *c)
{
	size_t w = (size_t)c->type->width;
	uint8_t *v = arena_calloc(a, (size_t)c->length + 1, w);

	for (size_t i = 0; i < (size_t)c->length * w; i++)
		v[i] = (uint8_t)(column_is_null(c, (int64_t)(i / w)) ? 0 : any(256));
	c->values = v;
}

static void fill_bytes(struct arena *a, struct column *c, int64_t n)
{
	uint8_t *v = arena_alloc(a, (size_t)n + 8);

	for (int64_t i = 0; i < n; i++)
		v[i] = (uint8_t)('a' + any(26));
	if (n > 3 && c->type->id == T_UTF8) {
		for (int64_t i = 0; i < c->length; i++)
			if (c->offsets[i + 1] - c->offsets[i] >= 3)
				memcpy(v + c->offsets[i], "\xe2\x82\xac", 3); /* the euro sign */
	}
	c->values = v;
}

static void fill_union(struct arena *a, struct column *c)
{
	uint8_t *ids = arena_alloc(a, (size_t)c->length + 8);
	int32_t *offsets = arena_array(a, int32_t, (size_t)c->length + 1);
	int32_t used[2] = { 0, 0 };

	for (int64_t i = 0; i < c->length; i++) {
		uint32_t k = any(2);

		ids[i] = (uint8_t)c->type->type_ids[k];
		offsets[i] = used[k]++;
	}
	c->values = ids;
	c->offsets = offsets;
	fill_children(a, c, c->length);
}

static void fill(struct arena *a, struct column *c, const struct type *t, int64_t n)
{
	*c = (struct column){ .type = t, .length = n };
	if (t->layout != LAY_NULL && t->layout != LAY_UNION)
		fill_valid(a, c);
	switch (t->layout) {
	case LAY_NULL:
		c->null_count = n;
		break;
	case LAY_BIT:
		c->values = arena_calloc(a, bits_bytes(n) + 1, 1);
		for (int64_t i = 0; i < n; i++)
			bit_put((uint8_t *)(uintptr_t)c->values, i, !column_is_null(c, i) && any(2));
		break;
	case LAY_FIXED:
		fill_fixed(a, c);
		break;
	case LAY_VAR:
		fill_bytes(a, c, fill_offsets(a, c));
		break;
	case LAY_LIST:
	case LAY_LIST64:
		fill_children(a, c, fill_offsets(a, c));
		break;
	case LAY_FIXLIST:
		fill_children(a, c, n * t->list_size);
		break;
	case LAY_STRUCT:
		fill_children(a, c, n);
		break;
	case LAY_UNION:
		fill_union(a, c);
		break;
	}
}

/* A table of random rows: batches of up to `most` rows. */
static struct table random_table(const struct schema *s, int batches, uint32_t most)
{
	struct table t = { .schema = schema_ref(s) };

	for (int i = 0; i < batches; i++) {
		struct batch *b = batch_new(s, 1 + any(most));

		CHECK(b);
		for (int k = 0; k < s->nfields; k++)
			fill(&b->arena, &b->cols[k], &b->schema->fields[k].type, b->nrows);
		CHECK_I64(table_add(&t, b), 0);
	}
	return t;
}

static struct table small_table(int batches)
{
	struct schema *s = schema_new();
	struct type text = TYPE_TEXT, num = TYPE_NUM, i64 = TYPE_INT64;
	struct table t;
	struct err e;

	CHECK(s && schema_add(s, STR("name"), &text, true, &e) == 0 && schema_add(s, STR("price"), &num, true, &e) == 0 &&
	      schema_add(s, STR("id"), &i64, false, &e) == 0);
	CHECK_I64(schema_set_meta(s, STR("stook.sorted"), STR("id"), &e), 0);
	t = random_table(s, batches, 9);
	schema_unref(s);
	return t;
}

static void write_ok(const struct table *t, bool file, struct buf *b)
{
	struct err e = { 0 };

	CHECK_I64(table_write(t, file, b, &e), 0);
}

static void read_same(const void *p, size_t n, const struct table *want)
{
	struct table got;
	struct err e = { 0 };
	int rc = table_read(p, n, &got, &e);

	if (rc)
		printf("# %s: %s\n", e.field, e.msg);
	CHECK_I64(rc, 0);
	CHECK(tables_equal(&got, want));
	table_free(&got);
}

TEST(worked_example_is_read_to_the_last_byte)
{
	struct table t;
	struct err e = { 0 };
	const struct schema *s;
	const struct column *n, *x;

	CHECK_I64(table_read(worked_example, sizeof worked_example, &t, &e), 0);
	s = t.schema;
	CHECK_I64(s->nfields, 2);
	CHECK_STR(s->fields[0].name, "n");
	CHECK_STR(s->fields[1].name, "s");
	CHECK(s->fields[0].type.id == T_INT64 && !s->fields[0].nullable && s->fields[1].type.id == T_UTF8 && s->fields[1].nullable);
	CHECK(s->meta.n == 1 && str_is(s->meta.v[0].key, "k") && str_is(s->meta.v[0].value, "v"));
	CHECK(t.n == 1 && t.rows == 3);
	n = &t.v[0]->cols[0];
	x = &t.v[0]->cols[1];
	CHECK(column_i64(n, 0) == 7 && column_i64(n, 1) == -1 && column_i64(n, 2) == 9007199254740993);
	CHECK(n->null_count == 0 && x->null_count == 1 && column_is_null(x, 1));
	CHECK_STR(column_str(x, 0), "007");
	CHECK_STR(column_str(x, 2), "zz");
	CHECK(strcmp(t.v[0]->origin.name, "test") == 0 && t.v[0]->origin.row == 0);
	table_free(&t);
}

TEST(every_truncation_of_the_example_is_noticed)
{
	for (size_t n = 0; n < sizeof worked_example; n++) {
		uint8_t *part = malloc(n + 1);
		struct table t;
		struct err e = { 0 };

		memcpy(part, worked_example, n);
		CHECK_I64(table_read(part, n, &t, &e), -ST_STREAM);
		CHECK(strstr(e.msg, "ended early"));
		table_free(&t);
		free(part);
	}
}

TEST(a_missing_end_marker_can_be_accepted_but_not_half_of_one)
{
	struct read_opts o = { .accept_unterminated = true };
	struct err e = { 0 };
	struct table t;

	CHECK_I64(table_read_opts(worked_example, 544, &o, &t, &e), 0);
	CHECK_I64(t.rows, 3);
	table_free(&t);
	CHECK_I64(table_read_opts(worked_example, 548, &o, &t, &e), -ST_STREAM);
	table_free(&t);
	CHECK_I64(table_read_opts(worked_example, 500, &o, &t, &e), -ST_STREAM);
	table_free(&t);
	CHECK_I64(table_read_opts(worked_example, 0, &o, &t, &e), -ST_STREAM);
}

TEST(damage_anywhere_in_a_stream_without_sums_crashes_nothing)
{
	for (size_t bit = 0; bit < 8 * sizeof worked_example; bit++) {
		uint8_t *copy = malloc(sizeof worked_example);
		struct table t;
		struct err e = { 0 };
		int rc;

		memcpy(copy, worked_example, sizeof worked_example);
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		rc = table_read(copy, sizeof worked_example, &t, &e);
		CHECK(rc == 0 || rc == -ST_STREAM);
		table_free(&t);
		free(copy);
	}
}

TEST(every_type_goes_there_and_back)
{
	for (int round = 0; round < 40; round++) {
		cleanup_arena struct arena a = { 0 };
		cleanup_buf struct buf b = { 0 };
		struct schema *s;
		struct table t;

		seed = (uint64_t)round;
		s = every_type(&a, true);
		t = random_table(s, round % 4, round % 2 ? 3 : 200);
		write_ok(&t, round & 1, &b);
		read_same(b.p, b.n, &t);
		table_free(&t);
		schema_unref(s);
	}
}

TEST(slices_go_there_and_back)
{
	cleanup_arena struct arena a = { 0 };
	struct schema *s = every_type(&a, true);
	struct table t;
	struct err e;

	seed = 77;
	t = random_table(s, 1, 100);
	for (int64_t from = 0; from < t.rows; from += 3) {
		cleanup_buf struct buf b = { 0 };
		int64_t n = 1 + any((uint32_t)(t.rows - from));
		struct table part = { .schema = schema_ref(s) };
		struct batch *slice;

		CHECK_I64(batch_slice(t.v[0], from, n, &slice, &e), 0);
		CHECK_I64(table_add(&part, slice), 0);
		write_ok(&part, false, &b);
		read_same(b.p, b.n, &part);
		table_free(&part);
	}
	table_free(&t);
	schema_unref(s);
}

TEST(marks_and_metadata_travel)
{
	cleanup_buf struct buf b = { 0 };
	struct table t = small_table(1), got;
	struct err e;

	write_ok(&t, false, &b);
	CHECK(memmem(b.p, b.n, "stook.num", 9) != NULL);
	CHECK_I64(table_read(b.p, b.n, &got, &e), 0);
	CHECK(type_is_num(&got.schema->fields[1].type) && got.schema->fields[1].meta.n == 0);
	CHECK(kvs_get(&got.schema->meta, STR("stook.sorted")));
	CHECK(!got.schema->fields[2].nullable && got.schema->fields[0].nullable);
	table_free(&got);
	table_free(&t);
}

TEST(odd_names_are_changed_for_others_and_come_back)
{
	static const char *const names[] = { "", "a", "a", "a_2", "", "a", "_1", "x" };
	static const char *const shown[] = { "_1_2", "a", "a_3", "a_2", "_5", "a_4", "_1", "x" };
	cleanup_buf struct buf b = { 0 };
	struct schema *s = schema_new();
	struct type text = TYPE_TEXT;
	struct table t, got;
	struct err e;

	for (size_t i = 0; i < 8; i++)
		CHECK_I64(schema_add(s, str_of(names[i]), &text, true, &e), 0);
	t = random_table(s, 1, 5);
	write_ok(&t, false, &b);
	for (size_t i = 0; i < 8; i++) { /* a flatbuffer string: length, bytes, NUL */
		char want[16] = { (char)strlen(shown[i]) };

		memcpy(want + 4, shown[i], strlen(shown[i]) + 1);
		CHECK(memmem(b.p, b.n, want, 4 + strlen(shown[i]) + 1) != NULL);
	}
	CHECK_I64(table_read(b.p, b.n, &got, &e), 0);
	CHECK(tables_equal(&t, &got));
	table_free(&got);
	table_free(&t);
	schema_unref(s);
}

TEST(every_truncation_of_our_streams_and_files_is_noticed)
{
	for (int file = 0; file < 2; file++) {
		cleanup_buf struct buf b = { 0 };
		struct table t;

		seed = 5;
		t = small_table(3);
		write_ok(&t, file, &b);
		for (size_t n = 0; n < b.n; n++) {
			struct read_opts o = { .accept_unterminated = n % 2 };
			uint8_t *part = malloc(n + 1);
			struct table got;
			struct err e = { 0 };

			memcpy(part, b.p, n);
			CHECK_I64(table_read_opts(part, n, &o, &got, &e), -ST_STREAM);
			table_free(&got);
			free(part);
		}
		table_free(&t);
	}
}

/* 3 streams; of two every bit, of the large one seeded ones. */
TEST(every_flipped_bit_of_our_streams_is_noticed_or_harmless)
{
	int harmless = 0, flips = 0;

	for (int k = 0; k < 3; k++) {
		cleanup_arena struct arena a = { 0 };
		cleanup_buf struct buf b = { 0 };
		struct schema *s = every_type(&a, true);
		struct table t;

		seed = 11 + (uint64_t)k;
		t = k < 2 ? small_table(k) : random_table(s, 3, 40);
		write_ok(&t, false, &b);
		for (size_t i = 0; i < (k < 2 ? 8 * b.n : 3000); i++) {
			size_t bit = k < 2 ? i : any((uint32_t)(8 * b.n));
			struct err e = { 0 };
			struct table got;
			int rc;

			b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
			rc = table_read(b.p, b.n, &got, &e);
			CHECK(rc == -ST_STREAM || (rc == 0 && tables_equal(&got, &t)));
			harmless += rc == 0;
			flips++;
			table_free(&got);
			b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		table_free(&t);
		schema_unref(s);
	}
	printf("# %d bits flipped, %d harmless\n", flips, harmless);
	CHECK(harmless * 50 < flips);
}

/* Where the messages of a stream lie. */
static int find_messages(const struct buf *b, size_t at[], int most)
{
	int n = 0;

	for (size_t i = 0; i + 8 <= b->n && n < most; i += 8)
		if (memcmp(b->p + i, "\xff\xff\xff\xff", 4) == 0 && b->p[i + 5] < 8 && b->p[i + 6] == 0 && b->p[i + 7] == 0)
			at[n++] = i;
	return n;
}

static void expect_damage(const struct buf *b, const char *what)
{
	struct table got;
	struct err e = { 0 };
	int rc = table_read(b->p, b->n, &got, &e);

	table_free(&got);
	CHECK_I64(rc, -ST_STREAM);
	if (!strstr(e.msg, what))
		printf("# %s\n", e.msg);
	CHECK(strstr(e.msg, what));
}

TEST(lost_doubled_and_foreign_messages_are_damage)
{
	cleanup_buf struct buf b = { 0 }, x = { 0 };
	struct table t = small_table(4);
	size_t at[8];

	write_ok(&t, false, &b);
	CHECK_I64(find_messages(&b, at, 8), 6); /* schema, 4 batches, end */
	CHECK(buf_add(&x, b.p, at[2]) == 0 && buf_add(&x, b.p + at[3], b.n - at[3]) == 0);
	expect_damage(&x, "missing, doubled");
	x.n = 0;
	CHECK(buf_add(&x, b.p, at[3]) == 0 && buf_add(&x, b.p + at[2], b.n - at[2]) == 0);
	expect_damage(&x, "missing, doubled");
	x.n = 0; /* the example's batch, which carries no keys, among ours */
	CHECK(buf_add(&x, b.p, at[3]) == 0 && buf_add(&x, worked_example + 0x108, 0x118) == 0 && buf_add(&x, b.p + at[3], b.n - at[3]) == 0);
	expect_damage(&x, "is missing");
	x.n = 0; /* ours under the example's schema */
	CHECK(buf_add(&x, worked_example, 0x108) == 0 && buf_add(&x, b.p + at[1], b.n - at[1]) == 0);
	expect_damage(&x, "damaged");
	x.n = 0; /* the last batch is lost: the end marker alone is no number, but the stream is whole up to it */
	CHECK(buf_add(&x, b.p, at[1]) == 0 && buf_add(&x, b.p + at[5], b.n - at[5]) == 0);
	CHECK_I64(x.n, at[1] + 8);
	table_free(&t);
}

TEST(streams_follow_one_another_if_they_agree)
{
	cleanup_buf struct buf b = { 0 };
	struct table t = small_table(2), got;
	struct err e = { 0 };
	size_t n;

	write_ok(&t, false, &b);
	n = b.n;
	write_ok(&t, false, &b);
	if (table_read(b.p, b.n, &got, &e))
		printf("# %s\n", e.msg);
	CHECK_I64(e.status, 0);
	CHECK(got.rows == 2 * t.rows && got.v[got.n - 1]->origin.row == got.rows - got.v[got.n - 1]->nrows);
	table_free(&got);
	for (size_t cut = n + 1; cut < 2 * n; cut++) {
		CHECK_I64(table_read(b.p, cut, &got, &e), -ST_STREAM);
		table_free(&got);
	}
	b.n = n;
	CHECK_I64(buf_add(&b, worked_example, sizeof worked_example), 0);
	expect_damage(&b, "other columns");
	b.n = n;
	CHECK_I64(buf_puts(&b, "\n"), 0);
	expect_damage(&b, "after the end marker");
	b.n = n;
	CHECK_I64(buf_puts(&b, "name,price\na,1\n"), 0);
	expect_damage(&b, "after the end marker");
	b.n = n;
	CHECK_I64(buf_add(&b, "\xff\xff\xff\xff\0\0\0\0", 8), 0);
	expect_damage(&b, "second end marker");
	table_free(&t);
}

/* Writes the table's batches, then says `why` instead of finishing. */
static void write_poisoned(const struct table *t, const struct err *why, struct buf *b)
{
	struct write_opts o = { 0 };
	struct sink *s;
	struct out *out;
	struct err e;

	CHECK_I64(out_open_mem(&out, b, &e), 0);
	CHECK_I64(format_arrow.write(out, t->schema, &o, &s, &e), 0);
	for (int i = 0; i < t->n; i++) {
		CHECK_I64(s->write(s, t->v[i], &e), 0);
		CHECK(b->n > 4 && memcmp(b->p + b->n - 4, "\xff\xff\xff\xff", 4) == 0);
	}
	s->fail(s, why);
	sink_close(s);
}

TEST(a_failed_writer_says_why)
{
	cleanup_arena struct arena a = { 0 };
	struct schema *s = every_type(&a, true);
	struct table t = random_table(s, 2, 9), got;
	struct err why = { 0 }, e = { 0 };

	err_set(&why, ST_DATA, "\"12,5\" is not a number \x1b[31m \xff");
	err_at(&why, "sales.csv", 1042, 7);
	err_field(&why, "price", -1);
	for (int round = 0; round < 2; round++) { /* the second time with what the first reader said */
		cleanup_buf struct buf b = { 0 };

		write_poisoned(&t, &why, &b);
		CHECK_I64(table_read_opts(b.p, b.n, &(struct read_opts){ .accept_unterminated = true }, &got, &e), -ST_STREAM);
		CHECK_I64(got.rows, t.rows);
		CHECK(strstr(e.msg, "sales.csv:1042:7: field \"price\": \"12,5\" is not a number"));
		CHECK(strncmp(e.msg, "upstream failed: ", 17) == 0 && !strstr(e.msg + 1, "upstream"));
		CHECK(!strchr(e.msg, '\x1b') && strcmp(e.input, "test") == 0);
		table_free(&got);
		for (size_t n = 0; n < b.n; n += 7) {
			CHECK_I64(table_read(b.p, n, &got, &e), -ST_STREAM);
			table_free(&got);
		}
		table_read(b.p, b.n, &got, &why) == 0 ? abort() : table_free(&got);
	}
	table_free(&t);
	schema_unref(s);
}

TEST(a_writer_whose_reader_left_says_nothing)
{
	cleanup_buf struct buf b = { 0 };
	struct table t = small_table(1);
	struct err closed = { .status = ST_CLOSED };

	write_poisoned(&t, &closed, &b);
	CHECK(memmem(b.p, b.n, "stook.error", 11) == NULL);
	table_free(&t);
}

/* The bytes that writing t to a regular file gives. */
static void write_regular(const struct table *t, bool file, struct buf *b)
{
	struct write_opts o = { .file = file };
	int fd = memfd_create("out", 0);
	struct sink *s;
	struct out *out;
	struct err e = { 0 };
	off_t size;

	CHECK(fd >= 0);
	CHECK_I64(out_open_fd(&out, dup(fd), "out", &e), 0);
	CHECK_I64(format_arrow.write(out, t->schema, &o, &s, &e), 0);
	for (int i = 0; i < t->n; i++)
		CHECK_I64(s->write(s, t->v[i], &e), 0);
	CHECK_I64(s->finish(s, &e), 0);
	sink_close(s);
	size = lseek(fd, 0, SEEK_END);
	CHECK(size > 0 && buf_zero(b, (size_t)size) == 0 && pread(fd, b->p, b->n, 0) == size);
	close(fd);
}

/* The same rows in batches of other sizes. */
static struct table recut(const struct table *t, uint32_t most)
{
	struct table r = { .schema = schema_ref(t->schema) };
	struct batch *part;
	struct err e;

	for (int i = 0; i < t->n; i++)
		for (int64_t from = 0, n; from < t->v[i]->nrows; from += n) {
			n = 1 + any(most);
			if (n > t->v[i]->nrows - from)
				n = t->v[i]->nrows - from;
			CHECK_I64(batch_slice(t->v[i], from, n, &part, &e), 0);
			CHECK_I64(table_add(&r, part), 0);
		}
	return r;
}

TEST(files_do_not_depend_on_how_the_input_was_cut)
{
	cleanup_arena struct arena a = { 0 };
	struct schema *every = every_type(&a, false), *text = schema_new();
	struct type type = TYPE_TEXT, i64 = TYPE_INT64;
	struct err e;

	CHECK(schema_add(text, STR("t"), &type, true, &e) == 0 && schema_add(text, STR("i"), &i64, true, &e) == 0);
	for (int k = 0; k < 4; k++) {
		cleanup_buf struct buf b = { 0 }, c = { 0 };
		struct table t, other, got;

		seed = 3;
		t = k < 2 ? random_table(every, 2, 500) : random_table(text, 3, 100000);
		write_regular(&t, k & 1, &b);
		other = recut(&t, k < 2 ? 50 : 70000);
		write_regular(&other, k & 1, &c);
		CHECK(b.n == c.n && memcmp(b.p, c.p, b.n) == 0);
		read_same(b.p, b.n, &t);
		CHECK_I64(table_read(b.p, b.n, &got, &e), 0);
		for (int i = 0; i < got.n - 1; i++)
			CHECK_I64(got.v[i]->nrows, BATCH_ROWS);
		table_free(&got);
		table_free(&other);
		table_free(&t);
	}
	schema_unref(every);
	schema_unref(text);
}

TEST(temporary_files_are_compressed_and_keep_their_batches)
{
	cleanup_arena struct arena a = { 0 };
	cleanup_buf struct buf b = { 0 };
	struct write_opts o = { .spill = true };
	struct schema *s = every_type(&a, true);
	struct sink *sink;
	struct out *out;
	struct table t, got;
	struct err e;

	seed = 21;
	t = random_table(s, 3, 300);
	CHECK(out_open_mem(&out, &b, &e) == 0 && format_arrow.write(out, s, &o, &sink, &e) == 0);
	for (int i = 0; i < t.n; i++)
		CHECK_I64(sink->write(sink, t.v[i], &e), 0);
	CHECK_I64(sink->finish(sink, &e), 0);
	sink_close(sink);
	CHECK(memmem(b.p, b.n, "\x04\x22\x4d\x18", 4) != NULL); /* the magic of an LZ4 frame */
	read_same(b.p, b.n, &t);
	CHECK_I64(table_read(b.p, b.n, &got, &e), 0);
	CHECK_I64(got.n, t.n);
	table_free(&got);
	table_free(&t);
	schema_unref(s);
}

TEST(large_batches_are_cut_by_bytes)
{
	cleanup_buf struct buf b = { 0 };
	struct schema *s = schema_new();
	struct type type = TYPE_BINARY;
	struct table t = { 0 }, got;
	struct err e;
	struct batch *big;
	int32_t *o;

	CHECK_I64(schema_add(s, STR("b"), &type, true, &e), 0);
	t.schema = s;
	big = batch_new(s, 20);
	o = arena_array(&big->arena, int32_t, 21);
	for (int i = 0; i <= 20; i++)
		o[i] = i * (10 << 17);
	big->cols[0].offsets = o;
	big->cols[0].values = arena_calloc(&big->arena, 200, 1 << 17);
	CHECK_I64(table_add(&t, big), 0);
	write_ok(&t, false, &b);
	CHECK_I64(table_read(b.p, b.n, &got, &e), 0);
	CHECK(got.n == 4 && got.v[0]->nrows == 6 && got.rows == 20);
	CHECK(tables_equal(&got, &t));
	table_free(&got);
	b.n = 0;
	write_regular(&t, true, &b);
	CHECK(b.n < 200000); /* zeros, compressed */
	read_same(b.p, b.n, &t);
	table_free(&t);
}

TEST(files_have_a_footer_that_must_be_whole)
{
	cleanup_buf struct buf b = { 0 };
	struct table t = small_table(2);
	uint8_t *size;

	write_ok(&t, true, &b);
	CHECK(memcmp(b.p, "ARROW1\0\0", 8) == 0 && memcmp(b.p + b.n - 6, "ARROW1", 6) == 0);
	size = b.p + b.n - 10;
	size[0] ^= 8;
	expect_damage(&b, "footer");
	size[0] ^= 8;
	b.p[b.n - 1] = 'x';
	expect_damage(&b, "footer");
	b.p[b.n - 1] = '1';
	CHECK_I64(buf_puts(&b, "\n"), 0);
	expect_damage(&b, "footer");
	table_free(&t);
}

int main(void)
{
	return RUN_TABLE(T1(worked_example_is_read_to_the_last_byte), T1(every_truncation_of_the_example_is_noticed),
			 T1(a_missing_end_marker_can_be_accepted_but_not_half_of_one),
			 T1(damage_anywhere_in_a_stream_without_sums_crashes_nothing), T1(every_type_goes_there_and_back),
			 T1(slices_go_there_and_back), T1(marks_and_metadata_travel), T1(odd_names_are_changed_for_others_and_come_back),
			 T1(every_truncation_of_our_streams_and_files_is_noticed),
			 T1(every_flipped_bit_of_our_streams_is_noticed_or_harmless), T1(lost_doubled_and_foreign_messages_are_damage),
			 T1(streams_follow_one_another_if_they_agree), T1(a_failed_writer_says_why),
			 T1(a_writer_whose_reader_left_says_nothing), T1(files_do_not_depend_on_how_the_input_was_cut),
			 T1(temporary_files_are_compressed_and_keep_their_batches),
			 T1(large_batches_are_cut_by_bytes), T1(files_have_a_footer_that_must_be_whole));
}
