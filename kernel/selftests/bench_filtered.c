// SPDX-License-Identifier: GPL-2.0
/*
 * What monitored ranges cost operations that change no translation (fork,
 * mprotect), and what their end costs: the close of a context, and munmap of all
 * that is monitored.  Each measurement is a process of its own, as in
 * bench_munmap.
 */
#define _GNU_SOURCE
#include <stddef.h>
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
#include "threads.h"

enum { ROUNDS = 9, SAMPLES = 7, RANGES = 100000, BATCH = 1024 };

struct costs {
	double forked;
	double protected;
	double closed;
	double unmapped;
};

static void monitor_all(struct dreg *dreg, unsigned char *area)
{
	static struct dreg_range ranges[BATCH];
	uint32_t done, i;

	for (done = 0; done < RANGES; done += i) {
		for (i = 0; i < BATCH && done + i < RANGES; i++)
			ranges[i] = (struct dreg_range){
				.addr = (uintptr_t)area + (size_t)(done + i) * PAGE,
				.len = PAGE,
				.slot = done + i,
			};
		if (dreg_monitor_batch(dreg, ranges, i, NULL))
			tap_bail("monitor");
	}
}

/* Operations this long are disturbed by chance; the least disturbed one counts. */
static double least(const double *samples)
{
	double value = samples[0];
	int i;

	for (i = 1; i < SAMPLES; i++)
		value = samples[i] < value ? samples[i] : value;
	return value;
}

static double time_fork(void)
{
	double samples[SAMPLES];
	uint64_t start;
	int i, status;
	pid_t child;

	for (i = 0; i < SAMPLES; i++) {
		start = bench_now();
		child = fork();
		if (child == 0)
			_exit(0);
		samples[i] = (double)(bench_now() - start);
		if (child < 0 || waitpid(child, &status, 0) != child)
			tap_bail("fork");
	}
	return least(samples);
}

static double time_mprotect(unsigned char *area)
{
	double samples[SAMPLES];
	uint64_t start;
	int i;

	for (i = 0; i < SAMPLES; i++) {
		start = bench_now();
		must(mprotect(area, (size_t)RANGES * PAGE, PROT_READ), "mprotect");
		must(mprotect(area, (size_t)RANGES * PAGE, PROT_READ | PROT_WRITE),
		     "mprotect");
		samples[i] = (double)(bench_now() - start);
	}
	return least(samples);
}

enum setting { NO_DREG, BARE, NO_RANGES, MONITORED, SETTINGS };

static struct costs measure(enum setting setting)
{
	unsigned char *area;
	struct costs costs = { 0 };
	struct dreg dreg;
	uint64_t start;

	/* Else it depends on where the process has been, how far a TLB flush goes. */
	stay_on_one_processor();
	area = memory_pages(RANGES);
	if (setting == BARE)
		bench_hear_all();
	if (setting >= NO_RANGES && dreg_open(&dreg, 1u << 17))
		tap_bail("dreg_open");
	if (setting == MONITORED)
		monitor_all(&dreg, area);
	costs.forked = time_fork();
	costs.protected = time_mprotect(area);
	start = bench_now();
	must(munmap(area, (size_t)RANGES * PAGE), "munmap");
	costs.unmapped = (double)(bench_now() - start);
	start = bench_now();
	if (setting >= NO_RANGES)
		dreg_close(&dreg);
	costs.closed = (double)(bench_now() - start);
	return costs;
}

static struct costs measure_in_child(enum setting setting)
{
	struct costs costs;
	int ends[2], status;
	pid_t child;

	must(pipe(ends), "pipe");
	child = fork();
	if (child == 0) {
		costs = measure(setting);
		_exit(write(ends[1], &costs, sizeof(costs)) != sizeof(costs));
	}
	close(ends[1]);
	if (child < 0 || read(ends[0], &costs, sizeof(costs)) != sizeof(costs) ||
	    waitpid(child, &status, 0) != child || status)
		tap_bail("measure");
	close(ends[0]);
	return costs;
}

static void print(const char *what, const char *when, const struct costs *costs,
		  size_t offset, int rounds)
{
	double values[ROUNDS];
	char name[64];
	int i;

	for (i = 0; i < rounds; i++)
		values[i] = *(const double *)((const char *)&costs[i] + offset);
	snprintf(name, sizeof(name), "%s, %s", what, when);
	bench_print(name, "ns", values, (size_t)rounds);
}

int main(int argc, char **argv)
{
	static const char *const names[SETTINGS] = { "no dreg", "a bare notifier", "0 ranges",
						     "100000 ranges" };
	static struct costs costs[SETTINGS][ROUNDS];
	struct options options = { .rounds = ROUNDS };
	int rounds, round, i;

	options_parse(&options, argc, argv);
	rounds = options.rounds < ROUNDS ? (int)options.rounds : ROUNDS;
	for (round = 0; round < rounds; round++)
		for (i = 0; i < SETTINGS; i++)
			costs[i][round] = measure_in_child(i);
	for (i = 0; i < SETTINGS; i++) {
		print("fork", names[i], costs[i], offsetof(struct costs, forked), rounds);
		print("mprotect pair", names[i], costs[i], offsetof(struct costs, protected),
		      rounds);
		print("munmap of all", names[i], costs[i], offsetof(struct costs, unmapped),
		      rounds);
		if (i >= NO_RANGES)
			print("close", names[i], costs[i], offsetof(struct costs, closed),
			      rounds);
	}
	return 0;
}
