/* Case folding: Unicode's simple folding, one code point to one, the same in every locale (no Turkish i). */
#ifndef STOOK_BASE_FOLD_H
#define STOOK_BASE_FOLD_H

#include <stdint.h>

/* Every step-th code point from first to last folds to itself + delta. Ascending; ASCII is not in it. */
struct fold_range {
	uint32_t first, last, step;
	int32_t delta;
};

extern const struct fold_range fold_ranges[];
extern const int fold_range_count;

static inline uint32_t fold_wide(uint32_t c)
{
	int lo = 0, hi = fold_range_count;

	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (fold_ranges[mid].last < c)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == fold_range_count || fold_ranges[lo].first > c || (c - fold_ranges[lo].first) % fold_ranges[lo].step)
		return c;
	return (uint32_t)((int32_t)c + fold_ranges[lo].delta);
}

static inline uint32_t fold_code_point(uint32_t c)
{
	return c < 0x80 ? (c - 'A' < 26 ? c | 0x20 : c) : fold_wide(c);
}

#endif
