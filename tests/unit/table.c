/* Laws of columns, builders and batches over random columns of every layout: what is moved is what was there. */
#include "lib/table/stream.h"
#include "tests/unit/test.h"

static uint64_t seed = 1;

static uint64_t draw(uint64_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % below;
}

static struct schema *all_layouts(void)
{
	struct err e;
	struct schema *s = schema_new();
	struct field item = { .name = STR("item"), .nullable = true, .type = TYPE_TEXT };
	struct field two[2] = { { .name = STR("a"), .nullable = true, .type = TYPE_INT64 }, { .name = STR("b"), .nullable = true, .type = TYPE_TEXT } };
	struct type list = { .id = T_LIST, .layout = LAY_LIST, .nchildren = 1, .children = &item };
	struct type large = { .id = T_LARGE_LIST, .layout = LAY_LIST64, .nchildren = 1, .children = &item };
	struct type fixed = { .id = T_FIXED_LIST, .layout = LAY_FIXLIST, .list_size = 3, .nchildren = 1, .children = &item };
	struct type record = { .id = T_STRUCT, .layout = LAY_STRUCT, .nchildren = 2, .children = two };
	struct type wide = { .id = T_DECIMAL, .layout = LAY_FIXED, .width = 16, .precision = 20 };
	struct type types[] = { TYPE_NULL, TYPE_BOOL, TYPE_INT64, TYPE_FLOAT64, TYPE_TEXT, TYPE_NUM, TYPE_DATE, list, large, fixed, record, wide };

	for (size_t i = 0; s && i < sizeof types / sizeof *types; i++) {
		char name[8] = { 'c', (char)('a' + i) };

		if (schema_add(s, str_of(name), &types[i], true, &e) < 0)
			return NULL;
	}
	return s;
}

static int add_random(struct builder *b, struct err *e)
{
	uint64_t bits[4] = { draw(1u << 30), draw(1u << 30), draw(1u << 30), draw(1u << 30) };
	int64_t n = (int64_t)draw(4);

	if (draw(5) == 0 || b->type->layout == LAY_NULL)
		return builder_null(b, 1, e);
	switch (b->type->layout) {
	case LAY_BIT:
		return builder_bool(b, bits[0] & 1, e);
	case LAY_FIXED:
		return builder_fixed(b, bits, e);
	case LAY_VAR:
		return builder_str(b, (struct str){ (const char *)bits, draw(20) }, e);
	default:
		break;
	}
	/* Nested: one row built by hand from its parts, through a column of one row. */
	struct column c = { .type = b->type, .length = 1 };
	int32_t offsets[2] = { 0, (int32_t)n };
	int64_t offsets64[2] = { 0, n };
	struct builder kids[2] = { 0 };
	struct column children[2];
	struct arena a = { 0 };
	int rc = 0;

	if (b->type->layout == LAY_FIXLIST)
		n = b->type->list_size;
	if (b->type->layout == LAY_STRUCT)
		n = 1;
	for (int k = 0; k < b->type->nchildren && rc == 0; k++) {
		rc = builder_init(&kids[k], &b->type->children[k].type, e);
		for (int64_t i = 0; i < n && rc == 0; i++)
			rc = add_random(&kids[k], e);
		if (rc == 0)
			rc = builder_view(&kids[k], &a, &children[k], e);
	}
	c.offsets = offsets;
	c.offsets64 = offsets64;
	c.children = children;
	if (rc == 0)
		rc = builder_rows(b, &c, 0, 1, e);
	builder_free(&kids[0]);
	builder_free(&kids[1]);
	arena_free(&a);
	return rc;
}

/* Row i of a equals row j of b, by walking both. */
static bool same(const struct column *a, int64_t i, const struct column *b, int64_t j)
{
	if (column_is_null(a, i) || column_is_null(b, j))
		return column_is_null(a, i) && column_is_null(b, j);
	int64_t from_a = i, from_b = j, na = 1, nb = 1;

	switch (a->type->layout) {
	case LAY_BIT:
		return column_bool(a, i) == column_bool(b, j);
	case LAY_FIXED:
		return memcmp(a->values + i * a->type->width, b->values + j * b->type->width, (size_t)a->type->width) == 0;
	case LAY_VAR:
		return str_eq(column_str(a, i), column_str(b, j));
	case LAY_LIST:
		from_a = a->offsets[i], na = a->offsets[i + 1] - from_a;
		from_b = b->offsets[j], nb = b->offsets[j + 1] - from_b;
		break;
	case LAY_LIST64:
		from_a = a->offsets64[i], na = a->offsets64[i + 1] - from_a;
		from_b = b->offsets64[j], nb = b->offsets64[j + 1] - from_b;
		break;
	case LAY_FIXLIST:
		na = nb = a->type->list_size, from_a = i * na, from_b = j * nb;
		break;
	default:
		break;
	}
	if (na != nb)
		return false;
	for (int k = 0; k < a->type->nchildren; k++)
		for (int64_t r = 0; r < na; r++)
			if (!same(&a->children[k], from_a + r, &b->children[k], from_b + r))
				return false;
	return true;
}

static struct batch *random_batch(struct schema *s, int64_t n)
{
	struct batch *b = NULL;
	struct rows r;
	struct err e;
	int rc = rows_init(&r, s, &e);

	for (int64_t i = 0; i < n && rc == 0; i++)
		for (int c = 0; c < s->nfields && rc == 0; c++)
			rc = add_random(&r.cols[c], &e);
	if (rc == 0)
		rc = rows_take(&r, &b, &e);
	rows_free(&r);
	return rc == 0 ? b : NULL;
}

