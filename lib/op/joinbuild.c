/* The rows of the build side. A batch becomes a piece: a job packs its rows (rowstore.h), slice by slice of their hashes. In the order of
 * the input the packed rows are then given their final place, one behind the other in extents, where a second job moves them. What is
 * left of the piece is where that is.
 * Invariant: pieces [0, settled) have their place, in order, and are there when moved == npieces; the others are being packed. */
#include "lib/base/hash.h"
#include "lib/base/pages.h"
#include "lib/op/grow.h"
#include "lib/op/jointable.h"

#include <sys/random.h>

#define EXTENT ((size_t)8 << EXTENT_BITS)
#define MOST_EXTENTS (BUILD_UNLISTED >> EXTENT_BITS) /* that is no row, nor what lies behind */
#define MANY_EXTENTS (MOST_EXTENTS / 4 * 3) /* with more, parts are made, however much memory there is */
#define STEP 512              /* rows packed at once */
#define STEP_BYTES (64 << 10) /* in little memory: bytes added between two looks at it, */
#define FEW_ROWS 16           /* but never fewer rows than these */
#define SLICES 64             /* where the order of rows with different keys is of no account */
#define WORK_FACTOR 4         /* memory of a piece being packed, in times its data */

/* Rows that are marked as matched have the longest head too: ROW_PADDING bytes behind a row are then none that another thread writes. */
void build_init(struct build *b, struct join *j, bool tagged)
{
	*b = (struct build){ .j = j, .seed = 0x3c79ac492ba7b653u };
	b->head = j->opts.expect || join_wants_rest(j) ? 24 : tagged || j->opts.any ? 8 : 0;
	b->slices = b->head ? 1 : SLICES;
	if (getrandom(&b->seed, sizeof b->seed, GRND_NONBLOCK) < 0)
		b->seed ^= (uint64_t)(uintptr_t)b; /* too early in boot: the address is what there is */
}

static void piece_free(struct build_piece *p)
{
	rowstore_free(&p->store);
	feed_close(&p->own);
	free(p->moved);
	free(p->slices);
	free(p);
}

static void wait_all(struct build *b)
{
	for (; b->moved < b->npieces; b->moved++)
		pool_wait(b->j->pool, &b->pieces[b->moved]->job);
}

void build_clear(struct build *b)
{
	wait_all(b);
	for (int64_t i = 0; i < b->npieces; i++)
		piece_free(b->pieces[i]);
	for (uint32_t i = 0; i < b->nextents; i++)
		pages_free(b->extents[i].p, b->extents[i].size);
	build_drop_table(b);
	b->nextents = 0;
	b->npieces = b->settled = b->moved = b->pending = b->n = b->bytes = b->data = 0;
}

void build_free(struct build *b)
{
	build_clear(b);
	free(b->extents);
	free(b->pieces);
	*b = (struct build){ 0 };
}

/* Packing. */

struct chosen_row {
	uint32_t i, hash;
};

/* Rows whose key has a null are of use only where rows without a match go out. */
static bool is_wanted(const struct build_piece *p, int64_t i)
{
	return !feed_skipped(p->feed, i) && (join_wants_rest(p->build->j) || !feed_null(p->feed, 0, i));
}

static void fill_head(const struct build_piece *p, struct chosen_row chosen, uint8_t *row)
{
	const struct feed *f = p->feed;
	int64_t i = chosen.i;

	*row_next(row) = feed_null(f, 0, i) ? BUILD_UNLISTED : BUILD_LAST | chosen.hash >> 1;
	if (build_is_numbered(p->build))
		*row_flagged(row) = feed_row(f, i);
	if (p->build->j->opts.expect) {
		*row_place(row) = f->places[i];
		*row_left_place(row) = 0;
	}
}

/* Where a row of the store lies, that has been added last or shortly before. */
static struct slice find_row(const struct build_piece *p, const uint8_t *row)
{
	uint32_t k = p->store.nblocks - 1;

	while (row < p->store.blocks[k].p || row >= p->store.blocks[k].p + p->store.blocks[k].n)
		k--;
	return (struct slice){ k, (uint32_t)(row - p->store.blocks[k].p) - p->build->head };
}

