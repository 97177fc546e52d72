/* Keys and their groups: see grouptab.h. A key is looked for in the line of slots that the upper bits of its hash name, from one of the
 * eight on that other bits name, then in the lines behind. Slots hold the bits that name their lines: growing needs no look at the keys.
 * A record: the group, the key's length in one byte (255: in the four behind), its bytes. */
#include "lib/op/grouptab.h"

#include "lib/base/copy.h"
#include "lib/base/pages.h"
#include "lib/table/key.h"

#define FIRST_BITS 10
#define LINE 8  /* slots */
#define MANY 32 /* keys looked up together */
#define LONG 255
#define HEAD_MOST 9

/* Where a key is looked for. */
struct probe {
	uint64_t *line;
	unsigned start, at; /* in the line */
};

int grouptab_init(struct grouptab *t, struct err *e)
{
	*t = (struct grouptab){ .bits = FIRST_BITS, .used = GROUPTAB_UNIT };
	t->slots = pages_resize(NULL, 0, sizeof *t->slots << t->bits);
	return t->slots ? 0 : err_oom(e);
}

void grouptab_free(struct grouptab *t)
{
	pages_free(t->slots, t->slots ? sizeof *t->slots << t->bits : 0);
	pages_free(t->bytes, t->cap);
	pages_free(t->fresh, t->fresh_cap * sizeof *t->fresh);
	*t = (struct grouptab){ 0 };
}

size_t grouptab_memory(const struct grouptab *t)
{
	return ((size_t)1 << t->bits) * sizeof *t->slots + t->cap + t->fresh_cap * sizeof *t->fresh;
}

static inline struct probe begin(const struct grouptab *t, uint64_t hash)
{
	unsigned start = (unsigned)(hash >> 32) & (LINE - 1);

	return (struct probe){ t->slots + (hash >> (64 - t->bits) & ~(uint64_t)(LINE - 1)), start, start };
}

static inline void step(const struct grouptab *t, struct probe *p)
{
	p->at = (p->at + 1) & (LINE - 1);
	if (p->at == p->start)
		p->line = t->slots + ((size_t)(p->line - t->slots + LINE) & (((size_t)1 << t->bits) - 1));
}

/* To the next slot that is free, or of a key with this hash as far as can be seen. */
static inline uint64_t approach(const struct grouptab *t, struct probe *p, uint64_t hash)
{
	uint64_t slot;

	while ((slot = p->line[p->at]) != 0 && (slot ^ hash) >> 32 != 0)
		step(t, p);
	return slot;
}

static inline uint8_t *record(const struct grouptab *t, uint32_t place)
{
	return t->bytes + (size_t)place * GROUPTAB_UNIT;
}

static inline struct str key_of(const uint8_t *p)
{
	uint32_t n = p[4];

	if (__builtin_expect(n < LONG, 1))
		return (struct str){ (const char *)p + 5, n };
	memcpy(&n, p + 5, sizeof n);
	return (struct str){ (const char *)p + HEAD_MOST, n };
}

struct str grouptab_key(const struct grouptab *t, uint32_t place)
{
	return key_of(record(t, place));
}

static int grow_slots(struct grouptab *t, struct err *e)
{
	struct grouptab to = { .bits = t->bits + 1 };
	size_t size = (size_t)1 << t->bits;

	to.slots = to.bits <= 32 ? pages_resize(NULL, 0, sizeof *to.slots << to.bits) : NULL;
	if (!to.slots)
		return err_oom(e);
	(void)madvise(to.slots, sizeof *to.slots << to.bits, MADV_HUGEPAGE); /* looked at all over the place: fewer TLB misses */
	pages_touch(to.slots, 0, sizeof *to.slots << to.bits);
	for (size_t i = 0; i < size; i++) {
		struct probe p = begin(&to, t->slots[i]);

		if (!t->slots[i])
			continue;
		while (p.line[p.at])
			step(&to, &p);
		p.line[p.at] = t->slots[i];
	}
	pages_free(t->slots, sizeof *t->slots << t->bits);
	t->slots = to.slots;
	t->bits = to.bits;
	return 0;
}

static int grow_fresh(struct grouptab *t, struct err *e)
{
	uint32_t cap = t->fresh_cap + t->fresh_cap / 2 + 1024;
	struct fresh_key *p = pages_resize(t->fresh, t->fresh_cap * sizeof *p, cap * sizeof *p);

	if (!p)
		return err_oom(e);
	t->fresh = p;
	t->fresh_cap = cap;
	return 0;
}

static int grow_bytes(struct grouptab *t, size_t need, struct err *e)
{
	size_t cap = (t->cap + need) + (t->cap + need) / 2 + 4096;
	uint8_t *p = pages_resize(t->bytes, t->cap, cap);

	if (!p)
		return err_oom(e);
	t->bytes = p;
	t->cap = cap;
	return 0;
}

