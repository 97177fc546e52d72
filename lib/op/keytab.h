/* A table of distinct byte strings, numbered from 0 in the order of their first appearance: the hash table of join and take -g.
 *
 * Open addressing with linear probing; the hash is XXH3 with a seed from the kernel, so that nobody can choose colliding keys.
 * The numbers, not the places, are what results depend on: the seed never shows. The bytes are borrowed, or copied into `arena`
 * when the table was told to own them. At most 2^32 - 2 keys, each below 4 GiB. */
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
	struct keytab_key { /* by number */
		const char *p;
		uint64_t hash;
		uint32_t n;
		uint32_t first; /* for the caller: what belongs to this key */
	} *keys;
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

/* keytab_find() and keytab_add() for many keys: in small groups, each step for the whole group, so that memory answers for one key
 * while the others are worked on. ret[i] is the number of keys[i]. */
void keytab_find_many(const struct keytab *t, const struct str *keys, int64_t n, uint32_t *ret);
int keytab_add_many(struct keytab *t, const struct str *keys, int64_t n, uint32_t *ret, struct err *e) nodiscard;

int64_t keytab_bytes(const struct keytab *t); /* memory held */

#endif
