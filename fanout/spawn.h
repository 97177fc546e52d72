/* Starting this very program under another name: shims, merges and the stages that run here. Safe with threads (posix_spawn). */
#ifndef STOOK_FANOUT_SPAWN_H
#define STOOK_FANOUT_SPAWN_H

#include "lib/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct spawn {
	const char *path;      /* NULL: this program */
	char *const *argv;
	int in, out;           /* become 0 and 1; -1: /dev/null for 0, inherited for 1 */
	const int *keep;       /* further descriptors that stay open under their numbers */
	int nkeep;
	bool own_group;        /* not hit by the terminal's Ctrl-C */
};

int spawn(const struct spawn *s, pid_t *ret, struct err *e) nodiscard;

/* Waits up to ms, then kills; returns the wait status. */
int spawn_end(pid_t pid, int ms);

int64_t clock_ms(void); /* monotonic */

#endif
