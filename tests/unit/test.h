/* Unit tests: each file is a program of tests, each test a function.
 *
 *     TEST(buf_grows) { CHECK(buf_puts(&b, "x") == 0); CHECK_STR(buf_view(&b), "x"); }
 *     int main(void) { return RUN_TABLE(T1(buf_grows), T1(other_test)); }
 *
 * Prints one "ok NAME" or "not ok NAME" line a test, which tests/run counts; a failed CHECK says where and ends its test. */
#ifndef STOOK_TESTS_TEST_H
#define STOOK_TESTS_TEST_H

#include "lib/base/str.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static jmp_buf test_out;

#define TEST(name) static void name(void)

#define CHECK(cond)                                                                                  \
	do {                                                                                         \
		if (!(cond)) {                                                                       \
			printf("# %s:%d: failed: %s\n", __FILE__, __LINE__, #cond);                  \
			longjmp(test_out, 1);                                                        \
		}                                                                                    \
	} while (0)

#define CHECK_I64(got, want)                                                                         \
	do {                                                                                         \
		long long test_got = (long long)(got), test_want = (long long)(want);                \
		if (test_got != test_want) {                                                         \
			printf("# %s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, test_got, test_want); \
			longjmp(test_out, 1);                                                        \
		}                                                                                    \
	} while (0)

#define CHECK_STR(got, want)                                                                         \
	do {                                                                                         \
		struct str test_got = (got), test_want = str_of(want);                               \
		if (!str_eq(test_got, test_want)) {                                                  \
			printf("# %s:%d: %s is \"%.*s\", not \"%.*s\"\n", __FILE__, __LINE__, #got,  \
			       STR_ARG(test_got), STR_ARG(test_want));                               \
			longjmp(test_out, 1);                                                        \
		}                                                                                    \
	} while (0)

/* Random numbers, the same on each run: xorshift64 (G. Marsaglia, "Xorshift RNGs", 2003). *state: a seed that is not 0. */
static inline uint64_t test_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

static inline uint32_t test_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((test_random(state) >> 32) % n);
}

struct test_entry {
	const char *name;
	void (*fn)(void);
};

static inline int test_run(const struct test_entry *t, size_t n)
{
	volatile int failed = 0; /* survives longjmp */

	for (volatile size_t i = 0; i < n; i++) { /* it must survive longjmp() */
		if (setjmp(test_out) == 0) {
			t[i].fn();
			printf("ok %s\n", t[i].name);
		} else {
			printf("not ok %s\n", t[i].name);
			failed = 1;
		}
		fflush(stdout);
	}
	return failed;
}

#define T1(f) { #f, f }
#define RUN_TABLE(...) test_run((const struct test_entry[]){ __VA_ARGS__ }, sizeof((const struct test_entry[]){ __VA_ARGS__ }) / sizeof(struct test_entry))

#endif
