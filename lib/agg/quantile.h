/* Probabilities of quantiles, exact and about. */
#ifndef STOOK_AGG_QUANTILE_H
#define STOOK_AGG_QUANTILE_H

#include "lib/agg/agg.h"

struct probability {
	int64_t num, den; /* 0 <= num <= den */
};

/* "0.95" or, in percent, "95"; at most 12 digits behind the point. ST_USAGE when it is not within 0 .. 1. */
int probability_read(struct agg *a, struct str text, bool percent, struct probability *ret, struct err *e) nodiscard;

#endif
