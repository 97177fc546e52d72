/* All stages here, joined by pipes, as the shell would run them; but the exit status is the root cause's. */
#include "fanout/drive.h"
#include "fanout/failure.h"
#include "fanout/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static int start_all(const struct plan *p, pid_t *pids, int *n, struct err *e)
{
	int in = fcntl(0, F_DUPFD_CLOEXEC, 3);

	for (*n = 0; *n < p->nhere; (*n)++) {
		int fds[2] = { -1, -1 }, rc;

		if (*n + 1 < p->nhere && pipe2(fds, O_CLOEXEC)) {
			close(in);
			return err_sys(e, ST_OSERR, errno, "cannot make a pipe");
		}
		rc = spawn(&(struct spawn){ .argv = p->here[*n].v, .in = in, .out = fds[1] }, &pids[*n], e);
		close(in);
		if (fds[1] >= 0)
			close(fds[1]);
		in = fds[0];
		if (rc < 0) {
			if (in >= 0)
				close(in);
			return rc;
		}
	}
	return 0;
}

int drive_here(const struct plan *p, struct err *e)
{
	struct wire_status status[LEX_STAGES];
	pid_t pids[LEX_STAGES];
	int n, rc = start_all(p, pids, &n, e), bad;

	for (int i = 0; i < n; i++) {
		int st = 0;

		while (waitpid(pids[i], &st, 0) < 0 && errno == EINTR)
			;
		status[i] = WIFSIGNALED(st) ? (struct wire_status){ 1, (uint8_t)WTERMSIG(st) } : (struct wire_status){ 0, (uint8_t)WEXITSTATUS(st) };
	}
	if (rc < 0)
		return rc;
	bad = root_cause(n, status);
	return bad < 0 ? 0 : status[bad].signaled ? 128 + status[bad].code : status[bad].code;
}
