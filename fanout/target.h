/* Where a host of the command line is and how to log in there: "[user@]host[:port]" completed by the user's ssh configuration. */
#ifndef STOOK_FANOUT_TARGET_H
#define STOOK_FANOUT_TARGET_H

#include "fanout/executor.h"
#include "lib/base/arena.h"

#define TARGET_FILES 16

struct target {
	struct arena arena;
	const char *host, *user, *alias; /* alias: the name to look up in known_hosts */
	int port;
	const char *identities[TARGET_FILES + 1], *known_hosts[TARGET_FILES + 1]; /* NULL terminated */
};

/* Splits "[user@]host[:port]" (user NULL and port 0 when absent); IPv6 addresses in brackets. Also for fuzzing. */
int target_split(const char *spec, struct arena *a, const char **user, const char **host, int *port, struct err *e) nodiscard;

int target_resolve(struct target *t, const char *spec, const struct reach_opts *o, struct err *e) nodiscard;
void target_free(struct target *t);

#endif
