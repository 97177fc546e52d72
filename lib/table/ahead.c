/* Stages on threads of their own: see ahead.h. One bounded queue of batches between two threads; the side that gives closes it with a
 * status, the side that takes may stop it. Whoever leaves last frees it. To be woken costs a thread more than most else here: it happens
 * without the lock, which it would find taken, and to one that found no room when half of it is free. */
#include "lib/table/ahead.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct batch *slot[AHEAD_DEPTH];
	int first, n;
	bool ended;          /* the giver has given everything; rc and e say how it ended */
	bool stopped;        /* the taker wants no more; rc and e say why */
	int rc;
	struct err e;
};

#define LARGE_BATCH ((size_t)4 << 20) /* has the queue to itself */

static size_t batch_memory(const struct batch *b)
{
	return b->arena.total + (b->keep[0] ? b->keep[0]->arena.total : 0);
}

static void queue_init(struct queue *q)
{
	*q = (struct queue){ .rc = 0 };
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->changed, NULL);
}

static void queue_free(struct queue *q)
{
	for (; q->n; q->n--, q->first = (q->first + 1) % AHEAD_DEPTH)
		batch_unref(q->slot[q->first]);
	pthread_mutex_destroy(&q->lock);
	pthread_cond_destroy(&q->changed);
}

/* Gives one batch (the reference passes on); false when the taker has stopped. */
static bool queue_give(struct queue *q, struct batch *b)
{
	bool open;

	pthread_mutex_lock(&q->lock);
	while (q->n >= (batch_memory(b) > LARGE_BATCH ? 1 : AHEAD_DEPTH) && !q->stopped)
		pthread_cond_wait(&q->changed, &q->lock);
	open = !q->stopped;
	if (open)
		q->slot[(q->first + q->n++) % AHEAD_DEPTH] = b;
	pthread_mutex_unlock(&q->lock);
	if (open)
		pthread_cond_broadcast(&q->changed);
	else
		batch_unref(b);
	return open;
}

/* Takes one batch, waiting for it; NULL when the giver has ended and nothing is left. */
static struct batch *queue_take(struct queue *q)
{
	struct batch *b = NULL;
	bool room;

	pthread_mutex_lock(&q->lock);
	while (q->n == 0 && !q->ended)
		pthread_cond_wait(&q->changed, &q->lock);
	if (q->n) {
		b = q->slot[q->first];
		q->first = (q->first + 1) % AHEAD_DEPTH;
		q->n--;
	}
	room = q->n <= AHEAD_DEPTH / 2;
	pthread_mutex_unlock(&q->lock);
	if (room)
		pthread_cond_broadcast(&q->changed);
	return b;
}

static void queue_end(struct queue *q, int rc, const struct err *e)
{
	pthread_mutex_lock(&q->lock);
	q->ended = true;
	if (rc < 0) {
		q->rc = rc;
		q->e = *e;
	}
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
}

static void queue_stop(struct queue *q, int rc, const struct err *e)
{
	pthread_mutex_lock(&q->lock);
	q->stopped = true;
	if (rc < 0) {
		q->rc = rc;
		q->e = *e;
	}
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
}

/* ---- reading ahead ---- */

struct reader {
	struct queue q;
	struct source *from;
	atomic_int users;    /* the source and its thread */
};

struct ahead {
	struct source source;
	struct reader *r;
	bool started, given_first;
};

static void reader_leave(struct reader *r)
{
	if (atomic_fetch_sub(&r->users, 1) != 1)
		return;
	source_close(r->from);
	queue_free(&r->q);
	free(r);
}

static void *read_on(void *arg)
{
	struct reader *r = arg;
	struct err e = { 0 };
	int rc;

	for (;;) {
		struct batch *b;

		rc = source_next(r->from, &b, &e);
		if (rc < 0 || !b || !queue_give(&r->q, b))
			break;
	}
	queue_end(&r->q, rc, &e);
	reader_leave(r);
	return NULL;
}

static bool start_thread(void *(*run)(void *), void *arg, pthread_t *joinable)
{
	pthread_t t;

	if (pthread_create(&t, NULL, run, arg) != 0)
		return false;
	if (joinable)
		*joinable = t;
	else
		pthread_detach(t);
	return true;
}

static void start_reading(struct ahead *a)
{
	if (a->started)
		return;
	atomic_fetch_add(&a->r->users, 1);
	a->started = start_thread(read_on, a->r, NULL);
	if (!a->started)
		atomic_fetch_sub(&a->r->users, 1);
}

