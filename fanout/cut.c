/* The thread fills `building` from batches and queues it when it is large enough; the queue holds QUEUE shards at most, so that the
 * input is read no faster than the hosts take it. The first shards are small, so that a small input keeps all workers busy. */
#include "fanout/cut.h"

#include "lib/base/hash.h"
#include "lib/format/format.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define QUEUE 2
#define FIRST_BYTES (INT64_C(1) << 20)
#define MOST_BYTES (INT64_C(8) << 20)

struct cutter {
	const struct plan *plan;
	struct cut_opts opts;
	int wake;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t room;
	struct shard *queue[QUEUE];
	int nqueue;
	bool end, stop;
	struct err err;               /* why the input ended, status 0: properly */
	/* the thread's own: */
	struct source *source;
	struct shard *building;
	int64_t next_index, rows;
	int64_t building_bytes;
};

void shard_free(struct shard *s)
{
	if (!s)
		return;
	for (int i = 0; i < s->nbatches; i++)
		batch_unref(s->batches[i]);
	free(s->batches);
	buf_free(&s->bytes);
	free(s);
}

void shard_locate(const struct shard *s, int64_t row, struct err *e)
{
	int64_t at = row - 1;

	for (int i = 0; i < s->nbatches; i++) {
		const struct batch *b = s->batches[i];

		if (at < b->nrows) {
			int col = e->field[0] ? schema_find(b->schema, str_of(e->field)) : -1;

			batch_err_at(b, at, col, e);
			return;
		}
		at -= b->nrows;
	}
}

static int write_stream(struct out *out, const struct schema *schema, struct batch **batches, int n, bool compress, struct err *e)
{
	struct write_opts w = { .packing.codec = compress ? CODEC_ZSTD : CODEC_NONE };
	struct sink *sink;
	int rc = format_arrow.write(out, schema, &w, &sink, e);

	if (rc < 0)
		return rc;
	for (int i = 0; i < n && rc == 0; i++)
		rc = sink->write(sink, batches[i], e);
	if (rc == 0)
		rc = sink->finish(sink, e);
	sink_close(sink);
	return rc;
}

static int serialise(struct cutter *c, struct shard *s, struct err *e)
{
	struct out *out;
	int rc = out_open_mem(&out, &s->bytes, e);

	if (rc == 0)
		rc = write_stream(out, c->source->schema, s->batches, s->nbatches, c->opts.compress, e);
	if (rc == 0)
		s->hash = hash64(s->bytes.p, s->bytes.n, 0);
	return rc;
}

static void wake_up(const struct cutter *c)
{
	uint64_t one = 1;

	if (write(c->wake, &one, sizeof one) < 0)
		return; /* full: it will wake anyway */
}

static void unlock(void *lock)
{
	pthread_mutex_unlock(lock);
}

static void enqueue(struct cutter *c, struct shard *s)
{
	bool stopped;

	pthread_mutex_lock(&c->lock);
	pthread_cleanup_push(unlock, &c->lock);
	while (c->nqueue == QUEUE && !c->stop)
		pthread_cond_wait(&c->room, &c->lock);
	stopped = c->stop;
	if (!stopped)
		c->queue[c->nqueue++] = s;
	pthread_cleanup_pop(1);
	if (stopped)
		shard_free(s);
	wake_up(c);
}

static int begin(struct cutter *c, struct err *e)
{
	c->building = calloc(1, sizeof *c->building);
	if (!c->building)
		return err_oom(e);
	c->building->index = c->next_index++;
	c->building->first_row = c->rows;
	c->building_bytes = 0;
	return 0;
}

static int hand_over(struct cutter *c, struct err *e)
{
	struct shard *s = c->building;
	int rc = serialise(c, s, e);

	if (rc < 0)
		return rc;
	c->building = NULL;
	enqueue(c, s);
	return 0;
}

static int64_t target_bytes(const struct cutter *c)
{
	int64_t steps = c->building->index / 8, want = FIRST_BYTES;

	if (c->opts.bytes || c->opts.rows)
		return c->opts.bytes ? c->opts.bytes : INT64_MAX;
	while (steps-- > 0 && want < MOST_BYTES)
		want *= 2;
	return want;
}

static int64_t bytes_of(const struct batch *b)
{
	int64_t n = 0;

	for (int i = 0; i < b->schema->nfields; i++)
		n += column_bytes(&b->cols[i], 0, b->nrows);
	return n;
}

static int append(struct cutter *c, struct batch *b, int64_t bytes, struct err *e)
{
	struct shard *s = c->building;
	struct batch **more = realloc(s->batches, ((size_t)s->nbatches + 1) * sizeof *more);

	if (!more)
		return err_oom(e);
	s->batches = more;
	more[s->nbatches++] = batch_ref(b);
	s->rows += b->nrows;
	c->rows += b->nrows;
	c->building_bytes += bytes;
	return 0;
}

