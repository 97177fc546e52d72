/* MSD radix sort with cached words (the "CRadix" idea of Ng and Kakehi, 2007): entries carry 8 bytes of their key; a bucket is
 * scattered by the highest byte in which its words differ, and only when all 8 agree the next 8 are loaded. Small buckets are
 * sorted by insertion. Scattering and insertion are both stable. Invariant of sort_bucket(): all keys of v[0 .. n) agree in their
 * first `depth` bytes, and the words hold the 8 bytes that follow. */
#include "lib/op/radix.h"

#define SMALL 24

/* Order of two keys that agree in depth + 8 bytes. */
static int tail_cmp(const struct entry *a, const struct entry *b, size_t depth)
{
	return str_cmp(str_from(row_key(a->row), depth + 8), str_from(row_key(b->row), depth + 8));
}

static void insertion_sort(struct entry *v, int64_t n, size_t depth)
{
	for (int64_t i = 1; i < n; i++) {
		struct entry x = v[i];
		int64_t j = i;

		while (j > 0 && (v[j - 1].word > x.word || (v[j - 1].word == x.word && tail_cmp(&v[j - 1], &x, depth) > 0))) {
			v[j] = v[j - 1];
			j--;
		}
		v[j] = x;
	}
}

/* The bits in which the words differ. */
static uint64_t differing(const struct entry *v, int64_t n)
{
	uint64_t diff = 0;

	for (int64_t i = 1; i < n; i++)
		diff |= v[i].word ^ v[0].word;
	return diff;
}

/* Loads the next 8 bytes of every key; false: all keys had ended, they are equal. */
static bool next_words(struct entry *v, int64_t n, size_t depth)
{
	bool more = false;

	for (int64_t i = 0; i < n; i++) {
		struct str key = row_key(v[i].row);

		if (i + 16 < n)
			__builtin_prefetch(v[i + 16].row);
		more |= key.n > depth;
		v[i].word = key_word(key, depth);
	}
	return more;
}

/* Stable scatter of v by the byte at `shift`; start[i] becomes the beginning of bucket i, start[256] = n. */
static void scatter(struct entry *v, struct entry *tmp, int64_t n, int shift, int64_t start[257])
{
	int64_t at[256] = { 0 }, sum = 0;

	for (int64_t i = 0; i < n; i++)
		at[v[i].word >> shift & 255]++;
	for (int i = 0; i < 256; i++) {
		start[i] = sum;
		sum += at[i];
		at[i] = start[i];
	}
	start[256] = n;
	for (int64_t i = 0; i < n; i++)
		tmp[at[v[i].word >> shift & 255]++] = v[i];
	memcpy(v, tmp, (size_t)n * sizeof *v);
}

/* Recursion goes into the smaller buckets, the largest is the next turn of the loop: the stack stays below log2(n) frames whatever
 * the keys are. */
static void sort_bucket(struct entry *v, struct entry *tmp, int64_t n, size_t depth)
{
	int64_t start[257];
	uint64_t diff;

	while (n > SMALL) {
		int largest = 0;

		while (!(diff = differing(v, n))) {
			depth += 8;
			if (!next_words(v, n, depth))
				return;
		}
		scatter(v, tmp, n, (63 - __builtin_clzll(diff)) & ~7, start);
		for (int i = 1; i < 256; i++)
			if (start[i + 1] - start[i] > start[largest + 1] - start[largest])
				largest = i;
		for (int i = 0; i < 256; i++)
			if (i != largest && start[i + 1] - start[i] > 1)
				sort_bucket(v + start[i], tmp + start[i], start[i + 1] - start[i], depth);
		v += start[largest];
		tmp += start[largest];
		n = start[largest + 1] - start[largest];
	}
	insertion_sort(v, n, depth);
}

void radix_sort(struct entry *v, struct entry *tmp, int64_t n)
{
	sort_bucket(v, tmp, n, 0);
}
