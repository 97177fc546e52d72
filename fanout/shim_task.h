/* One task of the shim: the stages of a pipeline as processes joined by pipes, in a process group of their own. */
#ifndef STOOK_FANOUT_SHIM_TASK_H
#define STOOK_FANOUT_SHIM_TASK_H

#include "fanout/wire.h"
#include "lib/base/err.h"
#include "lib/base/hash.h"

#include <sys/types.h>

struct shim_task {
	struct hasher in_hash, out_hash; /* first: aligned to 64 bytes */
	struct shim_task *next;
	uint32_t id;
	int n, running;                  /* stages, and how many of them have not been reaped */
	pid_t group, pid[WIRE_STAGES];
	struct wire_exit exit;
	int in_fd, out_fd, err_fd[WIRE_STAGES]; /* -1: closed */
	struct buf in;                   /* input that the first stage did not take yet: in.p[in_at .. in.n) */
	size_t in_at;
	bool in_end;
};

/* Starts the stages in directory `cwd`. The caller frees the task, also when its stages are still running (they are killed). */
int shim_task_start(struct shim_task **ret, uint32_t id, const struct wire_task *spec, const char *cwd, const char *argv0,
		    struct err *e) nodiscard;
void shim_task_free(struct shim_task *t);

int shim_task_input(struct shim_task *t, struct str data) must_check; /* queues; 0 or -1 (memory) */
/* Writes queued input as far as the stage takes it; returns how many bytes left the queue (a stage that stopped reading takes
 * everything). */
uint32_t shim_task_push(struct shim_task *t);
void shim_task_kill(struct shim_task *t);
bool shim_task_reaped(struct shim_task *t, pid_t pid, int status); /* true: it was one of ours */
bool shim_task_done(const struct shim_task *t);                    /* all reaped, all output taken */

#endif
