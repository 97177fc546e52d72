/* The fast deflate of gzip: pieces of any kind of bytes, joined, are one stream that zlib reads back. */
#include "lib/io/codec_join.h"
#include "tests/unit/test.h"

#include <zlib.h>

static uint64_t state = 88172645463325252u;

static uint32_t below(uint32_t n)
{
	return test_below(&state, n);
}

static int others;

/* A stored block: what a piece becomes that cannot be joined is not this test's business. */
static int store(struct str s, struct buf *to)
{
	uint8_t head[5] = { 0, (uint8_t)s.n, (uint8_t)(s.n >> 8), (uint8_t)~s.n, (uint8_t)(~s.n >> 8) };

	others++;
	return buf_add(to, head, sizeof head) || buf_str(to, s) ? -1 : 0;
}

static bool reads_back(const uint8_t *p, size_t n)
{
	static const uint8_t last[] = { 3, 0 };
	cleanup_buf struct buf packed = { 0 }, plain = { 0 };
	z_stream z = { 0 };
	int rc;

	if (deflate_pieces((struct str){ (const char *)p, n }, &packed, store) || buf_add(&packed, last, sizeof last) ||
	    buf_reserve(&plain, n + 1) || inflateInit2(&z, -15) != Z_OK)
		abort();
	z.next_in = packed.p;
	z.avail_in = (uInt)packed.n;
	z.next_out = plain.p;
	z.avail_out = (uInt)n + 1;
	rc = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	return rc == Z_STREAM_END && z.avail_in == 0 && z.total_out == n && memcmp(plain.p, p, n) == 0;
}

/* Letters of an alphabet, runs, text, copies of what came before, steps. */
static void fill(uint8_t *p, size_t n)
{
	uint32_t kind = below(5), letters = 1 + below(256);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(kind == 0 ? below(letters) : kind == 1 ? below(letters) * below(2) : kind == 2 ? (uint8_t)"abc,123\n"[below(8)] :
				 kind == 3 && i > 20 ? (below(9) ? p[i - 1 - below(20)] : below(256)) : i % letters);
}

TEST(pieces_are_one_stream)
{
	static uint8_t bytes[150000];
	int pieces = 0;

	for (int i = 0; i < 6000; i++) {
		size_t n = 1 + below(i % 50 ? 1 + below(3000) : sizeof bytes);

		fill(bytes, n);
		CHECK(reads_back(bytes, n));
		pieces += 1 + (int)((n - 1) >> 15);
	}
	CHECK(others < pieces / 3); /* most can be joined */
}

/* Rows like those that are mostly packed: none is left to zlib. */
TEST(tables_are_joined)
{
	cleanup_buf struct buf b = { 0 };

	others = 0;
	for (int i = 0; i < 20000; i++)
		if (buf_printf(&b, "id%03u,%u,%u.%06u\n", below(100), below(1000000), below(100), below(1000000)))
			abort();
	CHECK(reads_back(b.p, b.n));
	CHECK_I64(others, 0);
}

int main(void)
{
	return RUN_TABLE(T1(pieces_are_one_stream), T1(tables_are_joined));
}
