/* The table of the build side: buckets of a cache line, the next one taken when one is full, in parts by the first bits of the hash,
 * each of which a job fills by itself, slice by slice: rows of one slice go to a stretch of buckets that the processor's cache holds.
 * Where the rows lie in fewer slices than there are parts, each job looks through all of them for its own. A bucket has
 * the first row of each key and a byte of its hash, so that most keys which are not there are told by it alone (as in F14: Bronson,
 * Shi 2019). row_next() leads on in right order, for the last rows are put in first. A probe costs a bucket and the row, both asked for
 * ahead in groups.
 * Invariant: a bucket's row is the first of its key; its free places are the last; each part has one; only full buckets are passed. */
#include "lib/op/jointable.h"

#include "lib/base/pages.h"
#include "lib/base/swar.h"

#define GROUP 32 /* keys looked up together */
#define AHEAD 8  /* rows whose buckets are asked for in advance */
#define MOST_PARTS 64
#define PART_ROWS 16384 /* at least, where there are several parts */

void build_drop_table(struct build *b)
{
	pages_free(b->buckets, (size_t)b->nparts * b->part_size * sizeof *b->buckets);
	b->buckets = NULL;
	b->nparts = b->part_size = 0;
}

static inline uint32_t part_of(const struct build *b, uint32_t hash)
{
	return (uint32_t)((uint64_t)hash * b->nparts >> 32);
}

static inline uint8_t tag_of(uint32_t hash)
{
	return (uint8_t)(hash % 255 + 1);
}

/* 1 in each byte of v that is the tag. */
static inline uint64_t equal_bytes(uint64_t v, uint8_t tag)
{
	const uint64_t low = SWAR_BYTES(0x7fu);

	v ^= SWAR_BYTES((uint64_t)tag);
	return ~(((v & low) + low) | v | low) >> 7;
}

/* Those bytes, a bit each. */
static inline uint32_t draw_together(uint64_t v)
{
	return (uint32_t)(v * 0x0102040810204080 >> 56);
}

/* A key on its way to its row. */
struct probe_key {
	struct str key;
	struct build_bucket *part, *bucket;
	uint32_t part_size;
	uint32_t same; /* rows there that have its tag, and have not been looked at: a bit each */
	uint8_t tag;
	int64_t of;    /* the row whose key it is */
};

static inline struct probe_key probe_key(const struct build *b, uint32_t hash)
{
	struct build_bucket *part = b->buckets + (size_t)part_of(b, hash) * b->part_size;

	return (struct probe_key){ .part = part, .bucket = part + ((uint64_t)(hash * b->nparts) * b->part_size >> 32),
				   .part_size = b->part_size, .tag = tag_of(hash) };
}

static inline void next_bucket(struct probe_key *k)
{
	k->bucket = k->bucket + 1 == k->part + k->part_size ? k->part : k->bucket + 1;
}

static inline void look_at_tags(struct probe_key *k)
{
	uint64_t first;
	uint32_t more;

	memcpy(&first, k->bucket->tags, 8);
	memcpy(&more, k->bucket->tags + 8, 4);
	first = equal_bytes(le64toh(first), k->tag);
	more = (uint32_t)equal_bytes(le32toh(more), k->tag);
	k->same = first | more ? draw_together(first) | draw_together(more) << 8 : 0;
}

/* To the first bucket from here on that has a row of the tag, or is not passed. */
static inline void approach_row(struct probe_key *k)
{
	for (look_at_tags(k); !k->same && k->bucket->passed; look_at_tags(k))
		next_bucket(k);
}

/* Where the row of this key is; NULL: there is none, and its bucket is not passed. */
static uint32_t *find_slot(const struct build *b, struct probe_key *k)
{
	for (;;) {
		for (; k->same; k->same &= k->same - 1) {
			uint32_t *slot = &k->bucket->rows[__builtin_ctz(k->same)];

			if (key_same(row_key(build_row(b, *slot)), k->key))
				return slot;
		}
		if (!k->bucket->passed)
			return NULL;
		next_bucket(k);
		approach_row(k);
	}
}

/* Making it. */

struct hashed_row {
	uint32_t hash, row;
};

struct part_job {
	struct job job;
	const struct build *build;
	uint32_t part;
	struct hashed_row *rows; /* of a slice of a piece, that belong to the part */
	bool repeated;           /* a key has two rows */
};

static void put_row(struct part_job *o, struct hashed_row new)
{
	const struct build *b = o->build;
	struct probe_key k = probe_key(b, new.hash);
	uint32_t *slot = NULL;

	approach_row(&k);
	if (k.same) {
		k.key = row_key(build_row(b, new.row));
		slot = find_slot(b, &k);
	}
	if (slot) {
		__atomic_store_n(row_next(build_row(b, new.row)), *slot, __ATOMIC_RELAXED);
		o->repeated = true;
		*slot = new.row;
		return;
	}
	for (; k.bucket->n == BUCKET_ROWS; next_bucket(&k))
		k.bucket->passed = true;
	k.bucket->tags[k.bucket->n] = k.tag;
	k.bucket->rows[k.bucket->n++] = new.row;
}

/* Adds rows of this part in bytes [at, to) of a block to n others. Other threads may be changing what follows those that are not. */
static uint32_t collect_rows(struct part_job *o, const struct piece_block *block, size_t at, size_t to, uint32_t n)
{
	const struct build *b = o->build;

	while (at < to) {
		uint8_t *row = block->to + at + b->head;
		uint32_t next = __atomic_load_n(row_next(row), __ATOMIC_RELAXED);

		o->rows[n] = (struct hashed_row){ next << 1, block->base + (uint32_t)(at / 8) };
		n += next & BUILD_LAST && part_of(b, next << 1) == o->part;
		at += build_step(b, row);
	}
	return n;
}

