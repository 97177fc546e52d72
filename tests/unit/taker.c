/* take against the rows it should give, over random batches; it closes its source early; a sample depends on seed and row only. */
#include "lib/op/taker.h"

#include "tests/unit/memtable.h"
#include "tests/unit/test.h"

#define ROWS 1000

static const struct take_opts all = { .limit = -1, .every = 1, .last = -1, .sample = -1 };

static int64_t *run(const struct mem_table *t, const struct take_opts *o, int64_t largest, bool *closed, int64_t *n)
{
	struct source *s = mem_open(t, 0, t->n, largest, (uint64_t)largest, "id");
	struct err e;

	((struct mem_source *)s)->closed = closed;
	if (take_open(s, o, &s, &e) < 0)
		abort();
	return mem_ids(s, 2, n, &e);
}

TEST(slices)
{
	struct rng r;
	struct mem_table t;

	rng_seed(&r, 1);
	t = mem_random(&r, ROWS, 4, 4);
	for (int i = 0; i < 500; i++) {
		struct take_opts o = all;
		int64_t *ids, n, want = 0;

		o.skip = (int64_t)rng_below(&r, 3) * (int64_t)rng_below(&r, ROWS);
		o.every = 1 + (int64_t)rng_below(&r, 3) * (int64_t)rng_below(&r, 40);
		o.limit = (int64_t)rng_below(&r, 300) - 1;
		ids = run(&t, &o, 1 + (int64_t)rng_below(&r, 200), NULL, &n);
		for (int64_t row = o.skip; row < ROWS && want != o.limit; row += o.every, want++)
			CHECK(want < n && ids[want] == row);
		CHECK_I64(n, want);
		free(ids);
	}
	free(t.rows);
}

TEST(last_rows)
{
	struct rng r;
	struct mem_table t;

	rng_seed(&r, 2);
	t = mem_random(&r, ROWS, 4, 4);
	for (int i = 0; i < 100; i++) {
		struct take_opts o = all;
		int64_t *ids, n, want;

		o.last = (int64_t)rng_below(&r, i % 2 ? 10 : 1200);
		o.memory = i % 3 ? 0 : 1 + (int64_t)rng_below(&r, 20000);
		want = o.last < ROWS ? o.last : ROWS;
		ids = run(&t, &o, 1 + (int64_t)rng_below(&r, 200), NULL, &n);
		CHECK_I64(n, want);
		for (int64_t j = 0; j < n; j++)
			CHECK_I64(ids[j], ROWS - want + j);
		free(ids);
	}
	free(t.rows);
}

TEST(first_of_each_group)
{
	struct key_part part = { .name = STR("v") };
	struct key_spec v = { 1, &part };
	struct mem_table t;
	struct rng r;

	rng_seed(&r, 3);
	t = mem_random(&r, ROWS, 8, 6);
	for (int64_t limit = 0; limit < 40; limit++) {
		struct take_opts o = all;
		int64_t *ids, n, at = 0;

		o.groups = &v;
		o.limit = limit;
		o.memory = limit % 2; /* files from the first group on that may go there */
		ids = run(&t, &o, 1 + limit * 3, NULL, &n);
		for (int64_t i = 0; i < ROWS; i++) {
			int64_t before = 0;

			for (int64_t j = 0; j < i; j++)
				before += mem_cmp_v(&t.rows[i], &t.rows[j]) == 0;
			if (before < limit)
				CHECK(at < n && ids[at++] == i);
		}
		CHECK_I64(n, at);
		free(ids);
	}
	free(t.rows);
}

TEST(sample_is_a_subset_in_order_and_stable)
{
	struct mem_table t;
	struct rng r;

	rng_seed(&r, 4);
	t = mem_random(&r, 200000, 4, 4);
	for (int64_t k = 0; k < 3000; k = k * 3 + 1) {
		struct take_opts o = all;
		int64_t *x, *y, nx, ny, shared = 0;

		o.sample = k;
		o.seed = 7;
		x = run(&t, &o, 60000, NULL, &nx);
		o.memory = 100000;
		y = run(&t, &o, 777, NULL, &ny);
		o.memory = 0;
		CHECK_I64(nx, k);
		CHECK_I64(ny, k);
		for (int64_t i = 0; i < k; i++) {
			CHECK_I64(x[i], y[i]);
			CHECK(i == 0 || x[i] > x[i - 1]);
		}
		free(y);
		o.seed = 8;
		y = run(&t, &o, 777, NULL, &ny);
		for (int64_t i = 0, j = 0; i < nx && j < ny;) {
			shared += x[i] == y[j];
			if (x[i] < y[j])
				i++;
			else
				j++;
		}
		CHECK(k < 10 || shared * 2 < k);
		free(x);
		free(y);
	}
	free(t.rows);
}

/* Every row is as likely as another: 100 of 1000, 2000 seeds; each row is expected 200 times, standard deviation 13.4. */
TEST(sample_is_fair)
{
	int64_t *hits = calloc(ROWS, sizeof *hits);
	struct mem_table t;
	struct rng r;

	rng_seed(&r, 5);
	t = mem_random(&r, ROWS, 4, 4);
	for (uint64_t seed = 0; seed < 2000; seed++) {
		struct take_opts o = all;
		int64_t *ids, n;

		o.sample = 100;
		o.seed = seed;
		ids = run(&t, &o, ROWS, NULL, &n);
		CHECK_I64(n, 100);
		for (int64_t i = 0; i < n; i++)
			hits[ids[i]]++;
		free(ids);
	}
	for (int i = 0; i < ROWS; i++)
		CHECK(hits[i] > 200 - 80 && hits[i] < 200 + 80);
	free(hits);
	free(t.rows);
}

TEST(source_is_closed_before_the_last_batch_is_given)
{
	struct mem_table t;
	struct take_opts o = all;
	struct source *s;
	struct batch *b = NULL;
	bool closed = false;
	struct rng r;
	struct err e;

	rng_seed(&r, 6);
	t = mem_random(&r, ROWS, 4, 4);
	o.limit = 5;
	s = mem_open(&t, 0, t.n, 1, 3, "id");
	((struct mem_source *)s)->largest = 100;
	((struct mem_source *)s)->closed = &closed;
	CHECK(take_open(s, &o, &s, &e) == 0);
	for (int64_t n = 0; n < 5;) {
		CHECK(!closed);
		CHECK(source_next(s, &b, &e) == 0 && b);
		n += b->nrows;
		batch_unref(b);
	}
	CHECK(closed);
	source_close(s);
	free(t.rows);
}

int main(void)
{
	return RUN_TABLE(T1(slices), T1(last_rows), T1(first_of_each_group), T1(sample_is_a_subset_in_order_and_stable), T1(sample_is_fair),
			 T1(source_is_closed_before_the_last_batch_is_given));
}
