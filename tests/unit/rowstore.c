/* Rows packed and unpacked are the rows they were, for every layout, nested and null included, in any order. */
#include "lib/op/piece.h"

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

/* Keys of many lengths, short and long, none the beginning of another: all end in their only zero. */
static void make_keys(struct keys *k, int64_t n, struct arena *a, struct rng *r)
{
	uint32_t *offsets = arena_alloc(a, (size_t)(n + 1) * sizeof *offsets);
	uint8_t *bytes = arena_calloc(a, (size_t)n, 401);
	uint32_t at = 0;

	for (int64_t i = 0; i < n; i++) {
		uint32_t len = (uint32_t)(rng_below(r, 20) ? rng_below(r, 20) : rng_below(r, 400));

		offsets[i] = at;
		for (uint32_t c = 0; c < len; c++)
			bytes[at++] = (uint8_t)(1 + rng_below(r, 255));
		bytes[at++] = 0;
	}
	offsets[n] = at;
	*k = (struct keys){ .n = n, .bytes = bytes, .offsets = offsets };
}

TEST(round_trip_in_any_order)
{
	struct schema *s = nested_schema();
	struct rng r;

	rng_seed(&r, 1);
	for (int turn = 0; turn < 50; turn++) {
		int64_t n = 1 + (int64_t)rng_below(&r, 300);
		struct batch *b = random_batch(s, &r, n), *back = NULL;
		struct entry *v = calloc((size_t)n, sizeof *v);
		uint32_t *order = calloc((size_t)n, sizeof *order);
		cleanup_arena struct arena a = { 0 };
		struct rowstore store;
		struct sorted sorted;
		struct rows rows;
		struct keys k;

		rowstore_init(&store, s);
		must(rows_init(&rows, s, &ignored));
		make_keys(&k, n, &a, &r);
		for (int64_t i = 0; i < n; i++) { /* shuffled */
			int64_t j = (int64_t)rng_below(&r, (uint64_t)i + 1);

			order[i] = order[j];
			order[j] = (uint32_t)i;
		}
		if (turn % 2)
			for (int64_t i = 0; i < n; i++)
				order[i] = (uint32_t)i;
		CHECK(rowstore_add(&store, b, turn % 2 ? NULL : order, n, &k, v, &ignored) == 0);
		CHECK(sorted_make(v, n, rows_size(v, n), &sorted, &ignored) == 0);
		rowstore_free(&store);
		const uint8_t *row = sorted.p;
		for (int64_t i = 0; i < n; i++, row += row_size(row)) {
			v[i] = row_entry(row);
			CHECK(str_eq(row_key(row), keys_at(&k, order[i])));
			CHECK(v[i].word == key_word(row_key(row), 0));
			CHECK(i % INDEX_STEP || sorted.index[i / INDEX_STEP].row == row);
		}
		CHECK_I64(row - sorted.p, sorted.bytes);
		CHECK(rows_unpack(v, n, &rows, &ignored) == 0);
		must(rows_take(&rows, &back, &ignored));
		CHECK_I64(back->nrows, n);
		for (int64_t i = 0; i < n; i++)
			for (int c = 0; c < s->nfields; c++)
				CHECK(same_value(&b->cols[c], order[i], &back->cols[c], i));
		rows_free(&rows);
		sorted_free(&sorted);
		batch_unref(b);
		batch_unref(back);
		free(v);
		free(order);
	}
	schema_unref(s);
}

static int by_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c = str_cmp(row_key(x->row), row_key(y->row));

	return c ? c : (x->row > y->row) - (x->row < y->row);
}

/* Random, ascending, descending, with few keys and long common beginnings. */
TEST(entries_are_sorted_stably)
{
	struct schema *s = schema_new();
	struct rng r;

	rng_seed(&r, 2);
	for (int turn = 0; turn < 200; turn++) {
		int64_t n = 1 + (int64_t)rng_below(&r, 2000), got;
		struct batch *b = batch_new(s, n);
		struct entry *v = calloc((size_t)n, sizeof *v), *want = calloc((size_t)n, sizeof *want);
		cleanup_arena struct arena a = { 0 };
		struct rowstore store;
		struct keys k;

		make_keys(&k, n, &a, &r);
		if (turn % 4 == 1) /* 4 bytes of few values */
			for (int64_t i = 0; i <= n; i++)
				((uint32_t *)k.offsets)[i] = (uint32_t)(i * 4);
		if (turn % 4 == 1)
			for (int64_t i = 0; i < n; i++)
				memset((uint8_t *)k.bytes + i * 4, turn % 8 == 1 ? (int)rng_below(&r, 5) : (int)((n - i) * 250 / n), 4);
		rowstore_init(&store, s);
		CHECK(rowstore_add(&store, b, NULL, n, &k, v, &ignored) == 0);
		memcpy(want, v, (size_t)n * sizeof *v);
		if (store.nblocks == 1) { /* rows of one block lie in order, so their addresses break ties */
			qsort(want, (size_t)n, sizeof *want, by_key);
			got = entries_sort(v, n, UNIQUE_NONE, &ignored);
			CHECK_I64(got, n);
			for (int64_t i = 0; i < n; i++)
				CHECK(v[i].row == want[i].row);
		}
		rowstore_free(&store);
		batch_unref(b);
		free(v);
		free(want);
	}
	schema_unref(s);
}

int main(void)
{
	return RUN_TABLE(T1(round_trip_in_any_order), T1(entries_are_sorted_stably));
}
