/* Four ways to take, one next() function each: a slice passes batches on, groups count keys in a table, last keeps a queue of
 * batches, sample keeps the rows with the smallest hashes. Invariant of the sample: `kept` holds, in record order, every row seen
 * so far that can still be among the wanted ones; prio[i] belongs to its row i. */
#include "lib/op/taker.h"

#include "lib/base/hash.h"
#include "lib/op/grow.h"
#include "lib/op/keytab.h"
#include "lib/op/pick.h"

struct taker {
	struct source source;
	struct source *from;
	struct take_opts opts;
	int64_t seen, given;

	struct key key;         /* groups */
	struct arena arena, scratch;
	struct keytab groups;
	int64_t *counts;        /* by group number */
	uint32_t counts_cap;
	bool failed;
	struct err failure;

	struct batch **queue;   /* last; a finished sample: batches from head to tail */
	int64_t head, tail, queue_cap, queued; /* queued: rows */
	bool filled;

	struct rows kept;       /* sample */
	uint64_t *prio;
	int64_t prio_cap;
	uint64_t bound;         /* rows above it are not wanted */
};

static void end_input(struct taker *t)
{
	source_close(t->from);
	t->from = NULL;
}

static void taker_close(struct source *s)
{
	struct taker *t = (struct taker *)s;

	end_input(t);
	for (int64_t i = t->head; i < t->tail; i++)
		batch_unref(t->queue[i]);
	free(t->queue);
	keytab_free(&t->groups);
	free(t->counts);
	rows_free(&t->kept);
	free(t->prio);
	arena_free(&t->arena);
	arena_free(&t->scratch);
	schema_unref(s->schema);
	free(t);
}

/* A slice: rows skip, skip + every, skip + 2 every, ... of the input, `limit` of them. */

/* Rows of this batch that are wanted: the first, their number. */
static int64_t slice_of(const struct taker *t, int64_t nrows, int64_t *first)
{
	int64_t skip = t->opts.skip, every = t->opts.every, n;

	*first = t->seen < skip ? skip - t->seen : (every - (t->seen - skip) % every) % every;
	if (*first >= nrows)
		return 0;
	n = (nrows - *first - 1) / every + 1;
	return t->opts.limit >= 0 && n > t->opts.limit - t->given ? t->opts.limit - t->given : n;
}

static int every_nth(const struct batch *b, int64_t first, int64_t every, int64_t n, struct batch **ret, struct err *e)
{
	uint32_t *idx = malloc((size_t)n * sizeof *idx);
	int rc;

	if (!idx)
		return err_oom(e);
	for (int64_t i = 0; i < n; i++)
		idx[i] = (uint32_t)(first + i * every);
	rc = batch_gather(b, idx, n, ret, e);
	free(idx);
	return rc;
}

static int give_slice(struct batch *b, int64_t first, int64_t every, int64_t n, struct batch **ret, struct err *e)
{
	if (n == b->nrows) {
		*ret = batch_ref(b);
		return 0;
	}
	if (every == 1 || n == 1)
		return batch_slice(b, first, n, ret, e);
	return every_nth(b, first, every, n, ret, e);
}

static int next_slice(struct source *s, struct batch **ret, struct err *e)
{
	struct taker *t = (struct taker *)s;
	int rc;

	while (t->from) {
		cleanup_batch struct batch *b = NULL;
		int64_t first, n;

		if (t->given == t->opts.limit) {
			end_input(t);
			break;
		}
		if ((rc = source_next(t->from, &b, e)) < 0 || !b)
			return rc;
		n = slice_of(t, b->nrows, &first);
		t->seen += b->nrows;
		t->given += n;
		if (t->given == t->opts.limit)
			end_input(t);
		if (n)
			return give_slice(b, first, t->opts.every, n, ret, e);
	}
	return 0;
}

/* Groups: the first `limit` rows of each key. */

static int count_row(struct taker *t, struct str key, bool *wanted, struct err *e)
{
	uint32_t number, cap;
	int rc = keytab_add(&t->groups, key, &number, e);

	if (rc < 0)
		return rc;
	if (number >= t->counts_cap) {
		cap = t->counts_cap ? t->counts_cap * 2 : 1024;
		if ((rc = GROW(t->counts, cap, e)) < 0)
			return rc;
		memset(t->counts + t->counts_cap, 0, (cap - t->counts_cap) * sizeof *t->counts);
		t->counts_cap = cap;
	}
	*wanted = t->counts[number] < t->opts.limit;
	t->counts[number] += *wanted;
	return 0;
}

