/* The build side. Rows are packed one after another with their keys (rowstore.h); a row is an entry of 16 bytes, the first 8 bytes of
 * its key and where it lies. Once all rows are there, the table is made at its final size, last row first, so that each slot ends at
 * the first row of its key and `next` leads on in right order. A probe costs a slot, an entry and the row, each asked for ahead in
 * groups.
 * Invariant: a slot's row is the first of its key; next[] ascends; rows whose key has a null are in no list (next = UNLISTED). */
#include "lib/base/hash.h"
#include "lib/base/pages.h"
#include "lib/op/grow.h"
#include "lib/op/joinwork.h"

#include <sys/random.h>

#define GROUP 32      /* keys looked up together */
#define MOST_AT_ONCE 1024 /* rows added between two looks at the memory, */
#define STEP_BYTES (64 << 10) /* or so many bytes, */
#define FEW_ROWS 16   /* but never fewer than these */
#define END UINT32_MAX
#define UNLISTED (UINT32_MAX - 1)

void build_init(struct build *b, struct join *j, bool tagged)
{
	*b = (struct build){ .j = j, .tagged = tagged, .seed = 0x3c79ac492ba7b653u };
	rowstore_init(&b->store, j->payload);
	if (getrandom(&b->seed, sizeof b->seed, GRND_NONBLOCK) < 0)
		b->seed ^= (uint64_t)(uintptr_t)b; /* too early in boot: the address is what there is */
}

static void free_slots(struct build *b)
{
	pages_free(b->slots, b->slots ? (b->mask + 1) * sizeof *b->slots : 0);
	b->slots = NULL;
	b->mask = 0;
}

void build_clear(struct build *b)
{
	rowstore_free(&b->store);
	rowstore_init(&b->store, b->j->payload);
	free_slots(b);
	b->base += b->n;
	b->n = b->data = 0;
}

void build_free(struct build *b)
{
	free_slots(b);
	rowstore_free(&b->store);
	pages_free(b->v, (size_t)b->cap * sizeof *b->v);
	free(b->next);
	free(b->matched);
	free(b->numbers);
	free(b->places);
	free(b->left_place);
	*b = (struct build){ 0 };
}

/* Rows. */

static uint64_t slots_for(int64_t rows)
{
	uint64_t n = 64;

	while (n < (uint64_t)rows + (uint64_t)rows / 3)
		n *= 2;
	return n;
}

/* Bytes that a row takes beside the store and its share of the table. */
static int64_t row_bytes(const struct build *b)
{
	return (int64_t)(sizeof *b->v + sizeof *b->next) + join_wants_rest(b->j) + (b->tagged ? 8 : 0) + (b->j->opts.expect ? 16 : 0);
}

static bool is_full(const struct build *b)
{
	int64_t limit = b->j->opts.memory / 2;

	if (!limit || b->n < FEW_ROWS)
		return false;
	return b->store.bytes + b->cap * row_bytes(b) + (int64_t)(slots_for(b->n) * sizeof *b->slots) > limit;
}

/* Room for a step. In eighths: nearly nothing is wasted, and what is large grows without a copy (mremap). */
static int reserve(struct build *b, struct err *e)
{
	int64_t cap = b->cap + b->cap / 8 + 4096;
	void *v;
	int rc;

	if (b->n + MOST_AT_ONCE <= b->cap)
		return 0;
	if (cap >= UNLISTED)
		return err_set(e, ST_OSERR, "more than 2^32 rows of the right input at once: a smaller -S cuts it into parts");
	if ((rc = GROW(b->next, cap, e)) < 0 || (join_wants_rest(b->j) && (rc = GROW(b->matched, cap, e)) < 0) ||
	    (b->tagged && (rc = GROW(b->numbers, cap, e)) < 0) ||
	    (b->j->opts.expect && ((rc = GROW(b->places, cap, e)) < 0 || (rc = GROW(b->left_place, cap, e)) < 0)))
		return rc;
	v = pages_resize(b->v, (size_t)b->cap * sizeof *b->v, (size_t)cap * sizeof *b->v);
	if (!v)
		return err_oom(e);
	b->v = v;
	b->cap = cap;
	return 0;
}