/* Packs the rows of a slice. */
static int pack_slice(struct build_piece *p, const struct chosen_row *rows, int64_t n, struct slice *ret, struct err *e)
{
	int rc = 0;

	for (int64_t i = 0; i < n && rc == 0; i += STEP) {
		struct entry v[STEP];
		uint32_t idx[STEP];
		int64_t step = n - i < STEP ? n - i : STEP;

		for (int64_t k = 0; k < step; k++)
			idx[k] = rows[i + k].i;
		rc = rowstore_add(&p->store, p->feed->batch, idx, step, &p->feed->keys[0], v, e);
		for (int64_t k = 0; k < step && rc == 0; k++)
			fill_head(p, rows[i + k], (uint8_t *)(uintptr_t)v[k].row);
		if (i == 0 && rc == 0)
			*ret = find_row(p, v[0].row);
	}
	return rc;
}

static inline uint32_t slice_of(const struct build *b, uint32_t hash)
{
	return (uint32_t)((uint64_t)hash * b->slices >> 32);
}

/* Rows by slices, in their order; ends[s]: where slice s ends. */
static void cut_slices(const struct build *b, const struct chosen_row *from, int64_t n, struct chosen_row *to, uint32_t *ends)
{
	uint32_t sum = 0;

	memset(ends, 0, b->slices * sizeof *ends);
	for (int64_t i = 0; i < n; i++)
		ends[slice_of(b, from[i].hash)]++;
	for (uint32_t s = 0; s < b->slices; s++) {
		sum += ends[s];
		ends[s] = sum - ends[s];
	}
	for (int64_t i = 0; i < n; i++)
		to[ends[slice_of(b, from[i].hash)]++] = from[i];
}

static int64_t choose_rows(const struct build_piece *p, struct chosen_row *rows)
{
	int64_t n = 0;

	for (int64_t i = p->from; i < p->to; i++)
		if (is_wanted(p, i))
			rows[n++] = (struct chosen_row){ (uint32_t)i, build_hash(p->build, keys_at(&p->feed->keys[0], i)) };
	return n;
}

static int pack_slices(struct build_piece *p, struct chosen_row *rows, struct chosen_row *sorted, struct err *e)
{
	const struct build *b = p->build;
	uint32_t ends[SLICES], from = 0;
	int rc = 0;

	p->n = choose_rows(p, rows);
	cut_slices(b, rows, p->n, sorted, ends);
	for (uint32_t s = 0; s < b->slices && rc == 0; from = ends[s++])
		rc = pack_slice(p, sorted + from, ends[s] - from, &p->slices[s], e);
	p->slices[b->slices] = (struct slice){ p->store.nblocks, 0 };
	for (uint32_t s = b->slices; s-- > 0;)
		if (ends[s] == (s ? ends[s - 1] : 0))
			p->slices[s] = p->slices[s + 1];
	return rc;
}

static int pack(struct build_piece *p, struct err *e)
{
	size_t n = (size_t)(p->to - p->from);
	struct chosen_row *rows = malloc((2 * n + 1) * sizeof *rows);
	int rc;

	p->slices = malloc((p->build->slices + 1) * sizeof *p->slices);
	rc = rows && p->slices ? pack_slices(p, rows, rows + n, e) : err_oom(e);
	free(rows);
	return rc;
}

static void run_piece(struct job *job)
{
	struct build_piece *p = (struct build_piece *)job;

	p->rc = p->feed == &p->own ? join_feed_lines(&p->own, &p->e) : 0;
	if (p->rc == 0)
		p->rc = pack(p, &p->e);
	feed_close(&p->own);
}

/* To the final place. */

/* Not in huge pages: they would save TLB misses, but a virtual machine's host often has taken those that lie free, and to get them back
 * costs more than that. */
static int add_extent(struct build *b, size_t need, struct err *e)
{
	size_t size = need > EXTENT ? need : EXTENT;
	struct build_extent x = { .size = size };
	int rc;

	if (b->nextents == MOST_EXTENTS)
		return err_set(e, ST_OSERR, "more than 16 GiB of the right input at once");
	if ((b->nextents & (b->nextents - 1)) == 0 && /* full at powers of two */
	    (rc = GROW(b->extents, b->nextents ? 2 * b->nextents : 1, e)) < 0)
		return rc;
	x.p = pages_resize(NULL, 0, size);
	if (!x.p)
		return err_oom(e);
	b->extents[b->nextents++] = x;
	return 0;
}

static int place_block(struct build *b, const struct store_block *block, struct piece_block *ret, struct err *e)
{
	struct build_extent *x = b->nextents ? &b->extents[b->nextents - 1] : NULL;
	int rc;

	if (!x || x->size - x->n < block->n + ROW_PADDING + 8) {
		if ((rc = add_extent(b, block->n + ROW_PADDING + 8, e)) < 0)
			return rc;
		x = &b->extents[b->nextents - 1];
	}
	*ret = (struct piece_block){ x->p + x->n, (b->nextents - 1) << EXTENT_BITS | (uint32_t)(x->n / 8), (uint32_t)block->n };
	x->n = (x->n + block->n + 7) & ~(size_t)7;
	b->bytes += (int64_t)block->n;
	return 0;
}

