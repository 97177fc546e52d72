/* hasher_add() with wider vectors: the same state and the same result. Only for hash.c. */
#ifndef STOOK_BASE_HASH_WIDE_H
#define STOOK_BASE_HASH_WIDE_H

#include <stddef.h>

void hash_add_avx2(void *xxh3_state, const void *p, size_t n);

#endif
