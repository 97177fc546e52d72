/* A pass: left batches are looked up in the build, then their pairs are given out in pieces; right rows that no left row matched come
 * last. Each batch is a probe, a job of its own, and several are at work where the next ones need no waiting for; they are given out
 * in order. The same left rows may pass several builds (joinpart.c); what they found before travels beside them, one number a row.
 * Where a row's outcome depends on the rows before it (--expect, several builds), there is one probe at a time.
 * Invariant: rows before x->row of a probe are done; `now` holds what is left of row x->row when `started`. */
#include "lib/op/joinwork.h"

#include "lib/op/grow.h"

#define LARGEST_BATCH (2 * BATCH_BYTES)
#define STEP 256    /* rows that are looked up, paired and put together while the processor has what was found, and where its pages are, at hand */
#define LINES 16384 /* most rows of a batch of lines */
#define MOST_OUT 8  /* batches that a probe makes before they are taken */

struct probe {
	struct job job;
	struct join *j;         /* the pass's, as are */
	struct build *build;
	const struct pass_opts *o;
	int most_out;
	struct feed left;       /* the batch */
	struct arena arena;
	int64_t *seen;          /* by row: place of the first match so far, 0: none; NULL: a single pass */
	uint32_t *found;        /* first match of row i for alternative a: found[a * n + i]; NULL: no room yet */
	int64_t looked;         /* rows that have been looked up */
	uint32_t *now;          /* the next match of each alternative */
	bool started, done;
	int64_t n, row;         /* rows to look at; the next one */
	int64_t longest;        /* left row */
	int64_t npairs, given;  /* the last phase: given out, of the pairs */
	uint32_t *idx, *hits;   /* of one output batch: left rows, right rows */
	int64_t *l, *r;         /* their numbers, tagged */
	struct line_batch lines; /* of the first of them; or none are made */
	struct batch *out[MOST_OUT];
	int nout, taken;
	struct rowstore store;  /* tagged: the batches packed, */
	struct entry *packed;   /* their rows, */
	int64_t npacked, room;
	struct rowout blocks;   /* and blocks of those instead of batches */
	int rc;                 /* of what comes behind them */
	struct err e;
};

struct pass {
	struct source source;
	struct rowstream rows;
	struct join *j;
	struct build *build;
	struct feed *left;
	struct pass_opts o;
	struct schema *seen_schema;
	int window, most_out;
	struct probe *ring;     /* window of them; `nprobes` from `first` on are at work */
	int first, nprobes;
	bool left_done;
	struct build_at rest;   /* the next right row to be looked at in the last phase */
	int rc;                 /* why there is no more of the left */
	struct err e;
};

static void probe_clear(struct probe *x)
{
	feed_close(&x->left);
	arena_reset(&x->arena);
	while (x->taken < x->nout)
		batch_unref(x->out[x->taken++]);
	line_batch_free(&x->lines);
	x->nout = x->taken = 0;
	x->found = NULL;
	x->looked = 0;
	x->seen = NULL;
	x->started = x->done = false;
}

static void probe_free(struct probe *x)
{
	probe_clear(x);
	rowstore_free(&x->store);
	rowout_free(&x->blocks);
	free(x->packed);
	arena_free(&x->arena);
	free(x->idx);
	free(x->hits);
	free(x->l);
	free(x->r);
	free(x->now);
}

static void pass_close(struct source *s)
{
	struct pass *p = (struct pass *)s;

	for (int i = 0; i < p->nprobes && p->window > 1; i++)
		pool_wait(p->j->pool, &p->ring[(p->first + i) % p->window].job);
	for (int i = 0; i < p->window && p->ring; i++)
		probe_free(&p->ring[i]);
	free(p->ring);
	schema_unref(p->seen_schema);
	schema_unref(s->schema);
	free(p);
}

static void rows_close(struct rowstream *s)
{
	source_close((struct source *)((char *)s - offsetof(struct pass, rows)));
}

/* What was found before. */

static int load_seen(struct pass *p, struct probe *x, struct err *e)
{
	cleanup_batch struct batch *b = NULL;
	int64_t n = x->left.batch->nrows;
	int rc = 0;

	if (!p->o.seen && !p->o.to)
		return 0;
	x->seen = arena_array(&x->arena, int64_t, (size_t)n + 8);
	if (!x->seen)
		return err_oom(e);
	if (p->o.seen && (rc = source_next(p->o.seen, &b, e)) == 0) {
		if (!b || b->nrows != n)
			return err_set(e, ST_BUG, "a join's second pass reads other rows than the first");
		memcpy(x->seen, b->cols[0].values, (size_t)n * sizeof *x->seen);
	}
	return rc;
}

