/* Ways to take, one next() function each. A slice passes batches on; groups count keys in a table; last keeps a queue of batches; a
 * share is chosen row by row.
 *
 * What does not fit is sorted (sorter.h), which has its files. Groups: when the table has its part of the memory it is left as it is;
 * the records that follow, but those of groups that are full already, are sorted by key, the first ones of each key go on and are
 * sorted back into their order. A sample: the records are numbered, the N with the smallest hashes are found as the first N by hash,
 * and sorted back. Last: the queue goes to a file; once that file alone has enough records, the file before it is forgotten. */
#include "lib/op/taker.h"

#include "lib/base/hash.h"
#include "lib/op/grow.h"
#include "lib/op/keytab.h"
#include "lib/op/pick.h"
#include "lib/op/sorter.h"
#include "lib/op/spill.h"
#include "lib/op/tag.h"

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
	struct source *chain;   /* sorts and what is between them: gives the result */
	bool failed;
	struct err failure;

	struct batch **queue;   /* last: batches from head to tail */
	int64_t head, tail, queue_cap, queued, held; /* queued: rows; held: bytes */
	struct spill files[2];  /* the older one alone has enough rows, or is not used */
	int nfiles;
	struct source *stored;  /* the file being given out */
	int nread;
	int64_t extra;          /* rows at the front of files and queue that are not wanted */
	bool filled;

	uint64_t bound;         /* share: rows whose hash is below */
};

static void end_input(struct taker *t)
{
	source_close(t->from);
	t->from = NULL;
}

