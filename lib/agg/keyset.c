/* Numbered sets of byte strings: see keyset.h.
 *
 * A slot holds the upper half of the hash, whose upper bits are also its home position: growing needs no look at the keys. */
#include "lib/agg/keyset.h"

#include "lib/base/hash.h"
#include "lib/base/pages.h"
#include "lib/table/key.h"

#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define FIRST_BITS 10

uint64_t keyset_seed(void)
{
	struct timespec now;
	uint64_t seed;

	if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == sizeof seed)
		return seed;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return hash64(&now, sizeof now, (uint64_t)getpid());
}

int keyset_init(struct keyset *s, struct err *e)
{
	*s = (struct keyset){ .bits = FIRST_BITS, .seed = keyset_seed() };
	s->slots = pages_resize(NULL, 0, sizeof *s->slots << s->bits);
	return s->slots ? 0 : err_oom(e);
}

void keyset_free(struct keyset *s)
{
	pages_free(s->slots, s->slots ? sizeof *s->slots << s->bits : 0);
	pages_free(s->bytes, s->cap);
	pages_free(s->ends, s->ends_cap * sizeof *s->ends);
	*s = (struct keyset){ 0 };
}

uint64_t keyset_hash(const struct keyset *s, struct str key)
{
	return hash64(key.p, key.n, s->seed);
}

struct str keyset_at(const struct keyset *s, uint32_t i)
{
	size_t from = i ? s->ends[i - 1] : 0;

	return (struct str){ (const char *)s->bytes + from, s->ends[i] - from };
}

size_t keyset_memory(const struct keyset *s)
{
	return ((size_t)1 << s->bits) * sizeof *s->slots + s->cap + s->ends_cap * sizeof *s->ends;
}

static int keyset_grow(struct keyset *s, struct err *e)
{
	unsigned bits = s->bits + 1;
	size_t mask = ((size_t)1 << bits) - 1;
	uint64_t *slots = bits <= 32 ? pages_resize(NULL, 0, sizeof *slots << bits) : NULL;

	if (!slots)
		return err_oom(e);
	pages_touch(slots, 0, sizeof *slots << bits);
	for (size_t i = 0; i >> s->bits == 0; i++) {
		size_t at = s->slots[i] >> (64 - bits);

		if (!s->slots[i])
			continue;
		while (slots[at])
			at = (at + 1) & mask;
		slots[at] = s->slots[i];
	}
	pages_free(s->slots, sizeof *s->slots << s->bits);
	s->slots = slots;
	s->bits = bits;
	return 0;
}

static int store(struct keyset *s, struct str key, struct err *e)
{
	if (s->cap - s->used < key.n + KEY_SLACK) {
		size_t cap = (s->cap + key.n) + (s->cap + key.n) / 2 + 4096;
		uint8_t *p = pages_resize(s->bytes, s->cap, cap);

		if (!p)
			return err_oom(e);
		s->bytes = p;
		s->cap = cap;
	}
	if (s->n == s->ends_cap) {
		size_t cap = s->ends_cap + s->ends_cap / 2 + 1024;
		size_t *p = pages_resize(s->ends, s->ends_cap * sizeof *p, cap * sizeof *p);

		if (!p)
			return err_oom(e);
		s->ends = p;
		s->ends_cap = cap;
	}
	if (key.n)
		memcpy(s->bytes + s->used, key.p, key.n);
	s->used += key.n;
	s->ends[s->n++] = s->used;
	return 0;
}

int keyset_add(struct keyset *s, struct str key, uint64_t hash, uint32_t *ret, struct err *e)
{
	size_t mask = ((size_t)1 << s->bits) - 1, at = hash >> (64 - s->bits);
	uint64_t slot;
	int rc;

	for (; (slot = s->slots[at]) != 0; at = (at + 1) & mask)
		if ((slot ^ hash) >> 32 == 0 && key_same(keyset_at(s, (uint32_t)slot - 1), key)) {
			*ret = (uint32_t)slot - 1;
			return 0;
		}
	if (s->n >= UINT32_MAX - 1)
		return err_set(e, ST_OSERR, "more than 4294967294 groups");
	if ((rc = store(s, key, e)) < 0)
		return rc;
	s->slots[at] = (hash >> 32 << 32) | s->n;
	*ret = s->n - 1;
	return s->n > mask / 8 * 5 ? keyset_grow(s, e) : 0;
}