static int group_rows(struct taker *t, const struct batch *b, uint32_t *idx, int64_t *n, struct err *e)
{
	struct bad_values bad = { .policy = t->opts.on_bad, .bad_row = -1 };
	struct keys keys;
	int64_t rows = b->nrows;
	int rc = keys_encode(&t->key, b, &bad, &t->scratch, &keys, e);

	*n = 0;
	if (rc == 0 && bad.bad_row >= 0) {
		rows = bad.bad_row;
		t->failed = true;
		t->failure = *e;
	}
	if (rc == 0)
		rc = bad_values_done(&bad, b, e);
	for (int64_t i = 0; i < rows && rc == 0; i++) {
		bool wanted = false;

		if (bad.skip && bit_get(bad.skip, i))
			continue;
		rc = count_row(t, keys_at(&keys, i), &wanted, e);
		if (wanted)
			idx[(*n)++] = (uint32_t)i;
	}
	return rc;
}

static int next_groups(struct source *s, struct batch **ret, struct err *e)
{
	struct taker *t = (struct taker *)s;
	int64_t n;
	int rc;

	while (t->from && !t->failed) {
		cleanup_batch struct batch *b = NULL;
		uint32_t *idx;

		if ((rc = source_next(t->from, &b, e)) < 0 || !b)
			return rc;
		arena_reset(&t->scratch);
		idx = arena_alloc(&t->scratch, (size_t)b->nrows * sizeof *idx);
		if (!idx)
			return err_oom(e);
		if ((rc = group_rows(t, b, idx, &n, e)) < 0)
			return rc;
		if (n == b->nrows) {
			*ret = batch_ref(b);
			return 0;
		}
		if (n)
			return batch_gather(b, idx, n, ret, e);
	}
	if (!t->failed)
		return 0;
	*e = t->failure;
	return -e->status;
}

/* Last: a queue that always holds enough rows, and at most one batch more. */

static int enqueue(struct taker *t, struct batch *b, struct err *e)
{
	int rc;

	if (t->tail == t->queue_cap && t->head > t->queue_cap / 2) {
		memmove(t->queue, t->queue + t->head, (size_t)(t->tail - t->head) * sizeof *t->queue);
		t->tail -= t->head;
		t->head = 0;
	}
	if (t->tail == t->queue_cap) {
		int64_t cap = t->queue_cap ? t->queue_cap * 2 : 64;

		if ((rc = GROW(t->queue, cap, e)) < 0)
			return rc;
		t->queue_cap = cap;
	}
	t->queue[t->tail++] = batch_ref(b);
	t->queued += b->nrows;
	return 0;
}

static struct batch *dequeue(struct taker *t)
{
	struct batch *b = t->queue[t->head++];

	t->queued -= b->nrows;
	return b;
}

static int fill_last(struct taker *t, struct err *e)
{
	int rc;

	for (;;) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(t->from, &b, e)) < 0 || !b)
			return rc;
		if (b->nrows && (rc = enqueue(t, b, e)) < 0)
			return rc;
		while (t->head < t->tail && t->queued - t->queue[t->head]->nrows >= t->opts.last)
			batch_unref(dequeue(t));
	}
}

static int next_queued(struct taker *t, int64_t want, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *b = NULL;
	int64_t extra = t->queued - want;

	if (t->head == t->tail)
		return 0;
	b = dequeue(t);
	if (extra > 0)
		return batch_slice(b, extra, b->nrows - extra, ret, e);
	*ret = b;
	b = NULL;
	return 0;
}

static int next_last(struct source *s, struct batch **ret, struct err *e)
{
	struct taker *t = (struct taker *)s;
	int rc;

	if (!t->filled && t->from && (rc = fill_last(t, e)) < 0)
		return rc;
	t->filled = true;
	return next_queued(t, t->opts.last, ret, e);
}

/* Sample. */

