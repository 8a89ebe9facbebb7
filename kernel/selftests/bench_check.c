// SPDX-License-Identifier: GPL-2.0
/*
 * The check before an operation, beside one load of ordinary memory and an
 * empty loop; and the reaping of a firing.  That neither needs a system call is
 * what the test "quiet" shows.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>

#include "bench.h"
#include "libdreg.h"
#include "memory.h"
#include "tap.h"

enum { ROUNDS = 15, LOOPS = 200000, SLOTS = 4096 };

static struct dreg dreg;
static uint64_t ordinary;

static double empty_loop(void)
{
	uint64_t start = bench_now();
	int i;

	for (i = 0; i < LOOPS; i++)
		__asm__ volatile("");
	return (double)(bench_now() - start) / LOOPS;
}

static double plain_load(void)
{
	uint64_t start = bench_now(), sum = 0;
	int i;

	for (i = 0; i < LOOPS; i++)
		sum += __atomic_load_n(&ordinary, __ATOMIC_ACQUIRE) != 1;
	__asm__ volatile("" : : "r"(sum));
	return (double)(bench_now() - start) / LOOPS;
}

static double check(void)
{
	uint64_t seen = dreg_user_delta(&dreg), sum = 0;
	uint64_t start = bench_now();
	int i;

	for (i = 0; i < LOOPS; i++)
		sum += (uint64_t)dreg_changed(&dreg, seen);
	__asm__ volatile("" : : "r"(sum));
	return (double)(bench_now() - start) / LOOPS;
}

/* All slots fire by one call; the time to take each out of the ring. */
static double reap(unsigned char *page)
{
	uint64_t seen = dreg_user_delta(&dreg), start;
	uint32_t slot, taken = 0;

	for (slot = 0; slot < SLOTS; slot++)
		if (dreg_monitor(&dreg, slot, page, PAGE))
			tap_bail("monitor");
	must(madvise(page, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	start = bench_now();
	while (dreg_next(&dreg, &seen, &slot) == 1)
		taken += (uint32_t)dreg_fired(&dreg, slot);
	start = bench_now() - start;
	if (taken != SLOTS)
		tap_bail("%u slots reaped", taken);
	for (slot = 0; slot < SLOTS; slot++)
		dreg_unmonitor(&dreg, slot);
	return (double)start / SLOTS;
}

int main(void)
{
	double empty[ROUNDS], load[ROUNDS], checks[ROUNDS], reaps[ROUNDS];
	unsigned char *page = memory_pages(1);
	int round;

	if (dreg_open(&dreg, SLOTS))
		tap_bail("dreg_open");
	for (round = 0; round < ROUNDS; round++) {
		empty[round] = empty_loop();
		load[round] = plain_load();
		checks[round] = check();
		reaps[round] = reap(page);
	}
	bench_print("empty loop", "ns", empty, ROUNDS);
	bench_print("load of ordinary memory", "ns", load, ROUNDS);
	bench_print("check", "ns", checks, ROUNDS);
	bench_print("reaping, a slot", "ns", reaps, ROUNDS);
	dreg_close(&dreg);
	return 0;
}
