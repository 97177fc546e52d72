/* The usual beginning and end of a tool: operands -> source, source -> output. */
#include "lib/cli/cli.h"

int cli_source(const struct common *c, int skip, struct source **ret, struct err *e)
{
	return inputs_open(c->noperands - skip, c->operands + skip, &c->read, ret, e);
}

int cli_drain(const struct common *c, struct source *s, struct err *e)
{
	struct sink *sink = NULL;
	int rc = output_open(c->output, &c->write, s->schema, &sink, e);

	if (rc == 0)
		rc = stream_copy(s, sink, e);
	sink_close(sink);
	source_close(s);
	return rc;
}