static int store_seen(struct pass *p, const struct probe *x, struct err *e)
{
	cleanup_batch struct batch *b = NULL;

	if (!p->o.to)
		return 0;
	b = batch_new(p->seen_schema, x->left.batch->nrows);
	if (!b)
		return err_oom(e);
	b->cols[0] = (struct column){ .type = b->cols[0].type, .length = b->nrows, .values = (const uint8_t *)x->seen };
	b->cols[0].type = &p->seen_schema->fields[0].type;
	return spill_write(p->o.to, b, e);
}

/* Rows. */

/* Fills x->now for row x->row; false: no alternative has a match. */
static bool start_row(struct probe *x)
{
	bool any = false;

	for (int a = 0; a < x->j->nalts; a++) {
		x->now[a] = x->found[a * x->left.n + x->row];
		any |= x->now[a] != NO_MATCH;
	}
	x->started = true;
	return any;
}

/* The next match of the row at hand: the first in right order of all alternatives, once; *alt: by which. NO_MATCH: no more. */
static uint32_t next_match(struct probe *x, int *alt)
{
	uint32_t match = NO_MATCH;

	for (int a = 0; a < x->j->nalts; a++)
		if (x->now[a] < match) {
			match = x->now[a];
			*alt = a;
		}
	for (int a = 0; a < x->j->nalts && match != NO_MATCH; a++)
		if (x->now[a] == match)
			x->now[a] = x->build->unique ? NO_MATCH : build_next(x->build, match);
	return match;
}

static bool has_more(const struct probe *x)
{
	bool more = false;

	for (int a = 0; a < x->j->nalts; a++)
		more |= x->now[a] != NO_MATCH;
	return more;
}

/* Cardinality. */

static void unexpected(struct probe *x, int alt, enum join_side side, int64_t first, int64_t second)
{
	struct err e;

	join_unexpected(&x->left, x->row, alt, side, first, second, &e);
	join_stop(x->j, feed_row(&x->left, x->row), &e);
}

/* The row's matches, before any of them is given out. */
static void check_row(struct probe *x)
{
	int64_t first = x->seen ? x->seen[x->row] : 0;
	int alt = 0;
	uint32_t match;

	while ((match = next_match(x, &alt)) != NO_MATCH) {
		uint8_t *row = build_row(x->build, match);
		int64_t *left = row_left_place(row);

		if (first && x->j->opts.expect & EXPECT_M1)
			return unexpected(x, alt, RIGHT, first, *row_place(row));
		first = *row_place(row);
		if (*left && x->j->opts.expect & EXPECT_1M)
			return unexpected(x, alt, LEFT, *left, x->left.places[x->row]);
		*left = x->left.places[x->row];
	}
	start_row(x);
}

/* Rows from the one that an error stands at are not needed. */
static bool is_stopped(const struct probe *x)
{
	return x->j->stopped && feed_row(&x->left, x->row) >= x->j->stop_row;
}

/* Pairs. */

static void note(struct probe *x, uint32_t match)
{
	int64_t k = x->npairs++;

	x->idx[k] = (uint32_t)x->row;
	x->hits[k] = match;
	if (!x->o->tagged)
		return;
	x->l[k] = feed_row(&x->left, x->row);
	x->r[k] = match == NO_MATCH ? -1 : row_number(build_row(x->build, match));
}

static void mark_seen(struct probe *x, uint32_t match)
{
	if (x->seen && !x->seen[x->row])
		x->seen[x->row] = x->j->opts.expect ? *row_place(build_row(x->build, match)) : SEEN_RECORD;
}

/* semi, anti: the row itself, in the pass that knows. */
static void left_row(struct probe *x, bool any)
{
	bool before = x->seen && x->seen[x->row];
	int alt;

	if (any)
		mark_seen(x, next_match(x, &alt));
	if (x->j->opts.kind == JOIN_SEMI ? any && !before : !any && !before && x->o->final)
		note(x, NO_MATCH);
}

static void pair_row(struct probe *x, int64_t max)
{
	int alt;

	while (has_more(x) && x->npairs < max) {
		uint32_t match = next_match(x, &alt);

		mark_seen(x, match);
		note(x, match);
		if (join_wants_rest(x->j))
			row_match(build_row(x->build, match));
	}
}

