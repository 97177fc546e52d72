/* Hashes: XXH3, 64 bits. Not cryptographic. What is stored or decides placement uses these too, so they never change.
 *
 *     h = hash64(p, n, seed);
 *
 *     struct hasher h;                 // the same hash over pieces
 *     hasher_init(&h, seed);
 *     hasher_add(&h, p, n);            // any number of times
 *     v = hasher_end(&h);
 *
 * Source of the method: XXH3_64bits_withSeed of the xxHash library (XXH3 is frozen since its 0.8.0). */
#ifndef STOOK_BASE_HASH_H
#define STOOK_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t hash64(const void *p, size_t n, uint64_t seed)
{
	return XXH3_64bits_withSeed(p, n, seed);
}

/* Of a number as its 8 bytes, little endian. */
static inline uint64_t hash64_number(int64_t v, uint64_t seed)
{
	uint8_t le[8];

	for (int i = 0; i < 8; i++)
		le[i] = (uint8_t)((uint64_t)v >> 8 * i);
	return hash64(le, sizeof le, seed);
}

struct hasher { /* about 600 bytes, aligned to 64; may live on the stack */
	XXH3_state_t state;
};

static inline void hasher_init(struct hasher *h, uint64_t seed)
{
	XXH3_INITSTATE(&h->state);
	XXH3_64bits_reset_withSeed(&h->state, seed);
}

void hasher_add(struct hasher *h, const void *p, size_t n); /* about 30 GB/s in long pieces where the processor has AVX2 */

static inline uint64_t hasher_end(const struct hasher *h)
{
	return XXH3_64bits_digest(&h->state);
}

#endif
