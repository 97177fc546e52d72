/* Streams of batches: the one interface between formats and operations.
 *
 * A source is pulled. Its schema is known once it is open and stays the same. next() gives one batch (the caller owns a
 * reference), or NULL at the proper end, or fails. Errors are values in order: the good rows before a bad one have been given by
 * earlier calls; after a failure or the end next() is not called again. close() may come at any time (an early end cancels what
 * lies upstream) and frees the source. An operation is a source that was made from a source and owns it.
 *
 * Who needs only some columns may say so before the first next(): want(). A source may then give the others without their values
 * (all rows empty, or zero). It still fails where it would have failed. Who passes rows on to a sink that takes lines of text asks for
 * lines of that form: a batch then either has them (batch.h), or all columns.
 *
 * A sink is pushed: write() any number of times, then either finish() (the result becomes visible, end marker included) or
 * fail() (poison what is downstream with the reason, leave nothing under an output name); then close(). write() returns
 * -ST_CLOSED when nobody reads any more: stop, and exit 0. */
#ifndef STOOK_TABLE_STREAM_H
#define STOOK_TABLE_STREAM_H

#include "lib/table/batch.h"

struct source {
	const struct schema *schema; /* owned by the source */
	int (*next)(struct source *s, struct batch **ret, struct err *e);
	void (*close)(struct source *s);
	/* cols: one a field; lines: NULL: not asked for. Both copied. NULL: gives all columns, no lines. */
	void (*want)(struct source *s, const bool *cols, const struct line_form *lines);
};

struct sink {
	int (*write)(struct sink *s, struct batch *b, struct err *e);
	int (*finish)(struct sink *s, struct err *e);
	void (*fail)(struct sink *s, const struct err *why);
	void (*close)(struct sink *s);
	const struct line_form *lines; /* what it takes instead of columns; NULL: columns only */
};

static inline int source_next(struct source *s, struct batch **ret, struct err *e)
{
	*ret = NULL;
	return s->next(s, ret, e);
}

static inline void source_want(struct source *s, const bool *cols)
{
	if (s->want)
		s->want(s, cols, NULL);
}

/* The columns are wanted besides the lines. */
static inline void source_want_lines(struct source *s, const bool *cols, const struct line_form *lines)
{
	if (s->want)
		s->want(s, cols, lines);
}

static inline void source_close(struct source *s)
{
	if (s)
		s->close(s);
}

static inline void sink_close(struct sink *s)
{
	if (s)
		s->close(s);
}

/* Everything from `from` into `to`: writes, then finishes, or fails the sink with the source's error, which is returned. Closes
 * neither. */
int stream_copy(struct source *from, struct sink *to, struct err *e) nodiscard;

#endif
