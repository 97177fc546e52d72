/* A pass: left batches are looked up in the build at once, then their pairs are given out in pieces; right rows that no left row matched
 * come last. The same left rows may pass several builds (joinpart.c); what they found before travels beside them, one number a row.
 * Invariant: rows before p->row of the batch at hand are done; `now` holds what is left of row p->row when `started`. */
#include "lib/op/joinwork.h"

#include "lib/op/grow.h"

#define LARGEST_BATCH (2 * BATCH_BYTES)

struct pass {
	struct source source;
	struct join *j;
	struct build *build;
	struct feed *left;
	struct pass_opts o;
	struct schema *seen_schema;
	struct arena arena;     /* of the batch at hand */
	int64_t *seen;          /* by row: place of the first match so far, 0: none; NULL: a single pass */
	uint32_t *found;        /* first match of row i for alternative a: found[a * n + i] */
	uint32_t *now;          /* the next match of each alternative */
	bool started, left_done, ended;
	int64_t n, row;         /* rows to look at; the next one */
	int64_t rest;           /* the next right row to be looked at in the last phase */
	int64_t npairs;
	uint32_t *idx, *hits;   /* of one output batch: left rows, right rows */
	int64_t *l, *r;         /* their numbers, tagged */
};

static void pass_close(struct source *s)
{
	struct pass *p = (struct pass *)s;

	arena_free(&p->arena);
	schema_unref(p->seen_schema);
	schema_unref(s->schema);
	free(p->idx);
	free(p->hits);
	free(p->l);
	free(p->r);
	free(p->now);
	free(p);
}

/* What was found before. */

static int load_seen(struct pass *p, struct err *e)
{
	cleanup_batch struct batch *b = NULL;
	int64_t n = p->left->batch->nrows;
	int rc = 0;

	p->seen = NULL;
	if (!p->o.seen && !p->o.to)
		return 0;
	p->seen = arena_array(&p->arena, int64_t, (size_t)n + 8);
	if (!p->seen)
		return err_oom(e);
	if (p->o.seen && (rc = source_next(p->o.seen, &b, e)) == 0) {
		if (!b || b->nrows != n)
			return err_set(e, ST_BUG, "a join's second pass reads other rows than the first");
		memcpy(p->seen, b->cols[0].values, (size_t)n * sizeof *p->seen);
	}
	return rc;
}

static int store_seen(struct pass *p, struct err *e)
{
	cleanup_batch struct batch *b = NULL;

	if (!p->o.to || !p->left->batch)
		return 0;
	b = batch_new(p->seen_schema, p->left->batch->nrows);
	if (!b)
		return err_oom(e);
	b->cols[0] = (struct column){ .type = b->cols[0].type, .length = b->nrows, .values = (const uint8_t *)p->seen };
	b->cols[0].type = &p->seen_schema->fields[0].type;
	return spill_write(p->o.to, b, e);
}

/* Left batches. */

static int load(struct pass *p, struct err *e)
{
	struct feed *left = p->left;
	int rc = store_seen(p, e);

	if (rc < 0 || (rc = feed_next(left, e)) < 0)
		return rc;
	arena_reset(&p->arena);
	p->row = p->n = 0;
	p->started = false;
	if (!left->batch) {
		p->left_done = true;
		return 0;
	}
	p->n = left->n;
	p->found = arena_alloc(&p->arena, (size_t)(left->n * p->j->nalts) * sizeof *p->found);
	if (!p->found)
		return err_oom(e);
	for (int a = 0; a < p->j->nalts; a++)
		build_find(p->build, left, a, p->found + a * left->n);
	return load_seen(p, e);
}

/* Fills p->now for row p->row; false: no alternative has a match. */
static bool start_row(struct pass *p)
{
	bool any = false;

	for (int a = 0; a < p->j->nalts; a++) {
		p->now[a] = p->found[a * p->left->n + p->row];
		any |= p->now[a] != NO_MATCH;
	}
	p->started = true;
	return any;
}

/* The next match of the row at hand: the first in right order of all alternatives, once; *alt: by which. NO_MATCH: no more. */
static uint32_t next_match(struct pass *p, int *alt)
{
	uint32_t match = NO_MATCH;

	for (int a = 0; a < p->j->nalts; a++)
		if (p->now[a] < match) {
			match = p->now[a];
			*alt = a;
		}
	for (int a = 0; a < p->j->nalts && match != NO_MATCH; a++)
		if (p->now[a] == match)
			p->now[a] = p->build->unique ? NO_MATCH : p->build->next[match];
	return match;
}