/* How many of b's rows from `from` the shard that is being built still takes; at least 1. */
static int64_t fitting(const struct cutter *c, const struct batch *b, int64_t bytes)
{
	int64_t target = target_bytes(c), n = b->nrows;

	if (c->opts.rows && c->opts.rows - c->building->rows < n)
		n = c->opts.rows - c->building->rows;
	if (bytes > target / 4 && target != INT64_MAX) {
		int64_t by_bytes = (int64_t)((double)b->nrows * (double)(target - c->building_bytes) / (double)bytes);

		n = by_bytes < n ? by_bytes : n;
	}
	return n < 1 ? 1 : n;
}

static bool full(const struct cutter *c)
{
	return (c->opts.rows && c->building->rows >= c->opts.rows) || c->building_bytes >= target_bytes(c) - target_bytes(c) / 8;
}

static int take_batch(struct cutter *c, struct batch *b, struct err *e)
{
	int64_t bytes = bytes_of(b);
	int rc = 0;

	for (int64_t at = 0; at < b->nrows && rc == 0;) {
		cleanup_batch struct batch *part = NULL;
		int64_t n;

		if (!c->building && (rc = begin(c, e)) < 0)
			return rc;
		n = fitting(c, b, bytes);
		n = n < b->nrows - at ? n : b->nrows - at;
		if (n == b->nrows)
			part = batch_ref(b);
		else if ((rc = batch_slice(b, at, n, &part, e)) < 0)
			return rc;
		rc = append(c, part, (int64_t)((double)bytes * (double)n / (double)b->nrows), e);
		at += n;
		if (rc == 0 && full(c))
			rc = hand_over(c, e);
	}
	return rc;
}

static bool stopping(struct cutter *c)
{
	bool stop;

	pthread_mutex_lock(&c->lock);
	stop = c->stop;
	pthread_mutex_unlock(&c->lock);
	return stop;
}

static int cut(struct cutter *c, struct err *e)
{
	const struct common *first = plan_common(c->plan, 0);
	int rc = inputs_open(c->plan->ninputs, c->plan->inputs, &first->read, &c->source, e);

	while (rc == 0 && !stopping(c)) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(c->source, &b, e)) < 0 || !b)
			break;
		rc = take_batch(c, b, e);
	}
	return rc;
}

/* What came before an error is still handed over: errors are values in order. */
static void *cutter_thread(void *arg)
{
	struct cutter *c = arg;
	struct err e = { 0 }, later = { 0 };
	int rc = cut(c, &e);

	if (c->source && !c->building && c->next_index == 0)
		(void)!begin(c, &later); /* no rows: the schema still travels */
	if (c->building && hand_over(c, &later) < 0 && rc == 0)
		e = later;
	pthread_mutex_lock(&c->lock);
	c->end = true;
	c->err = e;
	pthread_mutex_unlock(&c->lock);
	wake_up(c);
	return NULL;
}

int cutter_start(struct cutter **ret, const struct plan *p, const struct cut_opts *o, int wake, struct err *e)
{
	struct cutter *c = calloc(1, sizeof *c);
	int rc;

	if (!c)
		return err_oom(e);
	c->plan = p;
	c->opts = *o;
	c->wake = wake;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->room, NULL);
	rc = pthread_create(&c->thread, NULL, cutter_thread, c);
	if (rc) {
		free(c);
		return err_sys(e, ST_OSERR, rc, "cannot start a thread");
	}
	*ret = c;
	return 0;
}

void cutter_take(struct cutter *c, struct shard **ret, bool *end, struct err *e)
{
	*ret = NULL;
	pthread_mutex_lock(&c->lock);
	if (c->nqueue) {
		*ret = c->queue[0];
		memmove(c->queue, c->queue + 1, (size_t)--c->nqueue * sizeof *c->queue);
		pthread_cond_signal(&c->room);
	}
	*end = c->end && !c->nqueue && !*ret;
	if (*end)
		*e = c->err;
	pthread_mutex_unlock(&c->lock);
}

/* Asks first; a thread that waits for input that never comes is cancelled there. */
static void end_thread(struct cutter *c)
{
	struct timespec until;

	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->room);
	pthread_mutex_unlock(&c->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 1;
	if (pthread_timedjoin_np(c->thread, NULL, &until) == 0)
		return;
	pthread_cancel(c->thread);
	pthread_join(c->thread, NULL);
}

void cutter_stop(struct cutter *c)
{
	if (!c)
		return;
	end_thread(c);
	for (int i = 0; i < c->nqueue; i++)
		shard_free(c->queue[i]);
	shard_free(c->building);
	source_close(c->source);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->room);
	free(c);
}

int cut_table(const char *path, const struct read_opts *o, int fd, struct err *e)
{
	struct write_opts w = { .packing.codec = CODEC_NONE };
	struct source *s = NULL;
	struct sink *sink = NULL;
	struct out *out;
	char *name = strdup(path);
	int rc = name ? inputs_open(1, &name, o, &s, e) : err_oom(e);

	if (rc == 0 && (rc = out_open_fd(&out, fd, path, e)) == 0)
		rc = format_arrow.write(out, s->schema, &w, &sink, e);
	if (rc == 0)
		rc = stream_copy(s, sink, e);
	sink_close(sink);
	source_close(s);
	free(name);
	return rc;
}
