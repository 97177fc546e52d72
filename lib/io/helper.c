/* stook-get as a child: see helper.h. The reader trusts nothing but a trailer that agrees with what it saw: a child that dies at any
 * byte is an error, never an end. */
#include "lib/io/helper.h"

#include "lib/base/hash.h"
#include "lib/io/fd.h"
#include "lib/io/in.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define ANSWER_MAX ((size_t)256 << 20) /* of names */

struct helper {
	int fd;     /* the child's stdout */
	pid_t pid;  /* 0: waited for */
	int status; /* as waited for */
	int64_t size, n;
	struct hasher hash;
	uint8_t head[HELPER_HEAD];
	size_t nhead;
	size_t left; /* of the frame's payload */
	bool end;    /* the trailer came and was right */
};

/* ---- starting ---- */

/* "DIR/../libexec/stook/stook-get" for the folder of this program. */
static int beside(char *path, size_t size, const char *where)
{
	ssize_t n = readlink("/proc/self/exe", path, size);
	char *slash;

	if (n <= 0 || (size_t)n >= size)
		return -1;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash || (size_t)(slash - path) + strlen(where) >= size)
		return -1;
	memcpy(slash, where, strlen(where) + 1);
	return 0;
}

static int spawn_somewhere(pid_t *pid, const posix_spawn_file_actions_t *fa, const posix_spawnattr_t *at)
{
	static const char *const places[] = { "/stook-get", "/../libexec/stook/stook-get" };
	char name[] = "stook-get", *argv[] = { name, NULL }, path[4096];

	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (beside(path, sizeof path, places[i]) == 0 && access(path, X_OK) == 0)
			return posix_spawn(pid, path, fa, at, argv, environ);
	return posix_spawnp(pid, name, fa, at, argv, environ);
}

/* Messages come as frames: what libraries may say on stderr is nobody's. Signals are as for any program. */
static int spawn_child(pid_t *pid, int in, int out)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none, dfl;
	int rc;

	if (posix_spawn_file_actions_init(&fa))
		return ENOMEM;
	if (posix_spawnattr_init(&at)) {
		posix_spawn_file_actions_destroy(&fa);
		return ENOMEM;
	}
	sigemptyset(&none);
	sigemptyset(&dfl);
	sigaddset(&dfl, SIGPIPE);
	posix_spawnattr_setsigmask(&at, &none);
	posix_spawnattr_setsigdefault(&at, &dfl);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawn_file_actions_adddup2(&fa, in, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&fa, out, 1);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	if (rc == 0)
		rc = spawn_somewhere(pid, &fa, &at);
	posix_spawnattr_destroy(&at);
	posix_spawn_file_actions_destroy(&fa);
	return rc;
}

static int make_pipe(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC))
		return -1;
	fds[0] = fd_high(fds[0]);
	fds[1] = fd_high(fds[1]);
	return fds[0] < 0 || fds[1] < 0 ? -1 : 0;
}

