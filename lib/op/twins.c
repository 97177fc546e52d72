/* Records whose hash repeats: see twins.h.
 *
 * A bucket's entries are written in blocks, each with a checksum; a block knows the one before it of its bucket. How many records repeat is
 * told by two samples: keys that come often by the hashes that came last, others by all hashes whose lowest byte is 0. */
#include "lib/op/twins.h"

#include "lib/base/hash.h"
#include "lib/io/fd.h"
#include "lib/io/meter.h"
#include "lib/io/temp.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define BUCKET_BITS 8
#define BUCKETS (1 << BUCKET_BITS)
#define BLOCK 1024          /* entries */
#define ENTRY 24            /* bytes of memory that finding takes for an entry, at most */
#define RECENT_BITS 14
#define SAMPLE_MASK 0xffu
#define SURE 128            /* repeated samples that are no accident */

struct twin_entries {
	uint64_t hash[BLOCK];
	uint32_t record[BLOCK];
};

struct twin_bucket {
	struct twin_entries entries;
	uint32_t n, total; /* in `entries`; and all */
	int64_t last;      /* block written; -1: none */
};

struct twin_block {
	int64_t at, before;
	uint64_t sum;
};

int twins_open(struct twins *t, int64_t memory, const char *tmpdir, struct err *e)
{
	int rc = temp_open(tmpdir, &t->fd, e);

	if (rc < 0)
		return rc;
	*t = (struct twins){ .fd = t->fd, .open = true, .worth = true, .sample_size = 1024 };
	t->most = memory < UINT32_MAX - 1 ? (uint32_t)memory : UINT32_MAX - 1;
	t->bucket_most = t->most / (8 * ENTRY);
	t->buckets = calloc(BUCKETS, sizeof *t->buckets);
	t->recent = calloc((size_t)1 << RECENT_BITS, sizeof *t->recent);
	t->sample = calloc(t->sample_size, sizeof *t->sample);
	if (!t->buckets || !t->recent || !t->sample)
		return err_oom(e);
	for (int i = 0; i < BUCKETS; i++)
		t->buckets[i].last = -1;
	return 0;
}

void twins_close(struct twins *t)
{
	if (!t->open)
		return;
	meter_add(&meter.spills, t->bytes > 0);
	meter_add(&meter.spilled, t->bytes);
	close(t->fd);
	free(t->buckets);
	free(t->recent);
	free(t->sample);
	buf_free(&t->blocks);
	*t = (struct twins){ 0 };
}

/* The slot where a hash is or would be; 0 is free. */
static uint64_t *find_slot(uint64_t *slots, uint32_t size, uint64_t hash)
{
	uint32_t i = (uint32_t)(hash >> 16) & (size - 1);

	while (slots[i] && slots[i] != hash)
		i = (i + 1) & (size - 1);
	return &slots[i];
}

static int grow_sample(struct twins *t, struct err *e)
{
	uint64_t *more = calloc((size_t)t->sample_size * 2, sizeof *more);

	if (!more)
		return err_oom(e);
	for (uint32_t i = 0; i < t->sample_size; i++)
		if (t->sample[i])
			*find_slot(more, t->sample_size * 2, t->sample[i]) = t->sample[i];
	free(t->sample);
	t->sample = more;
	t->sample_size *= 2;
	return 0;
}

static int add_sample(struct twins *t, uint64_t hash, struct err *e)
{
	uint64_t *slot = find_slot(t->sample, t->sample_size, hash);

	t->sampled++;
	t->repeated += *slot == hash;
	t->sample_n += *slot != hash;
	*slot = hash;
	return t->sample_n * 2 > t->sample_size ? grow_sample(t, e) : 0;
}

static int write_block(struct twins *t, struct twin_bucket *b, struct err *e)
{
	struct twin_block block = { .at = t->bytes, .before = b->last, .sum = hash64(&b->entries, sizeof b->entries, 0) };

	b->last = (int64_t)(t->blocks.n / sizeof block);
	if (buf_add(&t->blocks, &block, sizeof block))
		return err_oom(e);
	if (fd_write(t->fd, &b->entries, sizeof b->entries) < 0)
		return err_sys(e, ST_IO, errno, "temporary file");
	t->bytes += (int64_t)sizeof b->entries;
	b->n = 0;
	t->worth &= t->again < t->n / 4 + BLOCK && (t->repeated < SURE || t->repeated < t->sampled / 4);
	return 0;
}

int twins_add(struct twins *t, uint64_t hash, struct err *e)
{
	struct twin_bucket *b = &t->buckets[hash >> (64 - BUCKET_BITS)];
	uint64_t *recent = &t->recent[hash & ((1u << RECENT_BITS) - 1)];
	int rc;

	t->again += *recent == hash;
	*recent = hash;
	if ((hash & SAMPLE_MASK) == 0 && hash && (rc = add_sample(t, hash, e)) < 0)
		return rc;
	b->entries.hash[b->n] = hash;
	b->entries.record[b->n++] = t->n++;
	b->total++;
	t->worth &= t->n < t->most && b->total < t->bucket_most;
	return b->n == BLOCK ? write_block(t, b, e) : 0;
}

