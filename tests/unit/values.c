/* Values of groups: kept in order and exactly, and found by rank as in a sorted list. */
#include "lib/agg/values.h"
#include "lib/base/rng.h"
#include "tests/unit/test.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Of several shapes: anywhere, close together, few different ones, all alike but some, the ends of the range. */
static int64_t any(struct rng *r, int shape)
{
	uint64_t v = rng_u64(r);

	switch (shape) {
	case 0:
		return (int64_t)v;
	case 1:
		return (int64_t)(v % 1000);
	case 2:
		return INT64_MAX - (int64_t)(v % 7);
	case 3:
		return v % 50 ? -5 : (int64_t)v;
	default:
		return v % 3 ? INT64_MIN + (int64_t)(v % 2) : INT64_MAX - (int64_t)(v % 5);
	}
}

TEST(kth_is_that_of_the_sorted_list)
{
	struct buf room = { 0 };
	struct rng r;

	rng_seed(&r, 1);
	for (int64_t n = 1; n < 5000; n += 1 + n / 3)
		for (int shape = 0; shape < 5; shape++) {
			int64_t *v = malloc((size_t)n * sizeof *v), *sorted = malloc((size_t)n * sizeof *v);

			CHECK(v && sorted);
			for (int64_t i = 0; i < n; i++)
				v[i] = sorted[i] = any(&r, shape);
			qsort(sorted, (size_t)n, sizeof *sorted, compare);
			for (int64_t k = 0; k < n; k += 1 + n / 40) {
				int64_t kth, next;

				CHECK(values_select(v, n, k, &room, &kth, &next) == 0);
				CHECK(kth == sorted[k]);
				CHECK(next == (k + 1 < n ? sorted[k + 1] : INT64_MAX));
			}
			free(v);
			free(sorted);
		}
	buf_free(&room);
}

#define N 20000

/* Values of a share come back group by group in their order; mixed scales as the largest, or each as it came when that is too much. */
static void check_share(uint32_t forms, bool other)
{
	static int64_t v[N];
	static uint32_t form[N], group[N];
	struct arena a = { 0 };
	struct values s = { 0 };
	struct sorted_values got = { 0 };
	int64_t at = 0;
	struct rng r;

	rng_seed(&r, forms);
	for (int i = 0; i < N; i++) {
		v[i] = (int64_t)(rng_u64(&r) % 2000000) - 1000000;
		form[i] = other && rng_u64(&r) % 100 == 0 ? VALUES_OTHER : (uint32_t)(rng_u64(&r) % forms);
		group[i] = VALUES_SHARE * 3 + (uint32_t)(rng_u64(&r) % VALUES_SHARE);
		CHECK(values_add(&s, group[i], v[i], form[i], &a) == 0);
	}
	CHECK(values_count(&s) == N);
	CHECK(values_sort(&s, &got) == 0);
	CHECK((got.form == VALUES_OTHER) == other);
	for (uint32_t g = 0; g < VALUES_SHARE; g++) {
		CHECK(got.starts[g] == at);
		for (int i = 0; i < N; i++) {
			int64_t value, have;
			uint32_t scale;

			if (group[i] % VALUES_SHARE != g)
				continue;
			value = v[i];
			have = ((int64_t *)(void *)got.v.p)[at];
			scale = other ? ((uint32_t *)(void *)got.forms.p)[at] : got.form;
			CHECK((form[i] == VALUES_OTHER) == (scale == VALUES_OTHER));
			for (uint32_t k = form[i]; k < scale; k++)
				value *= 10;
			CHECK(have == value);
			at++;
		}
	}
	CHECK(got.starts[VALUES_SHARE] == N);
	sorted_values_free(&got);
	arena_free(&a);
}

TEST(values_come_back_group_by_group)
{
	check_share(1, false);
	check_share(7, false);
	check_share(7, true);
}

/* 10^18 at scale 0 does not fit at scale 3. */
TEST(what_does_not_fit_keeps_its_scale)
{
	struct arena a = { 0 };
	struct values s = { 0 };
	struct sorted_values got = { 0 };

	CHECK(values_add(&s, 0, 1234, 3, &a) == 0);
	CHECK(values_add(&s, 0, INT64_C(1000000000000000000), 0, &a) == 0);
	CHECK(values_add(&s, 0, 0, 0, &a) == 0);
	CHECK(values_sort(&s, &got) == 0);
	CHECK(got.form == VALUES_OTHER && got.starts[1] == 3);
	CHECK(((int64_t *)(void *)got.v.p)[0] == 1234 && ((uint32_t *)(void *)got.forms.p)[0] == 3);
	CHECK(((int64_t *)(void *)got.v.p)[1] == INT64_C(1000000000000000000) && ((uint32_t *)(void *)got.forms.p)[1] == 0);
	sorted_values_free(&got);
	arena_free(&a);
}

int main(void)
{
	return RUN_TABLE(T1(kth_is_that_of_the_sorted_list), T1(values_come_back_group_by_group), T1(what_does_not_fit_keeps_its_scale));
}
