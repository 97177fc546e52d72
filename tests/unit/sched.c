/* The scheduler under simulated hosts that are slow, die, fail and lie: no shard is lost, none counts twice. */
#include "fanout/sched.h"

#include "tests/unit/test.h"

#define HOSTS 64
#define SHARDS 400

static uint64_t seed;

static uint64_t rnd(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

struct sim {
	struct sched *s;
	int nhosts, nshards, given;
	int up[HOSTS];          /* 0 awaited, 1 up, 2 gone */
	int slots[HOSTS], running[HOSTS];
	int bad_host[HOSTS];    /* fails whatever it is given */
	int bad_shard[SHARDS];  /* 1: data error, 2: fails everywhere */
	int on[SHARDS][HOSTS];  /* running there */
	int commits[SHARDS], failed[SHARDS];
	int gave_up, first_failed, ended;
	int64_t now;
};

static void take_actions(struct sim *m)
{
	struct action a;

	while (sched_next(m->s, &a)) {
		if (a.act == ACT_START) {
			CHECK(m->up[a.host] == 1 && !m->on[a.shard][a.host]);
			CHECK(!m->commits[a.shard] && !m->failed[a.shard]);
			CHECK(++m->running[a.host] <= m->slots[a.host]);
			CHECK(a.shard < m->first_failed);
			m->on[a.shard][a.host] = 1;
		} else if (a.act == ACT_CANCEL) {
			CHECK(m->on[a.shard][a.host]);
			m->on[a.shard][a.host] = 0;
			m->running[a.host]--;
		} else if (a.act == ACT_COMMIT) {
			CHECK(++m->commits[a.shard] == 1 && !m->failed[a.shard]);
		} else if (a.act == ACT_FAILED) {
			CHECK(++m->failed[a.shard] == 1 && !m->commits[a.shard]);
			CHECK(m->bad_shard[a.shard] || m->nhosts == 1 || a.host >= 0);
			m->first_failed = a.shard < m->first_failed ? (int)a.shard : m->first_failed;
		} else if (a.act == ACT_SET_ASIDE) {
			CHECK(m->up[a.host] == 1);
			m->up[a.host] = 2;
			for (int i = 0; i < m->nshards; i++)
				m->on[i][a.host] = 0;
			m->running[a.host] = 0;
		} else {
			m->gave_up++;
		}
	}
}

static void lose(struct sim *m, int h)
{
	m->up[h] = 2;
	m->running[h] = 0;
	for (int i = 0; i < m->nshards; i++)
		m->on[i][h] = 0;
	CHECK(sched_host_lost(m->s, h, m->now) == 0);
}

static void end_try(struct sim *m, int h, int i)
{
	m->on[i][h] = 0;
	m->running[h]--;
	if (m->bad_shard[i] == 1)
		CHECK(sched_failed(m->s, h, i, BLAME_DATA, m->now) == 0);
	else if (m->bad_shard[i] == 2 || m->bad_host[h])
		CHECK(sched_failed(m->s, h, i, BLAME_TRY, m->now) == 0);
	else
		CHECK(sched_done(m->s, h, i, m->now) == 0);
}

/* One random event. */
static void step(struct sim *m, unsigned faults)
{
	int h = (int)rnd((uint64_t)m->nhosts), pick = (int)rnd(100);

	m->now += (int64_t)rnd(200);
	if (m->up[h] == 0) {
		m->up[h] = rnd(100) < faults ? 2 : 1;
		if (m->up[h] == 2)
			CHECK(sched_host_lost(m->s, h, m->now) == 0);
		else
			CHECK(sched_host_up(m->s, h, m->slots[h], m->now) == 0);
	} else if (pick < 40 && m->given < m->nshards) {
		m->given++;
		CHECK(sched_shard(m->s, m->now) == 0);
	} else if (m->given == m->nshards && !m->ended) {
		m->ended = 1;
		CHECK(sched_input_end(m->s, m->now) == 0);
	} else if (pick < 45) {
		CHECK(sched_tick(m->s, m->now) == 0);
	} else if (m->up[h] == 1 && rnd(1000) < faults) {
		lose(m, h);
	} else if (m->up[h] == 1 && m->running[h]) {
		int i = (int)rnd((uint64_t)m->nshards);

		while (!m->on[i][h])
			i = (i + 1) % m->nshards;
		end_try(m, h, i);
	}
	take_actions(m);
}

static void simulate(uint64_t n, unsigned faults)
{
	static struct sim m;
	int steps = 0, lost = 0;

	memset(&m, 0, sizeof m);
	seed = n * 0x9E3779B97F4A7C15u + 1;
	m.nhosts = 1 + (int)rnd(HOSTS);
	m.nshards = (int)rnd(SHARDS);
	m.first_failed = SHARDS;
	for (int i = 0; i < m.nhosts; i++) {
		m.slots[i] = 1 + (int)rnd(4);
		m.bad_host[i] = rnd(1000) < faults;
	}
	for (int i = 0; i < m.nshards && rnd(3) == 0; i++)
		m.bad_shard[i] = rnd(5000) < faults ? 1 + (int)rnd(2) : 0;
	m.s = sched_new(m.nhosts);
	while (!m.gave_up && !(m.ended && sched_finished(m.s)) && steps++ < 1000000)
		step(&m, faults);
	CHECK(steps < 1000000);
	for (int i = 0; i < m.nhosts; i++)
		lost += m.up[i] == 2;
	CHECK(m.gave_up <= 1 && (!m.gave_up || lost == m.nhosts));
	for (int i = 0; i < m.nshards && i < m.first_failed && !m.gave_up; i++)
		CHECK(m.commits[i] == 1);
	for (int i = 0; i < m.nshards; i++)
		CHECK(m.commits[i] + m.failed[i] <= 1);
	sched_free(m.s);
}

TEST(without_faults_every_shard_counts_once)
{
	for (uint64_t n = 0; n < 300; n++)
		simulate(n, 0);
}

TEST(with_faults_none_is_lost_or_doubled)
{
	for (uint64_t n = 0; n < 3000; n++)
		simulate(n, 30);
}

TEST(under_heavy_faults_none_is_lost_or_doubled)
{
	for (uint64_t n = 0; n < 2000; n++)
		simulate(n, 300);
}

static int count(struct sched *s, enum act what)
{
	struct action a;
	int n = 0;

	while (sched_next(s, &a))
		n += a.act == what;
	return n;
}

TEST(lost_hosts_shards_move)
{
	struct sched *s = sched_new(2);

	sched_host_up(s, 0, 2, 0);
	sched_shard(s, 0);
	sched_shard(s, 0);
	CHECK_I64(count(s, ACT_START), 2);
	sched_host_up(s, 1, 2, 1);
	CHECK_I64(count(s, ACT_START), 0);
	sched_host_lost(s, 0, 2);
	CHECK_I64(count(s, ACT_START), 2);
	CHECK_I64(sched_moved(s), 2);
	sched_input_end(s, 2);
	sched_host_lost(s, 1, 3);
	CHECK_I64(count(s, ACT_GIVE_UP), 1);
	sched_free(s);
}

TEST(slow_last_shard_gets_a_twin)
{
	struct sched *s = sched_new(2);
	struct action a;

	sched_host_up(s, 0, 1, 0);
	sched_shard(s, 0);
	sched_done(s, 0, 0, 100);
	sched_shard(s, 100);
	count(s, ACT_START);
	sched_input_end(s, 100);
	sched_host_up(s, 1, 1, 100);
	sched_tick(s, 1000);
	CHECK_I64(count(s, ACT_START), 0);
	sched_tick(s, 2200);
	CHECK(sched_next(s, &a) && a.act == ACT_START && a.host == 1 && a.shard == 1);
	sched_done(s, 1, 1, 2300);
	CHECK(sched_next(s, &a) && a.act == ACT_CANCEL && a.host == 0);
	CHECK(sched_next(s, &a) && a.act == ACT_COMMIT && a.host == 1);
	sched_done(s, 0, 1, 2400);
	CHECK(!sched_next(s, &a) && sched_finished(s));
	sched_free(s);
}

TEST(a_failed_shard_stops_later_ones_but_not_earlier_ones)
{
	struct sched *s = sched_new(1);

	sched_host_up(s, 0, 3, 0);
	for (int i = 0; i < 5; i++)
		sched_shard(s, 0);
	CHECK_I64(count(s, ACT_START), 3);
	sched_failed(s, 0, 1, BLAME_DATA, 1);
	CHECK(!sched_finished(s));
	CHECK_I64(count(s, ACT_START), 0);
	sched_done(s, 0, 0, 2);
	CHECK(sched_finished(s));
	sched_free(s);
}

int main(void)
{
	return RUN_TABLE(T1(without_faults_every_shard_counts_once), T1(with_faults_none_is_lost_or_doubled),
			 T1(under_heavy_faults_none_is_lost_or_doubled), T1(lost_hosts_shards_move),
			 T1(slow_last_shard_gets_a_twin), T1(a_failed_shard_stops_later_ones_but_not_earlier_ones));
}