/* How many rows of the feed's batch are added between two looks at the memory. */
static int64_t step_rows(const struct build *b, const struct feed *f)
{
	int64_t each = batch_bytes(f->batch) / f->batch->nrows + 1, limit = b->j->opts.memory / 16;
	int64_t n = (limit && limit < STEP_BYTES ? limit : STEP_BYTES) / each;

	return n > MOST_AT_ONCE ? MOST_AT_ONCE : n > FEW_ROWS ? n : FEW_ROWS;
}

static void note_row(struct build *b, const struct feed *f, int64_t i)
{
	int64_t k = b->n++;

	b->next[k] = feed_null(f, 0, i) ? UNLISTED : END;
	if (b->matched)
		b->matched[k] = 0;
	if (b->tagged)
		b->numbers[k] = feed_row(f, i);
	if (b->j->opts.expect) {
		b->places[k] = f->places[i];
		b->left_place[k] = 0;
	}
}

/* The next rows of the feed's batch, at most n. Those whose key has a null are of use only where rows without a match go out. */
static int add_step(struct build *b, struct feed *f, int64_t n, struct err *e)
{
	uint32_t idx[MOST_AT_ONCE];
	int64_t k = 0;
	int rc = reserve(b, e);

	for (; rc == 0 && f->at < f->n && k < n; f->at++)
		if (!feed_skipped(f, f->at) && (join_wants_rest(b->j) || !feed_null(f, 0, f->at)))
			idx[k++] = (uint32_t)f->at;
	if (rc < 0 || (rc = rowstore_add(&b->store, f->batch, idx, k, &f->keys[0], b->v + b->n, e)) < 0)
		return rc;
	for (int64_t i = 0; i < k; i++)
		note_row(b, f, idx[i]);
	return 0;
}

/* Rows of the feed's batch while there is room. */
static int add_rows(struct build *b, struct feed *f, bool *full, struct err *e)
{
	int64_t step = f->batch ? step_rows(b, f) : 0;
	int rc = 0;

	while (f->at < f->n && rc == 0 && !(*full = is_full(b)))
		rc = add_step(b, f, step, e);
	return rc;
}

/* The table. */

static uint64_t hash_key(const struct build *b, struct str key)
{
	return hash64(key.p, key.n, b->seed);
}

static bool same_key(const struct build *b, uint32_t row, uint64_t word, struct str key)
{
	const struct entry *x = &b->v[row];

	return x->word == word && str_eq(row_key(x->row), key);
}

/* The slot of key k: where it stands, or the free one where it belongs. */
static struct build_slot *find_slot(const struct build *b, uint64_t hash, uint64_t word, struct str key)
{
	uint32_t tag = (uint32_t)(hash >> 32);
	uint64_t i = hash & b->mask;

	while (b->slots[i].row && !(b->slots[i].tag == tag && same_key(b, b->slots[i].row - 1, word, key)))
		i = (i + 1) & b->mask;
	return &b->slots[i];
}

static void put_row(struct build *b, uint32_t row, uint64_t hash)
{
	struct build_slot *slot = find_slot(b, hash, b->v[row].word, row_key(b->v[row].row));

	b->next[row] = slot->row ? slot->row - 1 : END;
	b->unique &= !slot->row;
	*slot = (struct build_slot){ (uint32_t)(hash >> 32), row + 1 };
}

/* Rows (to - n, to], from the last on. */
static void put_group(struct build *b, int64_t to, int n)
{
	uint64_t hash[GROUP];

	for (int i = 0; i < n; i++)
		if (b->next[to - i] != UNLISTED) {
			hash[i] = hash_key(b, row_key(b->v[to - i].row));
			__builtin_prefetch(&b->slots[hash[i] & b->mask], 1);
		}
	for (int i = 0; i < n; i++)
		if (b->next[to - i] != UNLISTED)
			put_row(b, (uint32_t)(to - i), hash[i]);
}

static int make_table(struct build *b, struct err *e)
{
	uint64_t n = slots_for(b->n);

	b->slots = pages_resize(NULL, 0, n * sizeof *b->slots);
	if (!b->slots)
		return err_oom(e);
	(void)madvise(b->slots, n * sizeof *b->slots, MADV_HUGEPAGE);
	b->mask = n - 1;
	b->unique = true;
	for (int64_t to = b->n - 1; to >= 0; to -= GROUP)
		put_group(b, to, to + 1 < GROUP ? (int)to + 1 : GROUP);
	return 0;
}

