/* Counts of bins: a sparse map from bin numbers to how many values fell there, for histograms and sketches.
 *
 * Bins lie in ascending order. Three numbers are kept for values that have no bin: BIN_NEG_INF, BIN_INF, BIN_NAN. Coarser bins are
 * made by a monotone map of the numbers; counts of bins that fall together are added, so the result depends on the values alone.
 * All zero: nothing counted. */
#ifndef STOOK_AGG_BINS_H
#define STOOK_AGG_BINS_H

#include "lib/agg/agg.h"

#define BIN_NEG_INF INT64_MIN
#define BIN_INF (INT64_MAX - 1)
#define BIN_NAN INT64_MAX

struct bins {
	struct bin {
		int64_t at, n;
	} *v;
	uint32_t n, cap;
	uint32_t hint; /* the bin that was counted last */
};

static inline bool bin_is_special(int64_t at)
{
	return at == BIN_NEG_INF || at >= BIN_INF;
}

/* Adds n > 0 to bin `at`. 0 or -1 (memory). *heap counts bytes. */
int bins_add(struct bins *b, int64_t at, int64_t n, size_t *heap);
void bins_free(struct bins *b);

/* Renumbers all bins but the special ones by `map`, which must not reverse their order. */
void bins_map(struct bins *b, int64_t (*map)(int64_t at, int64_t arg), int64_t arg);

/* The ordinary bins: v[*from .. *to). */
void bins_finite(const struct bins *b, uint32_t *from, uint32_t *to);

int64_t bins_total(const struct bins *b);

/* Two state columns, lists of int64: OUT:`name` (bin numbers) and OUT:n (counts). */
int bins_add_states(struct agg *a, const char *name, struct err *e) nodiscard;
int bins_dump(const struct bins *b, struct builder out[2], struct err *e) nodiscard;
/* Row i of two such columns, as a borrowed view: false when it is damaged (not ascending, a count below 1). */
bool bins_state(const struct column *cols, int64_t i, const int64_t **at, const int64_t **n, uint32_t *len);
bool bins_are_states(const struct column *cols);

#endif
