/* Time in microseconds. */
#ifndef STOOK_BASE_CLOCK_H
#define STOOK_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_us(clockid_t id)
{
	struct timespec t = { 0 };

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static inline int64_t clock_mono(void) { return clock_us(CLOCK_MONOTONIC); } /* for intervals and deadlines */
static inline int64_t clock_real(void) { return clock_us(CLOCK_REALTIME); }  /* since 1970-01-01T00:00:00Z */

#endif
