/* See host.h. The socket is non-blocking; QUEUE_LIMIT keeps what waits for it small, so that control frames are not late. */
#include "fanout/host.h"

#include "fanout/spool.h"

#include "lib/io/temp.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define QUEUE_LIMIT (256u << 10)
#define STDERR_LIMIT (64u << 10) /* of one stage of one try */

static int send_task(struct host *h, const struct wire_task *task, struct try *t, struct err *e)
{
	cleanup_buf struct buf body = { 0 };

	int rc = wire_put_task(&body, task);

	if (rc > 0)
		return err_set(e, ST_USAGE, "the pipeline is too long to be sent to hosts");
	if (rc < 0)
		return err_oom(e);
	return wire_put(&h->out, W_TASK, 0, t->id, body.p, body.n) ? err_oom(e) : 0;
}

int try_start(struct host *h, const struct wire_task *task, struct shard *shard, const char *tmpdir, int64_t now, struct err *e)
{
	struct try *t = aligned_alloc(64, (sizeof *t + 63) / 64 * 64);

	if (!t)
		return err_oom(e);
	memset(t, 0, sizeof *t);
	t->shard = shard;
	t->id = ++h->next_id;
	t->credit = WIRE_CREDIT;
	t->started = now;
	t->spool = -1;
	hasher_init(&t->out_hash, 0);
	if (temp_open(tmpdir, &t->spool, e) < 0 || send_task(h, task, t, e) < 0) {
		if (t->spool >= 0)
			close(t->spool);
		free(t);
		return -e->status;
	}
	t->next = h->tries;
	h->tries = t;
	return 0;
}

struct try *try_find(struct host *h, uint32_t id)
{
	struct try *t = h->tries;

	while (t && t->id != id)
		t = t->next;
	return t;
}

struct try *try_of(struct host *h, int64_t shard)
{
	struct try *t = h->tries;

	while (t && (t->cancelled || t->shard->index != shard))
		t = t->next;
	return t;
}

void try_free(struct host *h, struct try *t)
{
	for (struct try **at = &h->tries; *at; at = &(*at)->next)
		if (*at == t) {
			*at = t->next;
			break;
		}
	if (t->spool >= 0)
		close(t->spool);
	for (int i = 0; i < WIRE_STAGES; i++)
		buf_free(&t->err[i]);
	free(t);
}

int try_output(struct try *t, struct str body, struct err *e)
{
	hasher_add(&t->out_hash, body.p, body.n);
	t->out_bytes += body.n;
	return t->cancelled ? 0 : spool_write(t->spool, body.p, body.n, e);
}

/* The end is what matters when a stage talks too much. */
void try_stderr(struct try *t, unsigned stage, struct str body)
{
	struct buf *b = &t->err[stage];

	if (b->n + body.n > STDERR_LIMIT) {
		memmove(b->p, b->p + b->n - b->n / 2, b->n / 2);
		b->n /= 2;
	}
	if (body.n <= STDERR_LIMIT / 2 && buf_str(b, body))
		return; /* memory is short: the status still tells */
}

static bool end_marker(const struct try *t)
{
	static const uint8_t want[8] = { 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0 };
	uint8_t got[8];

	return t->out_bytes >= 8 && pread(t->spool, got, 8, (off_t)t->out_bytes - 8) == 8 && memcmp(got, want, 8) == 0;
}

static void blame(struct failure *why, const char *program, enum status status, const char *text)
{
	struct err e;

	err_set(&e, status, "%s", text);
	failure_set(why, program, &e);
}

/* A stage failed: its own words, else its status. */
static void stage_failed(const struct try *t, const struct plan *p, int i, struct wire_status st, struct failure *why)
{
	const char *program = p->task.stages[i].argv[0];
	char text[128];

	if (failure_from_stderr(buf_view(&t->err[i]), why, NULL)) {
		if (i == 0 && why->e.row > 0)
			shard_locate(t->shard, why->e.row, &why->e);
		return;
	}
	if (st.signaled)
		snprintf(text, sizeof text, "killed by signal %d (%s)", st.code, strsignal(st.code));
	else
		snprintf(text, sizeof text, "ended with status %d and no message", st.code);
	blame(why, program, st.signaled ? ST_PARTIAL : st.code, text);
}

enum verdict try_judge(struct try *t, const struct plan *p, const struct wire_exit *x, struct failure *why)
{
	int i = root_cause(x->n, x->status);

	if (x->n != p->task.n) {
		blame(why, "fanout", ST_PARTIAL, "a host answered for another task");
		return TRY_BAD_HERE;
	}
	if (i >= 0) {
		stage_failed(t, p, i, x->status[i], why);
		return why->e.status == ST_DATA || why->e.status == ST_USAGE ? TRY_BAD_DATA : TRY_BAD_HERE;
	}
	if (x->out_bytes != t->out_bytes || x->out_hash != hasher_end(&t->out_hash))
		blame(why, "fanout", ST_PARTIAL, "a result was damaged on its way");
	else if (x->in_bytes != t->shard->bytes.n || x->in_hash != t->shard->hash)
		blame(why, "fanout", ST_PARTIAL, "a shard was damaged on its way");
	else if (!end_marker(t))
		blame(why, "fanout", ST_PARTIAL, "a result has no end marker");
	else
		return TRY_GOOD;
	return TRY_BAD_HERE;
}

static int feed_try(struct host *h, struct try *t)
{
	while (!t->cancelled && !t->end_sent && h->out.n - h->out_at < QUEUE_LIMIT) {
		size_t n = t->shard->bytes.n - t->sent;

		if (n == 0) {
			t->end_sent = true;
			return wire_put(&h->out, W_END, 0, t->id, NULL, 0);
		}
		n = n < WIRE_CHUNK ? n : WIRE_CHUNK;
		n = n < t->credit ? n : (size_t)t->credit;
		if (n == 0)
			return 0;
		if (wire_put(&h->out, W_DATA, 0, t->id, t->shard->bytes.p + t->sent, n))
			return -1;
		t->sent += n;
		t->credit -= n;
		h->sent_bytes += (int64_t)n;
	}
	return 0;
}

int host_feed(struct host *h)
{
	for (struct try *t = h->tries; t; t = t->next)
		if (feed_try(h, t))
			return -1;
	return 0;
}

int host_flush(struct host *h)
{
	while (h->out_at < h->out.n) {
		ssize_t k = write(h->reach->fd, h->out.p + h->out_at, h->out.n - h->out_at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN)
			break;
		if (k < 0)
			return -1;
		h->out_at += (size_t)k;
	}
	if (h->out_at == h->out.n)
		h->out_at = h->out.n = 0;
	return 0;
}
