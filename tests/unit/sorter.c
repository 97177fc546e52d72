/* Laws of sort: the stable order, whatever the batches, the budget, the parts it was merged from. */
#include "lib/op/sorter.h"

#include "tests/unit/memtable.h"
#include "tests/unit/test.h"

static const char *const specs[] = { "k", "k:desc", "k:nullsfirst", "v,k", "v:desc,k:desc:nullsfirst", "k,v:desc" };

static int compare(int spec, const struct mem_row *a, const struct mem_row *b)
{
	int k = mem_cmp_key(a, b), v = mem_cmp_v(a, b);
	int kdesc = (a->key_len < 0) != (b->key_len < 0) ? k : -k; /* nulls stay last */
	int vdesc = a->v_null != b->v_null ? v : -v;

	switch (spec) {
	case 0:
		return k;
	case 1:
		return kdesc;
	case 2:
		return (a->key_len < 0) != (b->key_len < 0) ? -k : k;
	case 3:
		return v ? v : k;
	case 4:
		return vdesc ? vdesc : -k;
	default:
		return k ? k : vdesc;
	}
}

/* The reference: ids in stable order, by insertion into a sorted list (binary search). Returns how many. */
static int64_t reference(int spec, const struct mem_table *t, bool unique, int64_t limit, int64_t *ids)
{
	int64_t n = 0, kept = 0;

	for (int64_t i = 0; i < t->n; i++) {
		int64_t lo = 0, hi = n;

		while (lo < hi) {
			int64_t mid = (lo + hi) / 2;

			if (compare(spec, &t->rows[ids[mid]], &t->rows[i]) <= 0)
				lo = mid + 1;
			else
				hi = mid;
		}
		memmove(ids + lo + 1, ids + lo, (size_t)(n - lo) * sizeof *ids);
		ids[lo] = i;
		n++;
	}
	for (int64_t i = 0; i < n; i++)
		if (!unique || i == 0 || compare(spec, &t->rows[ids[i - 1]], &t->rows[ids[i]]))
			ids[kept++] = ids[i];
	return limit >= 0 && kept > limit ? limit : kept;
}

/* unique compares with the row before, which after compaction is another: do it on the ordered list first. */
static int64_t expected(int spec, const struct mem_table *t, bool unique, int64_t limit, int64_t **ret)
{
	*ret = calloc((size_t)t->n + 1, sizeof **ret);
	return reference(spec, t, unique, limit, *ret);
}

static struct key_spec parse(const char *text, struct arena *a)
{
	struct key_spec k;
	struct err e;

	if (key_parse(str_of(text), a, &k, &e) < 0)
		abort();
	return k;
}

static void same(const int64_t *got, int64_t ngot, const int64_t *want, int64_t nwant)
{
	CHECK_I64(ngot, nwant);
	for (int64_t i = 0; i < nwant; i++)
		CHECK_I64(got[i], want[i]);
}

static void one_sort(struct rng *r, int64_t rows, int64_t memory)
{
	struct mem_table t = mem_random(r, (int64_t)rng_below(r, (uint64_t)rows), 1 + rng_below(r, 8), rng_below(r, 5));
	int spec = (int)rng_below(r, 6);
	cleanup_arena struct arena a = { 0 };
	struct key_spec k = parse(specs[spec], &a);
	struct sort_opts o = { .key = &k, .unique = rng_below(r, 3) == 0, .limit = rng_below(r, 2) ? -1 : (int64_t)rng_below(r, 20),
			       .memory = memory };
	int64_t *want, n, nwant = expected(spec, &t, o.unique, o.limit, &want), *got;
	struct source *s = NULL;
	struct err e;

	CHECK(sort_open(mem_open(&t, 0, t.n, 1 + (int64_t)rng_below(r, 300), rng_u64(r), "id"), &o, &s, &e) == 0);
	got = mem_ids(s, 2, &n, &e);
	same(got, n, want, nwant);
	free(got);
	free(want);
	free(t.rows);
}

TEST(sort_is_the_stable_order)
{
	struct rng r;

	rng_seed(&r, 1);
	for (int i = 0; i < 300; i++)
		one_sort(&r, i % 10 ? 200 : 3000, 0);
}

