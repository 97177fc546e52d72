/* The hash: fixed values (they are stored in streams and decide placement), and pieces equal the whole. */
#include "lib/base/hash.h"
#include "tests/unit/test.h"

TEST(hash_of_nothing_is_the_published_value)
{
	CHECK(hash64("", 0, 0) == 0x2d06800538d394c2u);
}

TEST(hash_of_pieces_is_the_hash_of_the_whole)
{
	static unsigned char data[30000];
	unsigned seed = 7;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(seed = seed * 1103515245u + 12345u);
	for (size_t n = 0; n < sizeof data; n += 137) {
		struct hasher h;
		size_t a = n / 3, b = n / 2;

		hasher_init(&h, n);
		hasher_add(&h, data, a);
		hasher_add(&h, data + a, b - a);
		hasher_add(&h, data + b, n - b);
		CHECK(hasher_end(&h) == hash64(data, n, n));
	}
}

int main(void)
{
	return RUN_TABLE(T1(hash_of_nothing_is_the_published_value), T1(hash_of_pieces_is_the_hash_of_the_whole));
}
