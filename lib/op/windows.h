/* reduce --every: a stream cut into windows of time, each reduced by itself, its results given as soon as it is over. */
#ifndef STOOK_OP_WINDOWS_H
#define STOOK_OP_WINDOWS_H

#include "lib/op/reducer.h"

struct window_opts {
	int64_t length;      /* microseconds; windows begin at multiples of it since 1970-01-01 UTC */
	struct str field;    /* FIELD that says when a record is; n = 0: when it arrives here, by the clock */
	struct reduce_opts reduce;
};

/* Takes `in`, also on failure; by the clock it must come from source_ahead(). Columns: window (the timestamp of its beginning), then
 * those of the reduction. Windows without records give nothing. With a field, a record of a window that is over is ST_DATA. */
int windows_open(struct source *in, const struct window_opts *o, struct source **ret, struct err *e) nodiscard;

#endif