static void move_piece(struct job *job)
{
	struct build_piece *p = (struct build_piece *)job;

	for (uint32_t i = 0; i < p->store.nblocks; i++) {
		pages_touch(p->moved[i].to, 0, p->store.blocks[i].n);
		memcpy(p->moved[i].to, p->store.blocks[i].p, p->store.blocks[i].n);
	}
	rowstore_free(&p->store);
}

static int place_rows(struct build *b, struct build_piece *p, struct err *e)
{
	int rc = 0;

	p->moved = malloc((p->store.nblocks + 1) * sizeof *p->moved);
	if (!p->moved)
		return err_oom(e);
	p->nmoved = p->store.nblocks;
	for (uint32_t i = 0; i < p->store.nblocks && rc == 0; i++)
		rc = place_block(b, &p->store.blocks[i], &p->moved[i], e);
	if (rc < 0)
		return rc;
	p->job.run = move_piece;
	pool_give(b->j->pool, &p->job);
	return 0;
}

/* Waits for the first piece that is being packed; its rows get their places. */
static int settle_one(struct build *b, struct err *e)
{
	struct build_piece *p = b->pieces[b->settled];

	pool_wait(b->j->pool, &p->job);
	b->settled++;
	b->pending -= p->data;
	b->data += p->data;
	b->largest = p->store.largest > b->largest ? p->store.largest : b->largest;
	if (p->rc < 0) {
		*e = p->e;
		return p->rc;
	}
	b->n += p->n;
	b->bytes += (int64_t)(sizeof *p + (b->slices + 1) * sizeof *p->slices) + p->n * (int64_t)(sizeof *b->buckets / BUCKET_LOAD + 1);
	return place_rows(b, p, e);
}

/* All pieces but the last `most` have their places. */
static int settle(struct build *b, int64_t most, struct err *e)
{
	int rc = 0;

	while (b->npieces - b->settled > most && rc == 0)
		rc = settle_one(b, e);
	return rc;
}

/* And all rows are there. */
static int finish(struct build *b, struct err *e)
{
	int rc = settle(b, 0, e);

	wait_all(b);
	return rc;
}

/* Collecting. */

static int is_full(struct build *b, bool *ret, struct err *e)
{
	int64_t limit = b->j->opts.memory / 2;
	int rc;

	*ret = false;
	if (!b->j->opts.memory || (b->bytes + b->pending * WORK_FACTOR <= limit && b->nextents < MANY_EXTENTS))
		return 0;
	if ((rc = settle(b, 0, e)) < 0)
		return rc;
	*ret = (b->bytes > limit || b->nextents >= MANY_EXTENTS) && b->n >= FEW_ROWS;
	return 0;
}

/* Rows [from, to) of a feed's batch, `data` bytes, as a piece; own: the feed is the piece's. */
static int add_piece(struct build *b, struct feed *f, bool own, int64_t to, int64_t data, struct err *e)
{
	struct build_piece *p;
	int rc;

	if (b->npieces == b->cap) {
		int64_t cap = b->cap ? b->cap * 2 : 16;

		if ((rc = GROW(b->pieces, cap, e)) < 0)
			return rc;
		b->cap = cap;
	}
	p = calloc(1, sizeof *p);
	if (!p)
		return err_oom(e);
	*p = (struct build_piece){ .job = { .run = run_piece }, .build = b, .feed = f, .from = f->at, .to = to, .data = data };
	rowstore_init(&p->store, b->j->payload);
	p->store.spread = true;
	p->store.head = b->head;
	if (own) {
		if ((rc = feed_take(f, &p->own, e)) < 0) {
			free(p);
			return rc;
		}
		p->feed = &p->own;
	}
	b->pieces[b->npieces++] = p;
	b->pending += data;
	pool_give(b->j->pool, &p->job);
	return 0;
}

/* Can whole batches like this be packed on all threads? */
static bool is_small(const struct build *b, int64_t bytes)
{
	return !b->j->opts.memory || bytes * WORK_FACTOR * (b->j->opts.threads + 1) <= b->j->opts.memory / 4;
}