/* ---- finding ---- */

struct search {
	struct job job;
	const struct twins *of;
	int bucket;
	uint8_t *bits;
	uint64_t *hash;
	uint32_t *record, *slots;
	size_t cap;
	bool given;
	int rc;
	struct err e;
};

static int more_room(struct search *s, size_t n, struct err *e)
{
	if (n <= s->cap)
		return 0;
	free(s->hash);
	free(s->record);
	s->hash = malloc(n * sizeof *s->hash);
	s->record = malloc(n * sizeof *s->record);
	s->cap = s->hash && s->record ? n : 0;
	return s->cap ? 0 : err_oom(e);
}

static int read_block(const struct twins *t, const struct twin_block *k, struct twin_entries *ret, struct err *e)
{
	if (fd_read_at(t->fd, ret, sizeof *ret, k->at) < 0)
		return err_sys(e, ST_IO, errno, "temporary file");
	if (hash64(ret, sizeof *ret, 0) == k->sum)
		return 0;
	return temp_damaged(e);
}

static size_t add_entries(struct search *s, size_t at, const struct twin_entries *x, uint32_t n)
{
	memcpy(s->hash + at, x->hash, n * sizeof *x->hash);
	memcpy(s->record + at, x->record, n * sizeof *x->record);
	return at + n;
}

/* All entries of the bucket, in any order. */
static int load(struct search *s, struct err *e)
{
	const struct twin_bucket *b = &s->of->buckets[s->bucket];
	const struct twin_block *blocks = (const struct twin_block *)(const void *)s->of->blocks.p;
	struct twin_entries x;
	int rc = more_room(s, b->total, e);
	size_t at = rc < 0 ? 0 : add_entries(s, 0, &b->entries, b->n);

	for (int64_t k = b->last; k >= 0 && rc == 0; k = blocks[k].before)
		if ((rc = read_block(s->of, &blocks[k], &x, e)) == 0)
			at = add_entries(s, at, &x, BLOCK);
	return rc;
}

static void mark(struct search *s, uint32_t i)
{
	uint32_t record = s->record[i];

	__atomic_fetch_or(&s->bits[record / 8], (uint8_t)(1u << record % 8), __ATOMIC_RELAXED);
}

/* A slot holds an entry's number + 1. */
static int search(struct search *s, struct err *e)
{
	uint32_t n = s->of->buckets[s->bucket].total, size = 64, mask;

	while (size < n + n / 2)
		size *= 2;
	mask = size - 1;
	s->slots = calloc(size, sizeof *s->slots);
	if (!s->slots)
		return err_oom(e);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = (uint32_t)(s->hash[i] >> 16) & mask;

		while (s->slots[at] && s->hash[s->slots[at] - 1] != s->hash[i])
			at = (at + 1) & mask;
		if (s->slots[at]) {
			mark(s, s->slots[at] - 1);
			mark(s, i);
		} else {
			s->slots[at] = i + 1;
		}
	}
	free(s->slots);
	s->slots = NULL;
	return 0;
}

static void run_search(struct job *job)
{
	struct search *s = (struct search *)job;

	if ((s->rc = load(s, &s->e)) == 0)
		s->rc = search(s, &s->e);
}

static uint32_t count(const uint8_t *bits, size_t bytes)
{
	uint32_t n = 0;

	for (size_t i = 0; i < bytes; i++)
		n += (uint32_t)__builtin_popcount(bits[i]);
	return n;
}

/* A few searches at a time; the first failure counts. */
static int search_all(struct twins *t, struct pool *pool, struct search *v, int nv, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < BUCKETS + nv; i++) {
		struct search *s = &v[i % nv];

		if (s->given)
			pool_wait(pool, &s->job);
		if (s->given && s->rc < 0 && rc == 0) {
			*e = s->e;
			rc = s->rc;
		}
		s->given = i < BUCKETS && rc == 0;
		if (!s->given)
			continue;
		s->bucket = i;
		s->of = t;
		s->job.run = run_search;
		pool_give(pool, &s->job);
	}
	return rc;
}

#define SEARCHES 16

int twins_find(struct twins *t, struct pool *pool, int threads, uint8_t **ret, uint32_t *n, struct err *e)
{
	struct search v[SEARCHES] = { 0 };
	size_t bytes = t->n / 8 + 1;
	uint8_t *bits = calloc(bytes, 1);
	int nv = threads < 1 ? 1 : threads < SEARCHES ? threads : SEARCHES, rc;

	*ret = NULL;
	if (!bits)
		return err_oom(e);
	for (int i = 0; i < nv; i++)
		v[i].bits = bits;
	rc = search_all(t, pool, v, nv, e);
	for (int i = 0; i < nv; i++) {
		free(v[i].hash);
		free(v[i].record);
		free(v[i].slots);
	}
	*n = rc < 0 ? 0 : count(bits, bytes);
	if (*n)
		*ret = bits;
	else
		free(bits);
	return rc;
}
