/* A line to a host: one command at a time, its stdin and stdout as bytes. Two kinds: a libssh2 session (session.c) and the user's
 * own ssh client (client.c). Used by one thread. All waiting is bounded: by a deadline, and by `stop`, the driver's socket, whose
 * other end being closed means that nobody wants the host any more (-ST_CLOSED). */
#ifndef STOOK_FANOUT_LINE_H
#define STOOK_FANOUT_LINE_H

#include "fanout/executor.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

#include <stdbool.h>
#include <sys/types.h>

#define LINE_LATER (-1000000)

struct line {
	const struct line_ops *ops;
	int stop;               /* borrowed */
	struct buf errors;      /* the first and last of what the command said on stderr */
	int64_t last_heard;     /* time of the last byte that came */
};

struct line_ops {
	int (*start)(struct line *l, const char *command, int64_t until, struct err *e) nodiscard; /* runs a command; one at a time */
	ssize_t (*read)(struct line *l, void *p, size_t n, struct err *e) nodiscard;  /* > 0, 0 the end, LINE_LATER, or an error */
	ssize_t (*write)(struct line *l, const void *p, size_t n, struct err *e) nodiscard; /* >= 0 taken, or an error */
	int (*end_input)(struct line *l, struct err *e) nodiscard;
	/* Sleeps until the line or `fd` (with `events`) has something, or until; *ready says about fd. */
	int (*wait)(struct line *l, bool want_write, int fd, short events, short *ready, int64_t until, struct err *e) nodiscard;
	/* After the end of its output: how the command ended; -1 when that cannot be known. */
	int (*finish)(struct line *l, int64_t until, char *how, size_t size);
	void (*close)(struct line *l);
};

struct target;

int session_open(struct line **ret, const struct target *t, const struct reach_opts *o, int stop, struct err *e) nodiscard;
int client_open(struct line **ret, const char *command, const char *host, int stop, struct err *e) nodiscard;

/* Complete transfers; -ST_UNAVAIL after `until`. */
int line_write(struct line *l, const void *p, size_t n, int64_t until, struct err *e) nodiscard;
/* Reads up to and with a line break into b; -ST_UNAVAIL when the end comes first or after 64 KiB. Bytes behind it stay in `more`. */
int line_read(struct line *l, struct buf *more, struct buf *b, int64_t until, struct err *e) nodiscard;
void line_note_error(struct line *l, const void *p, size_t n);

/* True when the driver has hung up. */
bool line_stopped(const struct line *l);

#endif