/* Rows of the feed's batch in steps, while there is room. */
static int add_steps(struct build *b, struct feed *f, int64_t bytes, bool *full, struct err *e)
{
	int64_t each = bytes / f->batch->nrows + 1, limit = b->j->opts.memory / 16;
	int64_t step = (limit < STEP_BYTES ? limit : STEP_BYTES) / each;
	int rc = join_feed_lines(f, e);

	step = step > FEW_ROWS ? step : FEW_ROWS;
	while (rc == 0 && f->at < f->n && (rc = is_full(b, full, e)) == 0 && !*full) {
		int64_t to = f->n - f->at < step ? f->n : f->at + step;

		if ((rc = add_piece(b, f, false, to, (to - f->at) * each, e)) < 0 || (rc = settle(b, 0, e)) < 0)
			break;
		f->at = to;
	}
	return rc;
}

/* What is left of the feed's batch. */
static int add_batch(struct build *b, struct feed *f, bool *full, struct err *e)
{
	int64_t bytes = f->batch ? batch_size(f->batch) : 0;
	int rc;

	if (f->at == f->n)
		return 0;
	if (!is_small(b, bytes))
		return add_steps(b, f, bytes, full, e);
	if ((rc = is_full(b, full, e)) < 0 || *full || (rc = settle(b, b->j->opts.threads, e)) < 0)
		return rc;
	return add_piece(b, f, true, f->n, bytes, e);
}

int build_fill(struct build *b, struct feed *f, bool *full, struct err *e)
{
	int rc;

	*full = false;
	for (;;) {
		if ((rc = add_batch(b, f, full, e)) < 0)
			return rc;
		if (*full)
			return finish(b, e);
		if (f->failed) {
			*e = f->failure;
			return -e->status;
		}
		if ((rc = feed_next(f, e)) < 0)
			return rc;
		if (!f->batch)
			return finish(b, e);
	}
}

bool build_each(const struct build *b, struct build_at *at, uint32_t *row)
{
	if (at->extent < b->nextents && at->offset == b->extents[at->extent].n)
		*at = (struct build_at){ .extent = at->extent + 1 };
	if (at->extent == b->nextents)
		return false;
	*row = at->extent << EXTENT_BITS | (uint32_t)(at->offset / 8);
	at->offset += build_step(b, build_row(b, *row));
	return true;
}

int build_keys(const struct build *b, const uint32_t *rows, int64_t n, struct arena *a, struct keys *ret, struct err *e)
{
	uint32_t *offsets = arena_array(a, uint32_t, (size_t)n + 1);
	uint8_t *null = arena_calloc(a, (size_t)n, 1), *bytes;

	for (int64_t i = 0; offsets && i < n; i++)
		offsets[i + 1] = offsets[i] + (uint32_t)row_key(build_row(b, rows[i])).n;
	bytes = offsets ? arena_alloc(a, offsets[n] + 8) : NULL;
	if (!bytes || !null)
		return err_oom(e);
	for (int64_t i = 0; i < n; i++) {
		struct str key = row_key(build_row(b, rows[i]));

		memcpy(bytes + offsets[i], key.p, key.n);
		null[i] = *row_next(build_row(b, rows[i])) == BUILD_UNLISTED;
	}
	*ret = (struct keys){ .n = n, .bytes = bytes, .offsets = offsets, .has_null = null };
	return 0;
}

/* Rows that go out. */

static int payload_nulls(struct rows *rows, int64_t n, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < rows->schema->nfields && rc == 0; i++)
		rc = builder_null(&rows->cols[i], n, e);
	rows->n += n;
	return rc;
}

/* A run of matches, or of none, from `from` on: its length. */
static int64_t same_kind(const uint32_t *hits, int64_t from, int64_t n)
{
	int64_t i = from;

	while (i < n && (hits[i] == NO_MATCH) == (hits[from] == NO_MATCH))
		i++;
	return i - from;
}

static int unpack(const struct build *b, const uint32_t *hits, int64_t n, struct rows *rows, struct err *e)
{
	struct entry *v = malloc((size_t)n * sizeof *v);
	int rc = v ? 0 : err_oom(e);

	for (int64_t i = 0; v && i < n; i++)
		if (hits[i] != NO_MATCH)
			v[i].row = build_row(b, hits[i]);
	for (int64_t i = 0, k; i < n && rc == 0; i += k) {
		k = same_kind(hits, i, n);
		rc = hits[i] == NO_MATCH ? payload_nulls(rows, k, e) : rows_unpack(v + i, k, rows, e);
	}
	free(v);
	return rc;
}

int build_payload(const struct build *b, const uint32_t *hits, int64_t n, struct batch **ret, struct err *e)
{
	struct rows rows;
	int rc = rows_init(&rows, b->j->payload, e);

	if (rc == 0 && (rc = unpack(b, hits, n, &rows, e)) == 0)
		rc = rows_take(&rows, ret, e);
	rows_free(&rows);
	return rc;
}
