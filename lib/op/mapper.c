/* A map program over a stream: see mapper.h. One batch is in hand at a time, larger ones of other writers in slices, for
 * what is computed
 * takes room for every row; what it gives comes out in order. */
#include "lib/op/mapper.h"

#include <stdlib.h>

struct mapper {
	struct source source;
	struct source *from;
	struct eval *ev;
	struct batch *whole;  /* from the source; NULL: the next one is wanted */
	int64_t taken;        /* rows of it that have been evaluated or are in hand */
	struct batch *in;     /* being evaluated: all of it or a slice; NULL: none */
};

/* The next rows to evaluate into m->in; none at the end. */
static int next_rows(struct mapper *m, struct err *e)
{
	int64_t left;
	int rc = 0;

	if (m->whole && m->taken == m->whole->nrows) {
		batch_unref(m->whole);
		m->whole = NULL;
	}
	if (!m->whole) {
		if ((rc = source_next(m->from, &m->whole, e)) < 0 || !m->whole)
			return rc;
		m->taken = 0;
	}
	left = m->whole->nrows - m->taken;
	if (m->whole->nrows <= BATCH_ROWS)
		m->in = batch_ref(m->whole);
	else
		rc = batch_slice(m->whole, m->taken, left < BATCH_ROWS ? left : BATCH_ROWS, &m->in, e);
	if (rc == 0)
		m->taken += m->in->nrows;
	return rc < 0 ? rc : eval_start(m->ev, m->in, e);
}

static int mapper_next(struct source *s, struct batch **ret, struct err *e)
{
	struct mapper *m = (struct mapper *)s;
	int rc;

	for (;;) {
		if (m->in) {
			rc = eval_next(m->ev, ret, e);
			if (rc < 0 || *ret)
				return rc;
			batch_unref(m->in);
			m->in = NULL;
		}
		if ((rc = next_rows(m, e)) < 0 || !m->in)
			return rc;
	}
}

static void mapper_close(struct source *s)
{
	struct mapper *m = (struct mapper *)s;

	batch_unref(m->in);
	batch_unref(m->whole);
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
	m->source = (struct source){ program_schema(p), mapper_next, mapper_close, NULL };
	m->from = from;
	source_want(from, program_fields(p));
	*ret = &m->source;
	return 0;
}
