/* Repeated keys: see repeats.h. A table of one entry a place in which the newest key replaces the one before: what is hit and what is
 * not is the same few steps without a branch, and nobody can choose keys that make it slower. */
#include "lib/op/repeats.h"

#define BITS 12
#define FEW 1024 /* rows */

struct seen {
	uint64_t key[2]; /* behind its bytes zeros */
	uint32_t row, n; /* 0: free */
};

static inline void load_key(const uint8_t *p, uint32_t n, struct seen *ret)
{
	static const uint8_t ones[32] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
	uint64_t mask[2];

	memcpy(ret->key, p, 16);
	memcpy(mask, ones + 16 - n, 16);
	ret->key[0] &= mask[0];
	ret->key[1] &= mask[1];
	ret->n = n;
}

static inline size_t place_of(const struct seen *s)
{
	return (s->key[0] * 0x9e3779b97f4a7c15u ^ s->key[1]) * 0xd6e8feb86659fd93u >> (64 - BITS);
}

/* Rows [from, to); returns how many are repeats. */
static int64_t find_some(const struct keys *k, int64_t from, int64_t to, struct seen *table, uint32_t *same)
{
	const uint8_t *last = k->bytes + k->offsets[k->n] - 16; /* that can be loaded whole */
	int64_t found = 0;

	for (int64_t i = from; i < to; i++) {
		const uint8_t *p = k->bytes + k->offsets[i];
		uint32_t n = k->offsets[i + 1] - k->offsets[i];
		struct seen new, *old;
		uint32_t hit; /* all ones or zero: a branch would be guessed wrong too often */

		same[i] = (uint32_t)i;
		if (n - 1 > 15 || p > last)
			continue;
		load_key(p, n, &new);
		old = &table[place_of(&new)];
		hit = -(uint32_t)(((old->key[0] ^ new.key[0]) | (old->key[1] ^ new.key[1]) | (old->n ^ n)) == 0);
		new.row = (old->row & hit) | ((uint32_t)i & ~hit);
		same[i] = new.row;
		*old = new;
		found += hit & 1;
	}
	return found;
}

int repeats_find(const struct keys *k, struct arena *a, uint32_t **ret, struct err *e)
{
	struct seen *table;
	uint32_t *same;

	*ret = NULL;
	if (k->n < 2 * FEW || k->offsets[k->n] < 16)
		return 0;
	table = arena_calloc(a, (size_t)1 << BITS, sizeof *table);
	same = arena_array(a, uint32_t, (size_t)k->n);
	if (!table || !same)
		return err_oom(e);
	if (find_some(k, 0, FEW, table, same) < FEW / 4)
		return 0;
	find_some(k, FEW, k->n, table, same);
	*ret = same;
	return 0;
}
