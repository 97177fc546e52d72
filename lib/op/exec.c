/* A user's program as a stage: see exec.h. Two threads share a struct feeder: this one reads what the program writes, the
 * other writes
 * what the program reads. Whoever leaves last frees it, for a close does not wait for an input that blocks. */
#include "lib/op/exec.h"

#include "lib/io/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct feeder {
	struct source *from;
	struct out *out;     /* the program's standard input; passes on to the sink */
	const struct format *protocol;
	struct write_opts write;
	atomic_int users;    /* the source and the thread */
	pthread_mutex_t lock;
	int rc;              /* of the input, once it has failed */
	struct err e;
};

struct exec {
	struct source source;
	struct source *output;
	struct feeder *feeder;
	char *command;
	pid_t pid;           /* 0: it has ended */
};

static void feeder_leave(struct feeder *f)
{
	if (!f || atomic_fetch_sub(&f->users, 1) != 1)
		return;
	source_close(f->from);
	out_close(f->out);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static void feeder_says(struct feeder *f, int rc, const struct err *e)
{
	pthread_mutex_lock(&f->lock);
	f->rc = rc;
	f->e = *e;
	pthread_mutex_unlock(&f->lock);
}

/* An error of the input is noted before the program can see its input end, so that whoever sees the program end knows of it. */
static void feed_batches(struct feeder *f, struct sink *sink)
{
	struct batch *b;
	struct err e = { 0 };
	int rc;

	do {
		if ((rc = source_next(f->from, &b, &e)) < 0) {
			feeder_says(f, rc, &e);
			sink->fail(sink, &e);
			return;
		}
		if (b)
			rc = sink->write(sink, b, &e);
		batch_unref(b);
	} while (rc == 0 && b);
	if (rc == 0)
		rc = sink->finish(sink, &e);
	if (rc < 0 && rc != -ST_CLOSED) /* closed: it wants no more */
		feeder_says(f, rc, &e);
}

static void *feed(void *arg)
{
	struct feeder *f = arg;
	struct sink *sink = NULL;
	struct out *out = f->out;
	struct err e = { 0 };
	int rc;

	f->out = NULL;
	if ((rc = f->protocol->write(out, f->from->schema, &f->write, &sink, &e)) == 0)
		feed_batches(f, sink);
	else if (rc != -ST_CLOSED)
		feeder_says(f, rc, &e);
	sink_close(sink);
	feeder_leave(f);
	return NULL;
}

/* Has the input failed so far? */
static int feeder_failed(struct feeder *f, struct err *e)
{
	int rc;

	pthread_mutex_lock(&f->lock);
	rc = f->rc;
	if (rc < 0)
		*e = f->e;
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/* ---- the program ---- */

int exec_shell(const char *command, int in, int out, pid_t *pid)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t defaults, none;
	int rc;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE); /* ignored here: it would never learn that we stopped reading */
	sigaddset(&defaults, SIGXFSZ);
	if ((rc = posix_spawn_file_actions_init(&files)) != 0)
		return rc;
	if ((rc = posix_spawnattr_init(&attributes)) != 0) {
		posix_spawn_file_actions_destroy(&files);
		return rc;
	}
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	if ((rc = posix_spawn_file_actions_adddup2(&files, in, 0)) == 0 && (rc = posix_spawn_file_actions_adddup2(&files, out,
		1)) == 0)
		rc = posix_spawn(pid, "/bin/sh", &files, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return rc;
}

/* Starts the program; *to is its standard input, *from its standard output. */
static int start(const char *command, pid_t *pid, int *to, int *from, struct err *e)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, rc = 0;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		rc = err_sys(e, ST_OSERR, errno, "--exec: no pipe");
	if (rc == 0 && (rc = exec_shell(command, in[0], out[1], pid)) != 0)
		rc = err_sys(e, ST_OSERR, rc, "--exec: sh cannot be started");
	for (int i = 0; i < 2; i++) {
		int done = i ? out[1] : in[0], kept = i ? out[0] : in[1];

		if (done >= 0)
			close(done);
		if (rc < 0 && kept >= 0)
			close(kept);
	}
	*to = in[1];
	*from = out[0];
	return rc;
}

/* What the status of a program that has ended says. */
int exec_status(const char *command, int status, struct err *e)
{
	if (WIFSIGNALED(status))
		return err_set(e, ST_DATA, "the program \"%s\" was ended by signal %d", command, WTERMSIG(status));
	if (WEXITSTATUS(status) == 127)
		return err_set(e, ST_USAGE, "the program \"%s\" cannot be run (sh ended with status 127)", command);
	if (WEXITSTATUS(status))
		return err_set(e, ST_DATA, "the program \"%s\" failed with exit status %d", command, WEXITSTATUS(status));
	return 0;
}

