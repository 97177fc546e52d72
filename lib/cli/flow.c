/* The usual beginning and end of a tool: operands -> source, source -> output; and counting what passes. */
#include "lib/cli/cli.h"

#include "lib/cli/limits.h"
#include "lib/table/ahead.h"

#include <stdlib.h>

/* Passes batches through and adds their rows to a counter. */
struct counted {
	struct source source;
	struct source *from;
	int64_t *rows;
};

static int counted_next(struct source *s, struct batch **ret, struct err *e)
{
	struct counted *c = (struct counted *)s;
	int rc = source_next(c->from, ret, e);

	if (rc == 0 && *ret)
		*c->rows += (*ret)->nrows;
	return rc;
}

static void counted_close(struct source *s)
{
	source_close(((struct counted *)s)->from);
	free(s);
}

int cli_count(struct source *from, int64_t *rows, struct source **ret, struct err *e)
{
	struct counted *c = calloc(1, sizeof *c);

	if (!c) {
		source_close(from);
		return err_oom(e);
	}
	*c = (struct counted){ { from->schema, counted_next, counted_close }, from, rows };
	*ret = &c->source;
	return 0;
}

int cli_threads(const struct common *c)
{
	return c->threads > 0 ? (int)c->threads : limits_threads();
}

int cli_source(const struct common *c, int skip, struct source **ret, struct err *e)
{
	struct source *s;
	int rc = inputs_open(c->noperands - skip, c->operands + skip, &c->read, &s, e);

	if (rc == 0 && cli_threads(c) > 1)
		rc = source_ahead(s, &s, e);
	return rc < 0 ? rc : cli_count(s, &c->counts->rows_in, ret, e);
}

int cli_drain(const struct common *c, struct source *from, struct err *e)
{
	struct sink *sink = NULL;
	struct source *s;
	int rc;

	if ((rc = cli_count(from, &c->counts->rows_out, &s, e)) < 0)
		return rc;
	rc = output_open(c->output, &c->write, s->schema, &sink, e);
	if (rc == 0 && cli_threads(c) > 1) {
		struct sink *plain = sink;

		sink = NULL;
		rc = sink_behind(plain, &sink, e);
	}
	if (rc == 0)
		rc = stream_copy(s, sink, e);
	sink_close(sink);
	source_close(s);
	return rc;
}
