/* posix_spawn with a clean signal mask; every descriptor but those named is close-on-exec everywhere in this program. */
#include "fanout/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int set_files(const struct spawn *s, posix_spawn_file_actions_t *fa)
{
	int rc = s->in >= 0 ? posix_spawn_file_actions_adddup2(fa, s->in, 0)
			    : posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDONLY, 0);

	if (rc == 0 && s->out >= 0)
		rc = posix_spawn_file_actions_adddup2(fa, s->out, 1);
	for (int i = 0; i < s->nkeep && rc == 0; i++)
		rc = posix_spawn_file_actions_adddup2(fa, s->keep[i], s->keep[i]); /* the same number: clears close-on-exec */
	return rc;
}

static int set_attributes(const struct spawn *s, posix_spawnattr_t *at)
{
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	sigset_t none, pipe;

	sigemptyset(&none);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	posix_spawnattr_setsigmask(at, &none);
	posix_spawnattr_setsigdefault(at, &pipe);
	if (s->own_group) {
		flags |= POSIX_SPAWN_SETPGROUP;
		posix_spawnattr_setpgroup(at, 0);
	}
	return posix_spawnattr_setflags(at, flags);
}

int spawn(const struct spawn *s, pid_t *ret, struct err *e)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	int rc;

	if (posix_spawn_file_actions_init(&fa))
		return err_oom(e);
	if (posix_spawnattr_init(&at)) {
		posix_spawn_file_actions_destroy(&fa);
		return err_oom(e);
	}
	rc = set_files(s, &fa);
	if (rc == 0)
		rc = set_attributes(s, &at);
	if (rc == 0)
		rc = s->path ? posix_spawnp(ret, s->path, &fa, &at, s->argv, environ)
			     : posix_spawn(ret, "/proc/self/exe", &fa, &at, s->argv, environ);
	posix_spawnattr_destroy(&at);
	posix_spawn_file_actions_destroy(&fa);
	return rc ? err_sys(e, ST_OSERR, rc, "cannot start %s", s->path ? s->path : s->argv[0]) : 0;
}

int64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int spawn_end(pid_t pid, int ms)
{
	int64_t until = clock_ms() + ms;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_ms() >= until) {
			kill(pid, SIGKILL);
			while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
				;
			break;
		}
		usleep(2000);
	}
	return status;
}