/* The row at x->row, as far as there is room. */
static void one_row(struct probe *x, int64_t max)
{
	bool fresh = !x->started, any = !fresh || start_row(x);

	if (fresh && any && x->j->opts.expect) {
		check_row(x);
		if (is_stopped(x))
			return;
	}
	if (join_left_only(x->j)) {
		left_row(x, any);
		x->started = false;
	} else if (any) {
		pair_row(x, max);
		x->started = has_more(x);
	} else {
		if (join_pads_left(x->j) && x->o->final && !(x->seen && x->seen[x->row]))
			note(x, NO_MATCH);
		x->started = false;
	}
	x->row += !x->started;
}

/* The usual case: at most one match a row, nothing to keep in mind. */
static bool is_simple(const struct probe *x)
{
	enum join_kind k = x->j->opts.kind;

	return x->j->nalts == 1 && x->build->unique && (k == JOIN_INNER || k == JOIN_LEFT) && x->j->opts.expect == EXPECT_ANY &&
	       !x->seen && !x->o->tagged && !x->left.bad.skip && !x->j->stopped;
}

static void pair_simple(struct probe *x, int64_t max)
{
	bool all = x->j->opts.kind == JOIN_LEFT;
	int64_t k = x->npairs;

	for (; x->row < x->looked && k < max; x->row++) {
		x->idx[k] = (uint32_t)x->row;
		x->hits[k] = x->found[x->row];
		k += all || x->found[x->row] != NO_MATCH;
	}
	x->npairs = k;
}

static void look_up(struct probe *x)
{
	int64_t to = x->n - x->row < STEP ? x->n : x->row + STEP;

	for (int a = 0; a < x->j->nalts; a++)
		build_find(x->build, &x->left, a, x->row, to, x->found + a * x->left.n);
	x->looked = to;
}

static int64_t batch_bytes_wanted(const struct probe *x)
{
	return x->o->batch_bytes ? x->o->batch_bytes : LARGEST_BATCH;
}

/* Lines of the pairs that have none yet, as far as they fit into the batch: most rows may be far longer than the average. */
static int add_lines(struct probe *x, int64_t max, struct err *e)
{
	int64_t from = x->lines.n;
	int rc;

	if (!x->j->lines.print || from == x->npairs)
		return 0;
	if (!from && (rc = line_batch_open(&x->lines, x->o->tagged ? x->j->line : x->j->out, max, e)) < 0)
		return rc;
	return join_add_lines(x->j, x->build, x->left.batch, x->idx + from, x->hits + from, x->npairs - from,
			      (size_t)(2 * batch_bytes_wanted(x)), &x->lines, e);
}

static int pair_rows(struct probe *x, int64_t max, struct err *e)
{
	while (x->row < x->n && x->npairs < max) {
		int rc;

		if (x->row >= x->looked) {
			if ((rc = add_lines(x, max, e)) < 0 || (x->j->lines.print && x->lines.n < x->npairs))
				return rc;
			look_up(x);
		}
		if (is_simple(x))
			pair_simple(x, max);
		else if (feed_skipped(&x->left, x->row))
			x->row++;
		else if (is_stopped(x))
			x->n = x->row;
		else
			one_row(x, max);
	}
	return add_lines(x, max, e);
}

/* Output. */

/* A row of the left batch has at most so many bytes; not much more than that. */
static int64_t longest_left(const struct batch *b)
{
	int64_t sum = 0;

	for (int i = 0; b && i < b->schema->nfields; i++) {
		const struct column *c = &b->cols[i];
		int32_t most = 0;

		for (int64_t row = 0; c->type->layout == LAY_VAR && row < b->nrows; row++)
			most = c->offsets[row + 1] - c->offsets[row] > most ? c->offsets[row + 1] - c->offsets[row] : most;
		sum += most + (c->type->layout > LAY_VAR ? column_bytes(c, 0, b->nrows) : 16);
	}
	return sum;
}

/* The first pairs, as many as fit into a batch, as those of lines do; one at least. */
static int64_t first_pairs(const struct probe *x)
{
	int64_t most = 2 * batch_bytes_wanted(x), bytes = 0, n = 0;

	if (x->npairs * (x->longest + (int64_t)x->build->largest) <= most)
		return x->npairs;
	while (n < x->npairs && bytes <= most) {
		if (x->left.batch)
			bytes += row_bytes(x->left.batch, x->idx[n]);
		if (x->hits[n] != NO_MATCH && !join_left_only(x->j))
			bytes += row_measure(build_row(x->build, x->hits[n]), x->j->payload);
		n++;
	}
	return n;
}

