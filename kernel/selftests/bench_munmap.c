// SPDX-License-Identifier: GPL-2.0
/*
 * What monitored ranges cost those who have nothing to do with them: munmap of
 * an unrelated page with so many ranges monitored, and in a process that never
 * opened /dev/dreg.  Each measurement is a process of its own, since a process
 * that has once had a notifier is never quite as before.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "libdreg.h"
#include "memory.h"
#include "options.h"
#include "tap.h"

enum { ROUNDS = 11, SAMPLES = 400, BARE = -2, NO_DREG = -1, BATCH = 1024 };

static const int range_counts[] = { NO_DREG, BARE, 0, 1, 10, 100, 1000, 10000,
				    100000 };

enum { COUNTS = sizeof(range_counts) / sizeof(range_counts[0]) };

/* Every other page of a reserved area: no two ranges touch. */
static void monitor_many(struct dreg *dreg, int count)
{
	static struct dreg_range ranges[BATCH];
	/* A page more, so that none is not a special case. */
	unsigned char *area = memory_hole(((size_t)count * 2 + 1) * PAGE, PAGE);
	int done, i;

	for (done = 0; done < count; done += i) {
		for (i = 0; i < BATCH && done + i < count; i++)
			ranges[i] = (struct dreg_range){
				.addr = (uintptr_t)area +
					(size_t)(done + i) * 2 * PAGE,
				.len = PAGE,
				.slot = (uint32_t)(done + i),
			};
		if (dreg_monitor_batch(dreg, ranges, (uint32_t)i, NULL))
			tap_bail("monitor %d ranges", count);
	}
}

static double time_munmap(void)
{
	static double samples[SAMPLES];
	unsigned char *page = memory_hole(PAGE, PAGE);
	uint64_t start;
	int i;

	for (i = 0; i < SAMPLES; i++) {
		memory_map_at(page, PAGE);
		page[0] = 1;
		start = bench_now();
		must(munmap(page, PAGE), "munmap");
		samples[i] = (double)(bench_now() - start);
	}
	return bench_median(samples, SAMPLES);
}

static double measure(int count)
{
	struct dreg dreg;

	if (count == BARE)
		bench_hear_all();
	if (count >= 0) {
		if (dreg_open(&dreg, 1u << 17))
			tap_bail("dreg_open");
		monitor_many(&dreg, count);
	}
	return time_munmap();
}

static double measure_in_child(int count)
{
	double result = -1;
	int ends[2], status;
	pid_t child;

	must(pipe(ends), "pipe");
	child = fork();
	if (child < 0)
		tap_bail("fork");
	if (child == 0) {
		result = measure(count);
		_exit(write(ends[1], &result, sizeof(result)) !=
		      sizeof(result));
	}
	/* Else its death would not end the read. */
	close(ends[1]);
	if (read(ends[0], &result, sizeof(result)) != sizeof(result) ||
	    waitpid(child, &status, 0) != child || status)
		tap_bail("measure %d ranges", count);
	close(ends[0]);
	return result;
}

int main(int argc, char **argv)
{
	static double results[COUNTS][ROUNDS];
	struct options options = { .rounds = ROUNDS };
	int rounds, round, i;
	char name[64];

	options_parse(&options, argc, argv);
	rounds = options.rounds < ROUNDS ? (int)options.rounds : ROUNDS;
	for (round = 0; round < rounds; round++)
		for (i = 0; i < COUNTS; i++)
			results[i][round] = measure_in_child(range_counts[i]);
	for (i = 0; i < COUNTS; i++) {
		if (range_counts[i] == NO_DREG)
			snprintf(name, sizeof(name), "munmap, no dreg");
		else if (range_counts[i] == BARE)
			snprintf(name, sizeof(name), "munmap, a bare notifier");
		else
			snprintf(name, sizeof(name), "munmap, %d ranges",
				 range_counts[i]);
		bench_print(name, "ns", results[i], (size_t)rounds);
	}
	return 0;
}