static bool column_sound(const struct column *c)
{
	return c->null_count == (c->type->id == T_NULL ? c->length : c->valid ? c->length - bits_count(c->valid, c->length) : 0);
}

#define EACH_CELL(b, i, c) for (int64_t i = 0; i < (b)->nrows; i++) for (int c = 0; c < (b)->schema->nfields; c++)

TEST(slices_show_the_rows)
{
	struct schema *s = all_layouts();
	struct batch *b = random_batch(s, 200), *part;
	struct err e;

	CHECK(b);
	for (int k = 0; k < 60; k++) {
		int64_t from = (int64_t)draw(200), n = (int64_t)draw((uint64_t)(201 - from));

		CHECK(batch_slice(b, from, n, &part, &e) == 0);
		CHECK_I64(part->nrows, n);
		EACH_CELL(part, i, c)
			CHECK(same(&b->cols[c], from + i, &part->cols[c], i));
		for (int c = 0; c < s->nfields; c++)
			CHECK(column_sound(&part->cols[c]));
		batch_unref(part);
	}
	batch_unref(b);
	schema_unref(s);
}

TEST(gathered_rows_are_the_rows)
{
	struct schema *s = all_layouts();
	struct batch *b = random_batch(s, 300), *got;
	uint32_t idx[500];
	struct err e;

	CHECK(b);
	for (int k = 0; k < 500; k++)
		idx[k] = draw(20) ? (uint32_t)draw(300) : ROW_NULL;
	CHECK(batch_gather(b, idx, 500, &got, &e) == 0);
	EACH_CELL(got, i, c) {
		if (idx[i] == ROW_NULL)
			CHECK(column_is_null(&got->cols[c], i));
		else
			CHECK(same(&b->cols[c], idx[i], &got->cols[c], i));
	}
	for (int c = 0; c < s->nfields; c++)
		CHECK(column_sound(&got->cols[c]));
	batch_unref(got);
	batch_unref(b);
	schema_unref(s);
}

TEST(ranges_appended_are_the_rows)
{
	struct schema *s = all_layouts();
	struct batch *b = random_batch(s, 257), *got;
	int64_t origin[2000], n = 0;
	struct rows r;
	struct err e;

	CHECK(b && rows_init(&r, s, &e) == 0);
	while (n < 1500) {
		int64_t from = (int64_t)draw(257), k = (int64_t)draw((uint64_t)(258 - from) < 60 ? (uint64_t)(258 - from) : 60);

		CHECK(rows_add(&r, b, from, k, &e) == 0);
		for (int64_t i = 0; i < k; i++)
			origin[n++] = from + i;
	}
	CHECK(rows_take(&r, &got, &e) == 0);
	CHECK_I64(got->nrows, n);
	EACH_CELL(got, i, c)
		CHECK(same(&b->cols[c], origin[i], &got->cols[c], i));
	rows_free(&r);
	batch_unref(got);
	batch_unref(b);
	schema_unref(s);
}

TEST(schemas_know_their_fields)
{
	struct schema *s = all_layouts();
	char name[100];
	struct err e;

	CHECK_I64(schema_find(s, STR("ce")), 4);
	CHECK_I64(schema_find(s, STR("none")), -1);
	CHECK_I64(schema_no_field(s, STR("none"), &e), -ST_USAGE);
	CHECK_STR(str_of(e.msg), "no field \"none\"; there are: ca, cb, cc, cd, ce, cf, cg, ch, ci, cj, ck, cl");
	CHECK_STR(str_of(type_name(&s->fields[10].type, name, sizeof name)), "struct<a: int64, b: text>");
	CHECK_STR(str_of(type_name(&s->fields[11].type, name, sizeof name)), "decimal128(20, 0)");
	CHECK_STR(str_of(type_name(&s->fields[5].type, name, sizeof name)), "num");
	CHECK(schema_set_meta(s, STR("k"), STR("v"), &e) == 0 && schema_set_meta(s, STR("k"), STR("w"), &e) == 0);
	CHECK_I64(s->meta.n, 1);
	CHECK_STR(*kvs_get(&s->meta, STR("k")), "w");
	CHECK_I64(schema_drop_meta(s, STR("k")), 1);
	CHECK(!kvs_get(&s->meta, STR("k")));
	schema_unref(s);
}

/* However many there are; of equal names the first. */
TEST(fields_are_found_by_their_names)
{
	enum { N = 700 };
	struct schema *s = schema_new();
	int first[N];
	char name[32];
	struct err e;

	for (int i = 0; i < N; i++)
		first[i] = -1;
	for (int i = 0; i < N; i++) {
		int which = (int)draw(N);

		sprintf(name, "field %d", which);
		CHECK(schema_add(s, str_of(name), &TYPE_TEXT, true, &e) == 0);
		if (first[which] < 0)
			first[which] = i;
		for (int k = 0; k < N; k += i % 50 ? 97 : 1) {
			sprintf(name, "field %d", k);
			CHECK_I64(schema_find(s, str_of(name)), first[k]);
		}
	}
	schema_unref(s);
}

int main(void)
{
	return RUN_TABLE(T1(slices_show_the_rows), T1(gathered_rows_are_the_rows), T1(ranges_appended_are_the_rows), T1(schemas_know_their_fields),
			 T1(fields_are_found_by_their_names));
}
