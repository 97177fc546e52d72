/* Keys and the groups that they are of: the hash table of reduce.
 *
 * A slot is 8 bytes: 32 bits of the key's hash and the place of its record, which holds the group and the key's bytes; so a key that is
 * there costs two cache lines. What is new gets its group later, from the caller: until then it stands as UNNAMED and its number among
 * `fresh`. Zero the struct, grouptab_init(), and free it also after a failure. Not thread safe. */
#ifndef STOOK_OP_GROUPTAB_H
#define STOOK_OP_GROUPTAB_H

#include "lib/base/err.h"
#include "lib/base/str.h"

#define UNNAMED ((uint32_t)1 << 31)
#define GROUPTAB_UNIT 4 /* bytes that places count */

struct grouptab {
	uint64_t *slots;   /* 1 << bits of them, eight a cache line; 0 is free */
	unsigned bits;
	uint32_t n;        /* keys */
	uint8_t *bytes;    /* the records, one after another */
	size_t used, cap;
	struct fresh_key { /* in the order in which they came */
		uint32_t place;
		uint32_t group; /* once it has one, else UNNAMED or above */
	} *fresh;
	uint32_t nfresh, fresh_cap;
};

int grouptab_init(struct grouptab *t, struct err *e) nodiscard;
void grouptab_free(struct grouptab *t);
size_t grouptab_memory(const struct grouptab *t); /* bytes held */

/* Keys of many rows: that of row i is bytes[offsets[i] .. offsets[i + 1]); hash[i]: with a seed that nobody knows. */
struct grouptab_rows {
	const uint8_t *bytes;
	const uint32_t *offsets;
	const uint64_t *hash;
};

/* The groups of rows[0 .. n), in ids[] by row; keys that are new are added. */
int grouptab_look_up(struct grouptab *t, const struct grouptab_rows *k, const uint32_t *rows, int64_t n, uint32_t *ids, struct err *e)
	nodiscard;
/* All fresh keys have their groups: these are known from now on, and none is fresh. */
void grouptab_settle(struct grouptab *t);

struct str grouptab_key(const struct grouptab *t, uint32_t place); /* valid until keys are added; COPY_SLACK bytes behind it may be read */

#endif
