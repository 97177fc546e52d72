/* Hashing in pieces. Long pieces take the AVX2 version where there is one: XXH3 is defined so that the width of the
 * vectors does not show in the result. */
#include "lib/base/hash.h"

#include "lib/base/hash_wide.h"

#define LONG 4096 /* below this the choice costs more than it saves */

void hasher_add(struct hasher *h, const void *p, size_t n)
{
#ifdef __x86_64__
	if (n >= LONG && __builtin_cpu_supports("avx2")) {
		hash_add_avx2(&h->state, p, n);
		return;
	}
#endif
	if (n)
		XXH3_64bits_update(&h->state, p, n);
}
