/* Repeats within a batch: a row points at an earlier one of the same key that is no repeat itself. */
#include "lib/base/rng.h"
#include "lib/op/repeats.h"
#include "tests/unit/test.h"

/* Keys of random bytes, `kinds` different ones or about as many; the last ends where its memory does. */
static struct keys random_keys(struct rng *r, int64_t n, uint64_t kinds)
{
	uint32_t *offsets = malloc(((size_t)n + 1) * sizeof *offsets);
	uint8_t *p;

	CHECK(offsets);
	for (int pass = 0; pass < 2; pass++) {
		uint64_t at = 0;

		p = pass ? malloc(offsets[n] + !offsets[n]) : NULL;
		CHECK(!pass || p);
		rng_seed(r, kinds);
		for (int64_t i = 0; i < n; i++) {
			uint64_t kind = rng_below(r, kinds), length = kind % 21;

			offsets[i] = (uint32_t)at;
			for (uint64_t k = 0; k < length; k++, at++)
				if (pass)
					p[at] = (uint8_t)(kind >> k % 16); /* many zeros, many beginnings alike */
		}
		offsets[n] = (uint32_t)at;
	}
	return (struct keys){ .n = n, .bytes = p, .offsets = offsets };
}

static void keys_free(struct keys *k)
{
	free((void *)(uintptr_t)k->bytes);
	free((void *)(uintptr_t)k->offsets);
}

/* Of keys up to 16 bytes nearly all repeats are found when there are few keys. */
TEST(repeated_keys)
{
	cleanup_arena struct arena a = { 0 };
	struct err e;
	struct rng r;

	for (int i = 0; i < 60; i++) {
		uint64_t kinds = i < 20 ? 1 + (uint64_t)i : UINT64_C(1) << i % 20;
		struct keys k = random_keys(&r, i % 4 ? 5000 : 2048, kinds);
		int64_t found = 0, mine = 0;
		uint32_t *same;

		CHECK(repeats_find(&k, &a, &same, &e) == 0);
		for (int64_t row = 0; same && row < k.n; row++) {
			CHECK(same[row] <= row && same[same[row]] == same[row] && str_eq(keys_at(&k, row), keys_at(&k, same[row])));
			found += same[row] < row;
			mine += keys_at(&k, row).n >= 1 && keys_at(&k, row).n <= 16;
		}
		CHECK(same || kinds == 1 || kinds > 500);
		CHECK(kinds < 2 || kinds > 20 || found > mine - 100);
		keys_free(&k);
		arena_reset(&a);
	}
	CHECK(repeats_find(&(struct keys){ .n = 0, .bytes = (const uint8_t *)"", .offsets = (uint32_t[]){ 0 } }, &a, &(uint32_t *){ NULL }, &e) == 0);
}

int main(void)
{
	return RUN_TABLE(T1(repeated_keys));
}
