/* Groups of right rows and the pairs made with them: see joinwork.h. Batches stay as long as noted pairs or the group need them.
 * Invariant: held[first ..] are the batches of the group's rows; pairs refer to any of held. */
#include "lib/op/grow.h"
#include "lib/op/joinwork.h"

#define LARGEST_BATCH (2 * BATCH_BYTES)
#define LARGEST (2 * LARGEST_BATCH) /* with records that are longer than the average */
#define MOST_HELD 8 /* batches of pairs noted, beside the group's */

int group_open(struct group *g, struct join *j, struct err *e)
{
	*g = (struct group){ .j = j, .spill = { .fd = -1 }, .max = BATCH_ROWS, .number_col = -1 };
	g->idx = calloc(BATCH_ROWS, sizeof *g->idx);
	g->pairs = calloc(BATCH_ROWS, sizeof *g->pairs);
	return g->idx && g->pairs ? 0 : err_oom(e);
}

void group_close(struct group *g)
{
	group_reset(g);
	for (uint32_t i = 0; i < g->nheld; i++)
		batch_unref(g->held[i]);
	free(g->held);
	free(g->refs);
	free(g->idx);
	free(g->pairs);
	*g = (struct group){ .spill = { .fd = -1 } };
}

void group_reset(struct group *g)
{
	source_close(g->again);
	g->again = NULL;
	batch_unref(g->part);
	g->part = NULL;
	spill_close(&g->spill);
	g->on_disk = false;
	g->first = g->nheld;
	g->n = g->at = g->bytes = 0;
	g->left_place = 0;
}

int group_hold(struct group *g, struct batch *b, struct err *e)
{
	uint32_t cap = g->held_cap ? g->held_cap * 2 : 16;
	int rc;

	if (g->nheld == g->held_cap) {
		if ((rc = GROW(g->held, cap, e)) < 0)
			return rc;
		g->held_cap = cap;
	}
	g->held[g->nheld++] = batch_ref(b);
	return 0;
}

static int add_refs(struct group *g, int64_t from, int64_t to, struct err *e)
{
	int64_t cap = g->cap ? g->cap : 64;
	int rc;

	while (cap < g->n + to - from)
		cap *= 2;
	if (cap != g->cap && (rc = GROW(g->refs, cap, e)) < 0)
		return rc;
	g->cap = cap;
	for (int64_t i = from; i < to; i++)
		g->refs[g->n++] = (struct rowref){ g->nheld - 1, (uint32_t)i };
	return 0;
}

/* In pieces of at most BATCH_ROWS: each is paired with one left row at once. */
static int write_rows(struct group *g, struct batch *b, int64_t from, int64_t to, struct err *e)
{
	int rc = 0;

	for (int64_t n; from < to && rc == 0; from += n) {
		cleanup_batch struct batch *part = NULL;

		n = to - from < BATCH_ROWS ? to - from : BATCH_ROWS;
		if ((rc = batch_slice(b, from, n, &part, e)) == 0)
			rc = spill_write(&g->spill, part, e);
	}
	return rc;
}

/* Runs of neighbours go as slices. */
static int move_to_disk(struct group *g, struct err *e)
{
	int rc = spill_open(&g->spill, g->j->payload, g->j->opts.tmpdir, e);

	for (int64_t i = 0, k; i < g->n && rc == 0; i = k) {
		struct rowref r = g->refs[i];

		for (k = i + 1; k < g->n && g->refs[k].batch == r.batch; k++)
			;
		rc = write_rows(g, g->held[r.batch], r.row, r.row + (k - i), e);
	}
	g->on_disk = true;
	for (uint32_t i = g->first; i < g->nheld && g->npairs == 0; i++)
		batch_unref(g->held[i]);
	if (g->npairs == 0)
		g->nheld = g->first;
	return rc;
}

int group_add(struct group *g, const struct feed *right, int64_t from, int64_t to, struct err *e)
{
	int64_t limit = g->j->opts.memory / 3;
	int rc = 0;

	for (int64_t i = from; i < to && g->j->opts.expect && g->n + i - from < 2; i++)
		g->place[g->n + i - from] = right->places[i];
	if (!g->on_disk && (rc = group_hold(g, right->batch, e)) == 0)
		rc = add_refs(g, from, to, e);
	else if (g->on_disk && (rc = write_rows(g, right->batch, from, to, e)) == 0)
		g->n += to - from;
	g->bytes += batch_bytes(right->batch);
	if (rc == 0 && !g->on_disk && limit && g->bytes + g->n * (int64_t)sizeof *g->refs > limit)
		rc = move_to_disk(g, e);
	return rc;
}

/* Pairs. */

bool group_is_full(const struct group *g)
{
	return g->npairs >= g->max || (g->npairs && g->first > MOST_HELD);
}

