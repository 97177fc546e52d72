/* A map program over a stream: see mapper.h. One batch is in hand at a time; what it gives comes out in order. */
#include "lib/op/mapper.h"

#include <stdlib.h>

struct mapper {
	struct source source;
	struct source *from;
	struct eval *ev;
	struct batch *in;     /* being evaluated */
	int64_t *bad;
};

static int mapper_next(struct source *s, struct batch **ret, struct err *e)
{
	struct mapper *m = (struct mapper *)s;
	int rc;

	for (;;) {
		if (m->in) {
			rc = eval_next(m->ev, ret, e);
			if (m->bad)
				*m->bad = eval_bad_count(m->ev);
			if (rc < 0 || *ret)
				return rc;
			batch_unref(m->in);
			m->in = NULL;
		}
		if ((rc = source_next(m->from, &m->in, e)) < 0 || !m->in)
			return rc;
		if ((rc = eval_start(m->ev, m->in, e)) < 0)
			return rc;
	}
}

static void mapper_close(struct source *s)
{
	struct mapper *m = (struct mapper *)s;

	batch_unref(m->in);
	eval_free(m->ev);
	source_close(m->from);
	free(m);
}

int mapper_open(struct source *from, struct program *p, const struct mapper_opts *o, struct source **ret, struct err *e)
{
	struct mapper *m = calloc(1, sizeof *m);
	int rc = m ? 0 : err_oom(e);

	if (rc < 0 || (rc = program_bind(p, from->schema, o->now_us, e)) < 0 || (rc = eval_new(p, o->on_bad, &m->ev, e)) < 0) {
		source_close(from);
		free(m);
		return rc;
	}
	m->source = (struct source){ program_schema(p), mapper_next, mapper_close };
	m->from = from;
	m->bad = o->bad;
	*ret = &m->source;
	return 0;
}
