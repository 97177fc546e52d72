/* See sched.h. Every event changes the state and then calls fill(), which starts what can be started: the lowest wanted shard goes
 * to the host with the most free slots that has not failed it. Shards before `base` are settled and forgotten. */
#include "fanout/sched.h"

#include <stdlib.h>
#include <string.h>

#define TRIES 2          /* hosts on which a shard may fail before it has failed */
#define HOST_FAILS 3     /* different shards in a row that a host may fail */
#define SLOW_MS 2000     /* a try younger than this is not slow */

enum host_state { HOST_AWAITED, HOST_UP, HOST_GONE };

struct host {
	enum host_state state;
	int slots, running, fails;
	int64_t last_failed;
};

struct shard {
	enum { WANTED, RUNNING, SETTLED } state;
	int on[2];           /* hosts it runs on, -1: none */
	int failed_on[TRIES], fails;
	int64_t started;
	bool started_before;
};

struct sched {
	struct host *hosts;
	int nhosts;
	struct shard *shards; /* ring-less window: shards[i] is shard base + i */
	int64_t base, n, cap; /* n: shards in the window */
	int64_t limit;        /* shards from here on are not wanted: a failed one lies before. INT64_MAX: none */
	int64_t settled, moved, finished_tries, time_spent;
	bool input_end, gave_up;
	struct action *acts;
	int64_t nacts, acts_cap, acts_at;
	bool oom;
};

struct sched *sched_new(int nhosts)
{
	struct sched *s = calloc(1, sizeof *s);

	if (s)
		s->hosts = calloc((size_t)nhosts, sizeof *s->hosts);
	if (!s || !s->hosts) {
		free(s);
		return NULL;
	}
	s->nhosts = nhosts;
	s->limit = INT64_MAX;
	for (int i = 0; i < nhosts; i++)
		s->hosts[i].last_failed = -1;
	return s;
}

void sched_free(struct sched *s)
{
	if (!s)
		return;
	free(s->hosts);
	free(s->shards);
	free(s->acts);
	free(s);
}

static void act(struct sched *s, enum act what, int host, int64_t shard)
{
	if (s->nacts == s->acts_cap) {
		int64_t cap = s->acts_cap ? 2 * s->acts_cap : 64;
		struct action *more = realloc(s->acts, (size_t)cap * sizeof *more);

		if (!more) {
			s->oom = true;
			return;
		}
		s->acts = more;
		s->acts_cap = cap;
	}
	s->acts[s->nacts++] = (struct action){ what, host, shard };
}

bool sched_next(struct sched *s, struct action *a)
{
	if (s->acts_at == s->nacts) {
		s->acts_at = s->nacts = 0;
		return false;
	}
	*a = s->acts[s->acts_at++];
	return true;
}

static struct shard *get(struct sched *s, int64_t shard)
{
	return shard >= s->base && shard < s->base + s->n ? &s->shards[shard - s->base] : NULL;
}

/* Which of its two places a shard has on a host, -1: none. */
static int place(const struct shard *sh, int host)
{
	return sh->on[0] == host ? 0 : sh->on[1] == host ? 1 : -1;
}

static bool failed_here(const struct shard *sh, int host)
{
	for (int i = 0; i < sh->fails; i++)
		if (sh->failed_on[i] == host)
			return true;
	return false;
}

/* The host for a shard: most free slots, and none that failed it while there is another that did not. -1: none free. */
static int choose(const struct sched *s, const struct shard *sh)
{
	int best = -1, best_free = 0;
	bool untried = false;

	for (int i = 0; i < s->nhosts; i++)
		untried |= s->hosts[i].state != HOST_GONE && !failed_here(sh, i);
	for (int i = 0; i < s->nhosts; i++) {
		const struct host *h = &s->hosts[i];
		int room = h->slots - h->running;

		if (h->state != HOST_UP || room <= best_free || place(sh, i) >= 0 || (untried && failed_here(sh, i)))
			continue;
		best = i;
		best_free = room;
	}
	return best;
}

static void start(struct sched *s, struct shard *sh, int64_t shard, int host, int64_t now)
{
	sh->on[sh->on[0] >= 0] = host;
	s->hosts[host].running++;
	if (sh->state == WANTED)
		sh->started = now;
	if (sh->started_before && sh->state == WANTED)
		s->moved++;
	sh->started_before = true;
	sh->state = RUNNING;
	act(s, ACT_START, host, shard);
}

/* Takes a shard off a host. */
static void leave(struct sched *s, struct shard *sh, int host)
{
	if (sh->on[0] == host)
		sh->on[0] = sh->on[1];
	sh->on[1] = -1;
	s->hosts[host].running--;
}

static void cancel_all(struct sched *s, struct shard *sh, int64_t shard)
{
	while (sh->on[0] >= 0) {
		int host = sh->on[0];

		leave(s, sh, host);
		act(s, ACT_CANCEL, host, shard);
	}
}

static int usable(const struct sched *s)
{
	int n = 0;

	for (int i = 0; i < s->nhosts; i++)
		n += s->hosts[i].state != HOST_GONE;
	return n;
}

static void forget_settled(struct sched *s)
{
	int64_t k = 0;

	while (k < s->n && s->shards[k].state == SETTLED)
		k++;
	if (k == 0 || k < s->n - k) /* move only when it is worth it */
		return;
	memmove(s->shards, s->shards + k, (size_t)(s->n - k) * sizeof *s->shards);
	s->base += k;
	s->n -= k;
}

