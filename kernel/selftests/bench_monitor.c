// SPDX-License-Identifier: GPL-2.0
/*
 * MONITOR + UNMONITOR, beside an empty ioctl and beside the bare insertion and
 * removal of a notifier (bare/).  Rounds are interleaved: what disturbs one
 * disturbs all.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bare/bare.h"
#include "bench.h"
#include "device.h"
#include "memory.h"
#include "tap.h"

enum { ROUNDS = 15, PAIRS = 2000, BATCH = 64, SLOTS = 64 };

static int bare;
static int dreg;
static unsigned char *pages;

static void call(int fd, unsigned long command, void *argument)
{
	if (ioctl(fd, command, argument))
		tap_bail("ioctl 0x%lx", command);
}

static double empty_pairs(void)
{
	uint64_t start = bench_now();
	int i;

	for (i = 0; i < PAIRS; i++) {
		call(bare, DREG_BARE_EMPTY, NULL);
		call(bare, DREG_BARE_EMPTY, NULL);
	}
	return (double)(bench_now() - start) / PAIRS;
}

static double bare_pairs(void)
{
	struct dreg_bare_range range = {
		.addr = (uintptr_t)pages,
		.len = PAGE,
	};
	uint64_t start = bench_now();
	int i;

	for (i = 0; i < PAIRS; i++) {
		call(bare, DREG_BARE_INSERT, &range);
		call(bare, DREG_BARE_REMOVE, NULL);
	}
	return (double)(bench_now() - start) / PAIRS;
}

/* Nanoseconds for each range, in batches of @count. */
static double dreg_pairs(uint32_t count)
{
	struct dreg_range ranges[BATCH];
	struct dreg_batch batch = {
		.ranges = (uintptr_t)ranges,
		.count = count,
	};
	uint64_t start;
	uint32_t i;
	int done;

	for (i = 0; i < count; i++)
		ranges[i] = (struct dreg_range){
			.addr = (uintptr_t)pages + i * PAGE,
			.len = PAGE,
			.slot = i,
		};
	start = bench_now();
	for (done = 0; done < PAIRS; done += (int)count) {
		call(dreg, DREG_IOC_MONITOR, &batch);
		call(dreg, DREG_IOC_UNMONITOR, &batch);
	}
	return (double)(bench_now() - start) / done;
}

int main(void)
{
	double empty[ROUNDS], alone[ROUNDS], single[ROUNDS], batch[ROUNDS];
	int round;

	bare = open("/dev/dreg_bare", O_RDWR | O_CLOEXEC);
	if (bare < 0)
		tap_bail("/dev/dreg_bare: load kernel/selftests/bare");
	dreg = device_open();
	if (dreg < 0 || device_setup(dreg, SLOTS) < 0)
		tap_bail("/dev/dreg");
	pages = memory_pages(BATCH);
	for (round = 0; round < ROUNDS; round++) {
		empty[round] = empty_pairs();
		alone[round] = bare_pairs();
		single[round] = dreg_pairs(1);
		batch[round] = dreg_pairs(BATCH);
	}
	bench_print("empty ioctl pair", "ns", empty, ROUNDS);
	bench_print("bare insert + remove", "ns", alone, ROUNDS);
	bench_print("MONITOR + UNMONITOR", "ns", single, ROUNDS);
	bench_print("MONITOR + UNMONITOR, batch of 64", "ns", batch, ROUNDS);
	close(dreg);
	close(bare);
	return 0;
}
