/* Records on lines, on several threads: blocks of whole lines are parsed at the same time, each by a twin of the source, and
 * taken in order. Rows of a block without a fault are taken as they are; a block with one is handed over as text, so that
 * faults, their places and what is done about them are the source's business alone. */
#include "lib/base/pool.h"
#include "lib/format/records.h"

#include <stdlib.h>

#define CREW_MAX 16 /* more have nothing to do: one thread reads for all */

struct piece {
	struct job job;
	struct records *twin; /* with a carrier and its text */
	struct batch *rows;   /* NULL: none, or there is a fault */
	int64_t records;
	bool clean;
};

struct records_crew {
	struct pool *pool;
	struct piece *ring;
	int slots, first, n; /* in flight: n from `first` on */
	struct err broken;   /* status != 0: behind what is in flight reading failed */
};

static void parse_piece(struct job *j)
{
	struct piece *p = (struct piece *)j;
	struct records *t = p->twin;
	const char *text = t->text;
	size_t n = t->left;
	int64_t before = t->record;
	struct err ignored; /* the source will see it */

	t->column = 0;
	p->clean = !t->torn && records_parse(t, &p->rows, &ignored) == 0 && !t->failed && t->left == 0;
	p->records = t->record - before;
	if (p->clean)
		return;
	batch_unref(p->rows);
	p->rows = NULL;
	t->failed = false;
	t->text = text;
	t->left = n;
}

/* A block to the crew; false: there is none for now, or for ever. */
static bool hand_out(struct records *r)
{
	struct records_crew *c = r->crew;
	struct piece *p = &c->ring[(c->first + c->n) % c->slots];

	if (records_block(r, p->twin, c->n == 0, &c->broken) < 0 || !p->twin->left)
		return false;
	p->job.run = parse_piece;
	if (c->n++ == 0 && p->twin->left < LINES_PIECE / 2) { /* alone, and little: not worth another thread */
		parse_piece(&p->job);
		p->job.done = true;
	} else {
		pool_give(c->pool, &p->job);
	}
	return true;
}

static void take_rows(struct records *r, struct piece *p)
{
	struct batch *b = p->rows;
	struct records_text *where = (struct records_text *)(uintptr_t)b->origin.context;

	where->line = r->lines.line;
	where->column = r->column;
	r->column = p->twin->column + (p->twin->parsed ? 0 : r->column);
	b->origin.row = r->record;
	b->origin.line = r->lines.line + 1;
	b->origin.log = r->log;
	r->record += p->records;
	r->lines.line += p->twin->parsed;
	r->ready = b;
	p->rows = NULL;
}

static void take_text(struct records *r, struct records *t)
{
	batch_unref(r->carrier);
	r->carrier = t->carrier;
	r->text = t->text;
	r->left = t->left;
	t->carrier = NULL;
}

int records_crew_next(struct records *r, struct err *e)
{
	struct records_crew *c = r->crew;
	struct piece *p = &c->ring[c->first];

	while (c->n < c->slots && !c->broken.status && hand_out(r))
		;
	if (c->n == 0) {
		*e = c->broken;
		if (e->line && !r->lines.array) /* lines in flight had not been counted */
			e->line = r->lines.line + 1;
		return -e->status;
	}
	pool_wait(c->pool, &p->job);
	if (p->clean)
		take_rows(r, p);
	else
		take_text(r, p->twin);
	c->first = (c->first + 1) % c->slots;
	c->n--;
	return 0;
}

static int add_twin(struct records *r, struct piece *p, struct err *e)
{
	struct records *t = calloc(1, r->size);

	if (!t)
		return err_oom(e);
	p->twin = t;
	t->lines.in = r->lines.in;
	t->schema = schema_ref(r->schema);
	t->nothing = schema_ref(r->nothing);
	t->on_bad = BAD_FAIL;
	t->keeps_blank = r->keeps_blank;
	t->parse = r->parse;
	t->locate = r->locate;
	t->release = r->release;
	return r->twin(r, t, e);
}

int records_crew_open(struct records *r, int threads, struct err *e)
{
	struct records_crew *c = r->crew = calloc(1, sizeof *c);
	int rc;

	if (!c)
		return err_oom(e);
	if (threads > CREW_MAX)
		threads = CREW_MAX;
	c->ring = calloc((size_t)threads + 1, sizeof *c->ring);
	if (!c->ring)
		return err_oom(e);
	rc = pool_open(&c->pool, threads, e);
	for (; rc == 0 && c->slots <= threads; c->slots++)
		if ((rc = add_twin(r, &c->ring[c->slots], e)) < 0)
			c->slots++;
	return rc;
}

static void free_piece(struct piece *p)
{
	struct records *t = p->twin;

	batch_unref(p->rows);
	if (!t)
		return;
	t->release(t);
	batch_unref(t->carrier);
	schema_unref(t->nothing);
	schema_unref(t->schema);
	free(t);
}

void records_crew_close(struct records_crew *c)
{
	if (!c)
		return;
	pool_close(c->pool);
	for (int i = 0; i < c->slots; i++)
		free_piece(&c->ring[i]);
	free(c->ring);
	free(c);
}
