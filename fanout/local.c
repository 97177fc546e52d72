/* Executor `local`: a worker is a shim of this program on a socket pair. */
#include "fanout/executor.h"
#include "fanout/spawn.h"

#include "lib/io/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct worker {
	struct reach reach;
	pid_t pid;
};

static int open_worker(const struct reach_opts *o, const char *host, struct reach **ret, struct err *e)
{
	char *argv[] = { (char[]){ "stook-shim" }, (char[]){ "--shim" }, strdup(temp_dir(o->tmpdir)), NULL };
	struct worker *w = calloc(1, sizeof *w);
	int pair[2] = { -1, -1 }, rc;

	(void)host;
	if (!w || !argv[2])
		rc = err_oom(e);
	else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		rc = err_sys(e, ST_OSERR, errno, "cannot make a socket pair");
	else
		rc = spawn(&(struct spawn){ .argv = argv, .in = pair[1], .out = pair[1], .own_group = true }, &w->pid, e);
	if (pair[1] >= 0)
		close(pair[1]);
	free(argv[2]);
	if (rc < 0) {
		if (pair[0] >= 0)
			close(pair[0]);
		free(w);
		return rc;
	}
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	w->reach.x = &executor_local;
	w->reach.fd = pair[0];
	*ret = &w->reach;
	return 0;
}

static void why(struct reach *r, struct err *e)
{
	struct worker *w = (struct worker *)r;
	int status = w->pid > 0 ? spawn_end(w->pid, 1000) : 0;

	w->pid = 0;
	if (WIFSIGNALED(status))
		err_set(e, ST_PARTIAL, "the worker was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		err_set(e, ST_PARTIAL, "the worker ended with status %d", WEXITSTATUS(status));
}

static void close_worker(struct reach *r)
{
	struct worker *w = (struct worker *)r;

	reach_hang_up(r);
	if (w->pid > 0)
		spawn_end(w->pid, 3000);
	free(w);
}

const struct executor executor_local = {
	.name = "local",
	.help = "worker processes on this machine",
	.open = open_worker,
	.why = why,
	.close = close_worker,
};
