/* Merge join: both inputs come in the order of the keys, so equal keys meet. The claim (stook.sorted) is verified as the rows are read.
 * For the left row at hand the right side stands at the first key that is not smaller; rows passed over match nothing and, where such
 * rows come out, are put away until the end. Rows of the left row's key make the group that it is paired with.
 * Invariant: `key` is the key of the group's rows; the right feed's row `at` comes behind the group. */
#include "lib/op/joinwork.h"

#include <stdlib.h>

struct merging {
	struct source source;
	struct join *j;
	struct feed *left, *right;
	struct order order[2];
	struct group group;
	struct buf key;
	bool grouped, right_done, left_done;
	int64_t row;              /* of the left batch */
	bool checked;             /* the row's matches have been counted */
	struct spill rest;        /* right rows without a match */
	struct source *resting;   /* the same, at the end */
	bool failed;
	struct err failure;       /* after the pairs noted so far */
};

static void merging_close(struct source *s)
{
	struct merging *m = (struct merging *)s;

	group_close(&m->group);
	spill_close(&m->rest);
	source_close(m->resting);
	order_free(&m->order[LEFT]);
	order_free(&m->order[RIGHT]);
	buf_free(&m->key);
	schema_unref(s->schema);
	free(m);
}

/* Which parts of the key the claim has first: order[i] = the key's part at place i. *dirs: as the claim sorts. */
static bool claims(const struct schema *s, const struct key *k, int *order, struct key_bound *dirs, struct err *e)
{
	cleanup_arena struct arena a = { 0 };
	const struct str *text = kvs_get(&s->meta, STR("stook.sorted"));
	struct key_spec spec;
	struct key claim;

	if (!text || key_parse(*text, &a, &spec, e) < 0 || key_bind(&spec, s, &a, &claim, e) < 0 || claim.n < k->n)
		return false;
	for (int i = 0; i < k->n; i++) {
		const struct key_bound *c = &claim.parts[i];
		int p = 0;

		while (p < k->n && !(k->parts[p].col == c->col && k->parts[p].reading == c->reading))
			p++;
		for (int d = 0; d < i; d++)
			if (order[d] == p)
				return false;
		if (p == k->n)
			return false;
		order[i] = p;
		dirs[i] = *c;
	}
	return true;
}

bool is_claimed(const struct schema *s, const struct key *k)
{
	cleanup_arena struct arena a = { 0 };
	int *order = arena_array(&a, int, (size_t)k->n);
	struct key_bound *dirs = arena_array(&a, struct key_bound, (size_t)k->n);
	struct err ignored;

	if (!order || !dirs || !claims(s, k, order, dirs, &ignored))
		return false;
	for (int i = 0; i < k->n; i++)
		if (order[i] != i || dirs[i].desc || dirs[i].nullsfirst)
			return false;
	return true;
}

int merge_join_applies(struct join *j, const struct schema *left, const struct schema *right, bool *ret, struct err *e)
{
	int n = j->key[LEFT].n, *lo = arena_array(&j->arena, int, (size_t)n), *ro = arena_array(&j->arena, int, (size_t)n);
	struct key_bound *ld = arena_array(&j->arena, struct key_bound, (size_t)n), *rd = arena_array(&j->arena, struct key_bound, (size_t)n);
	struct key_bound *l = arena_array(&j->arena, struct key_bound, (size_t)n), *r = arena_array(&j->arena, struct key_bound, (size_t)n);
	struct err ignored;

	*ret = false;
	if (!lo || !ro || !ld || !rd || !l || !r)
		return err_oom(e);
	if (j->opts.any || j->opts.normalize || j->opts.on_bad == BAD_SKIP || !claims(left, &j->key[LEFT], lo, ld, &ignored) ||
	    !claims(right, &j->key[RIGHT], ro, rd, &ignored))
		return 0;
	for (int i = 0; i < n; i++) {
		if (lo[i] != ro[i] || ld[i].desc != rd[i].desc || ld[i].nullsfirst != rd[i].nullsfirst)
			return 0;
		l[i] = j->key[LEFT].parts[lo[i]];
		r[i] = j->key[RIGHT].parts[lo[i]];
		l[i].desc = r[i].desc = ld[i].desc;
		l[i].nullsfirst = r[i].nullsfirst = ld[i].nullsfirst;
	}
	j->key[LEFT].parts = l;
	j->key[RIGHT].parts = r;
	*ret = true;
	return 0;
}

