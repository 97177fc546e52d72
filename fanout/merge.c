/* Invariant: results[i] is shard next + i; fd -2 means that it has not come. Only the thread touches what lies under "the thread's
 * own"; the children's ids are shared so that merger_stop() can kill them. */
#include "fanout/merge.h"

#include "fanout/spawn.h"
#include "lib/format/format.h"
#include "lib/io/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOT_YET (-2)
#define FAN_IN 128 /* results that one merge takes */

struct result {
	int fd;
	struct failure *why;
};

struct merger {
	const struct plan *plan;
	const char *tmpdir;
	int wake;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct result *results;
	int64_t next, n, cap, waiting;
	int64_t total;            /* -1: not known yet */
	struct failure end, abort;
	bool done;
	pid_t pids[LEX_STAGES + 1];
	int npids;
	/* the thread's own: */
	struct failure failure;
	struct wire_status status[LEX_STAGES + 1];
	struct sink *sink;        /* the output, or the pipe into the first stage here */
	bool closed;              /* nobody reads any more */
	int *kept, nkept;         /* combine: results and merges of results, in order */
};

/* ---- what the driver calls ---- */

static int grow(struct merger *m, int64_t n)
{
	int64_t cap = m->cap ? m->cap : 64;
	struct result *more;

	while (cap < n)
		cap *= 2;
	if (cap != m->cap) {
		more = realloc(m->results, (size_t)cap * sizeof *more);
		if (!more)
			return -1;
		m->results = more;
		m->cap = cap;
	}
	while (m->n < n)
		m->results[m->n++] = (struct result){ NOT_YET, NULL };
	return 0;
}

static struct failure *failure_copy(const struct failure *f)
{
	struct failure *c = malloc(sizeof *c);

	if (c)
		*c = *f;
	return c;
}

int merger_put(struct merger *m, int64_t shard, int fd, const struct failure *why)
{
	struct failure *copy = why ? failure_copy(why) : NULL;
	int rc = why && !copy ? -1 : 0;

	pthread_mutex_lock(&m->lock);
	if (rc == 0)
		rc = grow(m, shard - m->next + 1);
	if (rc == 0) {
		m->results[shard - m->next] = (struct result){ fd, copy };
		m->waiting++;
	}
	pthread_cond_signal(&m->more);
	pthread_mutex_unlock(&m->lock);
	if (rc && fd >= 0)
		close(fd);
	if (rc)
		free(copy);
	return rc;
}

void merger_end(struct merger *m, int64_t shards, const struct failure *why)
{
	pthread_mutex_lock(&m->lock);
	m->total = shards;
	if (why)
		m->end = *why;
	pthread_cond_signal(&m->more);
	pthread_mutex_unlock(&m->lock);
}

void merger_abort(struct merger *m, const struct failure *why)
{
	pthread_mutex_lock(&m->lock);
	if (!m->abort.e.status)
		m->abort = *why;
	pthread_cond_signal(&m->more);
	pthread_mutex_unlock(&m->lock);
}

int64_t merger_waiting(struct merger *m)
{
	int64_t n;

	pthread_mutex_lock(&m->lock);
	n = m->waiting;
	pthread_mutex_unlock(&m->lock);
	return n;
}

bool merger_done(struct merger *m)
{
	bool done;

	pthread_mutex_lock(&m->lock);
	done = m->done;
	pthread_mutex_unlock(&m->lock);
	return done;
}

/* ---- the thread ---- */

static void wake_up(const struct merger *m)
{
	uint64_t one = 1;

	if (write(m->wake, &one, sizeof one) < 0)
		return; /* full: it will wake anyway */
}

/* Takes the next result in order. false: there are no more, or the run is aborted (m->failure says so). */
static bool take(struct merger *m, struct result *ret)
{
	bool got = false;

	pthread_mutex_lock(&m->lock);
	for (;;) {
		if (m->abort.e.status) {
			m->failure = m->abort;
			break;
		}
		if (m->n && m->results[0].fd != NOT_YET) {
			*ret = m->results[0];
			memmove(m->results, m->results + 1, (size_t)--m->n * sizeof *m->results);
			m->next++;
			m->waiting--;
			got = true;
			break;
		}
		if (m->next == m->total) {
			m->failure = m->end;
			break;
		}
		pthread_cond_wait(&m->more, &m->lock);
	}
	pthread_mutex_unlock(&m->lock);
	if (got)
		wake_up(m);
	return got;
}

static void fail(struct merger *m, const struct err *e)
{
	if (e->status == ST_CLOSED)
		m->closed = true;
	else if (!m->failure.e.status)
		failure_set(&m->failure, m->plan->stages[m->plan->n - 1].words.v[0], e);
}

/* Starts one process; false after a failure. Closes `in` and `out`. */
static bool start(struct merger *m, char *const *argv, int in, int out, const int *keep, int nkeep)
{
	struct err e = { 0 };
	pid_t pid;
	int rc = spawn(&(struct spawn){ .argv = argv, .in = in, .out = out, .keep = keep, .nkeep = nkeep }, &pid, &e);

	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	if (rc < 0) {
		fail(m, &e);
		return false;
	}
	pthread_mutex_lock(&m->lock);
	m->pids[m->npids++] = pid;
	pthread_mutex_unlock(&m->lock);
	return true;
}