bool source_ahead_wait(struct source *ahead, int64_t until_us)
{
	struct ahead *a = (struct ahead *)ahead;
	struct timespec until = { .tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000 };
	struct queue *q = &a->r->q;
	bool ready;

	start_reading(a);
	if (!a->started)
		return true;
	pthread_mutex_lock(&q->lock);
	while (q->n == 0 && !q->ended && pthread_cond_timedwait(&q->changed, &q->lock, &until) == 0)
		;
	ready = q->n || q->ended;
	pthread_mutex_unlock(&q->lock);
	return ready;
}

static int ahead_next(struct source *s, struct batch **ret, struct err *e)
{
	struct ahead *a = (struct ahead *)s;
	struct reader *r = a->r;

	if (a->given_first)
		start_reading(a);
	a->given_first = true;
	if (!a->started)
		return source_next(r->from, ret, e); /* the first batch, or no thread to be had */
	*ret = queue_take(&r->q);
	if (*ret)
		return 0;
	if (r->q.rc < 0)
		*e = r->q.e;
	return r->q.rc;
}

static void ahead_close(struct source *s)
{
	struct ahead *a = (struct ahead *)s;

	schema_unref(s->schema);
	queue_stop(&a->r->q, 0, NULL);
	reader_leave(a->r);
	free(a);
}

static void ahead_want(struct source *s, const bool *cols, const struct line_form *lines)
{
	source_want_lines(((struct ahead *)s)->r->from, cols, lines);
}

int source_ahead(struct source *from, struct source **ret, struct err *e)
{
	struct ahead *a = calloc(1, sizeof *a);
	struct reader *r = calloc(1, sizeof *r);

	if (!a || !r) {
		free(a);
		free(r);
		source_close(from);
		return err_oom(e);
	}
	queue_init(&r->q);
	r->from = from;
	atomic_init(&r->users, 1);
	a->r = r;
	a->source = (struct source){ schema_ref(from->schema), ahead_next, ahead_close, ahead_want };
	*ret = &a->source;
	return 0;
}

/* ---- writing behind ---- */

struct behind {
	struct sink sink;
	struct queue q;
	struct sink *to;
	pthread_t thread;
	bool started, given_first;
};

static void *write_on(void *arg)
{
	struct behind *w = arg;
	struct err e = { 0 };
	struct batch *b;

	while ((b = queue_take(&w->q))) {
		int rc = w->to->write(w->to, b, &e);

		batch_unref(b);
		if (rc < 0) {
			queue_stop(&w->q, rc, &e);
			break;
		}
	}
	return NULL;
}

static int behind_write(struct sink *s, struct batch *b, struct err *e)
{
	struct behind *w = (struct behind *)s;

	if (w->given_first && !w->started)
		w->started = start_thread(write_on, w, &w->thread);
	w->given_first = true;
	if (!w->started)
		return w->to->write(w->to, b, e);
	if (queue_give(&w->q, batch_ref(b)))
		return 0;
	*e = w->q.e;
	return w->q.rc;
}

/* All that was given is written, or the reason why not. */
static int settle(struct behind *w, struct err *e)
{
	if (!w->started)
		return 0;
	queue_end(&w->q, 0, NULL);
	pthread_join(w->thread, NULL);
	w->started = false;
	if (w->q.rc < 0 && e)
		*e = w->q.e;
	return w->q.rc;
}

static int behind_finish(struct sink *s, struct err *e)
{
	struct behind *w = (struct behind *)s;
	int rc = settle(w, e);

	return rc < 0 ? rc : w->to->finish(w->to, e);
}

static void behind_fail(struct sink *s, const struct err *why)
{
	struct behind *w = (struct behind *)s;

	settle(w, NULL);
	w->to->fail(w->to, why);
}

static void behind_close(struct sink *s)
{
	struct behind *w = (struct behind *)s;

	settle(w, NULL);
	sink_close(w->to);
	queue_free(&w->q);
	free(w);
}

int sink_behind(struct sink *to, struct sink **ret, struct err *e)
{
	struct behind *w = calloc(1, sizeof *w);

	if (!w) {
		sink_close(to);
		return err_oom(e);
	}
	queue_init(&w->q);
	w->to = to;
	w->sink = (struct sink){ behind_write, behind_finish, behind_fail, behind_close, to->lines };
	*ret = &w->sink;
	return 0;
}