static void taker_close(struct source *s)
{
	struct taker *t = (struct taker *)s;

	source_close(t->chain);
	end_input(t);
	source_close(t->stored);
	for (int i = 0; i < t->nfiles; i++)
		spill_close(&t->files[i]);
	for (int64_t i = t->head; i < t->tail; i++)
		batch_unref(t->queue[i]);
	free(t->queue);
	keytab_free(&t->groups);
	free(t->counts);
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

/* The next records that the table alone decides on. */
static int count_batch(struct taker *t, struct batch *b, struct batch **ret, struct err *e)
{
	uint32_t *idx;
	int64_t n;
	int rc;

	arena_reset(&t->scratch);
	idx = arena_alloc(&t->scratch, (size_t)b->nrows * sizeof *idx);
	if (!idx)
		return err_oom(e);
	if ((rc = group_rows(t, b, idx, &n, e)) < 0)
		return rc;
	if (n == b->nrows)
		*ret = batch_ref(b);
	else if (n)
		return batch_gather(b, idx, n, ret, e);
	return 0;
}

/* More groups than the memory has room for: see above. */

#define FEW_GROUPS 16 /* so many are counted whatever the memory */

struct stage { /* between the sorts */
	struct source source;
	struct source *from;
	struct taker *t;
	struct arena arena;
	struct buf key;  /* of the last row */
	bool any;
	int64_t left;    /* rows of that key still wanted */
};

static int64_t still_wanted(const struct taker *t, struct str key)
{
	uint32_t number = keytab_find(&t->groups, key);

	return t->opts.limit - (number == KEYTAB_NONE ? 0 : t->counts[number]);
}

/* Which rows of a batch go on; *n of them. */
typedef int choose_rows(struct stage *s, const struct keys *keys, const struct bad_values *bad, uint32_t *idx, int64_t *n, struct err *e);

/* Before the sort by key: not those of groups that are full. */
static int choose_open(struct stage *s, const struct keys *keys, const struct bad_values *bad, uint32_t *idx, int64_t *n, struct err *e)
{
	int64_t rows = keys->n;

	if (bad->bad_row >= 0) {
		rows = bad->bad_row;
		s->t->failed = true;
		s->t->failure = *e;
	}
	for (int64_t i = 0; i < rows; i++)
		if (!(bad->skip && bit_get(bad->skip, i)) && still_wanted(s->t, keys_at(keys, i)) > 0)
			idx[(*n)++] = (uint32_t)i;
	return 0;
}

/* After it: the first of each key. */
static int choose_first(struct stage *s, const struct keys *keys, const struct bad_values *bad, uint32_t *idx, int64_t *n, struct err *e)
{
	(void)bad;
	for (int64_t i = 0; i < keys->n; i++) {
		struct str key = keys_at(keys, i);

		if (!s->any || !str_eq(key, buf_view(&s->key))) {
			s->any = true;
			s->left = still_wanted(s->t, key);
			s->key.n = 0;
			if (buf_str(&s->key, key))
				return err_oom(e);
		}
		if (s->left-- > 0)
			idx[(*n)++] = (uint32_t)i;
	}
	return 0;
}

static int stage_next(struct stage *s, choose_rows *choose, enum on_bad on_bad, struct batch **ret, struct err *e)
{
	while (!*ret && !(s->from == s->t->from && s->t->failed)) {
		struct bad_values bad = { .policy = on_bad, .bad_row = -1 };
		cleanup_batch struct batch *b = NULL;
		struct keys keys;
		uint32_t *idx;
		int64_t n = 0;
		int rc = source_next(s->from, &b, e);

		if (rc < 0 || !b)
			return rc;
		arena_reset(&s->arena);
		idx = arena_alloc(&s->arena, (size_t)b->nrows * sizeof *idx);
		if (!idx)
			return err_oom(e);
		if ((rc = keys_encode(&s->t->key, b, &bad, &s->arena, &keys, e)) < 0 || (rc = choose(s, &keys, &bad, idx, &n, e)) < 0)
			return rc;
		if (n && (rc = batch_gather(b, idx, n, ret, e)) < 0)
			return rc;
	}
	return 0;
}

static int open_next(struct source *source, struct batch **ret, struct err *e)
{
	struct stage *s = (struct stage *)source;

	return stage_next(s, choose_open, s->t->opts.on_bad, ret, e);
}

static int first_next(struct source *source, struct batch **ret, struct err *e)
{
	return stage_next((struct stage *)source, choose_first, BAD_NULL, ret, e);
}

static void stage_close(struct source *source)
{
	struct stage *s = (struct stage *)source;

	if (s->from != s->t->from)
		source_close(s->from);
	arena_free(&s->arena);
	buf_free(&s->key);
	schema_unref(source->schema);
	free(s);
}

/* A stage behind `from`, which is closed with it unless it is the taker's own. */
static int stage_open(struct taker *t, struct source *from, int (*next)(struct source *, struct batch **, struct err *), struct source **ret,
		      struct err *e)
{
	struct stage *s = calloc(1, sizeof *s);

	if (!s) {
		if (from != t->from)
			source_close(from);
		return err_oom(e);
	}
	s->source = (struct source){ .schema = schema_ref(from->schema), .next = next, .close = stage_close };
	s->from = from;
	s->t = t;
	*ret = &s->source;
	return 0;
}

/* The first `limit` (< 0: all) by a tag. */
static int sort_by_tag(struct taker *t, struct source *from, int at, int64_t limit, struct source **ret, struct err *e)
{
	const struct sort_opts o = { .limit = limit, .memory = t->opts.memory / 4, .tmpdir = t->opts.tmpdir, .threads = t->opts.threads };

	return tag_sort(from, at, &o, ret, e);
}

static void number_rows(void *context, const struct batch *from, int64_t row, int64_t *const *to)
{
	(void)context;
	for (int64_t i = 0; i < from->nrows; i++)
		to[0][i] = row + i;
}

static int open_group_chain(struct taker *t, struct err *e)
{
	const struct sort_opts o = { .key = t->opts.groups, .on_bad = BAD_NULL, .limit = -1, .memory = t->opts.memory / 4,
				     .tmpdir = t->opts.tmpdir, .threads = t->opts.threads };
	int tag = t->source.schema->nfields + 1, rc;
	struct source *s;

	if ((rc = stage_open(t, t->from, open_next, &s, e)) < 0 || (rc = tag_open(s, 1, number_rows, NULL, &s, e)) < 0 ||
	    (rc = sort_open(s, &o, &s, e)) < 0 || (rc = stage_open(t, s, first_next, &s, e)) < 0 ||
	    (rc = sort_by_tag(t, s, tag, -1, &s, e)) < 0)
		return rc;
	return untag_open(s, t->source.schema, &t->chain, e);
}

static bool table_is_full(const struct taker *t)
{
	int64_t bytes = keytab_bytes(&t->groups) + (int64_t)(t->counts_cap * sizeof *t->counts);

	return t->opts.memory > 0 && t->groups.n >= FEW_GROUPS && bytes > t->opts.memory / 4;
}

static int next_counted(struct taker *t, struct batch **ret, struct err *e)
{
	int rc;

	while (t->from && !*ret && !t->failed && !table_is_full(t)) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(t->from, &b, e)) < 0 || !b)
			return rc;
		if ((rc = count_batch(t, b, ret, e)) < 0)
			return rc;
	}
	return 0;
}

static int next_groups(struct source *s, struct batch **ret, struct err *e)
{
	struct taker *t = (struct taker *)s;
	int rc = t->chain ? 0 : next_counted(t, ret, e);

	if (rc < 0 || *ret)
		return rc;
	if (!t->chain && !t->failed && table_is_full(t) && (rc = open_group_chain(t, e)) < 0)
		return rc;
	if (t->chain && ((rc = source_next(t->chain, ret, e)) < 0 || *ret))
		return rc;
	if (!t->failed)
		return 0;
	*e = t->failure;
	return -e->status;
}

/* Last: a queue that always holds enough rows, and at most one batch more, unless files hold some. */

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
	t->held += (int64_t)b->arena.total;
	return 0;
}

static struct batch *dequeue(struct taker *t)
{
	struct batch *b = t->queue[t->head++];

	t->queued -= b->nrows;
	t->held -= (int64_t)b->arena.total;
	return b;
}

