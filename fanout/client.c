/* A line through the user's own ssh client: COMMAND HOST SCRIPT, once for each command. COMMAND is split at blanks. */
#include "fanout/line.h"
#include "fanout/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS 64

struct client {
	struct line line;
	char *words[WORDS]; /* of COMMAND, NULL terminated */
	char *text, *host;
	int fd;             /* -1: nothing runs */
	pid_t pid;
};

static void stop_command(struct client *c, int ms)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	if (c->pid > 0)
		spawn_end(c->pid, ms);
	c->pid = 0;
}

static int start(struct line *l, const char *command, int64_t until, struct err *e)
{
	struct client *c = (struct client *)l;
	char *argv[WORDS + 3], *copy = strdup(command);
	int pair[2], n = 0, rc;

	(void)until;
	stop_command(c, 2000);
	if (!copy)
		return err_oom(e);
	for (; c->words[n]; n++)
		argv[n] = c->words[n];
	argv[n++] = c->host;
	argv[n++] = copy;
	argv[n] = NULL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		free(copy);
		return err_sys(e, ST_OSERR, errno, "cannot make a socket pair");
	}
	rc = spawn(&(struct spawn){ .path = c->words[0], .argv = argv, .in = pair[1], .out = pair[1], .own_group = true }, &c->pid, e);
	free(copy);
	close(pair[1]);
	if (rc < 0) {
		close(pair[0]);
		return rc;
	}
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	c->fd = pair[0];
	return 0;
}

static ssize_t read_some(struct line *l, void *p, size_t n, struct err *e)
{
	struct client *c = (struct client *)l;
	ssize_t k = read(c->fd, p, n);

	if (k < 0 && (errno == EAGAIN || errno == EINTR))
		return LINE_LATER;
	if (k < 0)
		return errno == ECONNRESET ? 0 : err_sys(e, ST_UNAVAIL, errno, "the ssh client failed");
	l->last_heard = clock_ms();
	return k;
}

static ssize_t write_some(struct line *l, const void *p, size_t n, struct err *e)
{
	struct client *c = (struct client *)l;
	ssize_t k = send(c->fd, p, n, MSG_NOSIGNAL);

	if (k < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return k < 0 ? err_set(e, ST_UNAVAIL, "the ssh client ended") : k;
}

static int end_input(struct line *l, struct err *e)
{
	struct client *c = (struct client *)l;

	(void)e;
	shutdown(c->fd, SHUT_WR);
	return 0;
}

static int wait_line(struct line *l, bool want_write, int fd, short events, short *ready, int64_t until, struct err *e)
{
	struct client *c = (struct client *)l;
	struct pollfd p[2] = { { c->fd, (short)(POLLIN | (want_write ? POLLOUT : 0)), 0 }, { fd, events, 0 } };
	int64_t left = until - clock_ms();

	if (left <= 0)
		return err_set(e, ST_UNAVAIL, "the host did not answer in time");
	poll(p, 2, left < 200 ? (int)left : 200);
	if (ready)
		*ready = p[1].revents;
	else if (line_stopped(l))
		return err_set(e, ST_CLOSED, "stopped");
	return 0;
}

static int finish(struct line *l, int64_t until, char *how, size_t size)
{
	struct client *c = (struct client *)l;
	int64_t left = until - clock_ms();
	int status = c->pid > 0 ? spawn_end(c->pid, left > 0 ? (int)left : 0) : 0;

	c->pid = 0;
	if (WIFSIGNALED(status))
		snprintf(how, size, "the ssh client was killed by signal %d", WTERMSIG(status));
	else
		snprintf(how, size, "the ssh client ended with status %d", WEXITSTATUS(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void close_client(struct line *l)
{
	struct client *c = (struct client *)l;

	stop_command(c, 3000);
	buf_free(&l->errors);
	free(c->text);
	free(c->host);
	free(c);
}

static const struct line_ops client_ops = { start, read_some, write_some, end_input, wait_line, finish, close_client };

int client_open(struct line **ret, const char *command, const char *host, int stop, struct err *e)
{
	struct client *c = calloc(1, sizeof *c);
	char *save = NULL;
	int n = 0;

	if (!c)
		return err_oom(e);
	c->line.ops = &client_ops;
	c->line.stop = stop;
	c->fd = -1;
	c->text = strdup(command);
	c->host = strdup(host);
	if (!c->text || !c->host) {
		close_client(&c->line);
		return err_oom(e);
	}
	for (char *w = strtok_r(c->text, " \t", &save); w && n < WORDS - 1; w = strtok_r(NULL, " \t", &save))
		c->words[n++] = w;
	if (n == 0 || host[0] == '-') {
		close_client(&c->line);
		return err_set(e, ST_USAGE, "--ssh names no command");
	}
	*ret = &c->line;
	return 0;
}