static void close_if(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* The question fits into the pipe's buffer, so that it can be asked before anybody listens. */
static int ask_pipe(enum helper_ask ask, const char *name, int *ret)
{
	int fds[2] = { -1, -1 };
	char letter = (char)ask;

	if (make_pipe(fds) || fd_write(fds[1], &letter, 1) || fd_write(fds[1], name, strlen(name))) {
		close_if(fds[0]);
		close_if(fds[1]);
		return -1;
	}
	close(fds[1]);
	*ret = fds[0];
	return 0;
}

static int not_started(int errnum, struct err *e)
{
	if (errnum != ENOENT)
		return err_sys(e, ST_OSERR, errnum, "cannot start stook-get");
	err_set(e, ST_UNAVAIL, "URLs and archive members are read by the program stook-get, which is not there");
	return err_hint(e, "it belongs beside the other programs of stook, or on PATH");
}

int helper_start(struct helper **ret, enum helper_ask ask, const char *name, struct err *e)
{
	struct helper *h;
	int in = -1, out[2] = { -1, -1 }, rc;

	if (strlen(name) > HELPER_NAME_MAX)
		return err_set(e, ST_USAGE, "this name is too long");
	if (!(h = aligned_alloc(64, (sizeof *h + 63) / 64 * 64)))
		return err_oom(e);
	memset(h, 0, sizeof *h);
	hasher_init(&h->hash, 0);
	h->size = -1;
	rc = ask_pipe(ask, name, &in) || make_pipe(out) ? errno : spawn_child(&h->pid, in, out[1]);
	close_if(in);
	close_if(out[1]);
	if (rc) {
		close_if(out[0]);
		free(h);
		return not_started(rc, e);
	}
	h->fd = out[0];
	fd_widen(h->fd);
	*ret = h;
	return 0;
}

/* ---- ending ---- */

static void reap(struct helper *h)
{
	while (h->pid && waitpid(h->pid, &h->status, 0) < 0 && errno == EINTR)
		;
	h->pid = 0;
}

void helper_stop(struct helper *h)
{
	if (!h)
		return;
	if (h->pid)
		kill(h->pid, SIGKILL);
	reap(h);
	close(h->fd);
	free(h);
}

static int cut_off(struct helper *h, struct err *e)
{
	long long n = (long long)h->n;

	if (h->pid)
		kill(h->pid, SIGKILL); /* it has closed its stdout, or sends nonsense */
	reap(h);
	if (WIFSIGNALED(h->status))
		return err_set(e, ST_STREAM, "stook-get was ended by signal %d after %lld bytes: there was more to come",
			       WTERMSIG(h->status), n);
	return err_set(e, ST_STREAM, "stook-get ended early, after %lld bytes: there was more to come", n);
}

static int nonsense(struct helper *h, const char *what, struct err *e)
{
	cut_off(h, e);
	return err_set(e, ST_STREAM, "what stook-get sent is damaged: %s", what);
}

/* ---- reading ---- */

static uint64_t le(const uint8_t *p, int n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

/* Some bytes: > 0, IN_LATER, or an error; the end of the pipe is one. */
static ssize_t read_some(struct helper *h, void *p, size_t n, int timeout_ms, struct err *e)
{
	ssize_t got;

	if (timeout_ms >= 0) {
		int ready = fd_wait(h->fd, POLLIN, timeout_ms);

		if (ready <= 0)
			return ready < 0 ? err_sys(e, ST_IO, errno, "cannot read") : IN_LATER;
	}
	got = fd_read(h->fd, p, n);
	if (got < 0)
		return err_sys(e, ST_IO, errno, "cannot read");
	return got ? got : cut_off(h, e);
}

/* A payload that is small and follows at once. */
static int read_payload(struct helper *h, uint8_t *p, size_t n, struct err *e)
{
	ssize_t got;

	for (size_t have = 0; have < n; have += (size_t)got)
		if ((got = read_some(h, p + have, n - have, IN_WAIT, e)) < 0)
			return (int)got;
	return 0;
}

static int check_last(struct helper *h, struct err *e)
{
	uint8_t more;

	if (fd_read(h->fd, &more, 1) != 0)
		return nonsense(h, "something follows its trailer", e);
	reap(h);
	return 0;
}

static int take_size(struct helper *h, size_t n, struct err *e)
{
	uint8_t p[8];
	int rc;

	if (n != sizeof p || h->n || h->size >= 0)
		return nonsense(h, "a size where none belongs", e);
	if ((rc = read_payload(h, p, sizeof p, e)) < 0)
		return rc;
	h->size = (int64_t)le(p, 8);
	return h->size < 0 ? nonsense(h, "a negative size", e) : 0;
}

static int take_end(struct helper *h, size_t n, struct err *e)
{
	uint8_t p[16];
	int rc;

	if (n != sizeof p)
		return nonsense(h, "a trailer of the wrong length", e);
	if ((rc = read_payload(h, p, sizeof p, e)) < 0)
		return rc;
	if (le(p, 8) != (uint64_t)h->n || le(p + 8, 8) != hasher_end(&h->hash))
		return nonsense(h, "its trailer does not agree with the data", e);
	if ((rc = check_last(h, e)) < 0)
		return rc;
	if (!WIFEXITED(h->status) || WEXITSTATUS(h->status) != 0)
		return cut_off(h, e);
	h->end = true;
	return 0;
}

static bool is_status(int s)
{
	return s >= ST_USAGE && s <= ST_PERM;
}

static int take_failure(struct helper *h, size_t n, struct err *e)
{
	char p[2048];
	const char *hint;
	int rc;

	if (n < 3 || n > sizeof p)
		return nonsense(h, "an error of the wrong length", e);
	if ((rc = read_payload(h, (uint8_t *)p, n, e)) < 0 || (rc = check_last(h, e)) < 0)
		return rc;
	hint = p[n - 1] ? NULL : memchr(p + 1, '\0', n - 1);
	if (!hint || hint == p + n - 1 || !is_status(p[0]))
		return nonsense(h, "an error that says nothing", e);
	err_set(e, (enum status)p[0], "%s", p + 1);
	return err_hint(e, "%s", hint + 1);
}

/* The next frame's head: 1 it is complete, IN_LATER, or an error. */
static ssize_t read_head(struct helper *h, int timeout_ms, struct err *e)
{
	ssize_t got;

	while (h->nhead < HELPER_HEAD) {
		got = read_some(h, h->head + h->nhead, HELPER_HEAD - h->nhead, timeout_ms, e);
		if (got < 0)
			return got;
		h->nhead += (size_t)got;
	}
	h->nhead = 0;
	return 1;
}

/* Reads frames up to data or the end: 1, IN_LATER, or an error. */
static ssize_t next_frame(struct helper *h, int timeout_ms, struct err *e)
{
	ssize_t got;
	size_t n;

	while (h->left == 0 && !h->end) {
		if ((got = read_head(h, timeout_ms, e)) < 0)
			return got;
		n = (size_t)le(h->head + 1, 4);
		switch (h->head[0]) {
		case 'S':
			got = take_size(h, n, e);
			break;
		case 'D':
			got = n == 0 || n > HELPER_DATA_MAX ? nonsense(h, "data of a wrong length", e) : 0;
			h->left = n;
			break;
		case 'E':
			got = take_end(h, n, e);
			break;
		case 'F':
			got = take_failure(h, n, e);
			break;
		default:
			got = nonsense(h, "an unknown kind of frame", e);
		}
		if (got < 0)
			return got;
	}
	return 1;
}

ssize_t helper_read(struct helper *h, void *p, size_t n, int timeout_ms, struct err *e)
{
	ssize_t got;

	if ((got = next_frame(h, timeout_ms, e)) < 0)
		return got;
	if (h->end)
		return 0;
	got = read_some(h, p, n < h->left ? n : h->left, timeout_ms, e);
	if (got < 0)
		return got;
	hasher_add(&h->hash, p, (size_t)got);
	h->left -= (size_t)got;
	h->n += got;
	return got;
}

int64_t helper_size(const struct helper *h)
{
	return h->size;
}

int helper_answer(enum helper_ask ask, const char *name, struct buf *ret, struct err *e)
{
	struct helper *h;
	ssize_t got = helper_start(&h, ask, name, e);

	if (got < 0)
		return (int)got;
	do {
		got = buf_reserve(ret, 65536) || ret->n > ANSWER_MAX ? err_oom(e)
								     : helper_read(h, ret->p + ret->n, 65536, IN_WAIT, e);
		if (got > 0)
			ret->n += (size_t)got;
	} while (got > 0);
	helper_stop(h);
	return (int)got;
}
