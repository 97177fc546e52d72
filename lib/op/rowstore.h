/* Rows packed one after another: what a sort keeps in memory. A row lies in one piece, so moving it costs one or two cache misses
 * however many columns it has, and the batches it came from can go.
 *
 *     row      u32 size of all of it | key | column | column ...
 *     key      its length as below and its bytes; a key of at most 8 bytes is not kept (length 0): the entry's word says it all
 *     column   code 0 .. 252: so many bytes follow (fixed-width values and bools: 0, then the value)
 *              253: u32 length, then so many bytes      254: null
 *     nested   their bytes are their elements, packed in the same way
 *
 * Blocks begin small and grow to 2 MiB; they end in padding, so that 16 bytes can be loaded anywhere in a row. */
#ifndef STOOK_OP_ROWSTORE_H
#define STOOK_OP_ROWSTORE_H

#include "lib/table/batch.h"

#define KEY_WORD 8 /* bytes of a key that an entry holds itself */

/* One row: the first 8 bytes of its key as a big-endian number, zero padded, and where it is. */
struct entry {
	uint64_t word;
	uint32_t block, at;
};

struct rowstore {
	const struct schema *schema; /* borrowed */
	struct store_block {
		uint8_t *p;
		size_t n, cap;
	} *blocks;
	uint32_t nblocks, cap;
	int64_t bytes;               /* held */
	struct buf nested;           /* scratch */
};

void rowstore_init(struct rowstore *s, const struct schema *schema);
void rowstore_clear(struct rowstore *s); /* forgets all rows, gives the memory back */
void rowstore_free(struct rowstore *s);

/* Appends row i of b under `key`; fills *ret, word included. */
int rowstore_add(struct rowstore *s, const struct batch *b, int64_t i, struct str key, struct entry *ret, struct err *e) nodiscard;

/* Appends a copy of a row of another store of the same schema; the word of a key that is kept is made anew. */
int rowstore_copy(struct rowstore *s, const struct rowstore *from, const struct entry *x, struct entry *ret, struct err *e) nodiscard;

/* Unpacks rows v[0 .. n) into builders of the store's schema. */
int rowstore_rows(const struct rowstore *s, const struct entry *v, int64_t n, struct rows *to, struct err *e) nodiscard;

/* The 8 bytes of a key from `depth`, zero padded. Keys of one spec are prefix-free (lib/table/key.h), so padding never makes two
 * different ones equal. */
static inline uint64_t key_word(struct str key, size_t depth)
{
	uint64_t w = 0;

	if (key.n >= depth + 8) {
		memcpy(&w, key.p + depth, 8);
		return __builtin_bswap64(w);
	}
	for (size_t i = depth; i < depth + 8; i++)
		w = w << 8 | (i < key.n ? (uint8_t)key.p[i] : 0);
	return w;
}

/* A key as entries have it: its word and, if it is longer than that, all its bytes. */
struct key_view {
	uint64_t word;
	struct str all;
};

static inline struct key_view key_view(struct str key)
{
	return (struct key_view){ key_word(key, 0), key.n > KEY_WORD ? key : (struct str){ "", 0 } };
}

static inline int key_cmp(struct key_view a, struct key_view b)
{
	if (a.word != b.word)
		return a.word < b.word ? -1 : 1;
	return str_cmp(a.all, b.all);
}

/* The kept key of a row: n = 0 when it is no longer than its word. */
static inline struct str rowstore_key(const struct rowstore *s, const struct entry *x)
{
	const uint8_t *p = s->blocks[x->block].p + x->at + 4;
	uint32_t n = *p++;

	if (n >= 253) {
		memcpy(&n, p, 4);
		p += 4;
	}
	return (struct str){ (const char *)p, n };
}

#endif
