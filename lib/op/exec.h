/* A program of the user's own as a stage: the stream goes to its standard input in some format, what it writes comes back as
 * a stream.
 *
 * The program runs once, under sh -c. It is fed by a thread, so neither side waits for the other. Its end with another
 * status than 0
 * is an error, after what it wrote before has been given out; so is an error of the input, which it sees as an early end. A
 * program that
 * stops reading early and ends well is taken at its word. */
#ifndef STOOK_OP_EXEC_H
#define STOOK_OP_EXEC_H

#include "lib/format/format.h"

struct exec_opts {
	const char *command;
	const struct format *protocol;
	struct read_opts read;   /* how its output is read */
	struct write_opts write; /* how its input is written */
};

/* Takes `from`, also when it fails. Returns once the program's output has a schema. */
int exec_open(struct source *from, const struct exec_opts *o, struct source **ret, struct err *e) nodiscard;

/* Starts `sh -c command` on these descriptors, signals as they were before this process ignored some; an errno. */
int exec_shell(const char *command, int in, int out, pid_t *pid) nodiscard;
/* What the status of a command that has ended says: 0 or an error. */
int exec_status(const char *command, int status, struct err *e) nodiscard;

#endif