/* Starts here[from..] as a pipeline reading from `in`. */
static bool start_rest(struct merger *m, int from, int in)
{
	const struct plan *p = m->plan;

	for (int i = from; i < p->nhere; i++) {
		int pipe_fds[2] = { -1, -1 };
		struct err e = { 0 };

		if (i + 1 < p->nhere && pipe2(pipe_fds, O_CLOEXEC)) {
			err_sys(&e, ST_OSERR, errno, "cannot make a pipe");
			fail(m, &e);
			close(in);
			return false;
		}
		if (!start(m, p->here[i].v, in, pipe_fds[1], NULL, 0)) {
			if (pipe_fds[0] >= 0)
				close(pipe_fds[0]);
			return false;
		}
		in = pipe_fds[0];
	}
	return true;
}

static void wait_all(struct merger *m)
{
	for (int i = 0; i < m->npids; i++) {
		int status = 0;

		while (waitpid(m->pids[i], &status, 0) < 0 && errno == EINTR)
			;
		pthread_mutex_lock(&m->lock);
		m->pids[i] = 0;
		pthread_mutex_unlock(&m->lock);
		m->status[i] = WIFSIGNALED(status) ? (struct wire_status){ 1, (uint8_t)WTERMSIG(status) }
						   : (struct wire_status){ 0, (uint8_t)WEXITSTATUS(status) };
	}
}

/* Opens what the per-record results go to: the output itself or the first stage here. */
static int open_sink(struct merger *m, const struct schema *schema, struct err *e)
{
	const struct common *last = plan_common(m->plan, -1);
	struct write_opts plain = { .packing.codec = CODEC_NONE };
	struct out *out;
	int p[2], rc;

	if (m->plan->nhere == 0)
		return output_open(last->output, &last->write, schema, &m->sink, e);
	if (pipe2(p, O_CLOEXEC))
		return err_sys(e, ST_OSERR, errno, "cannot make a pipe");
	if (!start_rest(m, 0, p[0])) {
		close(p[1]);
		*e = m->failure.e;
		return -e->status;
	}
	if ((rc = out_open_fd(&out, p[1], "pipe", e)) < 0)
		return rc;
	return format_arrow.write(out, schema, &plain, &m->sink, e);
}

/* One result into the sink. With `partial` its own end is not expected: the rows before it count. */
static int pass_on(struct merger *m, int fd, bool partial, struct err *e)
{
	static const struct read_opts plain;
	struct source *s;
	struct in *in;
	struct err ignored;
	int rc;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, ST_IO, errno, "cannot read a temporary file");
	if ((rc = in_open_fd(&in, fd, "result", e)) < 0 || (rc = format_arrow.read(in, &plain, &s, e)) < 0)
		return partial ? 0 : rc;
	if (!m->sink)
		rc = open_sink(m, s->schema, e);
	while (rc == 0) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(s, &b, partial ? &ignored : e)) < 0 && partial)
			rc = 0;
		if (rc < 0 || !b)
			break;
		rc = m->sink->write(m->sink, b, e);
	}
	source_close(s);
	return rc;
}

static void stream_results(struct merger *m)
{
	struct result r;
	struct err e = { 0 };
	int rc = 0;

	while (rc == 0 && !m->failure.e.status && take(m, &r)) {
		if (r.fd >= 0)
			rc = pass_on(m, r.fd, r.why != NULL, &e);
		if (r.why && rc == 0)
			m->failure = *r.why;
		free(r.why);
	}
	if (rc == 0 && !m->failure.e.status && m->sink)
		rc = m->sink->finish(m->sink, &e);
	if (rc < 0)
		fail(m, &e);
	if (m->sink && m->failure.e.status)
		m->sink->fail(m->sink, &m->failure.e);
	sink_close(m->sink);
	m->sink = NULL;
	wait_all(m);
}

/* argv of a merge over n open descriptors. Freed with its strings by free_merge(). */
static char **merge_argv(const struct words *w, const int *fds, int n)
{
	char **v = calloc((size_t)(w->n + n) + 1, sizeof *v);

	for (int i = 0; v && i < w->n + n; i++) {
		if (i < w->n)
			v[i] = strdup(w->v[i]);
		else if (asprintf(&v[i], "/dev/fd/%d", fds[i - w->n]) < 0)
			v[i] = NULL;
	}
	return v;
}

static void free_merge(char **v, int n)
{
	for (int i = 0; v && i < n; i++)
		free(v[i]);
	free(v);
}

static bool start_merge(struct merger *m, const struct words *w, const int *fds, int n, int out)
{
	char **argv = merge_argv(w, fds, n);
	struct err e = { 0 };
	bool ok = argv && argv[w->n + n - 1];

	if (ok) {
		ok = start(m, argv, -1, out, fds, n);
	} else {
		err_oom(&e);
		fail(m, &e);
		if (out >= 0)
			close(out);
	}
	free_merge(argv, w->n + n);
	return ok;
}

