/* SPDX-License-Identifier: GPL-2.0 */
/* Seeded numbers: the same seed gives the same sequence on every machine. */
#ifndef DREG_SELFTESTS_RANDOM_H
#define DREG_SELFTESTS_RANDOM_H

#include <stdint.h>

struct random {
	uint64_t state;
};

/* splitmix64: spreads neighbouring seeds (one for each thread) far apart. */
static inline struct random random_seed(uint64_t seed)
{
	seed += 0x9e3779b97f4a7c15ull;
	seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9ull;
	seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebull;
	seed ^= seed >> 31;
	return (struct random){ .state = seed ? seed : 1 };
}

/* xorshift64* */
static inline uint64_t random_next(struct random *random)
{
	uint64_t x = random->state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	random->state = x;
	return x * 0x2545f4914f6cdd1dull;
}

/* Uniform enough for tests: 0 <= result < limit. */
static inline uint32_t random_below(struct random *random, uint32_t limit)
{
	return (uint32_t)((random_next(random) >> 32) * limit >> 32);
}

#endif
