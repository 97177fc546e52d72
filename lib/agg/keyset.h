/* A set of byte strings, numbered in the order they were first seen: 0, 1, 2, ...
 *
 * Open addressing with linear probing. A slot is 8 bytes: 32 bits of the key's hash and its number + 1. The hash is seeded from
 * the kernel, so nobody can prepare colliding keys; numbers depend on the order of arrival only, never on the seed. Zero the
 * struct, keyset_init(), and free it also after a failure. At most 2^32 - 2 keys. Not thread safe. */
#ifndef STOOK_AGG_KEYSET_H
#define STOOK_AGG_KEYSET_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct keyset {
	uint64_t *slots;   /* 1 << bits of them; 0 is free */
	unsigned bits;
	uint32_t n;        /* keys */
	uint64_t seed;
	uint8_t *bytes;    /* the keys, one after another */
	size_t used, cap;
	size_t *ends;      /* ends[i]: where key i stops */
	size_t ends_cap;
};

int keyset_init(struct keyset *s, struct err *e) nodiscard;
void keyset_free(struct keyset *s);

uint64_t keyset_seed(void); /* a fresh one: sets that shall agree about hashes are given one after keyset_init() */
uint64_t keyset_hash(const struct keyset *s, struct str key);

/* The number of `key` (its hash as given by keyset_hash()); adds it when new: then its number is the old s->n. */
int keyset_add(struct keyset *s, struct str key, uint64_t hash, uint32_t *ret, struct err *e) nodiscard;

/* Keys of many rows: that of row i is bytes[offsets[i] .. offsets[i + 1]). */
struct keyset_rows {
	const uint8_t *bytes;
	const uint32_t *offsets;
	const uint64_t *hash;
};

/* The same for the keys of KEYSET_MANY rows or fewer at once, ret[rows[i]] for rows[0 .. n): what they need of the table is on its way to
 * the cache before it is looked at. Fetches what the `ahead` rows behind them will need first. */
#define KEYSET_MANY 32
int keyset_add_many(struct keyset *s, const struct keyset_rows *k, const uint32_t *rows, int64_t n, int64_t ahead, uint32_t *ret,
		    struct err *e) nodiscard;

struct str keyset_at(const struct keyset *s, uint32_t i); /* valid until the next keyset_add(); COPY_SLACK bytes behind it may be read */
size_t keyset_memory(const struct keyset *s);

#endif
