/* XXH3 compiled once more, for AVX2; hash.c asks the processor before it comes here. The pragmas do for the functions of
 * the header what -mavx2 would do for the file, without letting the compiler use AVX2 anywhere else. */
#include "lib/base/hash_wide.h"

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

#define XXH_INLINE_ALL
#define XXH_VECTOR 2 /* XXH_AVX2 */
#include <xxhash.h>

void hash_add_avx2(void *xxh3_state, const void *p, size_t n)
{
	XXH3_64bits_update(xxh3_state, p, n);
}

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