static uint64_t row_priority(const struct taker *t, int64_t row)
{
	uint8_t le[8];

	for (int i = 0; i < 8; i++)
		le[i] = (uint8_t)((uint64_t)row >> 8 * i);
	return hash64(le, sizeof le, t->opts.seed);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

/* The `want`-th smallest priority, and how many of those equal to it are wanted. */
static int find_bound(const struct taker *t, int64_t want, uint64_t *bound, int64_t *equal, struct err *e)
{
	uint64_t *sorted = malloc((size_t)t->kept.n * sizeof *sorted);

	if (!sorted)
		return err_oom(e);
	memcpy(sorted, t->prio, (size_t)t->kept.n * sizeof *sorted);
	qsort(sorted, (size_t)t->kept.n, sizeof *sorted, by_value);
	*bound = sorted[want - 1];
	*equal = 0;
	for (int64_t i = want - 1; i >= 0 && sorted[i] == *bound; i--)
		++*equal;
	free(sorted);
	return 0;
}

/* Keeps the rows idx[0 .. n) of `kept` only. */
static int keep_rows(struct taker *t, const uint32_t *idx, int64_t n, struct err *e)
{
	cleanup_batch struct batch *all = NULL;
	struct rows fewer;
	int rc = rows_view(&t->kept, &all, e);

	if (rc < 0 || (rc = rows_init(&fewer, t->source.schema, e)) < 0)
		return rc;
	rc = rows_gather(&fewer, all, idx, n, e);
	if (rc < 0) {
		rows_free(&fewer);
		return rc;
	}
	rows_free(&t->kept);
	t->kept = fewer;
	return 0;
}

/* Drops what is not among the `sample` smallest; of equal priorities the earlier rows stay. */
static int shrink_sample(struct taker *t, struct err *e)
{
	int64_t want = t->opts.sample, equal = 0, n = 0;
	uint32_t *idx;
	int rc;

	if (t->kept.n <= want || want == 0)
		return 0;
	if ((rc = find_bound(t, want, &t->bound, &equal, e)) < 0)
		return rc;
	idx = malloc((size_t)want * sizeof *idx);
	if (!idx)
		return err_oom(e);
	for (int64_t i = 0; i < t->kept.n; i++)
		if (t->prio[i] < t->bound || (t->prio[i] == t->bound && equal-- > 0)) {
			t->prio[n] = t->prio[i];
			idx[n++] = (uint32_t)i;
		}
	rc = keep_rows(t, idx, n, e);
	free(idx);
	return rc;
}

static int sample_batch(struct taker *t, const struct batch *b, struct err *e)
{
	uint32_t *idx = arena_alloc(&t->scratch, (size_t)b->nrows * sizeof *idx);
	int64_t n = 0, cap = t->prio_cap;
	int rc;

	while (cap < t->kept.n + b->nrows)
		cap = cap ? cap * 2 : 1024;
	if (!idx)
		return err_oom(e);
	if (cap != t->prio_cap && (rc = GROW(t->prio, cap, e)) < 0)
		return rc;
	t->prio_cap = cap;
	for (int64_t i = 0; i < b->nrows; i++) {
		uint64_t p = row_priority(t, t->seen + i);

		if (p > t->bound)
			continue;
		t->prio[t->kept.n + n] = p;
		idx[n++] = (uint32_t)i;
	}
	t->seen += b->nrows;
	return rows_gather(&t->kept, b, idx, n, e);
}

static int fill_sample(struct taker *t, struct err *e)
{
	int rc = 0;

	while (rc == 0) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(t->from, &b, e)) < 0)
			return rc;
		if (!b)
			return shrink_sample(t, e);
		arena_reset(&t->scratch);
		rc = sample_batch(t, b, e);
		if (rc == 0 && t->kept.n / 2 > t->opts.sample + BATCH_ROWS / 2)
			rc = shrink_sample(t, e);
	}
	return rc;
}

/* Rows [from, from + n) of a borrowed batch as one of its own. */
static int copy_range(const struct batch *b, int64_t from, int64_t n, struct batch **ret, struct err *e)
{
	struct rows r;
	int rc = rows_init(&r, b->schema, e);

	if (rc == 0 && (rc = rows_add(&r, b, from, n, e)) == 0)
		rc = rows_take(&r, ret, e);
	rows_free(&r);
	return rc;
}

static int next_sample(struct source *s, struct batch **ret, struct err *e)
{
	struct taker *t = (struct taker *)s;
	cleanup_batch struct batch *all = NULL;
	int64_t n;
	int rc;

	if (!t->filled && t->opts.sample > 0 && (rc = fill_sample(t, e)) < 0)
		return rc;
	t->filled = true;
	n = t->kept.n - t->given;
	if (n == 0)
		return 0;
	if (n > rows_per_batch(rows_bytes(&t->kept), t->kept.n, 0))
		n = rows_per_batch(rows_bytes(&t->kept), t->kept.n, 0);
	if ((rc = rows_view(&t->kept, &all, e)) < 0)
		return rc;
	rc = copy_range(all, t->given, n, ret, e);
	t->given += n;
	return rc;
}

static int choose(struct taker *t, struct err *e)
{
	const struct take_opts *o = &t->opts;
	int rc;

	t->source.next = next_slice;
	t->bound = UINT64_MAX;
	if (o->last >= 0)
		t->source.next = next_last;
	if (o->sample >= 0) {
		t->source.next = next_sample;
		return rows_init(&t->kept, t->source.schema, e);
	}
	if (!o->groups || !o->groups->n)
		return 0;
	t->source.next = next_groups;
	keytab_init(&t->groups, true);
	rc = key_bind(o->groups, t->source.schema, &t->arena, &t->key, e);
	t->key.option = "-g";
	return rc;
}

int take_open(struct source *from, const struct take_opts *o, struct source **ret, struct err *e)
{
	struct taker *t = calloc(1, sizeof *t);
	int rc;

	if (!t) {
		source_close(from);
		return err_oom(e);
	}
	t->source.schema = schema_ref(from->schema);
	t->source.close = taker_close;
	t->from = from;
	t->opts = *o;
	if ((rc = choose(t, e)) < 0) {
		taker_close(&t->source);
		return rc;
	}
	if (o->limit == 0 || o->last == 0 || o->sample == 0)
		end_input(t);
	*ret = &t->source;
	return 0;
}
