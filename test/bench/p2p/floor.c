/* SPDX-License-Identifier: MIT */
/*
 * The least that a message between two processes of this machine can cost now: a counter in shared
 * memory that two pinned processes raise in turn. Prints the median, in nanoseconds, of half a round
 * trip over short runs. The cores of a virtual machine move: near each other now, far apart then.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define RUNS 51
#define TURNS 2000
#define LINE 128

struct table {
	_Alignas(LINE) atomic_uint served;
	_Alignas(LINE) atomic_uint returned;
};

/* Pins this process to the nth CPU that it may use; to none where there are fewer. */
static void pin(const cpu_set_t *allowed, int nth)
{
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, allowed) || nth-- > 0)
			continue;
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

static void answer(struct table *table)
{
	for (unsigned turn = 1; turn <= RUNS * TURNS; turn++) {
		while (atomic_load_explicit(&table->served, memory_order_acquire) != turn)
			;
		atomic_store_explicit(&table->returned, turn, memory_order_release);
	}
	_exit(0);
}

static int ascending(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

int main(void)
{
	double runs[RUNS];
	cpu_set_t allowed;
	unsigned turn = 0;
	struct table *table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (table == MAP_FAILED || sched_getaffinity(0, sizeof(allowed), &allowed))
		return 1;
	switch (fork()) {
	case -1:
		return 1;
	case 0:
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(&allowed, 1);
		answer(table);
	}
	pin(&allowed, 0);
	for (int run = 0; run < RUNS; run++) {
		struct timespec from, to;

		clock_gettime(CLOCK_MONOTONIC, &from);
		for (int i = 0; i < TURNS; i++) {
			atomic_store_explicit(&table->served, ++turn, memory_order_release);
			while (atomic_load_explicit(&table->returned, memory_order_acquire) != turn)
				;
		}
		clock_gettime(CLOCK_MONOTONIC, &to);
		runs[run] = ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) /
			    TURNS / 2;
	}
	qsort(runs, RUNS, sizeof(runs[0]), ascending);
	printf("%.1f\n", runs[RUNS / 2]);
	return 0;
}
