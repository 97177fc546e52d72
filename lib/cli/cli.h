/* How a tool meets a person: main(), errors, and the usual beginning and end of a tool.
 *
 *     static int run(void *args, struct err *e)
 *     {
 *             struct take_args *a = args;
 *             struct source *s;
 *             int rc;
 *
 *             if ((rc = cli_source(&a->common, &s, e)) < 0 || (rc = take_open(s, a->n, &s, e)) < 0)
 *                     return rc;
 *             return cli_drain(&a->common, s, e);
 *     }
 */
#ifndef STOOK_CLI_CLI_H
#define STOOK_CLI_CLI_H

#include "lib/cli/opt.h"

/* Parses, runs, reports; returns the exit status. Ignores SIGPIPE and SIGXFSZ first. */
int tool_main(const struct tool *t, int argc, char **argv);

/* A source whose rows count as rows that were read. Takes `from`, also when it fails. */
int cli_count_in(const struct common *c, struct source *from, struct source **ret, struct err *e) nodiscard;

/* What one operand stands for, a pattern or a list too, as one source, read and parsed on `threads` threads, its rows counted. */
int cli_input(const struct common *c, char *name, int threads, struct source **ret, struct err *e) nodiscard;

/* Would next() of such a source, threads > 1, give at once? */
bool cli_ready(struct source *input);

/* Bad records (--on-bad, --max-errors): before the run, at its end but before the output is complete, after it. A note about them
 * goes to stderr. */
int bad_check(const struct common *c, struct err *e) nodiscard;
int bad_start(struct common *c, struct err *e) nodiscard;
int bad_judge(const struct common *c, struct err *e) nodiscard;
int bad_finish(const struct common *c, struct err *e) nodiscard;

/* "stook-sort" for "sort", but "fanout". */
const char *cli_program(const char *tool, char dst[64]);

/* One line on stderr, unless -q: an err whose status is 0. */
void cli_note(const void *common, const struct err *note);

/* The file operands from `skip` on as one source (none: stdin). */
int cli_source(const struct common *c, int skip, struct source **ret, struct err *e) nodiscard;
/* The same; what can be parsed by jobs is by jobs of this pool, which the tool has for its own too, and closes after the source. */
int cli_source_in(struct pool *pool, const struct common *c, int skip, struct source **ret, struct err *e) nodiscard;

/* Threads to use: -j, else the processors this process may use. */
int cli_threads(const struct common *c);

/* Writes everything from s to the output that the options ask for. Takes s and closes it. */
int cli_drain(const struct common *c, struct source *s, struct err *e) nodiscard;

/* "stook-sort: file:line:col: field "x": message (hint)\n", or one JSON object, control bytes made safe. */
int err_format(const struct err *e, const char *program, bool json, struct buf *b);

#endif
