/* Executor `ssh`: a thread a host connects, logs in, ships what is missing and starts the shim, in straight lines with deadlines;
 * then it carries bytes between the host and a socket pair whose other end is the driver's. The driver hanging up ends the thread. */
#include "fanout/executor.h"
#include "fanout/line.h"
#include "fanout/ship.h"
#include "fanout/spawn.h"
#include "fanout/target.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCK (64u << 10)
#define GOODBYE_MS 3000 /* for the shim to kill its stages and clean up */

struct remote {
	struct reach reach;
	const struct reach_opts *o;
	char *host;
	pthread_t thread;
	int inner;          /* the thread's end of the socket pair */
	struct err err;     /* why it ended; the thread's until its end is closed */
};

struct carry {
	struct remote *r;
	struct line *line;
	struct buf to_host, to_driver;
	size_t host_at, driver_at;
	bool driver_done, host_done;
	bool moved;         /* something went either way in this turn */
};

/* Driver -> host. */
static int carry_out(struct carry *c, struct err *e)
{
	if (c->host_at == c->to_host.n && !c->driver_done) {
		ssize_t k = recv(c->r->inner, c->to_host.p, BLOCK, MSG_DONTWAIT);

		if (k == 0 || (k < 0 && errno != EAGAIN && errno != EINTR))
			c->driver_done = true;
		c->to_host.n = k > 0 ? (size_t)k : 0;
		c->host_at = 0;
		c->moved |= k >= 0;
	}
	while (c->host_at < c->to_host.n) {
		ssize_t k = c->line->ops->write(c->line, c->to_host.p + c->host_at, c->to_host.n - c->host_at, e);

		if (k < 0)
			return (int)k;
		if (k == 0)
			break;
		c->host_at += (size_t)k;
		c->moved = true;
	}
	return 0;
}

