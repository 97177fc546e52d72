/* What went wrong, and in which program's name it is said: by the tool on a host, by a stage here, or by fanout itself. */
#ifndef STOOK_FANOUT_FAILURE_H
#define STOOK_FANOUT_FAILURE_H

#include "fanout/wire.h"
#include "lib/base/err.h"

struct failure {
	char program[80];   /* "stook-sort", "fanout" */
	struct err e;       /* status 0: nothing went wrong */
};

void failure_set(struct failure *f, const char *program, const struct err *e);
void failure_print(const struct failure *f, bool json);

/* The stage that is to blame, -1 when all ended well: the first that failed other than by an input that ended early, since that
 * is what a failure further up looks like. */
int root_cause(int n, const struct wire_status *status);

/* Reads the last JSON object that `--errors json` wrote among the lines of a stage's stderr. false: there is none. The other lines
 * are appended to rest (may be NULL). */
bool failure_from_stderr(struct str text, struct failure *f, struct buf *rest);

#endif
