/* One host as the driver sees it: a socket with frames, the tries that run there, and what is known of it.
 *
 * A try is one attempt at a shard. Its output goes to a spool of its own and counts only when EXIT says that every stage ended with
 * 0, that the shim received exactly what was sent and sent exactly what was received here, and the Arrow end marker is there. */
#ifndef STOOK_FANOUT_HOST_H
#define STOOK_FANOUT_HOST_H

#include "fanout/cut.h"
#include "fanout/executor.h"
#include "fanout/failure.h"
#include "fanout/wire.h"
#include "lib/base/hash.h"

struct try {
	struct hasher out_hash; /* first: aligned to 64 bytes */
	struct try *next;
	struct shard *shard;    /* borrowed */
	uint32_t id;
	size_t sent;            /* of shard->bytes */
	uint64_t credit;        /* how much more may be sent */
	bool end_sent, cancelled;
	int spool;
	uint64_t out_bytes;
	struct buf err[WIRE_STAGES];
	int64_t started;
};

enum host_state {
	HOST_REACHING,  /* no HELLO yet */
	HOST_GREETED,   /* HELLO came; files are on their way */
	HOST_READY,
	HOST_LOST,      /* was ready once */
	HOST_UNUSABLE,  /* could never be used */
};

struct host {
	char *name;
	struct reach *reach;
	enum host_state state;
	struct wire_hello hello;
	struct wire_reader in;
	struct buf out;         /* frames to be sent: out.p[out_at .. out.n) */
	size_t out_at;
	int64_t last_heard, pack_at;
	struct try *tries;
	uint32_t next_id;
	struct failure why;     /* LOST, UNUSABLE */
	int64_t done, failed, moved_from, sent_bytes, got_bytes; /* for the report */
};

/* How a try ended, told by host_exit(). */
enum verdict { TRY_GOOD, TRY_BAD_DATA, TRY_BAD_HERE };

int try_start(struct host *h, const struct wire_task *task, struct shard *shard, const char *tmpdir, int64_t now, struct err *e) nodiscard;
struct try *try_find(struct host *h, uint32_t id);
struct try *try_of(struct host *h, int64_t shard);
void try_free(struct host *h, struct try *t);
int try_output(struct try *t, struct str body, struct err *e) nodiscard;
void try_stderr(struct try *t, unsigned stage, struct str body);

/* Judges a try by its last frame. TRY_BAD_*: *why is told in the tool's name, with the place in the user's input. */
enum verdict try_judge(struct try *t, const struct plan *p, const struct wire_exit *x, struct failure *why);

/* Queues input of tries while little waits to be sent; 0 or -1 (memory). */
int host_feed(struct host *h) must_check;
int host_flush(struct host *h); /* writes what it can; -1: the socket is gone */

#endif