TEST(spilling_changes_nothing)
{
	struct rng r;

	rng_seed(&r, 2);
	for (int i = 0; i < 60; i++)
		one_sort(&r, 3000, 1 + (int64_t)rng_below(&r, 100000));
}

/* More runs than one merge takes. */
TEST(many_runs_are_merged_in_steps)
{
	struct rng r;
	cleanup_arena struct arena a = { 0 };
	struct key_spec k = parse("v", &a);
	struct sort_opts o = { .key = &k, .limit = -1, .memory = 1 };
	int64_t *want, *got, n, nwant;
	struct mem_table t;
	struct source *s = NULL;
	struct err e;

	rng_seed(&r, 3);
	t = mem_random(&r, 1500, 8, 4);
	k = parse(specs[3], &a);
	nwant = expected(3, &t, false, -1, &want);
	CHECK(sort_open(mem_open(&t, 0, t.n, 14, 5, "id"), &o, &s, &e) == 0);
	got = mem_ids(s, 2, &n, &e);
	same(got, n, want, nwant);
	free(got);
	free(want);
	free(t.rows);
}

/* Top-k over more rows than its slack, so that it shrinks and then filters by its bound. */
TEST(top_k_of_many)
{
	struct rng r;
	cleanup_arena struct arena a = { 0 };

	rng_seed(&r, 4);
	for (int i = 0; i < 4; i++) {
		struct mem_table t = mem_random(&r, 300000, 8, i % 2 ? 3 : 0);
		struct key_spec k = parse(specs[i], &a);
		struct sort_opts all = { .key = &k, .limit = -1, .unique = i == 3 }, top = all;
		int64_t *x, *y, nx, ny;
		struct source *s = NULL;
		struct err e;

		top.limit = 1000;
		CHECK(sort_open(mem_open(&t, 0, t.n, 5000, 6, "id"), &all, &s, &e) == 0);
		x = mem_ids(s, 2, &nx, &e);
		CHECK(sort_open(mem_open(&t, 0, t.n, 5000, 7, "id"), &top, &s, &e) == 0);
		y = mem_ids(s, 2, &ny, &e);
		same(y, ny, x, nx < 1000 ? nx : 1000);
		free(x);
		free(y);
		free(t.rows);
	}
}

static struct source *sorted_part(const struct mem_table *t, int64_t from, int64_t to, const struct sort_opts *o, uint64_t seed)
{
	struct source *s = NULL;
	struct err e;

	if (sort_open(mem_open(t, from, to, 50, seed, "id"), o, &s, &e) < 0)
		abort();
	return s;
}

TEST(merge_of_sorted_parts_is_the_sorted_whole)
{
	struct rng r;
	cleanup_arena struct arena a = { 0 };

	rng_seed(&r, 8);
	for (int i = 0; i < 200; i++) {
		struct mem_table t = mem_random(&r, (int64_t)rng_below(&r, 500), 1 + rng_below(&r, 8), rng_below(&r, 4));
		int spec = (int)rng_below(&r, 6), parts = 1 + (int)rng_below(&r, 9);
		struct key_spec k = parse(specs[spec], &a);
		struct sort_opts o = { .key = &k, .limit = rng_below(&r, 2) ? -1 : (int64_t)rng_below(&r, 50), .unique = (enum unique)rng_below(&r, 2) };
		int64_t *want, *got, n, nwant = expected(spec, &t, o.unique, o.limit, &want), at = 0;
		struct source *from[9], *s = NULL;
		struct err e;

		for (int p = 0; p < parts; p++) {
			int64_t to = p == parts - 1 ? t.n : at + (int64_t)rng_below(&r, (uint64_t)(t.n - at) + 1);

			from[p] = sorted_part(&t, at, to, &o, rng_u64(&r));
			at = to;
		}
		CHECK(sort_merge_open(from, parts, &o, &s, &e) == 0);
		got = mem_ids(s, 2, &n, &e);
		same(got, n, want, nwant);
		free(got);
		free(want);
		free(t.rows);
	}
}

