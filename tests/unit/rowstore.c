/* Rows packed and unpacked are the rows they were, for every layout, nested and null included, in any order. */
#include "lib/op/rowstore.h"

#include "lib/base/rng.h"
#include "tests/unit/test.h"

static struct err ignored;

static void must(int rc)
{
	if (rc < 0)
		abort();
}

/* struct<a: text, b: list<int64>>, fixed_list<bool, 2>, text, float64, bool, null, list<struct<text>> */
static struct schema *nested_schema(void)
{
	static struct field item = { .name = STR("item"), .type = TYPE_INT64, .nullable = true };
	static struct field flag = { .name = STR("item"), .type = TYPE_BOOL, .nullable = true };
	static struct field inner[2] = {
		{ .name = STR("a"), .type = TYPE_TEXT, .nullable = true },
		{ .name = STR("b"), .type = { .id = T_LIST, .layout = LAY_LIST, .nchildren = 1, .children = &item }, .nullable = true },
	};
	static struct field one = { .name = STR("item"), .nullable = true,
				    .type = { .id = T_STRUCT, .layout = LAY_STRUCT, .nchildren = 1, .children = inner } };
	const struct type types[] = {
		{ .id = T_STRUCT, .layout = LAY_STRUCT, .nchildren = 2, .children = inner },
		{ .id = T_FIXED_LIST, .layout = LAY_FIXLIST, .list_size = 2, .nchildren = 1, .children = &flag },
		TYPE_TEXT, TYPE_FLOAT64, TYPE_BOOL, TYPE_NULL,
		{ .id = T_LARGE_LIST, .layout = LAY_LIST64, .nchildren = 1, .children = &one },
	};
	struct schema *s = schema_new();

	for (size_t i = 0; s && i < sizeof types / sizeof *types; i++)
		must(schema_add(s, (struct str){ &"abcdefg"[i], 1 }, &types[i], true, &ignored));
	return s;
}

static void random_value(struct builder *b, struct rng *r);

static void random_children(struct builder *b, struct rng *r)
{
	uint64_t n = b->type->layout == LAY_FIXLIST ? (uint64_t)b->type->list_size : b->type->layout == LAY_STRUCT ? 1 : rng_below(r, 4);

	for (uint64_t i = 0; i < n; i++)
		for (int c = 0; c < b->nchildren; c++)
			random_value(&b->children[c], r);
	must(builder_nest(b, &ignored));
}

static void random_value(struct builder *b, struct rng *r)
{
	static char text[70000];
	uint64_t v = rng_u64(r) | 1;
	size_t n = rng_below(r, 50) == 0 ? rng_below(r, sizeof text) : rng_below(r, 20);

	if (b->type->layout == LAY_NULL || rng_below(r, 4) == 0) {
		must(builder_null(b, 1, &ignored));
	} else if (b->type->layout == LAY_VAR) {
		memset(text, 'a' + (int)(v % 26), n);
		must(builder_str(b, (struct str){ text, n }, &ignored));
	} else if (b->type->layout == LAY_BIT) {
		must(builder_bool(b, v & 2, &ignored));
	} else if (b->type->layout == LAY_FIXED) {
		must(builder_fixed(b, &v, &ignored));
	} else {
		random_children(b, r);
	}
}

static struct batch *random_batch(const struct schema *s, struct rng *r, int64_t n)
{
	struct batch *b = NULL;
	struct rows rows;

	must(rows_init(&rows, s, &ignored));
	for (int64_t i = 0; i < n; i++)
		for (int c = 0; c < s->nfields; c++)
			random_value(&rows.cols[c], r);
	rows.n = n;
	must(rows_take(&rows, &b, &ignored));
	rows_free(&rows);
	return b;
}

/* Row i of a is row j of b. */
static bool same_value(const struct column *a, int64_t i, const struct column *b, int64_t j);

static bool same_range(const struct column *a, int64_t i, int64_t n, const struct column *b, int64_t j, int64_t m)
{
	bool same = n == m;

	for (int64_t k = 0; k < n && same; k++)
		same = same_value(a, i + k, b, j + k);
	return same;
}

static bool same_value(const struct column *a, int64_t i, const struct column *b, int64_t j)
{
	int64_t w = a->type->list_size;
	bool same = true;

	if (column_is_null(a, i) || column_is_null(b, j))
		return column_is_null(a, i) == column_is_null(b, j);
	switch (a->type->layout) {
	case LAY_VAR:
		return str_eq(column_str(a, i), column_str(b, j));
	case LAY_BIT:
		return column_bool(a, i) == column_bool(b, j);
	case LAY_FIXED:
		return column_i64(a, i) == column_i64(b, j);
	case LAY_LIST:
		return same_range(a->children, a->offsets[i], a->offsets[i + 1] - a->offsets[i], b->children, b->offsets[j],
				  b->offsets[j + 1] - b->offsets[j]);
	case LAY_LIST64:
		return same_range(a->children, a->offsets64[i], a->offsets64[i + 1] - a->offsets64[i], b->children, b->offsets64[j],
				  b->offsets64[j + 1] - b->offsets64[j]);
	case LAY_FIXLIST:
		return same_range(a->children, i * w, w, b->children, j * w, w);
	default:
		for (int c = 0; c < a->type->nchildren && same; c++)
			same = same_value(&a->children[c], i, &b->children[c], j);
		return same;
	}
}

static struct str key_of(uint64_t *k, int64_t i)
{
	*k = (uint64_t)i * 0x0101010101010101u;
	return (struct str){ (const char *)k, i % 3 ? 8 : 3 };
}

TEST(round_trip_in_any_order)
{
	struct schema *s = nested_schema();
	struct rng r;

	rng_seed(&r, 1);
	for (int turn = 0; turn < 50; turn++) {
		int64_t n = 1 + (int64_t)rng_below(&r, 200);
		struct batch *b = random_batch(s, &r, n), *back = NULL;
		struct entry *v = calloc((size_t)n, sizeof *v);
		int64_t *order = calloc((size_t)n, sizeof *order);
		struct rowstore store, copy;
		struct rows rows;
		uint64_t k;

		rowstore_init(&store, s);
		rowstore_init(&copy, s);
		must(rows_init(&rows, s, &ignored));
		for (int64_t i = 0; i < n; i++)
			CHECK(rowstore_add(&store, b, i, key_of(&k, i), &v[i], &ignored) == 0);
		for (int64_t i = 0; i < n; i++) { /* shuffled */
			int64_t j = (int64_t)rng_below(&r, (uint64_t)i + 1);

			order[i] = order[j];
			order[j] = i;
		}
		struct entry *shuffled = calloc((size_t)n, sizeof *shuffled);
		for (int64_t i = 0; i < n; i++)
			CHECK(rowstore_copy(&copy, &store, &v[order[i]], &shuffled[i], &ignored) == 0);
		CHECK(rowstore_rows(&copy, shuffled, n, &rows, &ignored) == 0);
		must(rows_take(&rows, &back, &ignored));
		CHECK_I64(back->nrows, n);
		for (int64_t i = 0; i < n; i++)
			for (int c = 0; c < s->nfields; c++)
				CHECK(same_value(&b->cols[c], order[i], &back->cols[c], i));
		rows_free(&rows);
		rowstore_free(&store);
		rowstore_free(&copy);
		batch_unref(b);
		batch_unref(back);
		free(v);
		free(order);
		free(shuffled);
	}
	schema_unref(s);
}

int main(void)
{
	return RUN_TABLE(T1(round_trip_in_any_order));
}
