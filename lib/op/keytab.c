/* Keys by number: see keytab.h. A slot holds 32 bits of the hash beside the number, so that nearly every probe of a wrong slot is
 * settled without looking at key bytes. The table is at most half full. */
#include "lib/op/keytab.h"

#include "lib/base/hash.h"
#include "lib/op/grow.h"

#include <sys/random.h>

#define GROUP 64 /* keys looked up together */

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

static uint64_t hash_key(const struct keytab *t, struct str key)
{
	return hash64(key.p, key.n, t->seed);
}

static void prefetch_slot(const struct keytab *t, uint64_t hash)
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
	for (uint32_t i = 0; i < t->n; i++) {
		if (i + GROUP < t->n)
			prefetch_slot(t, t->keys[i + GROUP].hash);
		put(t, t->keys[i].hash, i);
	}
	return 0;
}

int keytab_reserve(struct keytab *t, int64_t n, struct err *e)
{
	int rc = 0;

	if (n >= KEYTAB_NONE)
		return err_set(e, ST_OSERR, "more than 2^32 distinct keys in one table");
	if (n > t->cap) {
		if ((rc = GROW(t->keys, n, e)) < 0)
			return rc;
		t->cap = (uint32_t)n;
	}
	if (!t->slots || (uint64_t)n * 2 > t->mask + 1)
		rc = rehash(t, (uint64_t)n * 2, e);
	return rc;
}

static bool same_key(const struct keytab_key *k, struct str key)
{
	return k->n == key.n && memcmp(k->p, key.p, key.n) == 0;
}

/* The first number from slot *i on whose tag is that of the hash, or NONE; *i is where it stands. */
static uint32_t candidate(const struct keytab *t, uint64_t hash, uint64_t *i)
{
	uint32_t tag = (uint32_t)(hash >> 32);

	for (; t->slots[*i].number; *i = (*i + 1) & t->mask)
		if (t->slots[*i].tag == tag)
			return t->slots[*i].number - 1;
	return KEYTAB_NONE;
}

static uint32_t find_hashed(const struct keytab *t, uint64_t hash, struct str key)
{
	uint64_t i = hash & t->mask;
	uint32_t number;

	if (!t->slots)
		return KEYTAB_NONE;
	for (; (number = candidate(t, hash, &i)) != KEYTAB_NONE; i = (i + 1) & t->mask)
		if (same_key(&t->keys[number], key))
			return number;
	return KEYTAB_NONE;
}

uint32_t keytab_find(const struct keytab *t, struct str key)
{
	return find_hashed(t, hash_key(t, key), key);
}

static int add_hashed(struct keytab *t, uint64_t hash, struct str key, uint32_t *ret, struct err *e)
{
	int rc;

	*ret = find_hashed(t, hash, key);
	if (*ret != KEYTAB_NONE)
		return 0;
	if (t->n == t->cap && (rc = keytab_reserve(t, t->cap ? (int64_t)t->cap * 2 : 32, e)) < 0)
		return rc;
	if (t->own && !(key.p = arena_dup(&t->arena, key.p, key.n)))
		return err_oom(e);
	t->keys[t->n] = (struct keytab_key){ key.p, hash, (uint32_t)key.n, 0 };
	put(t, hash, t->n);
	*ret = t->n++;
	return 0;
}

int keytab_add(struct keytab *t, struct str key, uint32_t *ret, struct err *e)
{
	return add_hashed(t, hash_key(t, key), key, ret, e);
}

/* Hashes of a group; what they lead to is asked for, step by step. */
static void approach(const struct keytab *t, const struct str *keys, int n, uint64_t *hashes, uint32_t *found)
{
	for (int i = 0; i < n; i++) {
		hashes[i] = hash_key(t, keys[i]);
		prefetch_slot(t, hashes[i]);
	}
	for (int i = 0; i < n; i++) {
		uint64_t at = hashes[i] & t->mask;

		found[i] = t->slots ? candidate(t, hashes[i], &at) : KEYTAB_NONE;
		if (found[i] != KEYTAB_NONE)
			__builtin_prefetch(&t->keys[found[i]]);
	}
	for (int i = 0; i < n; i++)
		if (found[i] != KEYTAB_NONE)
			__builtin_prefetch(t->keys[found[i]].p);
}

void keytab_find_many(const struct keytab *t, const struct str *keys, int64_t n, uint32_t *ret)
{
	uint64_t hashes[GROUP];

	for (int64_t from = 0; from < n; from += GROUP) {
		int m = n - from < GROUP ? (int)(n - from) : GROUP;

		approach(t, keys + from, m, hashes, ret + from);
		for (int i = 0; i < m; i++)
			if (ret[from + i] != KEYTAB_NONE && !same_key(&t->keys[ret[from + i]], keys[from + i]))
				ret[from + i] = find_hashed(t, hashes[i], keys[from + i]);
	}
}

int keytab_add_many(struct keytab *t, const struct str *keys, int64_t n, uint32_t *ret, struct err *e)
{
	uint64_t hashes[GROUP];
	int rc = 0;

	for (int64_t from = 0; from < n && rc == 0; from += GROUP) {
		int m = n - from < GROUP ? (int)(n - from) : GROUP;

		approach(t, keys + from, m, hashes, ret + from);
		for (int i = 0; i < m && rc == 0; i++)
			if (ret[from + i] == KEYTAB_NONE || !same_key(&t->keys[ret[from + i]], keys[from + i]))
				rc = add_hashed(t, hashes[i], keys[from + i], &ret[from + i], e);
	}
	return rc;
}

int64_t keytab_bytes(const struct keytab *t)
{
	return (int64_t)((t->mask + 1) * sizeof *t->slots + t->cap * sizeof *t->keys + t->arena.total);
}
