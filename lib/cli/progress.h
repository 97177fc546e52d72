/* The progress line: how far a run is, on stderr, while nothing else happens on the terminal.
 *
 * It is shown by a thread that reads the counters of lib/io/meter.h, so the work itself pays nothing. It appears after a second, when
 * stderr is a terminal and the output is a file, or is this terminal and has not begun; never for a stage that writes to a pipe, so a
 * pipeline has one line, that of its last stage. --progress shows it in spite of all that, as one line a second where stderr is no
 * terminal; -q hides it. */
#ifndef STOOK_CLI_PROGRESS_H
#define STOOK_CLI_PROGRESS_H

#include "lib/cli/opt.h"

struct progress;

/* Starts the display if it is wanted and has not started. Without memory or threads there is none. */
void progress_start(const struct common *c);

/* Rows are about to be written: where they go to the terminal, the line leaves for good. */
void progress_output(const struct common *c);

/* Takes the line away and waits for the thread. */
void progress_stop(struct progress *p);

/* The line for these figures, at most `width` cells of it: the less important parts are left out. Exposed for tests. */
struct progress_view {
	const char *tool;
	int64_t bytes, expected; /* expected < 0: unknown */
	int64_t rows_in, rows_out;
	bool reading, spilled;
	double rate;             /* bytes a second while reading, else rows written a second; 0: none */
};

int progress_line(const struct progress_view *v, int width, struct buf *b);

#endif
