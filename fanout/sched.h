/* Which shard runs where: a pure state machine. Events go in, actions come out; no I/O, no clock (the time of an event is told),
 * so it can be simulated over thousands of hosts and faults.
 *
 *     sched_host_up(s, h, slots, now);  sched_shard(s, now);  sched_done(s, h, shard, now); ...
 *     while (sched_next(s, &a)) do what a says
 *
 * What it holds to: a shard is committed at most once, by the try that finished first; a shard that was given in is committed,
 * failed, or still wanted; a shard runs at most once on a host at a time and on at most two hosts; after a shard has failed, no
 * later one is started (its output would never be used), but earlier ones are finished. Times are milliseconds. */
#ifndef STOOK_FANOUT_SCHED_H
#define STOOK_FANOUT_SCHED_H

#include <stdbool.h>
#include <stdint.h>

struct sched;

/* How a try ended, when not well. */
enum blame {
	BLAME_DATA,   /* the program or the data is at fault: no other host would do better */
	BLAME_TRY,    /* the filter failed for a reason that may lie with the host: try elsewhere */
};

enum act {
	ACT_START,     /* start `shard` on `host` */
	ACT_CANCEL,    /* its try on `host` is not wanted any more */
	ACT_COMMIT,    /* the result of `shard` from `host` counts */
	ACT_FAILED,    /* `shard` has failed for good on `host`: its last error is the result */
	ACT_SET_ASIDE, /* `host` failed several different shards: it gets no more; treat it as lost */
	ACT_GIVE_UP,   /* no host is left, and shards are missing */
};

struct action {
	enum act act;
	int host;
	int64_t shard;
};

struct sched *sched_new(int nhosts);  /* all hosts are awaited; NULL when out of memory */
void sched_free(struct sched *s);

/* Events. Each returns 0, or -1 when out of memory. */
int sched_host_up(struct sched *s, int host, int slots, int64_t now);
int sched_host_lost(struct sched *s, int host, int64_t now);           /* or could never be used */
int sched_shard(struct sched *s, int64_t now);                         /* the next shard exists; they are numbered from 0 */
int sched_input_end(struct sched *s, int64_t now);                     /* no more shards */
int sched_done(struct sched *s, int host, int64_t shard, int64_t now); /* its result came whole */
int sched_failed(struct sched *s, int host, int64_t shard, enum blame why, int64_t now);
int sched_tick(struct sched *s, int64_t now);                          /* lets last, slow shards be tried twice */

bool sched_next(struct sched *s, struct action *a); /* takes the next action; false: none */

int64_t sched_shards(const struct sched *s);
int64_t sched_settled(const struct sched *s);  /* shards committed or failed */
int64_t sched_moved(const struct sched *s);    /* shards that were started again elsewhere after a host was lost or failed them */
int64_t sched_open(const struct sched *s);     /* shards that exist and are not settled: what is held in memory */
bool sched_finished(const struct sched *s);    /* input has ended and every wanted shard is settled */

#endif
