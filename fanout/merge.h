/* The merger: a thread that takes the shards' results in shard order and makes the pipeline's output of them.
 *
 * Per-record plans: results are passed on one after another as they come. Plans with a merge form: results are collected (some
 * hundred are merged into one now and then), and the merge runs when the last has come. What follows runs as processes here. An
 * error of shard k is raised when k's turn comes: what lies before it has been put out by then, as in a local run. */
#ifndef STOOK_FANOUT_MERGE_H
#define STOOK_FANOUT_MERGE_H

#include "fanout/failure.h"
#include "fanout/plan.h"

struct merger;

int merger_start(struct merger **ret, const struct plan *p, const char *tmpdir, int wake, struct err *e) nodiscard;

/* The result of a shard, in any order: a spool file, owned from now on. `why` non-NULL: the shard failed; the file holds what came
 * before the failure, or is -1. Returns 0 or -1 (memory). */
int merger_put(struct merger *m, int64_t shard, int fd, const struct failure *why) must_check;

/* There are `shards` results in all; `why` (may be NULL) is raised after the last. */
void merger_end(struct merger *m, int64_t shards, const struct failure *why);

/* Raises `why` now, whatever is missing. */
void merger_abort(struct merger *m, const struct failure *why);

int64_t merger_waiting(struct merger *m); /* results that were put and not used yet */
bool merger_done(struct merger *m);       /* the output is complete, failed, or nobody reads it */

/* Ends it (kills what it started when it is not done) and frees it. Returns the exit status; *why is what is to be told (status 0:
 * nothing, or a process here has told it). */
int merger_stop(struct merger *m, struct failure *why);

#endif
