/* A table of distinct byte strings, numbered from 0 in the order of their first appearance: the hash table of join and take -g.
 *
 * Open addressing with linear probing; the hash is XXH3 with a seed from the kernel, so that nobody can choose colliding keys.
 * The numbers, not the places, are what results depend on: the seed never shows. The bytes are borrowed, or copied into `arena`
 * when the table was told to own them. At most 2^32 - 2 keys. */
#ifndef STOOK_OP_KEYTAB_H
#define STOOK_OP_KEYTAB_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#include <stdint.h>

struct keytab {
	struct keytab_slot *slots;
	uint64_t mask;      /* slots - 1, a power of two; 0 slots: not used yet */
	uint64_t seed;
	struct str *keys;   /* by number */
	uint32_t n, cap;
	bool own;
	struct arena arena; /* copies of the keys, if owned */
};

#define KEYTAB_NONE UINT32_MAX

void keytab_init(struct keytab *t, bool own);
void keytab_free(struct keytab *t);

/* Room for n keys without growing again. */
int keytab_reserve(struct keytab *t, int64_t n, struct err *e) nodiscard;

/* The number of a key, added if it is new (the number is then t->n - 1 and was t->n before the call). */
int keytab_add(struct keytab *t, struct str key, uint32_t *ret, struct err *e) nodiscard;

/* The number of a key, or KEYTAB_NONE. */
uint32_t keytab_find(const struct keytab *t, struct str key);

/* The two halves of keytab_find(), to look up many keys while memory answers: hash all and prefetch, then find all. */
uint64_t keytab_hash(const struct keytab *t, struct str key);
void keytab_prefetch(const struct keytab *t, uint64_t hash);
uint32_t keytab_find_hashed(const struct keytab *t, uint64_t hash, struct str key);

int64_t keytab_bytes(const struct keytab *t); /* memory held */

#endif