TEST(unsorted_merge_input_is_named)
{
	struct mem_row rows[] = { { 1, "a", 0, false, 0 }, { 1, "c", 0, false, 1 }, { 1, "b", 0, false, 2 } };
	struct mem_table t = { rows, 3 };
	cleanup_arena struct arena a = { 0 };
	struct key_spec k = parse("k", &a);
	struct sort_opts o = { .key = &k, .limit = -1 };
	struct source *s = NULL, *from[1];
	struct err e;
	int64_t n, *ids;

	for (int64_t largest = 1; largest <= 3; largest++) {
		from[0] = mem_open(&t, 0, 3, largest, 1, "id");
		CHECK(sort_merge_open(from, 1, &o, &s, &e) == 0);
		ids = mem_ids(s, 2, &n, &e);
		CHECK_I64(n, -ST_DATA);
		CHECK_I64(e.row, 3);
		CHECK_STR(str_of(e.input), "memory");
		free(ids);
	}
}

/* The rows before the wrong one are given out before the error. */
TEST(rows_before_an_error_come_first)
{
	struct mem_row rows[] = { { 1, "a", 0, false, 0 }, { 1, "c", 0, false, 1 }, { 1, "b", 0, false, 2 } };
	struct mem_table t = { rows, 3 };
	cleanup_arena struct arena a = { 0 };
	struct key_spec k = parse("k", &a);
	struct sort_opts o = { .key = &k, .limit = -1 };
	struct source *s = NULL, *from[1] = { mem_open(&t, 0, 3, 3, 1, "id") };
	struct batch *b = NULL;
	struct err e;
	int64_t seen = 0;
	int rc;

	CHECK(sort_merge_open(from, 1, &o, &s, &e) == 0);
	while ((rc = source_next(s, &b, &e)) == 0 && b) {
		seen += b->nrows;
		batch_unref(b);
	}
	CHECK_I64(rc, -ST_DATA);
	CHECK_I64(seen, 2);
	source_close(s);
}

static int check(const struct mem_table *t, const char *spec, bool unique, struct err *e)
{
	cleanup_arena struct arena a = { 0 };
	struct key_spec k = parse(spec, &a);
	struct sort_opts o = { .key = &k, .limit = -1, .unique = unique };
	struct source *s = mem_open(t, 0, t->n, 2, 9, "id");
	int rc = sort_check(s, &o, e);

	source_close(s);
	return rc;
}

TEST(check_names_the_first_row_out_of_order)
{
	struct mem_row rows[] = { { 1, "a", 3, false, 0 }, { 1, "b", 2, false, 1 }, { 1, "b", 2, false, 2 }, { -1, "", 1, false, 3 } };
	struct mem_table t = { rows, 4 };
	struct err e = { 0 };

	CHECK_I64(check(&t, "k", false, &e), 0);
	CHECK_I64(check(&t, "v:desc", false, &e), 0);
	CHECK_I64(check(&t, "v", false, &e), -ST_NO);
	CHECK_I64(e.row, 2);
	CHECK_I64(check(&t, "k:nullsfirst", false, &e), -ST_NO);
	CHECK_I64(e.row, 4);
	CHECK_I64(check(&t, "k", true, &e), -ST_NO);
	CHECK_I64(e.row, 3);
}

TEST(result_says_its_order)
{
	struct mem_table t = { NULL, 0 };
	cleanup_arena struct arena a = { 0 };
	struct key_spec k = parse("v:desc,k", &a), none = { 0 };
	struct sort_opts o = { .key = &k, .limit = -1 };
	struct source *s = NULL;
	struct err e;
	const struct str *v;

	CHECK(sort_open(mem_open(&t, 0, 0, 2, 9, "id"), &o, &s, &e) == 0);
	v = kvs_get(&s->schema->meta, STR("stook.sorted"));
	CHECK(v != NULL);
	CHECK_STR(*v, "v:desc,k");
	source_close(s);
	o.key = &none;
	CHECK(sort_open(mem_open(&t, 0, 0, 2, 9, "id"), &o, &s, &e) == 0);
	v = kvs_get(&s->schema->meta, STR("stook.sorted"));
	CHECK(v != NULL);
	CHECK_STR(*v, "k,v,id");
	source_close(s);
}

int main(void)
{
	return RUN_TABLE(T1(sort_is_the_stable_order), T1(spilling_changes_nothing), T1(many_runs_are_merged_in_steps), T1(top_k_of_many),
			 T1(merge_of_sorted_parts_is_the_sorted_whole), T1(unsorted_merge_input_is_named),
			 T1(rows_before_an_error_come_first), T1(check_names_the_first_row_out_of_order), T1(result_says_its_order));
}