/* Its output has ended: so must the program. An error of its input is the root of all others. */
static int exec_end(struct exec *x, struct err *e)
{
	int status, rc;

	while (waitpid(x->pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, ST_OSERR, errno, "--exec %s", x->command);
	x->pid = 0;
	if ((rc = feeder_failed(x->feeder, e)) < 0)
		return rc;
	return exec_status(x->command, status, e);
}

#define PATIENCE_MS 5000

/* It wrote when nobody read any more: the shell of a program tells it so. */
static bool died_of_pipe(int status)
{
	return WIFSIGNALED(status) ? WTERMSIG(status) == SIGPIPE : WEXITSTATUS(status) == 128 + SIGPIPE;
}

/* Its output is broken, as *e says: because its input failed, or it did itself, or it writes something else. */
static int exec_broken(struct exec *x, struct err *e)
{
	struct err why;
	int status = 0, rc;

	source_close(x->output);
	x->output = NULL;
	for (int waited = 0; x->pid && waited < PATIENCE_MS; waited += 10) {
		if (waitpid(x->pid, &status, WNOHANG) == 0) {
			usleep(10000);
			continue;
		}
		x->pid = 0;
		if ((rc = feeder_failed(x->feeder, &why)) < 0 ||
		    (!died_of_pipe(status) && (rc = exec_status(x->command, status, &why)) < 0)) {
			*e = why;
			return rc;
		}
	}
	return -e->status;
}

static int exec_next(struct source *s, struct batch **ret, struct err *e)
{
	struct exec *x = (struct exec *)s;
	int rc = source_next(x->output, ret, e);

	if (rc == 0 && *ret)
		return 0;
	return rc == 0 ? exec_end(x, e) : exec_broken(x, e);
}

static void exec_close(struct source *s)
{
	struct exec *x = (struct exec *)s;

	source_close(x->output);
	if (x->pid > 0) {
		kill(x->pid, SIGTERM);
		while (waitpid(x->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	feeder_leave(x->feeder);
	free(x->command);
	free(x);
}

/* ---- opening ---- */

static int feeder_start(struct source *from, int fd, const struct exec_opts *o, struct feeder **ret, struct err *e)
{
	struct feeder *f = calloc(1, sizeof *f);
	pthread_t thread;
	int rc;

	if (!f) {
		source_close(from);
		close(fd);
		return err_oom(e);
	}
	*f = (struct feeder){ .from = from, .protocol = o->protocol, .write = o->write };
	atomic_init(&f->users, 2);
	pthread_mutex_init(&f->lock, NULL);
	rc = out_open_fd(&f->out, fd, "--exec", e);
	if (rc == 0 && pthread_create(&thread, NULL, feed, f) != 0)
		rc = err_set(e, ST_OSERR, "--exec: no thread can be started");
	if (rc < 0) {
		atomic_store(&f->users, 1);
		feeder_leave(f);
		return rc;
	}
	pthread_detach(thread);
	*ret = f;
	return 0;
}

/* What the program writes, as a source; its end or failure explains why there is none. */
static int open_output(struct exec *x, int fd, const struct exec_opts *o, struct err *e)
{
	struct in *in;
	int rc = in_open_fd(&in, fd, "--exec", e);

	if (rc == 0)
		rc = o->protocol->read(in, &o->read, &x->output, e);
	if (rc == 0)
		return 0;
	x->output = NULL;
	return exec_broken(x, e);
}

int exec_open(struct source *from, const struct exec_opts *o, struct source **ret, struct err *e)
{
	struct exec *x = calloc(1, sizeof *x);
	int to, out, rc;

	if (!x || !(x->command = strdup(o->command))) {
		free(x);
		source_close(from);
		return err_oom(e);
	}
	x->source = (struct source){ NULL, exec_next, exec_close, NULL };
	if ((rc = start(x->command, &x->pid, &to, &out, e)) < 0) {
		x->pid = 0;
		source_close(from);
	} else if ((rc = feeder_start(from, to, o, &x->feeder, e)) < 0) {
		close(out);
	} else if ((rc = open_output(x, out, o, e)) == 0) {
		x->source.schema = x->output->schema;
		*ret = &x->source;
		return 0;
	}
	exec_close(&x->source);
	return rc;
}