static int compose(struct probe *x, struct batch *left, int64_t n, bool payload, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *right = NULL;
	int rc = payload ? build_payload(x->build, x->hits, n, &right, e) : 0;

	if (rc < 0)
		return rc;
	return join_compose(x->j, left, right, n, x->o->tagged ? x->l : NULL, x->r, ret, e);
}

/* The lines of b as the one column of `line`. */
static void as_column(const struct join *j, struct batch *b)
{
	b->cols[0] = join_line_column(j, &b->lines, b->nrows);
	b->lines = (struct text_lines){ 0 };
}

static int emit(struct probe *x, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *left = NULL;
	int64_t n;
	int rc;

	if (x->j->lines.print) {
		*ret = line_batch_take(&x->lines);
		if (x->o->tagged)
			as_column(x->j, *ret);
		return 0;
	}
	n = first_pairs(x);
	rc = join_rows(x->left.batch, x->idx, n, &left, e);
	return rc < 0 ? rc : compose(x, left, n, !join_left_only(x->j), ret, e);
}

static int64_t batch_rows(const struct probe *x)
{
	const struct batch *b = x->left.batch;
	int64_t right = x->build->n ? x->build->data / x->build->n : 0;
	int64_t n = rows_per_batch((b ? batch_size(b) / b->nrows : 0) + right, 1, batch_bytes_wanted(x));

	return x->j->lines.print && n > LINES ? LINES : n;
}

static int make_found(struct probe *x, struct err *e)
{
	x->found = arena_alloc(&x->arena, (size_t)(x->left.n * x->j->nalts + 1) * sizeof *x->found);
	return x->found ? 0 : err_oom(e);
}

/* Joined rows that leave memory. */

/* Keys of n joined rows: the number of the left row, or behind all of them that of the right row. */
static int order_keys(const struct probe *x, int64_t n, struct arena *a, struct keys *ret, struct err *e)
{
	uint8_t *bytes = arena_alloc(a, (size_t)n * 8 + 8);
	uint32_t *offsets = arena_array(a, uint32_t, (size_t)n + 1);

	if (!bytes || !offsets)
		return err_oom(e);
	for (int64_t i = 0; i < n; i++) {
		uint64_t key = htobe64(x->l[i] >= 0 ? (uint64_t)x->l[i] : (uint64_t)1 << 63 | (uint64_t)x->r[i]);

		memcpy(bytes + i * 8, &key, 8);
		offsets[i + 1] = (uint32_t)(i + 1) * 8;
	}
	*ret = (struct keys){ .n = n, .bytes = bytes, .offsets = offsets, .fixed = 8 };
	return 0;
}

static int pack(struct probe *x, const struct batch *b, struct err *e)
{
	cleanup_arena struct arena scratch = { 0 };
	struct keys keys;
	int rc = order_keys(x, b->nrows, &scratch, &keys, e);

	if (rc == 0 && x->npacked + b->nrows > x->room) {
		int64_t room = 2 * x->room + b->nrows;

		if ((rc = GROW(x->packed, room, e)) == 0)
			x->room = room;
	}
	if (rc < 0 || (rc = rowstore_add(&x->store, b, NULL, b->nrows, &keys, x->packed + x->npacked, e)) < 0)
		return rc;
	x->npacked += b->nrows;
	return 0;
}

/* The first n pairs have been given out. */
static void drop_pairs(struct probe *x, int64_t n)
{
	size_t left = (size_t)(x->npairs -= n);

	memmove(x->idx, x->idx + n, left * sizeof *x->idx);
	memmove(x->hits, x->hits + n, left * sizeof *x->hits);
	if (!x->o->tagged)
		return;
	memmove(x->l, x->l + n, left * sizeof *x->l);
	memmove(x->r, x->r + n, left * sizeof *x->r);
}

/* A batch of the pairs, or of the first of them. */
static int make_batch(struct probe *x, struct err *e)
{
	cleanup_batch struct batch *b = NULL;
	int rc = emit(x, &b, e);

	if (rc < 0 || (x->o->tagged && (rc = pack(x, b, e)) < 0))
		return rc;
	drop_pairs(x, b->nrows);
	if (!x->o->tagged) {
		x->out[x->nout++] = b;
		b = NULL;
	}
	return 0;
}

/* What has been packed, as blocks. */
static int make_blocks(struct probe *x, struct err *e)
{
	struct row_form form = { .block_bytes = (size_t)x->o->batch_bytes, .pack = true };
	int rc = rowout_make(&x->blocks, &form, x->packed, x->npacked, e);

	rowstore_free(&x->store);
	rowstore_init(&x->store, join_run_schema(x->j));
	x->npacked = 0;
	return rc;
}

