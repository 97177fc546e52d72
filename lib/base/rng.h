/* Random numbers that are the same on every machine for the same seed: xoshiro256** (D. Blackman, S. Vigna, "Scrambled linear
 * pseudorandom number generators", 2021), its state filled by splitmix64. Not for secrets. One generator, one thread at a
 * time. */
#ifndef STOOK_BASE_RNG_H
#define STOOK_BASE_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0 .. n - 1, each as likely as the other; n > 0 */
double rng_f64(struct rng *r);                 /* [0, 1), a multiple of 2^-53 */

/* One step of splitmix64: a good mix of 64 bits, for deriving seeds. */
uint64_t rng_mix(uint64_t x);

#endif