/* Host -> driver. */
static int carry_in(struct carry *c, struct err *e)
{
	if (c->driver_at == c->to_driver.n && !c->host_done) {
		ssize_t k = c->line->ops->read(c->line, c->to_driver.p, BLOCK, e);

		if (k < 0 && k != LINE_LATER)
			return (int)k;
		c->host_done = k == 0;
		c->to_driver.n = k > 0 ? (size_t)k : 0;
		c->driver_at = 0;
		c->moved |= k >= 0;
	}
	while (c->driver_at < c->to_driver.n) {
		ssize_t k = send(c->r->inner, c->to_driver.p + c->driver_at, c->to_driver.n - c->driver_at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (k < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (k < 0) {
			c->driver_done = true;
			break;
		}
		c->driver_at += (size_t)k;
		c->moved = true;
	}
	return 0;
}

static int carry(struct carry *c, struct err *e)
{
	int silence = c->r->o->silence;

	while (!c->driver_done && !c->host_done) {
		int64_t now = clock_ms();
		short events, ready;

		c->moved = false;
		if (carry_out(c, e) < 0 || carry_in(c, e) < 0)
			return -e->status;
		if (c->moved)
			continue;
		events = (short)((c->host_at == c->to_host.n ? POLLIN : 0) | (c->driver_at < c->to_driver.n ? POLLOUT : 0));
		if (now - c->line->last_heard > silence)
			return err_set(e, ST_UNAVAIL, "it has said nothing for %d s", (silence + 500) / 1000);
		if (c->line->ops->wait(c->line, c->host_at < c->to_host.n, c->r->inner, events, &ready, now + 1000, e) < 0)
			return -e->status;
	}
	return 0;
}

/* The driver hung up: tell the shim, and give it time to leave nothing behind. */
static void say_goodbye(struct carry *c)
{
	int64_t until = clock_ms() + GOODBYE_MS;
	struct err ignored;
	char part[4096];

	if (c->line->ops->end_input(c->line, &ignored) < 0)
		return;
	while (clock_ms() < until) {
		ssize_t k = c->line->ops->read(c->line, part, sizeof part, &ignored);
		short ready;

		if (k == LINE_LATER)
			k = c->line->ops->wait(c->line, false, -1, 0, &ready, until, &ignored) < 0 ? -1 : 1;
		if (k <= 0)
			return;
	}
}

/* The host's side ended first: what can be said about it. */
static void host_ended(struct carry *c, struct err *e)
{
	struct str said = buf_view(&c->line->errors);
	char how[200];

	c->line->ops->finish(c->line, clock_ms() + 1000, how, sizeof how);
	while (said.n && said.p[said.n - 1] == '\n')
		said.n--;
	err_set(e, ST_UNAVAIL, "%s%s%.*s", how, said.n ? ": " : "", (int)(said.n < 300 ? said.n : 300), said.p ? said.p : "");
}

static void carry_all(struct remote *r, struct line *line, struct buf *more, struct err *e)
{
	struct carry c = { .r = r, .line = line };

	line->last_heard = clock_ms();
	if (buf_reserve(&c.to_host, BLOCK) || buf_reserve(&c.to_driver, BLOCK + more->n) || buf_add(&c.to_driver, more->p, more->n)) {
		err_oom(e);
	} else if (carry(&c, e) == 0) {
		if (c.driver_done)
			say_goodbye(&c);
		else
			host_ended(&c, e);
	}
	buf_free(&c.to_host);
	buf_free(&c.to_driver);
}

static int open_line(struct remote *r, struct target *t, struct line **ret, struct err *e)
{
	int rc;

	if (r->o->ssh)
		return client_open(ret, r->o->ssh, r->host, r->inner, e);
	rc = target_resolve(t, r->host, r->o, e);
	return rc < 0 ? rc : session_open(ret, t, r->o, r->inner, e);
}

static void *remote_thread(void *arg)
{
	struct remote *r = arg;
	struct target t = { .port = 0 };
	struct line *line = NULL;
	cleanup_buf struct buf more = { 0 };
	struct err e = { 0 };

	err_set(&e, ST_CLOSED, "stopped");
	if (open_line(r, &t, &line, &e) == 0 && ship_start(line, r->o, &more, &r->reach.shipped, &e) == 0)
		carry_all(r, line, &more, &e);
	r->err = e;
	shutdown(r->inner, SHUT_RDWR); /* the driver may know now; its end must stay valid until the thread is joined */
	if (line)
		line->ops->close(line);
	target_free(&t);
	return NULL;
}

static int open_host(const struct reach_opts *o, const char *host, struct reach **ret, struct err *e)
{
	struct remote *r = calloc(1, sizeof *r);
	int pair[2] = { -1, -1 }, rc = 0;

	if (!r || !(r->host = strdup(host)))
		rc = err_oom(e);
	else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		rc = err_sys(e, ST_OSERR, errno, "cannot make a socket pair");
	if (rc == 0) {
		r->reach.x = &executor_ssh;
		r->reach.fd = pair[0];
		r->inner = pair[1];
		r->o = o;
		rc = pthread_create(&r->thread, NULL, remote_thread, r);
		if (rc == 0) {
			*ret = &r->reach;
			return 0;
		}
		rc = err_sys(e, ST_OSERR, rc, "cannot start a thread");
	}
	for (int i = 0; i < 2; i++)
		if (pair[i] >= 0)
			close(pair[i]);
	if (r)
		free(r->host);
	free(r);
	return rc;
}

static void why(struct reach *reach, struct err *e)
{
	struct remote *r = (struct remote *)reach;

	if (r->err.status && r->err.status != ST_CLOSED)
		*e = r->err;
	else
		err_set(e, ST_UNAVAIL, "the connection ended");
}

static void close_host(struct reach *reach)
{
	struct remote *r = (struct remote *)reach;
	struct timespec until;

	reach_hang_up(reach);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 2 * GOODBYE_MS / 1000;
	if (pthread_timedjoin_np(r->thread, NULL, &until)) {
		pthread_detach(r->thread); /* it hangs in a name look-up or an agent: it may keep what it holds */
		return;
	}
	close(r->inner);
	free(r->host);
	free(r);
}

const struct executor executor_ssh = {
	.name = "ssh",
	.help = "other machines over SSH",
	.remote = true,
	.open = open_host,
	.why = why,
	.close = close_host,
};