/* The right side. */

static int load_right(struct merging *m, struct err *e)
{
	struct feed *f = m->right;
	int rc;

	while (!m->right_done && (!f->batch || f->at == f->n)) {
		if (f->failed) {
			*e = f->failure;
			return -e->status;
		}
		if ((rc = feed_next(f, e)) < 0)
			return rc;
		m->right_done = !f->batch;
	}
	return 0;
}

/* Rows [from, to) of the right batch have no match. */
static int pass_over(struct merging *m, int64_t from, int64_t to, struct err *e)
{
	struct feed *f = m->right;

	for (int64_t i = from, k; i < to && join_wants_rest(m->j); i = k) {
		struct batch *part;
		int rc = 0;

		for (k = i + 1; k < to && !feed_skipped(f, k); k++)
			;
		if (feed_skipped(f, i))
			continue;
		if (m->rest.fd < 0)
			rc = spill_open(&m->rest, m->j->payload, m->j->opts.tmpdir, e);
		if (rc < 0 || (rc = batch_slice(f->batch, i, k - i, &part, e)) < 0)
			return rc;
		rc = spill_write(&m->rest, part, e);
		batch_unref(part);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool matchable(const struct feed *f, int64_t i)
{
	return !feed_skipped(f, i) && !feed_null(f, 0, i);
}

/* Passes rows over until one whose key is not smaller. *equal: it is the key. */
static int seek(struct merging *m, struct str key, bool *equal, struct err *e)
{
	struct feed *f = m->right;
	int rc, c = -1;

	for (;;) {
		int64_t from;

		if ((rc = load_right(m, e)) < 0 || m->right_done)
			return rc;
		from = f->at;
		for (; f->at < f->n; f->at++)
			if (matchable(f, f->at) && (c = str_cmp(keys_at(&f->keys[0], f->at), key)) >= 0)
				break;
		if ((rc = pass_over(m, from, f->at, e)) < 0)
			return rc;
		if (f->at < f->n) {
			*equal = c == 0;
			return 0;
		}
	}
}

/* All rows of the key. Skipped ones and those without a key in between belong to nothing. */
static int collect(struct merging *m, struct str key, struct err *e)
{
	struct feed *f = m->right;
	int rc;

	for (;;) {
		int64_t from;

		if ((rc = load_right(m, e)) < 0 || m->right_done)
			return rc;
		from = f->at;
		while (f->at < f->n && matchable(f, f->at) && str_eq(keys_at(&f->keys[0], f->at), key))
			f->at++;
		if (f->at > from && (rc = group_add(&m->group, f, from, f->at, e)) < 0)
			return rc;
		if (f->at == f->n)
			continue;
		if (matchable(f, f->at))
			return 0;
		if ((rc = pass_over(m, f->at, f->at + 1, e)) < 0)
			return rc;
		f->at++;
	}
}

/* Does the left row's key have matches? Then they are the group. */
static int find_group(struct merging *m, int64_t row, bool *found, struct err *e)
{
	struct str key = keys_at(&m->left->keys[0], row);
	int rc;

	*found = false;
	if (feed_null(m->left, 0, row))
		return 0;
	*found = m->grouped && str_eq(key, buf_view(&m->key));
	if (*found)
		return 0;
	if (m->grouped)
		group_reset(&m->group);
	m->grouped = false;
	if ((rc = seek(m, key, found, e)) < 0 || !*found)
		return rc;
	m->key.n = 0;
	if (buf_str(&m->key, key))
		return err_oom(e);
	m->grouped = true;
	return collect(m, key, e);
}

/* The left side. */

static int check_row(struct merging *m, struct err *e)
{
	struct group *g = &m->group;
	unsigned expect = m->j->opts.expect;
	int64_t place = expect ? m->left->places[m->row] : 0;

	if (m->checked || !expect)
		return 0;
	m->checked = true;
	if (expect & EXPECT_M1 && g->n > 1)
		return join_unexpected(m->left, m->row, 0, RIGHT, g->place[0], g->place[1], e);
	if (expect & EXPECT_1M && g->left_place)
		return join_unexpected(m->left, m->row, 0, LEFT, g->left_place, place, e);
	g->left_place = place;
	return 0;
}

/* Notes what comes of left row m->row; moves on when it is done. */
static int one_row(struct merging *m, struct batch **ret, struct err *e)
{
	bool found = false, done = true;
	int rc = 0;

	if (!feed_skipped(m->left, m->row)) {
		if ((rc = find_group(m, m->row, &found, e)) < 0 || (found && (rc = check_row(m, e)) < 0))
			return rc;
		if (join_left_only(m->j) ? found == (m->j->opts.kind == JOIN_SEMI) : !found && join_pads_left(m->j))
			group_note_none(&m->group, m->row);
		else if (found && !join_left_only(m->j))
			rc = group_pair(&m->group, m->left->batch, m->row, &done, ret, e);
	}
	m->row += done;
	if (done)
		m->checked = false;
	return rc;
}

static int later(struct merging *m, const struct err *e)
{
	m->failed = true;
	m->failure = *e;
	m->left_done = true;
	return 0;
}

/* Pairs of the left batch at hand until some are ready; none: it is done. */
static int pair_rows(struct merging *m, struct batch **ret, struct err *e)
{
	struct feed *left = m->left;
	int rc = 0;

	while (left->batch && m->row < left->n && !m->failed) {
		if ((rc = one_row(m, ret, e)) < 0)
			rc = later(m, e);
		if (*ret || rc < 0)
			return rc;
		if (group_is_full(&m->group))
			return group_flush(&m->group, left->batch, ret, e);
	}
	if (m->group.npairs)
		rc = group_flush(&m->group, left->batch, ret, e);
	return rc;
}

static int load_left(struct merging *m, struct err *e)
{
	int rc;

	if (m->left->failed) {
		*e = m->left->failure;
		return -e->status;
	}
	rc = feed_next(m->left, e);
	m->row = 0;
	m->left_done |= rc == 0 && !m->left->batch;
	return rc;
}

/* What is left of the right side: read, so that its end is known to be there. */
static int end_right(struct merging *m, struct err *e)
{
	int rc;

	for (;;) {
		if ((rc = load_right(m, e)) < 0)
			return rc;
		if (m->right_done)
			break;
		if ((rc = pass_over(m, m->right->at, m->right->n, e)) < 0)
			return rc;
		m->right->at = m->right->n;
	}
	return m->rest.fd >= 0 ? spill_read(&m->rest, &m->resting, e) : 0;
}

static int next_rest(struct merging *m, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *b = NULL;
	int rc = m->resting ? source_next(m->resting, &b, e) : 0;

	return rc < 0 || !b ? rc : join_compose(m->j, NULL, b, b->nrows, NULL, NULL, ret, e);
}

static int merging_next(struct source *s, struct batch **ret, struct err *e)
{
	struct merging *m = (struct merging *)s;
	int rc;

	for (;;) {
		if ((rc = pair_rows(m, ret, e)) < 0 || *ret)
			return rc;
		if (m->failed) {
			*e = m->failure;
			return -e->status;
		}
		if (m->left_done)
			break;
		if ((rc = load_left(m, e)) < 0)
			return rc;
	}
	if ((!m->right_done || m->rest.sink) && (rc = end_right(m, e)) < 0)
		return rc;
	return next_rest(m, ret, e);
}

int merge_join_open(struct join *j, struct feed *left, struct feed *right, struct source **ret, struct err *e)
{
	struct merging *m = calloc(1, sizeof *m);
	int rc;

	if (!m)
		return err_oom(e);
	*m = (struct merging){ .source = { schema_ref(j->out), merging_next, merging_close, NULL }, .j = j, .left = left, .right = right,
			       .rest = { .fd = -1 } };
	left->order = &m->order[LEFT];
	right->order = &m->order[RIGHT];
	if ((rc = group_open(&m->group, j, e)) < 0) {
		merging_close(&m->source);
		return rc;
	}
	*ret = &m->source;
	return 0;
}
