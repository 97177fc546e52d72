/* What this process has read, written and put away so far: counters for --stats and the progress line.
 *
 * They belong to the process, as those of getrusage(2) do: any thread adds, nothing but a display reads them, no result depends on
 * them. One addition a read, write or batch. */
#ifndef STOOK_IO_METER_H
#define STOOK_IO_METER_H

#include <stdatomic.h>
#include <stdint.h>

struct meter {
	_Atomic int64_t bytes_in;   /* of input files, as they lie there: compressed where they are */
	_Atomic int64_t expected;   /* what bytes_in will be in the end, if all sizes are known */
	_Atomic int64_t unknown;    /* inputs whose size nobody knows: pipes, URLs */
	_Atomic int64_t opened, ended; /* sources of rows */
	_Atomic int64_t rows_in, rows_out;
	_Atomic int64_t bytes_out;  /* of outputs, as they were written */
	_Atomic int64_t spills, spilled; /* temporary files, and their bytes */
};

extern struct meter meter;

static inline void meter_add(_Atomic int64_t *counter, int64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline int64_t meter_get(_Atomic int64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