/* Room for so many keys more, but for their bytes. */
static int reserve(struct grouptab *t, uint32_t more, struct err *e)
{
	int rc = 0;

	while (rc == 0 && t->n + more > ((size_t)1 << t->bits) / 8 * 5)
		rc = grow_slots(t, e);
	while (rc == 0 && t->nfresh + more > t->fresh_cap)
		rc = grow_fresh(t, e);
	return rc;
}

/* A record for a new key; there is room among the fresh ones. */
static int add(struct grouptab *t, struct str key, struct err *e)
{
	uint32_t group = UNNAMED + t->nfresh, n = (uint32_t)key.n;
	size_t need = HEAD_MOST + key.n + COPY_SLACK + GROUPTAB_UNIT;
	uint8_t *p;
	int rc;

	if (t->used / GROUPTAB_UNIT > UINT32_MAX || t->nfresh >= UNNAMED - 1)
		return err_set(e, ST_OSERR, "more keys of groups than can be held in memory");
	if (t->cap < t->used + need && (rc = grow_bytes(t, need, e)) < 0)
		return rc;
	p = t->bytes + t->used;
	t->fresh[t->nfresh++] = (struct fresh_key){ (uint32_t)(t->used / GROUPTAB_UNIT), group };
	memcpy(p, &group, sizeof group);
	p[4] = n < LONG ? (uint8_t)n : LONG;
	p += 5;
	if (n >= LONG) {
		memcpy(p, &n, sizeof n);
		p += sizeof n;
	}
	if (n)
		memcpy(p, key.p, n);
	t->used = ((size_t)(p + n - t->bytes) + GROUPTAB_UNIT - 1) & ~(size_t)(GROUPTAB_UNIT - 1);
	t->n++;
	return 0;
}

/* The group of a key that is looked for from p on. */
static inline int settle_one(struct grouptab *t, struct probe *p, struct str key, uint64_t hash, uint32_t *ret, struct err *e)
{
	uint64_t slot;
	int rc;

	for (; (slot = approach(t, p, hash)) != 0; step(t, p)) {
		const uint8_t *r = record(t, (uint32_t)slot);

		if (key_same(key_of(r), key)) {
			memcpy(ret, r, sizeof *ret);
			return 0;
		}
	}
	if ((rc = add(t, key, e)) < 0)
		return rc;
	p->line[p->at] = (hash >> 32 << 32) | t->fresh[t->nfresh - 1].place;
	*ret = t->fresh[t->nfresh - 1].group;
	return 0;
}

static inline struct str key_at(const struct grouptab_rows *k, uint32_t row)
{
	return (struct str){ (const char *)k->bytes + k->offsets[row], k->offsets[row + 1] - k->offsets[row] };
}

/* At most MANY rows, whose lines are on their way to the cache. First all records are asked for. */
static int look_up_some(struct grouptab *t, const struct grouptab_rows *k, const uint32_t *rows, int64_t n, uint32_t *ids, struct err *e)
{
	struct probe p[MANY];
	int rc = 0;

	for (int64_t i = 0; i < n; i++) {
		uint64_t hash = k->hash[rows[i]], slot;

		p[i] = begin(t, hash);
		if ((slot = approach(t, &p[i], hash)) != 0) {
			const uint8_t *r = record(t, (uint32_t)slot);

			__builtin_prefetch(r);
			__builtin_prefetch(r + key_at(k, rows[i]).n + 4);
		}
	}
	for (int64_t i = 0; i < n && rc == 0; i++)
		rc = settle_one(t, &p[i], key_at(k, rows[i]), k->hash[rows[i]], &ids[rows[i]], e);
	return rc;
}

int grouptab_look_up(struct grouptab *t, const struct grouptab_rows *k, const uint32_t *rows, int64_t n, uint32_t *ids, struct err *e)
{
	int rc = 0;

	for (int64_t i = 0, m; i < n && rc == 0; i += m) {
		m = n - i < MANY ? n - i : MANY;
		if ((rc = reserve(t, MANY, e)) < 0)
			return rc;
		for (int64_t j = i + m; j < i + 2 * MANY && j < n; j++)
			__builtin_prefetch(begin(t, k->hash[rows[j]]).line);
		rc = look_up_some(t, k, rows + i, m, ids, e);
	}
	return rc;
}

void grouptab_settle(struct grouptab *t)
{
	for (uint32_t i = 0; i < t->nfresh; i++)
		memcpy(record(t, t->fresh[i].place), &t->fresh[i].group, sizeof t->fresh->group);
	t->nfresh = 0;
}
