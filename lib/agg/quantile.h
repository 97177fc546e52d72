/* What quantiles, exact and about, share: probabilities, and the order of doubles. */
#ifndef STOOK_AGG_QUANTILE_H
#define STOOK_AGG_QUANTILE_H

#include "lib/agg/agg.h"

struct probability {
	int64_t num, den; /* 0 <= num <= den */
};

/* "0.95" or, in percent, "95"; at most 12 digits behind the point. ST_USAGE when it is not within 0 .. 1. */
int probability_read(struct agg *a, struct str text, bool percent, struct probability *ret, struct err *e) nodiscard;

/* The bits of a double as an integer of the same order, and back (its own inverse). */
static inline int64_t double_order(int64_t bits)
{
	return bits < 0 ? bits ^ INT64_MAX : bits;
}

#endif