static bool has_more(const struct pass *p)
{
	bool more = false;

	for (int a = 0; a < p->j->nalts; a++)
		more |= p->now[a] != NO_MATCH;
	return more;
}

/* Cardinality. */

static void unexpected(struct pass *p, int alt, enum join_side side, int64_t first, int64_t second)
{
	struct err e;

	join_unexpected(p->left, p->row, alt, side, first, second, &e);
	join_stop(p->j, feed_row(p->left, p->row), &e);
}

/* The row's matches, before any of them is given out. */
static void check_row(struct pass *p)
{
	struct build *b = p->build;
	int64_t first = p->seen ? p->seen[p->row] : 0;
	int alt = 0;
	uint32_t match;

	while ((match = next_match(p, &alt)) != NO_MATCH) {
		int64_t *left = &b->left_place[match];

		if (first && p->j->opts.expect & EXPECT_M1)
			return unexpected(p, alt, RIGHT, first, b->places[match]);
		first = b->places[match];
		if (*left && p->j->opts.expect & EXPECT_1M)
			return unexpected(p, alt, LEFT, *left, p->left->places[p->row]);
		*left = p->left->places[p->row];
	}
	start_row(p);
}

/* Rows from the one that an error stands at are not needed. */
static bool is_stopped(const struct pass *p)
{
	return p->j->stopped && feed_row(p->left, p->row) >= p->j->stop_row;
}

/* Pairs. */

static void note(struct pass *p, uint32_t match)
{
	int64_t k = p->npairs++;

	p->idx[k] = (uint32_t)p->row;
	p->hits[k] = match;
	if (!p->o.tagged)
		return;
	p->l[k] = feed_row(p->left, p->row);
	p->r[k] = match == NO_MATCH ? -1 : build_row(p->build, match);
}

static void mark_seen(struct pass *p, uint32_t match)
{
	if (p->seen && !p->seen[p->row])
		p->seen[p->row] = p->j->opts.expect ? p->build->places[match] : SEEN_RECORD;
}

/* semi, anti: the row itself, in the pass that knows. */
static void left_row(struct pass *p, bool any)
{
	bool before = p->seen && p->seen[p->row];
	int alt;

	if (any)
		mark_seen(p, next_match(p, &alt));
	if (p->j->opts.kind == JOIN_SEMI ? any && !before : !any && !before && p->o.final)
		note(p, NO_MATCH);
}

static void pair_row(struct pass *p, int64_t max)
{
	int alt;

	while (has_more(p) && p->npairs < max) {
		uint32_t match = next_match(p, &alt);

		mark_seen(p, match);
		note(p, match);
		if (p->build->matched)
			p->build->matched[match] = 1;
	}
}

/* The row at p->row, as far as there is room. */
static void one_row(struct pass *p, int64_t max)
{
	bool fresh = !p->started, any = !fresh || start_row(p);

	if (fresh && any && p->j->opts.expect) {
		check_row(p);
		if (is_stopped(p))
			return;
	}
	if (join_left_only(p->j)) {
		left_row(p, any);
		p->started = false;
	} else if (any) {
		pair_row(p, max);
		p->started = has_more(p);
	} else {
		if (join_pads_left(p->j) && p->o.final && !(p->seen && p->seen[p->row]))
			note(p, NO_MATCH);
		p->started = false;
	}
	p->row += !p->started;
}

/* The usual case: at most one match a row, nothing to keep in mind. */
static bool is_simple(const struct pass *p)
{
	enum join_kind k = p->j->opts.kind;

	return p->j->nalts == 1 && p->build->unique && (k == JOIN_INNER || k == JOIN_LEFT) && p->j->opts.expect == EXPECT_ANY &&
	       !p->seen && !p->o.tagged && !p->left->bad.skip && !p->j->stopped;
}

static void pair_simple(struct pass *p, int64_t max)
{
	bool all = p->j->opts.kind == JOIN_LEFT;
	int64_t k = p->npairs;

	for (; p->row < p->n && k < max; p->row++) {
		p->idx[k] = (uint32_t)p->row;
		p->hits[k] = p->found[p->row];
		k += all || p->found[p->row] != NO_MATCH;
	}
	p->npairs = k;
}

