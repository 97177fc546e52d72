/* Executors: how a shim is reached. One file, one row each. Whatever the way, the driver sees one socket that carries the wire
 * protocol, and can ask at its end what happened. */
#ifndef STOOK_FANOUT_EXECUTOR_H
#define STOOK_FANOUT_EXECUTOR_H

#include "lib/base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What the command line says about hosts. All times are milliseconds. */
struct reach_opts {
	const char *tmpdir;                /* for local workers */
	const char *const *identities;     /* key files, NULL terminated */
	const char *const *known_hosts;    /* files instead of the usual ones; NULL terminated, may be empty */
	const char *ssh;                   /* --ssh CMD: the user's own client; NULL: libssh2 */
	const char *bundle;                /* the program to ship */
	const char *config;                /* -F for ssh -G; NULL: the usual */
	int port;                          /* 0: as configured, else 22 */
	int timeout;                       /* for connecting, key exchange and login, each */
	int silence;                       /* a host that says nothing for so long is dead */
};

/* A host being reached or in use. */
struct reach {
	const struct executor *x;
	int fd;                            /* non-blocking; HELLO comes when the host is ready, the end when it is lost. -1: closed */
	atomic_llong shipped;              /* bytes of program sent to it */
};

struct executor {
	const char *name, *help;
	bool remote;                       /* bodies are worth compressing */
	int (*open)(const struct reach_opts *o, const char *host, struct reach **ret, struct err *e) nodiscard;
	/* Once the socket has ended: why. Fills *e, also when all that can be said is that it is gone. */
	void (*why)(struct reach *r, struct err *e);
	/* Ends it and frees it; waits until the far side is gone, up to some seconds. The socket is closed first by reach_hang_up(). */
	void (*close)(struct reach *r);
};

extern const struct executor executor_local, executor_ssh;

/* Closes the socket, which makes the far side stop: do it for all hosts, then close each. */
void reach_hang_up(struct reach *r);

#endif