/* After a failure nothing at or behind it is wanted. */
static void drop_from(struct sched *s, int64_t limit)
{
	if (limit >= s->limit)
		return;
	s->limit = limit;
	for (int64_t i = limit + 1 > s->base ? limit + 1 : s->base; i < s->base + s->n; i++) {
		struct shard *sh = get(s, i);

		if (sh->state == RUNNING) {
			cancel_all(s, sh, i);
			sh->state = WANTED;
		}
	}
}

static int fill(struct sched *s, int64_t now)
{
	for (int64_t i = s->base; i < s->base + s->n && i < s->limit; i++) {
		struct shard *sh = get(s, i);
		int host = sh->state == WANTED ? choose(s, sh) : -1;

		if (host >= 0)
			start(s, sh, i, host, now);
	}
	forget_settled(s);
	if (usable(s) == 0 && !s->gave_up && !sched_finished(s)) {
		s->gave_up = true;
		act(s, ACT_GIVE_UP, -1, -1);
	}
	return s->oom ? -1 : 0;
}

int sched_host_up(struct sched *s, int host, int slots, int64_t now)
{
	if (s->hosts[host].state == HOST_AWAITED) {
		s->hosts[host].state = HOST_UP;
		s->hosts[host].slots = slots;
	}
	return fill(s, now);
}

int sched_host_lost(struct sched *s, int host, int64_t now)
{
	s->hosts[host].state = HOST_GONE;
	for (int64_t i = s->base; i < s->base + s->n; i++) {
		struct shard *sh = get(s, i);

		if (sh->state != RUNNING || place(sh, host) < 0)
			continue;
		leave(s, sh, host);
		if (sh->on[0] < 0)
			sh->state = WANTED;
	}
	return fill(s, now);
}

int sched_shard(struct sched *s, int64_t now)
{
	if (s->n == s->cap) {
		int64_t cap = s->cap ? 2 * s->cap : 64;
		struct shard *more = realloc(s->shards, (size_t)cap * sizeof *more);

		if (!more)
			return -1;
		s->shards = more;
		s->cap = cap;
	}
	s->shards[s->n++] = (struct shard){ .state = WANTED, .on = { -1, -1 } };
	return fill(s, now);
}

int sched_input_end(struct sched *s, int64_t now)
{
	s->input_end = true;
	return fill(s, now);
}

int sched_done(struct sched *s, int host, int64_t shard, int64_t now)
{
	struct shard *sh = get(s, shard);

	if (!sh || sh->state != RUNNING || place(sh, host) < 0)
		return 0; /* a late twin */
	leave(s, sh, host);
	cancel_all(s, sh, shard);
	sh->state = SETTLED;
	s->settled++;
	s->hosts[host].fails = 0;
	s->finished_tries++;
	s->time_spent += now - sh->started;
	act(s, ACT_COMMIT, host, shard);
	return fill(s, now);
}

static void fail_shard(struct sched *s, struct shard *sh, int64_t shard, int host)
{
	cancel_all(s, sh, shard);
	sh->state = SETTLED;
	s->settled++;
	act(s, ACT_FAILED, host, shard);
	drop_from(s, shard);
}

int sched_failed(struct sched *s, int host, int64_t shard, enum blame why, int64_t now)
{
	struct shard *sh = get(s, shard);
	struct host *h = &s->hosts[host];

	if (!sh || sh->state != RUNNING || place(sh, host) < 0)
		return 0;
	leave(s, sh, host);
	if (why == BLAME_TRY) {
		sh->failed_on[sh->fails++] = host;
		h->fails += h->last_failed != shard;
		h->last_failed = shard;
	}
	if (why == BLAME_DATA || sh->fails == TRIES)
		fail_shard(s, sh, shard, host);
	else if (sh->on[0] < 0)
		sh->state = WANTED;
	if (h->fails >= HOST_FAILS && usable(s) > 1) {
		act(s, ACT_SET_ASIDE, host, -1);
		return sched_host_lost(s, host, now);
	}
	return fill(s, now);
}

/* Once nothing waits, the oldest try that takes three times as long as usual gets a twin on a host with nothing to do. */
int sched_tick(struct sched *s, int64_t now)
{
	int64_t usual = s->finished_tries ? s->time_spent / s->finished_tries : INT64_MAX / 4;

	if (!s->input_end)
		return 0;
	for (int64_t i = s->base; i < s->base + s->n && i <= s->limit; i++) {
		struct shard *sh = get(s, i);
		int64_t age = now - sh->started;
		int host;

		if (sh->state == WANTED)
			return 0;
		if (sh->state != RUNNING || sh->on[1] >= 0 || age < SLOW_MS || age < 3 * usual)
			continue;
		host = choose(s, sh);
		if (host >= 0 && s->hosts[host].running == 0)
			start(s, sh, i, host, now);
	}
	return s->oom ? -1 : 0;
}

int64_t sched_shards(const struct sched *s)
{
	return s->base + s->n;
}

int64_t sched_settled(const struct sched *s)
{
	return s->settled;
}

int64_t sched_moved(const struct sched *s)
{
	return s->moved;
}

int64_t sched_open(const struct sched *s)
{
	return sched_shards(s) - s->settled;
}

bool sched_finished(const struct sched *s)
{
	if (s->limit == INT64_MAX)
		return s->input_end && s->settled == sched_shards(s);
	for (int64_t i = s->base; i < s->base + s->n && i < s->limit; i++)
		if (s->shards[i - s->base].state != SETTLED)
			return false;
	return true;
}
