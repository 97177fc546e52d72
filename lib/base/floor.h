/* Integer division towards negative infinity, by > 0. */
#ifndef STOOK_BASE_FLOOR_H
#define STOOK_BASE_FLOOR_H

#include <stdint.h>

static inline int64_t floor_div(int64_t v, int64_t by)
{
	return v / by - (v % by < 0);
}

/* 0 <= result < by */
static inline int64_t floor_mod(int64_t v, int64_t by)
{
	return v % by + (v % by < 0 ? by : 0);
}

#endif
