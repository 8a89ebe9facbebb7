/* SPDX-License-Identifier: MIT */
/* How all programs of bench:network take times: blocks of rounds, each so short that what interrupts one leaves most of them alone. */
#include <stdlib.h>
#include <time.h>

#define BLOCKS 201
#define WARM_UP_MS 150
#define BLOCK_MS 0.5
#define ROUNDS_MAX 1000

static double milliseconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

/* Rounds of a block, where so many have taken so long. */
static int rounds_of(int done, double took)
{
	double rounds = BLOCK_MS * done / took;

	return rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : (int)rounds;
}

static int ascending(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static double median(double *blocks)
{
	qsort(blocks, BLOCKS, sizeof(blocks[0]), ascending);
	return blocks[BLOCKS / 2];
}
