/* Letters: see letters.h. Ascending ranges, searched by halves; ASCII is decided before. */
#include "lib/base/letters.h"

#include <stddef.h>

struct mapping {
	uint32_t first, last, step;
	int32_t delta;
};

struct range {
	uint32_t first, last;
};

#include "lib/base/letters_data.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static uint32_t map(const struct mapping *r, size_t n, uint32_t c)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (r[mid].last < c)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == n || r[lo].first > c || (c - r[lo].first) % r[lo].step)
		return c;
	return (uint32_t)((int32_t)c + r[lo].delta);
}

uint32_t letter_lower(uint32_t c)
{
	if (c < 0x80)
		return c - 'A' < 26 ? c + 32 : c;
	return map(lower_ranges, COUNT(lower_ranges), c);
}

uint32_t letter_fold(uint32_t c)
{
	if (c < 0x80)
		return c - 'A' < 26 ? c + 32 : c;
	return map(fold_ranges, COUNT(fold_ranges), c);
}

uint32_t letter_upper(uint32_t c)
{
	if (c < 0x80)
		return c - 'a' < 26 ? c - 32 : c;
	return map(upper_ranges, COUNT(upper_ranges), c);
}

bool letter_in_word(uint32_t c)
{
	size_t lo = 0, hi = COUNT(word_ranges);

	if (c < 0x80)
		return c - '0' < 10 || (c | 0x20) - 'a' < 26 || c == '_';
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (word_ranges[mid].last < c)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < COUNT(word_ranges) && word_ranges[lo].first <= c;
}
