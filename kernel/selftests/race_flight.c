// SPDX-License-Identifier: GPL-2.0
/*
 * Row 30, the other half: MONITOR while an invalidation is in flight, one that
 * began before the range was monitored and so will never fire it.  MONITOR has
 * to wait for its end (M1): what is registered after MONITOR has returned must
 * not be a page that this invalidation is still to take away.
 *
 * One thread discards a large area, which takes long; the other monitors the
 * area's last page again and again, each time in a slot of its own, and notes
 * what the page holds before and after each MONITOR.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "finish.h"
#include "libdreg.h"
#include "memory.h"
#include "options.h"
#include "tap.h"
#include "threads.h"

enum { DEFAULT_ROUNDS = 12, SLOTS = 1024, AREA_PAGES = 24 * 1024 };

static const uint64_t OLD = 0x0a0a0a0a0a0a0a0aull;

static struct dreg dreg;
static unsigned char *area;
static uint64_t *last_page;
static uint64_t before[SLOTS], after[SLOTS];
static bool started, ended;

static uint64_t waited;
static uint64_t stale;

static bool is_set(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static void set(bool *flag, bool value)
{
	__atomic_store_n(flag, value, __ATOMIC_SEQ_CST);
}

static void *discard(void *argument)
{
	(void)argument;
	set(&started, true);
	must(madvise(area, (size_t)AREA_PAGES * PAGE, MADV_DONTNEED),
	     "MADV_DONTNEED");
	set(&ended, true);
	return NULL;
}

/* From the page tables, as a registration does; never through the TLB. */
static uint64_t page_content(void)
{
	uint64_t value;
	struct iovec to = { &value, sizeof(value) };
	struct iovec from = { last_page, sizeof(value) };

	if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != sizeof(value))
		tap_bail("process_vm_readv");
	return value;
}

/* Monitors until the discarding is over: how many slots that took. */
static uint32_t monitor_meanwhile(void)
{
	uint32_t slot;

	while (!is_set(&started))
		nap();
	for (slot = 0; slot < SLOTS && !is_set(&ended); slot++) {
		before[slot] = page_content();
		if (dreg_monitor(&dreg, slot, last_page, PAGE))
			tap_bail("monitor slot %u", slot);
		after[slot] = page_content();
	}
	return slot;
}

static void judge_round(uint32_t used)
{
	uint32_t slot;
	int fired;

	for (slot = 0; slot < used; slot++) {
		fired = dreg_unmonitor(&dreg, slot);
		if (fired < 0)
			tap_bail("unmonitor slot %u", slot);
		/* One that has not fired came too late to be called. */
		if (fired)
			continue;
		stale += after[slot] == OLD;
		waited += before[slot] == OLD && after[slot] != OLD;
	}
}

static void one_round(void)
{
	struct threads threads = { .count = 0 };
	uint32_t used, page;

	for (page = 0; page < AREA_PAGES; page++)
		*(uint64_t *)(area + (size_t)page * PAGE) = OLD;
	set(&started, false);
	set(&ended, false);
	threads_add(&threads, discard, NULL);
	used = monitor_meanwhile();
	threads_join(&threads);
	judge_round(used);
}

int main(int argc, char **argv)
{
	struct options options = { .rounds = DEFAULT_ROUNDS };
	unsigned char *other;
	uint64_t round;

	options_parse(&options, argc, argv);
	if (dreg_open(&dreg, 2 * SLOTS))
		tap_bail("dreg_open");
	/* So that the kernel keeps account of invalidations from now on. */
	other = memory_pages(1);
	if (dreg_monitor(&dreg, SLOTS, other, PAGE))
		tap_bail("monitor");
	area = memory_hole((size_t)AREA_PAGES * PAGE, PAGE);
	memory_map_at(area, (size_t)AREA_PAGES * PAGE);
	must(madvise(area, (size_t)AREA_PAGES * PAGE, MADV_NOHUGEPAGE),
	     "MADV_NOHUGEPAGE");
	last_page = (uint64_t *)(area + (size_t)(AREA_PAGES - 1) * PAGE);
	for (round = 0; round < options.rounds; round++)
		one_round();
	tap_diag("%" PRIu64 " MONITORs in %" PRIu64 " rounds", waited,
		 options.rounds);
	tap_ok(waited > 0,
	       "row 30: MONITOR that meets an invalidation in flight waits for its end");
	if (!tap_ok(stale == 0,
		    "row 30: after MONITOR no page is there that goes without firing"))
		tap_diag("%" PRIu64 " times the old page was still there, and nothing fired",
			 stale);
	dreg_close(&dreg);
	return finish();
}
