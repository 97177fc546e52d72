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

uint64_t keyset_seed(void); /* a fresh one */
uint64_t keyset_hash(const struct keyset *s, struct str key);

/* The number of `key` (its hash as given by keyset_hash()); adds it when new: then its number is the old s->n. */
int keyset_add(struct keyset *s, struct str key, uint64_t hash, uint32_t *ret, struct err *e) nodiscard;

struct str keyset_at(const struct keyset *s, uint32_t i); /* valid until the next keyset_add(); 8 bytes behind it may be read */
size_t keyset_memory(const struct keyset *s);

#endif
