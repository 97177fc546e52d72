/* CSV on several threads.
 *
 * The text behind the reader is cut into pieces at line ends that seem to be outside quotes, and the pieces are parsed at the
 * same time, each by a reader of its own, which knows names and types of the whole one's. They are taken in order. A piece
 * whose text is nothing but whole, faultless records proves that the next one begins at a record, as the first one does; so the
 * guess needs no other check. A piece that is not is handed over as text: the reader parses that by itself, asks for more text
 * where a record reaches beyond the guessed end, and goes on with the crew where it ends with a piece. So faults, their places
 * and what is done about them are the reader's business alone, and the guess can cost time only.
 *
 * Pieces in flight are a ring, then comes the one that is being filled. */
#include "lib/base/pool.h"
#include "lib/format/csv_reader.h"

#include <stddef.h>
#include <stdlib.h>

#define PIECE_MAX ((size_t)256 << 10) /* in the nearer caches, while many are in flight */
#define CREW_MAX 16                   /* more have nothing to do: one thread reads for all */
#define MORE_PIECES 4                 /* in flight than threads: who waits for the first one seldom finds nothing else to do */

struct piece {
	struct job job;
	struct reader reader;
	bool clean; /* all of its text has become rows, and nothing is wrong with any */
};

struct crew {
	struct pool *pool, *own; /* own: not borrowed */
	struct piece *ring;
	int slots, first, n; /* in flight: n from `first` on */
	bool ended;          /* the input; `broken` says whether properly */
	struct err broken;
};

/* ---- pieces ---- */

static struct piece *piece_at(const struct crew *c, int i)
{
	return &c->ring[(c->first + i) % c->slots];
}

/* The one that is being filled. */
static struct reader *open_piece(const struct crew *c)
{
	return &piece_at(c, c->n)->reader;
}

static void drop_rows(struct reader *w)
{
	batch_unref(w->ready);
	w->ready = NULL;
}

static void empty_piece(struct reader *w)
{
	drop_rows(w);
	batch_unref(w->carrier);
	w->carrier = NULL;
	w->text = NULL;
	w->at = w->n = w->cap = 0;
	w->row = w->line = w->until = 0;
	w->shared = w->last = false;
	w->fault.fault = FAULT_NONE;
	w->bad = (struct bad_values){ 0 };
	w->later.status = w->broken.status = 0;
}

/* Its rows are not wanted: it is text again. */
static void spoil(struct piece *p)
{
	drop_rows(&p->reader);
	p->reader.at = 0;
	p->reader.shared = p->clean = false;
}

static void parse_piece(struct job *j)
{
	struct piece *p = (struct piece *)j;
	struct reader *w = &p->reader;
	struct err ignored; /* the reader will see it */

	p->clean = w->n == 0 || (csv_scan_text(w, &ignored) >= 0 && w->at == w->n && w->fault.fault == FAULT_NONE && !w->bad.count);
	if (!p->clean)
		spoil(p);
}

static void next_piece(struct crew *c)
{
	empty_piece(&piece_at(c, 0)->reader);
	c->first = (c->first + 1) % c->slots;
	c->n--;
}

/* ---- cutting ---- */

static size_t count_byte(const uint8_t *p, size_t n, uint8_t c)
{
	size_t count = 0;

	while (n) {
		size_t part = n < 255 ? n : 255;
		uint8_t some = 0; /* so that vectors hold it */

		for (size_t i = 0; i < part; i++)
			some = (uint8_t)(some + (p[i] == c));
		count += some;
		p += part;
		n -= part;
	}
	return count;
}

static bool is_odd(const struct dialect *d, const uint8_t *p, size_t n)
{
	return d->quote >= 0 && memchr(p, d->quote, n) && count_byte(p, n, (uint8_t)d->quote) & 1;
}

/* Behind the last line end with an even number of quotes before it. When there is none in the second half the odd quote is
 * perhaps none: behind the last line end; n when there is no line end. */
static size_t guess_cut(const struct dialect *d, const uint8_t *text, size_t n)
{
	const uint8_t *last = memrchr(text, '\n', n), *lf = last;
	size_t end = n;
	bool odd = is_odd(d, text, n);

	for (; lf && (size_t)(lf - text) >= n / 2; lf = memrchr(text, '\n', end)) {
		odd ^= is_odd(d, lf, end - (size_t)(lf - text));
		if (!odd)
			return (size_t)(lf - text) + 1;
		end = (size_t)(lf - text);
	}
	return last ? (size_t)(last - text) + 1 : n;
}

/* Text in front of what w will read. */
static int begin_with(struct reader *w, const uint8_t *text, size_t n, struct err *e)
{
	int rc = n ? csv_new_carrier(w, w->chunk + n, e) : 0;

	if (rc == 0 && n) {
		memcpy(w->text, text, n);
		w->n = n;
	}
	return rc;
}

/* The open piece goes to the crew; what lies behind its cut opens the next. What came slowly, or before the end, is wanted now,
 * all of it, and when it comes alone is not worth another thread. */
