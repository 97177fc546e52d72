/* A pool of threads for work that is cut into jobs and wanted in order.
 *
 *     struct piece { struct job job; ... };            // first, or found from the job by its offset
 *     pool_open(&p, threads, e);
 *     pool_give(p, &piece->job);                       // any number of them, run() set
 *     pool_wait(p, &piece->job);                       // in whatever order the results are wanted
 *     pool_close(p);
 *
 * Who waits works too: a pool of n threads starts n - 1, the first time a job is given. Where no thread can be started, the one
 * that waits does everything. Jobs belong to the caller, who bounds how many there are; run() must not touch what another
 * thread may use. Any thread may give and wait. */
#ifndef STOOK_BASE_POOL_H
#define STOOK_BASE_POOL_H

#include "lib/base/err.h"

#include <stdbool.h>

struct pool;

struct job {
	void (*run)(struct job *);
	struct job *next; /* the pool's */
	bool done;        /* the pool's; read it after pool_wait() */
};

int pool_open(struct pool **ret, int threads, struct err *e) nodiscard;
/* Waits for the jobs that run; those that nobody has begun are never run. NULL is fine. */
void pool_close(struct pool *p);

void pool_give(struct pool *p, struct job *j); /* NULL: runs it at once; nothing to wait for */
void pool_give_first(struct pool *p, struct job *j); /* before all that nobody has begun: others need what it makes */
/* Returns when j, which was given, has run. */
void pool_wait(struct pool *p, struct job *j);

#endif