/* The next batches of the probe, as many as it may make ahead. */
static int make_batches(struct probe *x, struct err *e)
{
	int64_t max = batch_rows(x);
	int rc = 0;

	if (!x->found) {
		rc = make_found(x, e);
		x->longest = x->j->lines.print ? 0 : longest_left(x->left.batch);
	}

	for (int n = 0; rc == 0 && !x->done && n < x->most_out; n++) {
		if ((rc = pair_rows(x, max, e)) < 0)
			return rc;
		if (!x->npairs)
			x->done = true;
		else
			rc = make_batch(x, e);
	}
	return rc < 0 || !x->o->tagged ? rc : make_blocks(x, e);
}

static void run_probe(struct job *job)
{
	struct probe *x = (struct probe *)job;

	x->nout = x->taken = 0;
	x->rc = make_batches(x, &x->e);
}

/* The ring. */

static void start(struct pass *p, struct probe *x)
{
	pool_give(p->window > 1 ? p->j->pool : NULL, &x->job);
}

/* What has been joined is not kept back until the next batch comes. */
static bool is_ready(const struct pass *p)
{
	struct source *from = p->left->from;

	return p->left->tagged || (p->j->opts.ready && p->j->opts.ready(from));
}

/* The next left batch becomes a probe. */
static int add_probe(struct pass *p, struct err *e)
{
	struct probe *x = &p->ring[(p->first + p->nprobes) % p->window];
	int rc = feed_next(p->left, e);

	if (rc < 0 || !p->left->batch) {
		p->left_done = true;
		return rc;
	}
	p->left_done = p->left->failed;
	if ((rc = feed_take(p->left, &x->left, e)) < 0)
		return rc;
	x->n = x->left.n;
	x->row = 0;
	if ((rc = load_seen(p, x, e)) < 0)
		return rc;
	p->nprobes++;
	start(p, x);
	return 0;
}

/* Probes for all that can be had at once, one at least. */
static void top_up(struct pass *p)
{
	while (!p->left_done && p->nprobes < p->window && (!p->nprobes || is_ready(p)))
		if ((p->rc = add_probe(p, &p->e)) < 0)
			p->left_done = true;
}

/* The first probe has given all its rows. */
static int end_probe(struct pass *p, struct err *e)
{
	struct probe *x = &p->ring[p->first];
	int rc = store_seen(p, x, e);

	p->left_done |= x->n < x->left.n; /* stopped */
	if (rc == 0 && x->n == x->left.n && x->left.failed) {
		*e = x->left.failure;
		rc = -e->status;
	}
	probe_clear(x);
	p->first = (p->first + 1) % p->window;
	p->nprobes--;
	return rc;
}

/* Makes the first probe have a batch or a block; *any = false: it has no more. */
static int wait_output(struct pass *p, bool *any, struct err *e)
{
	struct probe *x = &p->ring[p->first];

	for (;;) {
		if (p->window > 1)
			pool_wait(p->j->pool, &x->job);
		*any = x->taken < x->nout || x->blocks.at < x->blocks.n;
		if (*any)
			return 0;
		if (x->rc < 0)
			*e = x->e;
		if (x->rc < 0 || x->done)
			return x->rc;
		start(p, x);
	}
}

/* Right rows without a match: a batch of them; NULL: no more. */
static int next_rest(struct pass *p, struct batch **ret, struct err *e)
{
	struct probe *x = &p->ring[0];
	int64_t max = batch_rows(x);
	uint32_t place;

	if (!join_wants_rest(p->j))
		return 0;
	drop_pairs(x, x->given);
	while (x->npairs < max && build_each(p->build, &p->rest, &place)) {
		uint8_t *row = build_row(p->build, place);

		if (row_matched(row))
			continue;
		x->hits[x->npairs] = place;
		if (p->o.tagged) {
			x->l[x->npairs] = -1;
			x->r[x->npairs] = row_number(row);
		}
		x->npairs++;
	}
	x->given = x->npairs ? first_pairs(x) : 0;
	return x->given ? compose(x, NULL, x->given, true, ret, e) : 0;
}

