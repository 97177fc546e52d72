/* Streams of batches: see stream.h. */
#include "lib/table/stream.h"

static int copy_all(struct source *from, struct sink *to, struct err *e)
{
	int rc;

	for (;;) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(from, &b, e)) < 0 || !b)
			return rc;
		if ((rc = to->write(to, b, e)) < 0)
			return rc;
	}
}

int stream_copy(struct source *from, struct sink *to, struct err *e)
{
	int rc = copy_all(from, to, e);

	if (rc == 0)
		rc = to->finish(to, e);
	if (rc < 0)
		to->fail(to, e);
	return rc;
}
