/* Stages on threads of their own: reading ahead of who asks, writing behind who gives.
 *
 * Both keep the order and the meaning of errors, so results are the same with and without them. The thread starts with the second
 * batch: small tables stay on one thread. */
#ifndef STOOK_TABLE_AHEAD_H
#define STOOK_TABLE_AHEAD_H

#include "lib/table/stream.h"

/* A source that pulls from `from` on another thread, at most AHEAD_DEPTH batches ahead, unusually large ones one at a time. Takes `from`,
 * also when it fails. Closing it does not wait for a read that blocks: the thread then frees what it holds when it returns, or the process
 * ends first. */
int source_ahead(struct source *from, struct source **ret, struct err *e) nodiscard;

/* Waits until next() of a source made by source_ahead() would not block, or until the wall clock (CLOCK_REALTIME) shows `until_us`:
 * true in the first case. */
bool source_ahead_wait(struct source *ahead, int64_t until_us);

/* A sink that writes to `to` on another thread. An error of `to` is reported by a later write() or by finish(); finish() and fail()
 * first wait until all that was given before has been written. Takes `to`, also when it fails. */
int sink_behind(struct sink *to, struct sink **ret, struct err *e) nodiscard;

#define AHEAD_DEPTH 4

#endif
