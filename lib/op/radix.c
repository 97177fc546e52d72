/* Radix sort by the bits that tell the keys apart. Entries carry 8 bytes of their key (as in the "CRadix" sort by Ng and Kakehi, 2007).
 * The bits in which these words differ are drawn together into the upper part of an item of 64 bits, the lower part says where the
 * entry is: items are half as large as entries, and few passes (LSD, stable) over as many bits as it takes to tell most
 * entries apart put them in order. Entries that follow one another with equal bits are sorted in their turn: by the bits that were
 * left, or, when all 8 bytes agree, by the next 8. Few are sorted by insertion.
 * Invariant of sort_bucket(): all keys of v[0 .. n) agree in their first `depth` bytes, and the words hold the 8 bytes that follow. */
#include "lib/op/radix.h"

#define SMALL 24
#define DIGIT 10 /* most bits of a pass: more places to write to at once cost more than a pass */
#define MORE 14  /* bits that are sorted by besides as many as would do if all their values were equally frequent */

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
		v[i].word = key.n > depth ? word_at(key.p + depth, key.n - depth) : 0;
	}
	return more;
}

/* The highest `room` of the differing bits, and those between them in the same byte, so that they lie in few stretches. */
static uint64_t choose_bits(uint64_t diff, int room)
{
	uint64_t bits = 0;

	for (int shift = 0; shift < 64; shift += 8) {
		uint64_t byte = diff >> shift & 255;

		if (byte)
			bits |= (((uint64_t)2 << (63 - __builtin_clzll(byte))) - (byte & -byte)) << shift;
	}
	while (__builtin_popcountll(bits) > room)
		bits &= bits - 1;
	return bits;
}

/* Items of all entries: the bits of their words that are set in `bits`, from bit `low` on, and their places. */
static void make_items(const struct entry *v, uint64_t *items, int64_t n, uint64_t bits, int low)
{
	for (int64_t i = 0; i < n; i++)
		items[i] = (uint64_t)i;
	while (bits) {
		int from = __builtin_ctzll(bits), count = __builtin_ctzll(~(bits >> from)); /* never all 64 */
		uint64_t some = ((uint64_t)1 << count) - 1;

		for (int64_t i = 0; i < n; i++)
			items[i] |= (v[i].word >> from & some) << low;
		bits &= ~(some << from);
		low += count;
	}
}

/* Stable scatter by the `count` bits at `shift`. The halves go side by side with counters of their own: no counter waits for the one
 * before it to be written. */
static void scatter(const uint64_t *from, uint64_t *to, int64_t n, int shift, int count)
{
	uint64_t digits = ((uint64_t)1 << count) - 1;
	int64_t at[1 << DIGIT][2], sum = 0, half = n / 2;

	memset(at, 0, (digits + 1) * sizeof *at);
	for (int64_t i = 0; i < half; i++) {
		at[from[i] >> shift & digits][0]++;
		at[from[half + i] >> shift & digits][1]++;
	}
	for (uint64_t d = 0; d <= digits; d++) {
		int64_t first = at[d][0], second = at[d][1] + (n & 1 && (from[n - 1] >> shift & digits) == d);

		at[d][0] = sum;
		at[d][1] = sum + first;
		sum += first + second;
	}
	for (int64_t i = 0; i < half; i++) {
		uint64_t x = from[i], y = from[half + i];
		int64_t *x_at = &at[x >> shift & digits][0], *y_at = &at[y >> shift & digits][1], x_to = *x_at, y_to = *y_at;

		*x_at = x_to + 1;
		*y_at = y_to + 1;
		to[x_to] = x;
		to[y_to] = y;
	}
	if (n & 1)
		to[at[from[n - 1] >> shift & digits][1]] = from[n - 1];
}

/* Sorts v by the `bits` of its words; `low` bits hold a place. */
static __attribute__((noinline)) void sort_by_bits(struct entry *v, struct radix_room *room, int64_t n, uint64_t bits, int low)
{
	int count = __builtin_popcountll(bits), passes = (count + DIGIT - 1) / DIGIT, done = 0;
	struct entry *sorted = (struct entry *)(void *)room;
	uint64_t *items = (uint64_t *)(void *)(sorted + n), *other = (uint64_t *)(void *)room, place = ((uint64_t)1 << low) - 1;

	if (passes & 1) { /* they end behind the room for the entries */
		uint64_t *x = items;

		items = other;
		other = x;
	}
	make_items(v, items, n, bits, low);
	for (int pass = passes; pass > 0; pass--) {
		int some = (count - done + pass - 1) / pass;
		uint64_t *x = items;

		scatter(items, other, n, low + done, some);
		done += some;
		items = other;
		other = x;
	}
	for (int64_t i = 0; i < n; i++)
		sorted[i] = v[items[i] & place];
	memcpy(v, sorted, (size_t)n * sizeof *v);
}

static void sort_bucket(struct entry *v, struct radix_room *room, int64_t n, size_t depth);

/* v is in order by `bits`. Sorts the entries between which these do not decide, but for the most of them that lie together: returns how
 * many these are, 0 or 1 when all is in order, and where in *at. */
static int64_t sort_equal(struct entry *v, struct radix_room *room, int64_t n, uint64_t bits, size_t depth, int64_t *at)
{
	int64_t start = 0, largest = 0;

	*at = 0;
	for (int64_t i = 1; i <= n; i++) {
		if (i < n && !((v[i].word ^ v[start].word) & bits))
			continue;
		if (i - start > largest) {
			if (largest > 1)
				sort_bucket(v + *at, room, largest, depth);
			largest = i - start;
			*at = start;
		} else if (i - start > 1) {
			sort_bucket(v + start, room, i - start, depth);
		}
		start = i;
	}
	return largest;
}

/* Recursion goes into the smaller buckets, the largest is the next turn of the loop: the stack stays below log2(n) frames whatever
 * the keys are. */
static void sort_bucket(struct entry *v, struct radix_room *room, int64_t n, size_t depth)
{
	while (n > SMALL) {
		int low = 64 - __builtin_clzll((uint64_t)n - 1);
		uint64_t diff, bits;
		int64_t at;

		while (!(diff = differing(v, n))) {
			depth += 8;
			if (!next_words(v, n, depth))
				return;
		}
		bits = choose_bits(diff, low + MORE < 64 - low ? low + MORE : 64 - low);
		sort_by_bits(v, room, n, bits, low);
		n = sort_equal(v, room, n, bits, depth, &at);
		v += at;
	}
	insertion_sort(v, n, depth);
}

void radix_sort(struct entry *v, struct radix_room *room, int64_t n)
{
	sort_bucket(v, room, n, 0);
}