static int hand_out(struct crew *c, struct err *e)
{
	struct piece *p = piece_at(c, c->n);
	struct reader *w = &p->reader;
	bool full = w->n == w->cap, direct = c->n == 0 && !full;
	size_t cut = full ? guess_cut(&w->d, w->text, w->n) : w->n;
	int rc;

	c->n++;
	p->job.run = parse_piece;
	p->job.done = true; /* unless it is given */
	if ((rc = begin_with(open_piece(c), w->text + cut, w->n - cut, e)) < 0)
		return rc;
	w->n = cut;
	memset(w->text + cut, 0, TEXT_SLACK);
	if (direct)
		parse_piece(&p->job);
	else
		pool_give(c->pool, &p->job);
	return 0;
}

/* Reads and hands out until all have enough to do, or nothing comes for now. */
static int hand_out_all(struct crew *c, struct err *e)
{
	int rc = 0;

	while (rc == 0 && c->n < c->slots - 1 && !c->ended) {
		struct reader *w = open_piece(c);

		if ((rc = csv_some_text(w, c->n == 0, e)) < 0)
			return rc;
		c->ended = w->last || w->broken.status;
		c->broken = w->broken;
		if (c->n && w->n < w->cap && !c->ended && !csv_text_is_due(w))
			break;
		rc = hand_out(c, e);
	}
	return rc;
}

/* ---- the reader's side ---- */

bool csv_crew_fits(const struct reader *r)
{
	const struct crew *c = r->crew;

	if (!c || r->at == r->n)
		return c != NULL;
	return c->n == 0 && !c->ended && open_piece(c)->n == 0 && r->n - r->at < open_piece(c)->chunk / 2;
}

static void take_rows(struct reader *r, struct reader *w)
{
	if (w->ready)
		csv_origin_move(&w->ready->origin, r->row, r->line);
	if (w->ready)
		w->ready->origin.log = r->log;
	r->ready = w->ready;
	r->ready_at = 0;
	r->ready_n = w->ready_n;
	r->bad = w->bad;
	r->row += w->row;
	r->line += w->line;
	w->ready = NULL;
}

static void take_text(struct reader *r, struct reader *w)
{
	batch_unref(r->carrier);
	r->carrier = w->carrier;
	r->text = w->text;
	r->at = w->at;
	r->n = w->n;
	r->cap = w->cap;
	r->shared = false;
	w->carrier = NULL;
}

int csv_crew_next(struct reader *r, struct err *e)
{
	struct crew *c = r->crew;
	struct piece *p;
	int rc;

	if ((rc = begin_with(open_piece(c), r->text + r->at, r->at < r->n ? r->n - r->at : 0, e)) < 0)
		return rc;
	r->at = r->n;
	if ((rc = hand_out_all(c, e)) < 0)
		return rc;
	if (c->n == 0) {
		*e = c->broken;
		r->last = c->ended;
		return -e->status;
	}
	p = piece_at(c, 0);
	pool_wait(c->pool, &p->job);
	r->last = p->reader.last;
	if (p->clean)
		take_rows(r, &p->reader);
	else
		take_text(r, &p->reader);
	next_piece(c);
	return 0;
}

ssize_t csv_crew_text(struct crew *c, uint8_t *to, size_t n, struct err *e)
{
	struct piece *p = piece_at(c, 0);
	struct reader *w = &p->reader;

	if (c->n) {
		pool_wait(c->pool, &p->job);
		if (p->clean)
			spoil(p);
	} else if (c->broken.status) {
		*e = c->broken;
		return -e->status;
	}
	if (n > w->n - w->at)
		n = w->n - w->at;
	if (n)
		memcpy(to, w->text + w->at, n);
	w->at += n;
	if (w->at < w->n)
		return (ssize_t)n;
	if (c->n)
		next_piece(c);
	else
		empty_piece(w);
	return (ssize_t)n;
}

int csv_crew_open(struct reader *r, const struct read_opts *o, struct err *e)
{
	struct crew *c = calloc(1, sizeof *c);
	int threads = o->threads < CREW_MAX ? o->threads : CREW_MAX, rc;

	if (!c)
		return err_oom(e);
	r->crew = c;
	c->slots = threads + MORE_PIECES;
	if (!(c->ring = calloc((size_t)c->slots, sizeof *c->ring)))
		return err_oom(e);
	if (!o->pool && (rc = pool_open(&c->own, threads, e)) < 0)
		return rc;
	c->pool = o->pool ? o->pool : c->own;
	if (o->pool)
		*o->pooled = true;
	for (int i = 0; i < c->slots; i++)
		c->ring[i].reader = (struct reader){ .source.schema = r->source.schema, .in = r->in, .d = r->d, .on_bad = BAD_FAIL,
			.binary = r->binary, .wants = r->wants, .plain = r->plain, .none = r->none, .eol = r->eol,
			.chunk = r->chunk < PIECE_MAX ? r->chunk : PIECE_MAX };
	return 0;
}

void csv_crew_close(struct crew *c)
{
	if (!c)
		return;
	for (; !c->own && c->n; next_piece(c))
		pool_wait(c->pool, &piece_at(c, 0)->job);
	pool_close(c->own);
	for (int i = 0; c->ring && i < c->slots; i++) {
		empty_piece(&c->ring[i].reader);
		fields_free(&c->ring[i].reader.fields);
	}
	free(c->ring);
	free(c);
}