/* The queue goes to the newer file. */
static int flush_queue(struct taker *t, struct err *e)
{
	int rc = 0;

	if (t->nfiles && t->files[t->nfiles - 1].rows >= t->opts.last) {
		if (t->nfiles == 2) {
			spill_close(&t->files[0]);
			t->files[0] = t->files[1];
		}
		t->nfiles = 1;
		if ((rc = spill_end(&t->files[0], e)) < 0)
			return rc;
	}
	if (!t->nfiles || (t->nfiles == 1 && t->files[0].rows >= t->opts.last)) {
		rc = spill_open(&t->files[t->nfiles], t->source.schema, t->opts.tmpdir, e);
		t->nfiles++;
	}
	while (rc == 0 && t->head < t->tail) {
		cleanup_batch struct batch *b = dequeue(t);

		rc = spill_write(&t->files[t->nfiles - 1], b, e);
	}
	return rc;
}

static int fill_last(struct taker *t, struct err *e)
{
	int rc;

	for (;;) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(t->from, &b, e)) < 0 || !b)
			break;
		if (b->nrows && (rc = enqueue(t, b, e)) < 0)
			return rc;
		while (!t->nfiles && t->head < t->tail && t->queued - t->queue[t->head]->nrows >= t->opts.last)
			batch_unref(dequeue(t));
		if (t->opts.memory > 0 && t->held > t->opts.memory / 2 && (rc = flush_queue(t, e)) < 0)
			return rc;
	}
	t->extra = t->queued - t->opts.last;
	for (int i = 0; i < t->nfiles; i++)
		t->extra += t->files[i].rows;
	return rc;
}

/* The next batch of the files, then of the queue. */
static int next_kept(struct taker *t, struct batch **ret, struct err *e)
{
	int rc;

	while (t->stored || t->nread < t->nfiles) {
		if (!t->stored && (rc = spill_read(&t->files[t->nread++], &t->stored, e)) < 0)
			return rc;
		if ((rc = source_next(t->stored, ret, e)) < 0 || *ret)
			return rc;
		source_close(t->stored);
		t->stored = NULL;
	}
	if (t->head < t->tail)
		*ret = dequeue(t);
	return 0;
}

static int next_last(struct source *s, struct batch **ret, struct err *e)
{
	struct taker *t = (struct taker *)s;
	int rc;

	if (!t->filled && t->from && (rc = fill_last(t, e)) < 0)
		return rc;
	t->filled = true;
	for (;;) {
		cleanup_batch struct batch *b = NULL;
		int64_t extra = t->extra > 0 ? t->extra : 0;

		if ((rc = next_kept(t, &b, e)) < 0 || !b)
			return rc;
		t->extra -= b->nrows;
		if (extra < b->nrows)
			return batch_slice(b, extra, b->nrows - extra, ret, e);
	}
}

/* Sample. */

/* The hash, so that its order is that of unsigned numbers, and the row's number. */
static void hash_rows(void *context, const struct batch *from, int64_t row, int64_t *const *to)
{
	const struct taker *t = context;

	for (int64_t i = 0; i < from->nrows; i++)
		to[0][i] = (int64_t)(hash64_number(row + i, t->opts.seed) ^ (uint64_t)1 << 63);
	for (int64_t i = 0; i < from->nrows; i++)
		to[1][i] = row + i;
}

static int open_sample_chain(struct taker *t, struct err *e)
{
	int hash = t->source.schema->nfields + 1, rc;
	struct source *s = t->from;

	t->from = NULL;
	if ((rc = tag_open(s, 2, hash_rows, t, &s, e)) < 0 || (rc = sort_by_tag(t, s, hash, t->opts.sample, &s, e)) < 0 ||
	    (rc = sort_by_tag(t, s, hash + 1, -1, &s, e)) < 0)
		return rc;
	return untag_open(s, t->source.schema, &t->chain, e);
}

static int next_sample(struct source *s, struct batch **ret, struct err *e)
{
	struct taker *t = (struct taker *)s;

	return t->chain ? source_next(t->chain, ret, e) : 0;
}

/* Each row by itself. */
static int next_share(struct source *s, struct batch **ret, struct err *e)
{
	struct taker *t = (struct taker *)s;
	int rc = 0;

	while (rc == 0 && !*ret) {
		cleanup_batch struct batch *b = NULL;
		uint32_t *idx;
		int64_t n = 0;

		if ((rc = source_next(t->from, &b, e)) < 0 || !b)
			return rc;
		arena_reset(&t->scratch);
		idx = arena_alloc(&t->scratch, (size_t)b->nrows * sizeof *idx);
		if (!idx)
			return err_oom(e);
		for (int64_t i = 0; i < b->nrows; i++)
			if (hash64_number(t->seen + i, t->opts.seed) <= t->bound)
				idx[n++] = (uint32_t)i;
		t->seen += b->nrows;
		if (n)
			rc = batch_gather(b, idx, n, ret, e);
	}
	return rc;
}

static int choose(struct taker *t, struct err *e)
{
	const struct take_opts *o = &t->opts;
	int rc;

	t->source.next = next_slice;
	if (o->last >= 0)
		t->source.next = next_last;
	if (o->share > 0) {
		t->source.next = next_share;
		t->bound = o->share >= 1 ? UINT64_MAX : (uint64_t)(o->share * 0x1p64);
	}
	if (o->sample >= 0) {
		t->source.next = next_sample;
		return o->sample ? open_sample_chain(t, e) : 0;
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
