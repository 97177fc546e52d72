/* Keys by number: see keytab.h. A slot holds 32 bits of the hash beside the number, so that nearly every probe of a wrong slot is
 * settled without looking at key bytes. The table is at most half full. */
#include "lib/op/keytab.h"

#include "lib/base/hash.h"

#include <stdlib.h>
#include <sys/random.h>

struct keytab_slot {
	uint32_t tag;
	uint32_t number; /* + 1; 0: free */
};

void keytab_init(struct keytab *t, bool own)
{
	*t = (struct keytab){ .own = own, .seed = 0x5f0c6b1d2e9a4473u };
	if (getrandom(&t->seed, sizeof t->seed, GRND_NONBLOCK) < 0)
		t->seed ^= (uint64_t)(uintptr_t)t; /* too early in boot: the address is what there is */
}

void keytab_free(struct keytab *t)
{
	free(t->slots);
	free(t->keys);
	arena_free(&t->arena);
	*t = (struct keytab){ 0 };
}

uint64_t keytab_hash(const struct keytab *t, struct str key)
{
	return hash64(key.p, key.n, t->seed);
}

void keytab_prefetch(const struct keytab *t, uint64_t hash)
{
	if (t->slots)
		__builtin_prefetch(&t->slots[hash & t->mask]);
}

static void put(struct keytab *t, uint64_t hash, uint32_t number)
{
	uint64_t i = hash & t->mask;

	while (t->slots[i].number)
		i = (i + 1) & t->mask;
	t->slots[i] = (struct keytab_slot){ (uint32_t)(hash >> 32), number + 1 };
}

/* At least `want` slots, a power of two; all keys are placed again. */
static int rehash(struct keytab *t, uint64_t want, struct err *e)
{
	uint64_t size = 64;
	struct keytab_slot *slots;

	while (size < want)
		size *= 2;
	slots = calloc(size, sizeof *slots);
	if (!slots)
		return err_oom(e);
	free(t->slots);
	t->slots = slots;
	t->mask = size - 1;
	for (uint32_t i = 0; i < t->n; i++)
		put(t, keytab_hash(t, t->keys[i]), i);
	return 0;
}

static int grow_keys(struct keytab *t, uint32_t cap, struct err *e)
{
	struct str *keys = reallocarray(t->keys, cap, sizeof *keys);

	if (!keys)
		return err_oom(e);
	t->keys = keys;
	t->cap = cap;
	return 0;
}

int keytab_reserve(struct keytab *t, int64_t n, struct err *e)
{
	int rc = 0;

	if (n >= KEYTAB_NONE)
		return err_set(e, ST_OSERR, "more than 2^32 distinct keys in one table");
	if (n > t->cap)
		rc = grow_keys(t, (uint32_t)n, e);
	if (rc == 0 && (!t->slots || (uint64_t)n * 2 > t->mask + 1))
		rc = rehash(t, (uint64_t)n * 2, e);
	return rc;
}

uint32_t keytab_find_hashed(const struct keytab *t, uint64_t hash, struct str key)
{
	uint32_t tag = (uint32_t)(hash >> 32);

	if (!t->slots)
		return KEYTAB_NONE;
	for (uint64_t i = hash & t->mask; t->slots[i].number; i = (i + 1) & t->mask)
		if (t->slots[i].tag == tag && str_eq(t->keys[t->slots[i].number - 1], key))
			return t->slots[i].number - 1;
	return KEYTAB_NONE;
}

uint32_t keytab_find(const struct keytab *t, struct str key)
{
	return keytab_find_hashed(t, keytab_hash(t, key), key);
}

int keytab_add(struct keytab *t, struct str key, uint32_t *ret, struct err *e)
{
	uint64_t hash = keytab_hash(t, key);
	int rc;

	*ret = keytab_find_hashed(t, hash, key);
	if (*ret != KEYTAB_NONE)
		return 0;
	if (t->n == t->cap && (rc = keytab_reserve(t, t->cap ? (int64_t)t->cap * 2 : 32, e)) < 0)
		return rc;
	if (t->own && !(key.p = arena_dup(&t->arena, key.p, key.n)))
		return err_oom(e);
	t->keys[t->n] = key;
	put(t, hash, t->n);
	*ret = t->n++;
	return 0;
}

int64_t keytab_bytes(const struct keytab *t)
{
	return (int64_t)((t->mask + 1) * sizeof *t->slots + t->cap * sizeof *t->keys + t->arena.total);
}
