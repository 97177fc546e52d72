/* Stable sort of rows by their encoded keys (lib/table/key.h). */
#ifndef STOOK_OP_RADIX_H
#define STOOK_OP_RADIX_H

#include "lib/table/key.h"

/* One row to be sorted: the next 8 bytes of its key as a big-endian number, zero padded, and where it is. */
struct entry {
	uint64_t word;
	uint32_t batch, row;
};

/* The 8 bytes of a key from `depth`, zero padded. Keys of one spec are prefix-free, so padding never makes two of them equal. */
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

/* Sorts v[0 .. n), whose words hold the keys' first 8 bytes, stably by whole keys; the key of an entry is
 * keys_at(&keys[entry.batch], entry.row). tmp has room for n entries. The words are undefined afterwards. */
void radix_sort(struct entry *v, struct entry *tmp, int64_t n, const struct keys *keys);

#endif