static void pair_rows(struct pass *p, int64_t max)
{
	if (is_simple(p))
		pair_simple(p, max);
	while (p->row < p->n && p->npairs < max) {
		if (feed_skipped(p->left, p->row))
			p->row++;
		else if (is_stopped(p))
			p->n = p->row;
		else
			one_row(p, max);
	}
}

/* Output. */

static int compose(struct pass *p, struct batch *left, bool payload, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *right = NULL;
	int64_t n = p->npairs;
	int rc = payload ? build_payload(p->build, p->hits, n, &right, e) : 0;

	p->npairs = 0;
	if (rc < 0)
		return rc;
	return join_compose(p->j, left, right, n, p->o.tagged ? p->l : NULL, p->r, ret, e);
}

static int emit(struct pass *p, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *left = NULL;
	int rc = join_rows(p->left->batch, p->idx, p->npairs, &left, e);

	return rc < 0 ? rc : compose(p, left, !join_left_only(p->j), ret, e);
}

static int64_t batch_rows(const struct pass *p)
{
	const struct batch *b = p->left->batch;
	int64_t right = p->build->n ? p->build->data / p->build->n : 0;

	return rows_per_batch((b ? batch_bytes(b) / b->nrows : 0) + right, 1, p->o.batch_bytes ? p->o.batch_bytes : LARGEST_BATCH);
}

static int next_rest(struct pass *p, struct batch **ret, struct err *e)
{
	struct build *b = p->build;
	int64_t max = batch_rows(p);

	for (; p->rest < b->n && p->npairs < max; p->rest++)
		if (!b->matched[p->rest]) {
			p->hits[p->npairs] = (uint32_t)p->rest;
			if (p->o.tagged) {
				p->l[p->npairs] = -1;
				p->r[p->npairs] = build_row(b, p->rest);
			}
			p->npairs++;
		}
	return p->npairs ? compose(p, NULL, true, ret, e) : 0;
}

/* The batch at hand is done: what ends the pass here. */
static int end_of_batch(struct pass *p, struct err *e)
{
	if (!p->left->batch)
		return 0;
	if (p->n < p->left->n) { /* stopped */
		p->left_done = true;
		return store_seen(p, e);
	}
	if (p->left->failed && !p->o.tagged) {
		*e = p->left->failure;
		return -e->status;
	}
	return 0;
}

static int pass_next(struct source *s, struct batch **ret, struct err *e)
{
	struct pass *p = (struct pass *)s;
	int rc;

	while (!p->left_done) {
		int64_t max = batch_rows(p);

		pair_rows(p, max);
		if (p->npairs)
			return emit(p, ret, e);
		if ((rc = end_of_batch(p, e)) < 0 || (!p->left_done && (rc = load(p, e)) < 0))
			return rc;
	}
	if (p->j->stopped && !p->o.tagged) {
		*e = p->j->failure;
		return -e->status;
	}
	return join_wants_rest(p->j) ? next_rest(p, ret, e) : 0;
}

static int make_room(struct pass *p, struct err *e)
{
	p->now = calloc((size_t)p->j->nalts, sizeof *p->now);
	p->idx = calloc(BATCH_ROWS, sizeof *p->idx);
	p->hits = calloc(BATCH_ROWS, sizeof *p->hits);
	p->l = p->o.tagged ? calloc(BATCH_ROWS, sizeof *p->l) : NULL;
	p->r = p->o.tagged ? calloc(BATCH_ROWS, sizeof *p->r) : NULL;
	p->seen_schema = schema_new();
	if (!p->now || !p->idx || !p->hits || (p->o.tagged && (!p->l || !p->r)) || !p->seen_schema)
		return err_oom(e);
	return schema_add(p->seen_schema, STR(":seen"), &TYPE_INT64, false, e);
}

int pass_open(struct build *b, struct feed *left, const struct pass_opts *o, struct source **ret, struct err *e)
{
	struct pass *p = calloc(1, sizeof *p);
	int rc;

	if (!p)
		return err_oom(e);
	p->source = (struct source){ schema_ref(o->tagged ? b->j->tagged_out : b->j->out), pass_next, pass_close, NULL };
	p->j = b->j;
	p->build = b;
	p->left = left;
	p->o = *o;
	if ((rc = make_room(p, e)) < 0) {
		pass_close(&p->source);
		return rc;
	}
	*ret = &p->source;
	return 0;
}
