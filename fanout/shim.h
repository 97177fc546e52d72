/* The far side of fanout: runs the stages of tasks for whoever speaks the wire protocol (wire.h) on stdin and stdout. */
#ifndef STOOK_FANOUT_SHIM_H
#define STOOK_FANOUT_SHIM_H

/* Serves until stdin closes, then kills what still runs, removes its directory and returns the exit status. `base` is an existing
 * directory for temporary files; argv0 is how this program was called, in case /proc is not mounted. */
int shim_main(const char *base, const char *argv0);

/* Prints the XXH3 hash of this very program as 16 hex digits: how a shipped copy is verified. */
int shim_digest(void);

#endif
