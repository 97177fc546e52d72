/* What is told about a run beside its output: notes on stderr, and --report's JSON Lines. */
#ifndef STOOK_FANOUT_REPORT_H
#define STOOK_FANOUT_REPORT_H

#include "fanout/host.h"

struct shard_note {
	int64_t shard, rows;
	int host, tries;        /* host it counted from, -1: none */
	bool moved;             /* it had been started elsewhere before */
};

struct notes {
	int64_t n, cap;
	struct shard_note *v;   /* v[i] is shard i */
};

int notes_start(struct notes *n, int64_t shard, int64_t rows) must_check; /* one more try; 0 or -1 */
void notes_commit(struct notes *n, int64_t shard, int host);

/* "fanout: lost host b (why); shards 3, 7 moved to other hosts\n", nothing when none was lost. */
int report_lost(const struct host *hosts, int nhosts, const struct notes *n, struct buf *b) must_check;

/* One object a host, one a shard, one for the whole. */
int report_write(const char *path, const struct host *hosts, int nhosts, const struct notes *n, int status, struct err *e) nodiscard;

/* A line of a stage's stderr, sanitised, with the host's name before it when there is one. */
void report_stderr(const char *host, struct str lines);

#endif
