/* Stages run this very program under the tool's name. Each has its own stderr pipe, so that its words can be told apart. If the
 * shim dies, however, its stages die with it (parent death signal). */
#include "fanout/shim_task.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void run_stage(char **argv, const char *cwd, const char *argv0, pid_t parent, int in, int out, int err)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 || chdir(cwd))
		_exit(ST_OSERR);
	execv("/proc/self/exe", argv);
	execv(argv0, argv);
	_exit(ST_OSERR);
}

/* Starts stage i reading from `in`, which it takes over; *out becomes where its output can be read. */
static int start_stage(struct shim_task *t, int i, char **argv, const char *cwd, const char *argv0, int in, int *out, struct err *e)
{
	int o[2] = { -1, -1 }, x[2] = { -1, -1 };
	pid_t parent = getpid(), pid;

	if (pipe2(o, O_CLOEXEC) == 0 && pipe2(x, O_CLOEXEC) == 0 && (pid = fork()) >= 0) {
		if (pid == 0) {
			setpgid(0, t->group);
			run_stage(argv, cwd, argv0, parent, in, o[1], x[1]);
		}
		if (i == 0)
			t->group = pid;
		setpgid(pid, t->group);
		t->pid[i] = pid;
		t->running++;
		t->err_fd[i] = x[0];
		*out = o[0];
		x[0] = o[0] = -1;
		e->status = 0;
	} else {
		err_sys(e, ST_OSERR, errno, "cannot start %s", argv[0]);
	}
	close_fd(&o[0]);
	close_fd(&o[1]);
	close_fd(&x[0]);
	close_fd(&x[1]);
	close_fd(&in);
	return -e->status;
}

static void set_nonblocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static int start_stages(struct shim_task *t, const struct wire_task *spec, const char *cwd, const char *argv0, struct err *e)
{
	int p[2], in, out = -1;

	if (pipe2(p, O_CLOEXEC))
		return err_sys(e, ST_OSERR, errno, "cannot make a pipe");
	in = p[0];
	t->in_fd = p[1];
	for (int i = 0; i < t->n; i++) {
		if (start_stage(t, i, spec->stages[i].argv, cwd, argv0, in, &out, e) < 0)
			return -e->status;
		set_nonblocking(t->err_fd[i]);
		in = out;
	}
	t->out_fd = out;
	set_nonblocking(t->out_fd);
	set_nonblocking(t->in_fd);
	return 0;
}

int shim_task_start(struct shim_task **ret, uint32_t id, const struct wire_task *spec, const char *cwd, const char *argv0, struct err *e)
{
	struct shim_task *t = aligned_alloc(64, (sizeof *t + 63) / 64 * 64);

	if (!t)
		return err_oom(e);
	memset(t, 0, sizeof *t);
	t->id = id;
	t->exit.n = t->n = spec->n;
	t->in_fd = t->out_fd = -1;
	for (int i = 0; i < t->n; i++)
		t->err_fd[i] = -1;
	hasher_init(&t->in_hash, 0);
	hasher_init(&t->out_hash, 0);
	if (start_stages(t, spec, cwd, argv0, e) < 0) {
		shim_task_free(t);
		return -e->status;
	}
	*ret = t;
	return 0;
}

void shim_task_kill(struct shim_task *t)
{
	if (t->group > 0 && t->running)
		kill(-t->group, SIGKILL);
}

void shim_task_free(struct shim_task *t)
{
	if (!t)
		return;
	shim_task_kill(t);
	for (int i = 0; i < t->n; i++) {
		if (t->pid[i] > 0)
			waitpid(t->pid[i], NULL, 0);
		close_fd(&t->err_fd[i]);
	}
	close_fd(&t->in_fd);
	close_fd(&t->out_fd);
	buf_free(&t->in);
	free(t);
}

int shim_task_input(struct shim_task *t, struct str data)
{
	hasher_add(&t->in_hash, data.p, data.n);
	t->exit.in_bytes += data.n;
	return buf_str(&t->in, data);
}

uint32_t shim_task_push(struct shim_task *t)
{
	size_t from = t->in_at;

	while (t->in_at < t->in.n) {
		ssize_t k = t->in_fd < 0 ? -1 : write(t->in_fd, t->in.p + t->in_at, t->in.n - t->in_at);

		if (k < 0 && t->in_fd >= 0 && errno == EINTR)
			continue;
		if (k < 0 && t->in_fd >= 0 && errno == EAGAIN)
			break;
		if (k < 0) {
			close_fd(&t->in_fd);
			k = (ssize_t)(t->in.n - t->in_at);
		}
		t->in_at += (size_t)k;
	}
	from = t->in_at - from;
	if (t->in_at == t->in.n) {
		t->in_at = t->in.n = 0;
		if (t->in_end)
			close_fd(&t->in_fd);
	}
	return (uint32_t)from;
}

bool shim_task_reaped(struct shim_task *t, pid_t pid, int status)
{
	for (int i = 0; i < t->n; i++) {
		if (t->pid[i] != pid)
			continue;
		t->exit.status[i] = WIFSIGNALED(status) ? (struct wire_status){ 1, (uint8_t)WTERMSIG(status) }
							: (struct wire_status){ 0, (uint8_t)WEXITSTATUS(status) };
		t->pid[i] = 0;
		if (--t->running == 0)
			kill(-t->group, SIGKILL); /* what a stage left behind must not hold its pipes open */
		return true;
	}
	return false;
}

bool shim_task_done(const struct shim_task *t)
{
	for (int i = 0; i < t->n; i++)
		if (t->err_fd[i] >= 0)
			return false;
	return t->running == 0 && t->out_fd < 0;
}
