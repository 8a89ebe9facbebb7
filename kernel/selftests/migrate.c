// SPDX-License-Identifier: GPL-2.0
/*
 * Row 22: what the kernel does to memory on its own account.  A registered
 * page stays where it is whether or not the attempt fires; beside each row a
 * page that nothing holds shows that the attempt was real, and that a page
 * which does move fires.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "finish.h"
#include "scene.h"
#include "swap.h"
#include "threads.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

#define KSM_FOLDER "/sys/kernel/mm/ksm"

enum { PINNED = 1, LOOSE = 2, PAGES = 4 };

static struct scene scene;

/* A registered range and one that is monitored only, both in BYTE_OLD. */
struct pair {
	unsigned char *pinned;
	unsigned char *loose;
};

static struct pair watch_pair(const char *row)
{
	struct pair pair = { memory_pages(PAGES), memory_pages(PAGES) };

	scene_row(row);
	scene_watch(&scene, PINNED, pair.pinned, PAGES * PAGE);
	scene_monitor(&scene, LOOSE, pair.loose, PAGES * PAGE);
	return pair;
}

static void pinned_may_fire(void)
{
	expect_either(&scene, PINNED, "the registered range may fire");
	expect_fresh(&scene, PINNED, "and is fresh either way");
}

static void drop_pair(struct pair pair)
{
	scene_clear(&scene);
	munmap(pair.pinned, PAGES * PAGE);
	munmap(pair.loose, PAGES * PAGE);
}

static bool ksm_passes(int passes)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	long long start = read_number(KSM_FOLDER "/full_scans");
	int tries;

	for (tries = 0; tries < 6000; tries++) {
		if (read_number(KSM_FOLDER "/full_scans") >= start + passes)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static void merged(void)
{
	struct pair pair;

	if (write_text(KSM_FOLDER "/pages_to_scan", "5000") ||
	    write_text(KSM_FOLDER "/sleep_millisecs", "1")) {
		scene_row("row 22, KSM");
		lacks("may fire", "KSM");
		return;
	}
	pair = watch_pair("row 22, KSM merges equal pages");
	must(madvise(pair.pinned, PAGES * PAGE, MADV_MERGEABLE),
	     "MADV_MERGEABLE");
	must(madvise(pair.loose, PAGES * PAGE, MADV_MERGEABLE),
	     "MADV_MERGEABLE");
	must(write_text(KSM_FOLDER "/run", "1"), "start KSM");
	claim(ksm_passes(4), "KSM has passed four times");
	must(write_text(KSM_FOLDER "/run", "0"), "stop KSM");
	expect_fire(&scene, LOOSE, DREG_REASON_CLEAR,
		    "the range that nothing holds was merged and fires");
	pinned_may_fire();
	must(write_text(KSM_FOLDER "/run", "2"), "undo KSM");
	write_text(KSM_FOLDER "/run", "0");
	drop_pair(pair);
}

static void compacted(void)
{
	struct pair pair = watch_pair("row 22, compaction");

	must(write_text("/proc/sys/vm/compact_memory", "1"), "compact_memory");
	pinned_may_fire();
	expect_either(&scene, LOOSE, "the range that nothing holds may move");
	drop_pair(pair);
}

/* Migration of single pages, asked for by name. */
static void soft_offlined(void)
{
	struct pair pair = watch_pair("row 22, migration of the pages");
	int result = madvise(pair.loose, PAGE, MADV_SOFT_OFFLINE);

	if (result) {
		lacks("may fire", "MADV_SOFT_OFFLINE");
		drop_pair(pair);
		return;
	}
	expect_fire(&scene, LOOSE, DREG_REASON_CLEAR,
		    "the page that nothing holds has moved and fires");
	claim(memory_is(pair.loose, BYTE_OLD, PAGE),
	      "its bytes have moved with it");
	claim(madvise(pair.pinned, PAGE, MADV_SOFT_OFFLINE) != 0,
	      "the registered page cannot be moved");
	pinned_may_fire();
	drop_pair(pair);
}

static void moved(void)
{
	struct pair pair = watch_pair("row 22, move_pages");
	void *pages[PAGES];
	int nodes[PAGES], status[PAGES], i;
	int target = access("/sys/devices/system/node/node1", F_OK) ? 0 : 1;

	for (i = 0; i < PAGES; i++) {
		pages[i] = pair.pinned + i * PAGE;
		nodes[i] = target;
	}
	if (syscall(SYS_move_pages, 0, PAGES, pages, nodes, status, 2) < 0)
		tap_bail("move_pages");
	tap_diag("to node %d: status %d", target, status[0]);
	pinned_may_fire();
	drop_pair(pair);
}

static void swapped(void)
{
	struct pair pair;

	scene_row("row 22, swap-out");
	if (!swap_on()) {
		lacks("may fire", "a swap device (zram)");
		return;
	}
	/* Pages that another processor has in hand are not reclaimed: MADV_PAGEOUT drains but its own. */
	stay_on_one_processor();
	pair = watch_pair("row 22, swap-out");
	must(madvise(pair.pinned, PAGES * PAGE, MADV_PAGEOUT), "MADV_PAGEOUT");
	must(madvise(pair.loose, PAGES * PAGE, MADV_PAGEOUT), "MADV_PAGEOUT");
	expect_fire(&scene, LOOSE, DREG_REASON_CLEAR,
		    "the range that nothing holds was swapped out and fires");
	pinned_may_fire();
	claim(memory_is(pair.loose, BYTE_OLD, PAGES * PAGE),
	      "what was swapped out comes back");
	drop_pair(pair);
	swap_off();
}

int main(void)
{
	scene_open(&scene);
	merged();
	compacted();
	soft_offlined();
	moved();
	swapped();
	scene_close(&scene);
	return finish();
}