static uint32_t collect_slice(struct part_job *o, const struct build_piece *p, uint32_t slice)
{
	struct slice from = p->slices[slice], to = p->slices[slice + 1];
	uint32_t n = 0;

	for (uint32_t k = from.block; k < p->nmoved && k <= to.block; k++)
		n = collect_rows(o, &p->moved[k], k == from.block ? from.at : 0, k == to.block ? to.at : p->moved[k].bytes, n);
	return n;
}

static void put_slice(struct part_job *o, const struct build_piece *p, uint32_t slice)
{
	for (uint32_t k = collect_slice(o, p, slice); k-- > 0;) {
		if (k >= AHEAD)
			__builtin_prefetch(probe_key(o->build, o->rows[k - AHEAD].hash).bucket);
		put_row(o, o->rows[k]);
	}
}

static void run_part(struct job *job)
{
	struct part_job *o = (struct part_job *)job;
	const struct build *b = o->build;
	uint32_t at = o->part * b->slices / b->nparts, to = (o->part + 1) * b->slices / b->nparts;

	do
		for (int64_t i = b->npieces - 1; i >= 0; i--)
			put_slice(o, b->pieces[i], at);
	while (++at < to);
}

/* Each of n parts has a free place: BUCKET_LOAD of BUCKET_ROWS are taken on average, and none has few rows. */
static int make_buckets(struct build *b, uint32_t n, struct err *e)
{
	size_t bytes;

	b->part_size = (uint32_t)(b->n / n / BUCKET_LOAD) + 1;
	bytes = (size_t)n * b->part_size * sizeof *b->buckets;
	b->buckets = pages_resize(NULL, 0, bytes);
	if (!b->buckets)
		return err_oom(e);
	b->nparts = n;
	(void)madvise(b->buckets, bytes, MADV_HUGEPAGE);
	return 0;
}

static int64_t largest_piece(const struct build *b)
{
	int64_t most = 0;

	for (int64_t i = 0; i < b->npieces; i++)
		most = b->pieces[i]->n > most ? b->pieces[i]->n : most;
	return most;
}

int build_index(struct build *b, struct err *e)
{
	struct part_job jobs[MOST_PARTS];
	uint32_t n = 1, given = 0;
	size_t most = (size_t)largest_piece(b) + 1;
	int rc;

	if (b->nparts)
		return 0;
	while (n < MOST_PARTS && n < (uint32_t)b->j->opts.threads && b->n / n >= 2 * PART_ROWS)
		n *= 2;
	rc = make_buckets(b, n, e);
	for (; given < n && rc == 0; given++) {
		jobs[given] = (struct part_job){ .job = { .run = run_part }, .build = b, .part = given };
		if (!(jobs[given].rows = malloc(most * sizeof *jobs->rows))) {
			rc = err_oom(e);
			break;
		}
		pool_give(b->j->pool, &jobs[given].job);
	}
	b->unique = true;
	for (uint32_t k = 0; k < given; k++) {
		pool_wait(b->j->pool, &jobs[k].job);
		free(jobs[k].rows);
		b->unique &= !jobs[k].repeated;
	}
	return rc;
}

static int64_t count_rows(const struct build *b, uint32_t row)
{
	int64_t n = 0;

	for (; row != NO_MATCH; row = build_next(b, row))
		n++;
	return n;
}

bool build_is_one_key(const struct build *b)
{
	int64_t most = 0;

	for (size_t i = 0; i < (size_t)b->nparts * b->part_size; i++)
		for (uint32_t k = 0; k < b->buckets[i].n; k++) {
			int64_t n = count_rows(b, b->buckets[i].rows[k]);

			most = n > most ? n : most;
		}
	return most > b->n / 2;
}

/* Looking up. */

/* Keys [from, from + n): their buckets, then the rows found there, are asked for ahead. Returns how many of them may be there. */
static int approach(const struct build *b, const struct keys *keys, int64_t from, int n, struct probe_key *ret)
{
	uint32_t hashes[GROUP];
	int found = 0;

	for (int i = 0; i < n; i++) {
		hashes[i] = build_hash(b, keys_at(keys, from + i));
		__builtin_prefetch(probe_key(b, hashes[i]).bucket);
	}
	for (int i = 0; i < n; i++) {
		struct probe_key *k = &ret[found];

		*k = probe_key(b, hashes[i]);
		approach_row(k);
		if (!k->same)
			continue;
		__builtin_prefetch(build_row(b, k->bucket->rows[__builtin_ctz(k->same)]));
		k->key = keys_at(keys, from + i);
		k->of = from + i;
		found++;
	}
	return found;
}

void build_find(const struct build *b, const struct feed *left, int alt, int64_t from, int64_t to, uint32_t *found)
{
	for (int64_t i = from; i < to; i++)
		found[i] = NO_MATCH;
	for (; from < to; from += GROUP) {
		struct probe_key p[GROUP];
		int n = approach(b, &left->keys[alt], from, to - from < GROUP ? (int)(to - from) : GROUP, p);

		for (int i = 0; i < n; i++) {
			uint32_t *slot = feed_null(left, alt, p[i].of) ? NULL : find_slot(b, &p[i]);

			if (slot)
				found[p[i].of] = *slot;
		}
	}
}