void group_note(struct group *g, int64_t i, struct rowref r)
{
	g->idx[g->npairs] = (uint32_t)i;
	g->pairs[g->npairs++] = r;
}

void group_note_none(struct group *g, int64_t i)
{
	group_note(g, i, (struct rowref){ 0, ROW_NULL });
}

/* The next batch of a group on disk; NULL: it is done. */
static int load_part(struct group *g, struct err *e)
{
	int rc = g->again ? 0 : spill_again(&g->spill, &g->again, e);

	if (rc < 0 || (rc = source_next(g->again, &g->part, e)) < 0)
		return rc;
	g->part_at = 0;
	if (!g->part) {
		source_close(g->again);
		g->again = NULL;
	}
	return 0;
}

/* The next rows of a group on disk, each with left row i. What was noted before goes first. */
static int pair_on_disk(struct group *g, struct batch *left, int64_t i, bool *done, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *right = NULL, *rows = NULL;
	int64_t n = 0, bytes = 0, each;
	int rc;

	*done = false;
	if (g->npairs)
		return group_flush(g, left, ret, e);
	if (!g->part && (rc = load_part(g, e)) < 0)
		return rc;
	*done = !g->part;
	if (*done)
		return 0;
	each = row_bytes(left, i);
	while (g->part_at + n < g->part->nrows && (!n || bytes <= LARGEST)) {
		g->idx[n] = (uint32_t)i;
		bytes += each + row_bytes(g->part, g->part_at + n++);
	}
	if ((rc = batch_gather(left, g->idx, n, &rows, e)) < 0 || (rc = batch_slice(g->part, g->part_at, n, &right, e)) < 0)
		return rc;
	g->part_at += n;
	if (g->part_at == g->part->nrows) {
		batch_unref(g->part);
		g->part = NULL;
	}
	return join_compose(g->j, rows, right, n, NULL, NULL, ret, e);
}

int group_pair(struct group *g, struct batch *left, int64_t i, bool *done, struct batch **ret, struct err *e)
{
	if (g->on_disk)
		return pair_on_disk(g, left, i, done, ret, e);
	while (g->at < g->n && g->npairs < g->max)
		group_note(g, i, g->refs[g->at++]);
	*done = g->at == g->n;
	if (*done)
		g->at = 0;
	return 0;
}

/* Forgets the batches before the group's. */
void group_release(struct group *g)
{
	uint32_t k = g->on_disk ? g->nheld : g->first;

	if (!k)
		return;
	for (uint32_t i = 0; i < k; i++)
		batch_unref(g->held[i]);
	g->nheld -= k;
	memmove(g->held, g->held + k, g->nheld * sizeof *g->held);
	g->first = 0;
	for (int64_t i = 0; i < g->n && !g->on_disk; i++)
		g->refs[i].batch -= k;
}

/* How many pairs make a batch. */
static int64_t most_pairs(const struct group *g, const struct batch *left)
{
	const struct batch *right = g->nheld ? g->held[g->nheld - 1] : NULL;
	int64_t bytes = batch_bytes(left) / left->nrows + (right ? batch_bytes(right) / right->nrows : 0);

	return rows_per_batch(bytes, 1, LARGEST_BATCH);
}

/* The first pairs, as many as are at most LARGEST bytes; one at least. */
static int64_t first_pairs(const struct group *g, const struct batch *left)
{
	int64_t n = 0, bytes = 0, each = 0;

	while (n < g->npairs && bytes <= LARGEST) {
		struct rowref r = g->pairs[n];

		if (!n || g->idx[n] != g->idx[n - 1])
			each = row_bytes(left, g->idx[n]);
		bytes += each + (r.row == ROW_NULL ? 0 : row_bytes(g->held[r.batch], r.row));
		n++;
	}
	return n;
}

int group_flush(struct group *g, struct batch *left, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *rows = NULL, *payload = NULL;
	struct rows right = { 0 };
	const int64_t *number = NULL;
	int64_t n = first_pairs(g, left);
	int rc = join_rows(left, g->idx, n, &rows, e);

	if (rc == 0 && !join_left_only(g->j) && (rc = rows_init(&right, g->j->payload, e)) == 0) {
		if ((rc = pick_rows(&right, g->held, g->pairs, n, e)) == 0)
			rc = rows_take(&right, &payload, e);
		rows_free(&right);
	}
	if (rc == 0 && g->number_col >= 0)
		number = (const int64_t *)(const void *)rows->cols[g->number_col].values;
	if (rc == 0)
		rc = join_compose(g->j, rows, payload, n, number, number, ret, e);
	g->npairs -= n;
	memmove(g->idx, g->idx + n, (size_t)g->npairs * sizeof *g->idx);
	memmove(g->pairs, g->pairs + n, (size_t)g->npairs * sizeof *g->pairs);
	g->max = most_pairs(g, left);
	if (!g->npairs)
		group_release(g);
	return rc;
}