/* The probe whose output is next; NULL: the left side is done. */
static int next_probe(struct pass *p, struct probe **ret, struct err *e)
{
	bool any;
	int rc;

	*ret = NULL;
	for (;;) {
		top_up(p);
		if (!p->nprobes)
			break;
		if ((rc = wait_output(p, &any, e)) < 0)
			return rc;
		if (any) {
			*ret = &p->ring[p->first];
			return 0;
		}
		if ((rc = end_probe(p, e)) < 0)
			return rc;
	}
	*e = p->e;
	return p->rc;
}

static int pass_next(struct source *s, struct batch **ret, struct err *e)
{
	struct pass *p = (struct pass *)s;
	struct probe *x;
	int rc = next_probe(p, &x, e);

	if (rc < 0)
		return rc;
	if (x) {
		*ret = x->out[x->taken++];
		return 0;
	}
	if (p->j->stopped) {
		*e = p->j->failure;
		return -e->status;
	}
	return next_rest(p, ret, e);
}

/* The same as blocks. */
static int rows_next(struct rowstream *s, struct rowout **ret, struct err *e)
{
	struct pass *p = (struct pass *)((char *)s - offsetof(struct pass, rows));
	cleanup_batch struct batch *rest = NULL;
	struct probe *x;
	int rc = next_probe(p, &x, e);

	*ret = NULL;
	if (rc == 0 && !x) {
		x = &p->ring[0];
		if (x->blocks.at == x->blocks.n && (rc = next_rest(p, &rest, e)) == 0 && rest && (rc = pack(x, rest, e)) == 0)
			rc = make_blocks(x, e);
	}
	if (rc == 0 && x->blocks.at < x->blocks.n)
		*ret = &x->blocks;
	return rc;
}

static int probe_init(struct pass *p, struct probe *x, struct err *e)
{
	*x = (struct probe){ .job = { .run = run_probe }, .j = p->j, .build = p->build, .o = &p->o, .most_out = p->most_out };
	rowstore_init(&x->store, join_run_schema(p->j));
	x->now = calloc((size_t)p->j->nalts, sizeof *x->now);
	x->idx = malloc(BATCH_ROWS * sizeof *x->idx);
	x->hits = malloc(BATCH_ROWS * sizeof *x->hits);
	x->l = p->o.tagged ? malloc(BATCH_ROWS * sizeof *x->l) : NULL;
	x->r = p->o.tagged ? malloc(BATCH_ROWS * sizeof *x->r) : NULL;
	return !x->now || !x->idx || !x->hits || (p->o.tagged && (!x->l || !x->r)) ? err_oom(e) : 0;
}

static int make_room(struct pass *p, struct err *e)
{
	int rc;

	p->ring = calloc((size_t)p->window, sizeof *p->ring);
	p->seen_schema = schema_new();
	if (!p->ring || !p->seen_schema)
		return err_oom(e);
	for (int i = 0; i < p->window; i++)
		if ((rc = probe_init(p, &p->ring[i], e)) < 0)
			return rc;
	return schema_add(p->seen_schema, STR(":seen"), &TYPE_INT64, false, e);
}

/* How many probes are at work, and how far ahead of who takes: the batches they make are a small part of the memory. */
static void set_window(struct pass *p)
{
	const struct join_opts *o = &p->j->opts;
	bool in_turn = o->expect || p->o.seen || p->o.to;
	int64_t size = p->o.batch_bytes ? p->o.batch_bytes : LARGEST_BATCH;
	int64_t most;

	p->window = in_turn || p->j->opts.threads == 1 ? 1 : p->j->opts.threads + 2;
	most = o->memory ? o->memory / (8 * p->window * size) : MOST_OUT;
	p->most_out = most < 1 ? 1 : most > MOST_OUT ? MOST_OUT : (int)most;
}

int pass_open(struct build *b, struct feed *left, const struct pass_opts *o, struct source **ret, struct err *e)
{
	struct pass *p = calloc(1, sizeof *p);
	int rc;

	if (!p)
		return err_oom(e);
	p->source = (struct source){ schema_ref(b->j->out), pass_next, pass_close, NULL };
	p->rows = (struct rowstream){ rows_next, rows_close };
	p->j = b->j;
	p->build = b;
	p->left = left;
	p->o = *o;
	set_window(p);
	if ((rc = make_room(p, e)) < 0) {
		pass_close(&p->source);
		return rc;
	}
	*ret = &p->source;
	return 0;
}

int pass_rows(struct build *b, struct feed *left, const struct pass_opts *o, struct rowstream **ret, struct err *e)
{
	struct source *s;
	int rc = pass_open(b, left, o, &s, e);

	if (rc == 0)
		*ret = &((struct pass *)s)->rows;
	return rc;
}
