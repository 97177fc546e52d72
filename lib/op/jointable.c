/* The table of the build side: open addressing with linear probing, in parts by the first bits of the hash, each of which a job
 * fills by itself, inside the processor's cache (radix partitioning: Manegold, Boncz, Kersten 2000). A slot holds the hash and the
 * first row of a key; row_next() leads on in right order, for the last rows are put in first. A probe costs a slot and the row, both
 * asked for ahead in groups.
 * Invariant: a slot's row is the first of its key; each part has a free slot. */
#include "lib/op/jointable.h"

#include "lib/base/pages.h"

#define GROUP 32 /* keys looked up together */

void build_drop_table(struct build *b)
{
	pages_free(b->slots, b->nslots * sizeof *b->slots);
	b->slots = NULL;
	b->nslots = 0;
}

static inline uint32_t first_slot(const struct build_part *p, uint32_t hash)
{
	return (uint32_t)((uint64_t)(uint32_t)(hash * BUILD_PARTS) * p->n >> 32);
}

static inline struct str key_of(const struct build *b, uint32_t row)
{
	return row_key(build_row(b, row));
}

static inline struct build_slot *slot_after(const struct build_part *p, struct build_slot *s)
{
	return s + 1 == p->slots + p->n ? p->slots : s + 1;
}

/* From s on, the first slot of that hash, or a free one. */
static inline struct build_slot *next_slot(const struct build_part *p, struct build_slot *s, uint32_t hash)
{
	while (s->row && s->hash != hash)
		s = slot_after(p, s);
	return s;
}

/* Making it. */

struct part_job {
	struct job job;
	const struct build *build;
	int part;
	bool repeated; /* a key has two rows */
};

static void put_row(struct part_job *o, struct build_slot new)
{
	const struct build *b = o->build;
	const struct build_part *p = &b->parts[o->part];
	struct build_slot *s = next_slot(p, &p->slots[first_slot(p, new.hash)], new.hash);

	while (s->row && !str_eq(key_of(b, s->row - 1), key_of(b, new.row)))
		s = next_slot(p, slot_after(p, s), new.hash);
	if (s->row) {
		*row_next(build_row(b, new.row)) = s->row - 1;
		o->repeated = true;
	}
	*s = (struct build_slot){ new.hash, new.row + 1 };
}

static uint32_t part_start(const struct build_piece *p, int part)
{
	return part ? p->end[part - 1] : 0;
}

static void run_part(struct job *job)
{
	struct part_job *o = (struct part_job *)job;

	for (int64_t i = o->build->npieces - 1; i >= 0; i--) {
		const struct build_piece *p = o->build->pieces[i];

		for (uint32_t k = p->end[o->part], from = part_start(p, o->part); k-- > from;) {
			uint32_t place = p->rows[k].row;

			put_row(o, (struct build_slot){ p->rows[k].hash, p->moved[place >> PIECE_BITS].base + (place & ((1u << PIECE_BITS) - 1)) });
		}
	}
}

static int make_slots(struct build *b, struct err *e)
{
	uint64_t n[BUILD_PARTS] = { 0 };
	size_t at = 0;

	for (int64_t i = 0; i < b->npieces; i++)
		for (int k = 0; k < BUILD_PARTS; k++)
			n[k] += b->pieces[i]->end[k] - part_start(b->pieces[i], k);
	for (int k = 0; k < BUILD_PARTS; k++) {
		b->parts[k].n = (uint32_t)((double)n[k] * SLOTS_PER_ROW) + 1;
		b->nslots += b->parts[k].n;
	}
	b->slots = pages_resize(NULL, 0, b->nslots * sizeof *b->slots);
	if (!b->slots) {
		b->nslots = 0;
		return err_oom(e);
	}
	(void)madvise(b->slots, b->nslots * sizeof *b->slots, MADV_HUGEPAGE);
	for (int k = 0; k < BUILD_PARTS; at += b->parts[k++].n)
		b->parts[k].slots = b->slots + at;
	return 0;
}

int build_index(struct build *b, struct err *e)
{
	struct part_job jobs[BUILD_PARTS];
	int rc;

	if (b->nslots)
		return 0;
	if ((rc = make_slots(b, e)) < 0)
		return rc;
	for (int k = 0; k < BUILD_PARTS; k++) {
		jobs[k] = (struct part_job){ .job = { .run = run_part }, .build = b, .part = k };
		pool_give(b->j->pool, &jobs[k].job);
	}
	b->unique = true;
	for (int k = 0; k < BUILD_PARTS; k++) {
		pool_wait(b->j->pool, &jobs[k].job);
		b->unique &= !jobs[k].repeated;
	}
	for (int64_t i = 0; i < b->npieces; i++) {
		free(b->pieces[i]->rows);
		b->pieces[i]->rows = NULL;
	}
	return 0;
}

bool build_is_one_key(const struct build *b)
{
	int64_t most = 0;

	for (size_t i = 0; i < b->nslots; i++) {
		int64_t n = 0;

		for (uint32_t row = b->slots[i].row - 1; row != BUILD_END; row = *row_next(build_row(b, row)))
			n++;
		most = n > most ? n : most;
	}
	return most > b->n / 2;
}

/* Looking up. */

struct probe_key {
	struct str key;
	const struct build_part *part;
	struct build_slot *slot; /* the first of that hash, or a free one */
	uint32_t hash;
};

/* Keys [from, from + n): where their slots begin, then the rows found there, are asked for ahead. */
static void approach(const struct build *b, const struct keys *keys, int64_t from, int n, struct probe_key *p)
{
	for (int i = 0; i < n; i++) {
		p[i].key = keys_at(keys, from + i);
		p[i].hash = build_hash(b, p[i].key);
		p[i].part = &b->parts[part_of(p[i].hash)];
		p[i].slot = &p[i].part->slots[first_slot(p[i].part, p[i].hash)];
		__builtin_prefetch(p[i].slot);
	}
	for (int i = 0; i < n; i++) {
		p[i].slot = next_slot(p[i].part, p[i].slot, p[i].hash);
		if (p[i].slot->row)
			__builtin_prefetch(build_row(b, p[i].slot->row - 1));
	}
}

static uint32_t find_row(const struct build *b, const struct probe_key *k)
{
	struct build_slot *s = k->slot;

	while (s->row && !str_eq(key_of(b, s->row - 1), k->key))
		s = next_slot(k->part, slot_after(k->part, s), k->hash);
	return s->row ? s->row - 1 : NO_MATCH;
}

void build_find(const struct build *b, const struct feed *left, int alt, uint32_t *found)
{
	for (int64_t from = 0; from < left->n; from += GROUP) {
		int n = left->n - from < GROUP ? (int)(left->n - from) : GROUP;
		struct probe_key p[GROUP];

		approach(b, &left->keys[alt], from, n, p);
		for (int i = 0; i < n; i++)
			found[from + i] = feed_null(left, alt, from + i) ? NO_MATCH : find_row(b, &p[i]);
	}
}
