/* Laws of the ground: errors, arenas, buffers, bitmaps. */
#include "lib/base/arena.h"
#include "lib/base/bits.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "tests/unit/test.h"

#include <errno.h>

TEST(errors_carry_status_and_places)
{
	struct err e;

	CHECK_I64(err_set(&e, ST_DATA, "\"%s\" is not a number", "12,5"), -ST_DATA);
	CHECK_I64(err_at(&e, "sales.csv", 1042, 7), -ST_DATA);
	CHECK_STR(str_of(e.msg), "\"12,5\" is not a number");
	CHECK_I64(e.line, 1042);
	CHECK_I64(e.column, 7);
	CHECK_I64(err_set(&e, ST_IO, "again: %s", e.msg), -ST_IO); /* arguments may lie in the error itself */
	CHECK_STR(str_of(e.msg), "again: \"12,5\" is not a number");
	CHECK_I64(e.line, 0);
}

TEST(system_errors_choose_their_status)
{
	struct err e;

	CHECK_I64(err_sys(&e, ST_IO, ENOSPC, "write"), -ST_IO);
	CHECK_STR(str_of(e.msg), "write: No space left on device");
	CHECK_I64(err_sys(&e, ST_IO, EPIPE, "write"), -ST_CLOSED);
	CHECK_I64(err_sys(&e, ST_NOINPUT, EMFILE, "open"), -ST_OSERR);
}

TEST(long_error_text_is_cut_and_terminated)
{
	struct err e;
	char big[4096];

	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	err_set(&e, ST_DATA, "%s", big);
	err_at(&e, big, 1, 1);
	err_field(&e, big, 4000);
	err_hint(&e, "%s", big);
	CHECK_I64(strlen(e.msg), sizeof e.msg - 1);
	CHECK_I64(strlen(e.input), sizeof e.input - 1);
	CHECK_I64(strlen(e.field), sizeof e.field - 1);
	CHECK_I64(strlen(e.hint), sizeof e.hint - 1);
}

TEST(arena_gives_disjoint_aligned_memory)
{
	struct arena a = { 0 };
	unsigned char *p[500];
	size_t n[500];

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 500; i++) {
			n[i] = i * i % 5000;
			p[i] = arena_alloc(&a, n[i]);
			CHECK(p[i] && (uintptr_t)p[i] % (n[i] >= 64 ? 64 : 8) == 0);
			memset(p[i], (int)i, n[i]);
		}
		for (size_t i = 0; i < 500; i++)
			for (size_t k = 0; k < n[i]; k++)
				CHECK(p[i][k] == (unsigned char)i);
		arena_reset(&a);
	}
	CHECK(arena_alloc(&a, SIZE_MAX) == NULL);
	CHECK(arena_calloc(&a, SIZE_MAX / 2, 4) == NULL);
	CHECK_STR(str_of(arena_printf(&a, "%d-%s", 7, "x")), "7-x");
	arena_free(&a);
	CHECK_I64(a.total, 0);
}

TEST(buffers_grow)
{
	struct buf b = { 0 };

	for (int i = 0; i < 1000; i++)
		CHECK(buf_printf(&b, "%d,", i % 10) == 0);
	CHECK_I64(b.n, 2000);
	CHECK(memcmp(b.p + 1998, "9,", 2) == 0);
	CHECK(buf_zero(&b, 3) == 0 && b.p[2002] == 0);
	CHECK(buf_reserve(&b, SIZE_MAX) < 0 && b.n == 2003);
	buf_free(&b);
}

static bool slow_get(const uint8_t *b, int64_t i)
{
	return (b[i / 8] & (1 << i % 8)) != 0;
}

TEST(bitmaps_copy_every_offset)
{
	uint8_t src[40], dst[40], want[40];

	for (size_t i = 0; i < sizeof src; i++)
		src[i] = (uint8_t)(i * 151 + 17);
	for (int64_t from = 0; from < 19; from++)
		for (int64_t to = 0; to < 19; to++)
			for (int64_t n = 0; n < 120; n += 7) {
				memset(dst, 0xa5, sizeof dst);
				memset(want, 0xa5, sizeof want);
				for (int64_t i = 0; i < n; i++)
					bit_put(want, to + i, slow_get(src, from + i));
				bits_copy(dst, to, src, from, n);
				CHECK(memcmp(dst, want, sizeof dst) == 0);
			}
}

TEST(bitmaps_count_and_fill)
{
	uint8_t b[40] = { 0 };

	for (int64_t from = 0; from < 20; from++)
		for (int64_t n = 0; n < 200; n += 13) {
			memset(b, 0, sizeof b);
			bits_fill(b, from, n, true);
			CHECK_I64(bits_count(b, 320), n);
			CHECK_I64(bits_count_range(b, from, n), n);
			CHECK_I64(bits_count_range(b, 0, from), 0);
		}
}

int main(void)
{
	return RUN_TABLE(T1(errors_carry_status_and_places), T1(system_errors_choose_their_status), T1(long_error_text_is_cut_and_terminated),
			 T1(arena_gives_disjoint_aligned_memory), T1(buffers_grow), T1(bitmaps_copy_every_offset),
			 T1(bitmaps_count_and_fill));
}