int build_fill(struct build *b, struct feed *f, bool *full, struct err *e)
{
	int rc;

	*full = false;
	for (;;) {
		if ((rc = add_rows(b, f, full, e)) < 0)
			return rc;
		if (*full)
			break;
		if (f->failed) {
			*e = f->failure;
			return -e->status;
		}
		if (f->batch)
			b->data += batch_bytes(f->batch);
		if ((rc = feed_next(f, e)) < 0)
			return rc;
		if (!f->batch)
			break;
	}
	return make_table(b, e);
}

/* Looking up. */

struct probe_key {
	struct str key;
	uint64_t hash, word;
	bool null;
};

static void approach(const struct build *b, const struct feed *left, int alt, int64_t from, int n, struct probe_key *p)
{
	for (int i = 0; i < n; i++) {
		p[i].null = feed_null(left, alt, from + i);
		p[i].key = keys_at(&left->keys[alt], from + i);
		p[i].word = key_word(p[i].key, 0);
		p[i].hash = hash_key(b, p[i].key);
		__builtin_prefetch(&b->slots[p[i].hash & b->mask]);
	}
	for (int i = 0; i < n; i++) {
		const struct build_slot *slot = &b->slots[p[i].hash & b->mask];

		if (slot->row && slot->tag == (uint32_t)(p[i].hash >> 32))
			__builtin_prefetch(&b->v[slot->row - 1]);
	}
	for (int i = 0; i < n; i++) {
		const struct build_slot *slot = &b->slots[p[i].hash & b->mask];

		if (slot->row && slot->tag == (uint32_t)(p[i].hash >> 32))
			__builtin_prefetch(b->v[slot->row - 1].row);
	}
}

void build_find(const struct build *b, const struct feed *left, int alt, uint32_t *found)
{
	struct probe_key p[GROUP];

	for (int64_t from = 0; from < left->n; from += GROUP) {
		int n = left->n - from < GROUP ? (int)(left->n - from) : GROUP;

		approach(b, left, alt, from, n, p);
		for (int i = 0; i < n; i++) {
			uint32_t row = p[i].null ? 0 : find_slot(b, p[i].hash, p[i].word, p[i].key)->row;

			found[from + i] = row ? row - 1 : NO_MATCH;
			if (row && !b->unique)
				__builtin_prefetch(&b->next[row - 1]);
		}
	}
}

int build_keys(const struct build *b, int64_t from, int64_t n, struct arena *a, struct keys *ret, struct err *e)
{
	uint32_t *offsets = arena_array(a, uint32_t, (size_t)n + 1);
	uint8_t *null = arena_calloc(a, (size_t)n, 1), *bytes;

	for (int64_t i = 0; offsets && i < n; i++)
		offsets[i + 1] = offsets[i] + (uint32_t)row_key(b->v[from + i].row).n;
	bytes = offsets ? arena_alloc(a, offsets[n] + 8) : NULL;
	if (!bytes || !null)
		return err_oom(e);
	for (int64_t i = 0; i < n; i++) {
		struct str key = row_key(b->v[from + i].row);

		memcpy(bytes + offsets[i], key.p, key.n);
		null[i] = b->next[from + i] == UNLISTED;
	}
	*ret = (struct keys){ .n = n, .bytes = bytes, .offsets = offsets, .has_null = null };
	return 0;
}

bool build_is_one_key(const struct build *b)
{
	uint32_t run = 0, most = 0;
	uint32_t *length = calloc((size_t)b->n + 1, sizeof *length);

	if (!length)
		return true;
	for (int64_t i = b->n - 1; i >= 0; i--) {
		if (b->next[i] == UNLISTED)
			continue;
		run = 1 + (b->next[i] == END ? 0 : length[b->next[i]]);
		length[i] = run;
		if (run > most)
			most = run;
	}
	free(length);
	return most > b->n / 2;
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
			v[i] = b->v[hits[i]];
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
