/* The usual beginning and end of a tool: operands -> source, source -> output; and counting what passes. */
#include "lib/cli/cli.h"

#include "lib/cli/progress.h"
#include "lib/io/meter.h"
#include "lib/table/ahead.h"

#include <stdlib.h>

/* Passes batches through and adds their rows to the meter. */
struct counted {
	struct source source;
	struct source *from;
	const struct common *common;
	bool output; /* else rows that come in */
};

/* What the work refuses is known when the output ends, or, of tools without one, when the last input does. */
static int at_end(const struct common *c, bool output, struct err *e)
{
	int ended = atomic_fetch_add(&c->state->ended, !output) + !output;

	if (ended < c->state->inputs || c->state->draining != output)
		return 0;
	return bad_judge(c, e);
}

static int counted_next(struct source *s, struct batch **ret, struct err *e)
{
	struct counted *c = (struct counted *)s;
	int rc = source_next(c->from, ret, e);

	if (c->output)
		progress_output(c->common);
	if (rc == 0 && *ret)
		meter_add(c->output ? &meter.rows_out : &meter.rows_in, (*ret)->nrows);
	else if (!c->output)
		meter_add(&meter.ended, 1);
	if (rc == 0 && !*ret)
		rc = at_end(c->common, c->output, e);
	return rc;
}

static void counted_close(struct source *s)
{
	source_close(((struct counted *)s)->from);
	free(s);
}

static void counted_want(struct source *s, const bool *cols, const struct line_form *lines)
{
	source_want_lines(((struct counted *)s)->from, cols, lines);
}

static int count(const struct common *c, bool output, struct source *from, struct source **ret, struct err *e)
{
	struct counted *s = calloc(1, sizeof *s);

	if (!s) {
		source_close(from);
		return err_oom(e);
	}
	*s = (struct counted){ { from->schema, counted_next, counted_close, counted_want }, from, c, output };
	*ret = &s->source;
	return 0;
}

int cli_count_in(const struct common *c, struct source *from, struct source **ret, struct err *e)
{
	progress_start(c);
	meter_add(&meter.opened, 1);
	c->state->inputs++;
	return count(c, false, from, ret, e);
}

int cli_input(const struct common *c, char *name, int threads, struct source **ret, struct err *e)
{
	struct read_opts o = c->read;
	struct source *s;
	int rc;

	o.threads = threads;
	rc = inputs_open(1, &name, &o, &s, e);
	if (rc == 0 && threads > 1)
		rc = source_ahead(s, &s, e);
	return rc < 0 ? rc : cli_count_in(c, s, ret, e);
}

bool cli_ready(struct source *input)
{
	return source_ahead_wait(((struct counted *)input)->from, 0);
}

int cli_threads(const struct common *c)
{
	return c->read.threads;
}

int cli_source(const struct common *c, int skip, struct source **ret, struct err *e)
{
	return cli_source_in(NULL, c, skip, ret, e);
}

int cli_source_in(struct pool *pool, const struct common *c, int skip, struct source **ret, struct err *e)
{
	struct read_opts o = c->read;
	struct source *s;
	int rc;

	o.pool = pool;
	o.pooled = &c->state->pooled;
	rc = inputs_open(c->noperands - skip, c->operands + skip, &o, &s, e);
	if (rc == 0 && cli_threads(c) > 1 && !c->state->pooled)
		rc = source_ahead(s, &s, e);
	return rc < 0 ? rc : cli_count_in(c, s, ret, e);
}

/* No column is looked at where its line can be copied. */
static int want_lines(struct source *s, const struct line_form *form, struct err *e)
{
	bool *none = calloc((size_t)s->schema->nfields + 1, sizeof *none);

	if (!none)
		return err_oom(e);
	source_want_lines(s, none, form);
	free(none);
	return 0;
}

int cli_drain(const struct common *c, struct source *from, struct err *e)
{
	struct sink *sink = NULL;
	struct source *s = NULL;
	int rc;

	c->state->draining = true;
	if ((rc = count(c, true, from, &s, e)) < 0)
		return rc;
	rc = output_open(c->output, &c->write, s->schema, &sink, e);
	if (rc == 0 && cli_threads(c) > 1) {
		struct sink *plain = sink;

		sink = NULL;
		rc = sink_behind(plain, &sink, e);
	}
	if (rc == 0 && sink->lines)
		rc = want_lines(s, sink->lines, e);
	if (rc == 0)
		rc = stream_copy(s, sink, e);
	sink_close(sink);
	source_close(s);
	return rc;
}
