/* SPDX-License-Identifier: GPL-2.0 */
/* What the fuzzer's files share: fuzz.c drives, fuzz_batch.c does batches. */
#ifndef DREG_SELFTESTS_FUZZ_H
#define DREG_SELFTESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "memory.h"
#include "model.h"

struct context {
	int fd;
	size_t bytes;
	const struct dreg_shared *shared;	/* NULL: not mapped */
	struct model model;
};

struct fuzz {
	struct arena arena;
	struct random random;
	unsigned char *readable;	/* a page before one that is not */
	unsigned char *constant;	/* a page that cannot be written */
	uint64_t round;
	bool differs;			/* model and module do: the run ends */
	bool seen_errno[256];
};

extern struct fuzz fuzz;

/* Model and module differ: says where, and ends the run. */
void difference(const char *text, ...) __attribute__((format(printf, 1, 2)));

/* A difference unless @got, 0 or a negative errno or a value, is @wanted. */
void compare(const char *call, long got, long wanted);

static inline uint32_t below(uint32_t limit)
{
	return random_below(&fuzz.random, limit);
}

static inline bool rarely(uint32_t one_in)
{
	return below(one_in) == 0;
}

/* MONITOR or UNMONITOR of a few ranges, good and broken, and the judgement. */
void act_batch(struct context *context, unsigned long command);

#endif