static void rewind_all(const int *fds, int n)
{
	for (int i = 0; i < n; i++)
		lseek(fds[i], 0, SEEK_SET);
}

/* Merges all kept results into one of the same kind. */
static void condense(struct merger *m)
{
	struct err e = { 0 };
	int out, dup_out;

	if (temp_open(m->tmpdir, &out, &e) < 0) {
		fail(m, &e);
		return;
	}
	dup_out = fcntl(out, F_DUPFD_CLOEXEC, 3);
	rewind_all(m->kept, m->nkept);
	if (dup_out >= 0 && start_merge(m, &m->plan->remerge, m->kept, m->nkept, dup_out)) {
		wait_all(m);
		if (root_cause(m->npids, m->status) >= 0 && !m->failure.e.status) {
			err_set(&e, m->status[0].signaled ? ST_PARTIAL : m->status[0].code, "merging results failed");
			fail(m, &e);
		}
	}
	m->npids = 0;
	for (int i = 0; i < m->nkept; i++)
		close(m->kept[i]);
	m->kept[0] = out;
	m->nkept = 1;
}

static void keep(struct merger *m, int fd)
{
	m->kept[m->nkept++] = fd;
	if (m->nkept == FAN_IN)
		condense(m);
}

static void final_merge(struct merger *m)
{
	int p[2] = { -1, -1 };
	bool rest = m->plan->nhere > 1;
	struct err e = { 0 };

	if (rest && pipe2(p, O_CLOEXEC)) {
		err_sys(&e, ST_OSERR, errno, "cannot make a pipe");
		fail(m, &e);
		return;
	}
	rewind_all(m->kept, m->nkept);
	if (start_merge(m, &m->plan->here[0], m->kept, m->nkept, p[1]) && rest)
		start_rest(m, 1, p[0]);
	else if (rest)
		close(p[0]);
	wait_all(m);
}

static void collect_results(struct merger *m)
{
	struct err e = { 0 };
	struct result r;

	m->kept = calloc(FAN_IN, sizeof *m->kept);
	if (!m->kept) {
		err_oom(&e);
		fail(m, &e);
		return;
	}
	while (!m->failure.e.status && take(m, &r)) {
		if (r.why) {
			m->failure = *r.why;
			free(r.why);
			if (r.fd >= 0)
				close(r.fd);
		} else {
			keep(m, r.fd);
		}
	}
	if (!m->failure.e.status)
		final_merge(m);
	for (int i = 0; i < m->nkept; i++)
		close(m->kept[i]);
	free(m->kept);
}

static void *merger_thread(void *arg)
{
	struct merger *m = arg;

	if (m->plan->combine)
		collect_results(m);
	else
		stream_results(m);
	pthread_mutex_lock(&m->lock);
	m->done = true;
	pthread_mutex_unlock(&m->lock);
	wake_up(m);
	return NULL;
}

int merger_start(struct merger **ret, const struct plan *p, const char *tmpdir, int wake, struct err *e)
{
	struct merger *m = calloc(1, sizeof *m);
	int rc;

	if (!m)
		return err_oom(e);
	m->plan = p;
	m->tmpdir = tmpdir;
	m->wake = wake;
	m->total = -1;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->more, NULL);
	rc = pthread_create(&m->thread, NULL, merger_thread, m);
	if (rc) {
		free(m);
		return err_sys(e, ST_OSERR, rc, "cannot start a thread");
	}
	*ret = m;
	return 0;
}

static void kill_children(struct merger *m)
{
	pthread_mutex_lock(&m->lock);
	for (int i = 0; i < m->npids; i++)
		if (m->pids[i] > 0)
			kill(m->pids[i], SIGKILL);
	pthread_mutex_unlock(&m->lock);
}

/* The status of the processes here, in the way a shell would tell a killed one. */
static int children_status(const struct merger *m)
{
	int i = root_cause(m->npids, m->status);

	return i < 0 ? 0 : m->status[i].signaled ? 128 + m->status[i].code : m->status[i].code;
}

/* A thread that was told to stop may still wait for a reader of stdout that takes nothing. */
static void join(struct merger *m)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 2;
	if (merger_done(m) || pthread_timedjoin_np(m->thread, NULL, &until)) {
		if (!merger_done(m))
			pthread_cancel(m->thread);
		pthread_join(m->thread, NULL);
	}
}

int merger_stop(struct merger *m, struct failure *why)
{
	int status;

	if (!merger_done(m)) {
		struct failure stopped = { .program = "fanout", .e = { .status = ST_CLOSED } };

		merger_abort(m, &stopped);
		kill_children(m);
	}
	join(m);
	*why = m->failure;
	status = m->failure.e.status ? m->failure.e.status : children_status(m);
	for (int64_t i = 0; i < m->n; i++) {
		if (m->results[i].fd >= 0)
			close(m->results[i].fd);
		free(m->results[i].why);
	}
	free(m->results);
	pthread_mutex_destroy(&m->lock);
	pthread_cond_destroy(&m->more);
	free(m);
	return status == ST_CLOSED ? 0 : status;
}
