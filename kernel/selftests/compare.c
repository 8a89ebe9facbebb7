// SPDX-License-Identifier: GPL-2.0
/*
 * What the monitor says, held against the page tables: after each of many random
 * operations (upheaval.c), and pairs of them that two threads do at once.
 *
 * Missed: a page that was there before is not there any more, or is another, and
 * a range on it that was monitored all the time has not fired.  Spurious: a range
 * has fired, none of its pages has changed, and it is not one that the operation
 * may fire all the same (memory without pages that is unmapped, an attempt that
 * fails, a huge page of which only a part is concerned).
 *
 * --rounds counts operations here; a pair is two.
 *
 * The page tables are read by way of /proc/self/pagemap: as root, for others see
 * no frame numbers there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "background.h"
#include "finish.h"
#include "libdreg.h"
#include "memory.h"
#include "options.h"
#include "tap.h"
#include "threads.h"
#include "upheaval.h"
#include "watchdog.h"

enum { DEFAULT_OPERATIONS = 20000, SLOTS = 64, RACE_ONE_IN = 4, CLEAR_ONE_IN = 150 };

struct range {
	uint32_t first;
	uint32_t last;
};

static struct upheaval arena;
static struct dreg dreg;
static struct range ranges[SLOTS];
static uint64_t seen;
static int pagemap;
static uint64_t before[UPHEAVAL_PAGES], after[UPHEAVAL_PAGES];
static struct dreg_event events[SLOTS];
static uint64_t event_round[SLOTS];
/* The last ones done: by the main thread, and if two raced, by the other. */
static struct upheaval_window windows[2];
static uint64_t seed, round_now, operations, firings, changed_ranges, missed, spurious, wrong_ring;

/* The frame of each page, 0 where there is none. */
static void look(uint64_t *frames)
{
	const off_t offset = (off_t)((uintptr_t)arena.base / PAGE * sizeof(*frames));
	const size_t bytes = UPHEAVAL_PAGES * sizeof(*frames);
	uint32_t page;

	if (pread(pagemap, frames, bytes, offset) != (ssize_t)bytes)
		tap_bail("/proc/self/pagemap");
	for (page = 0; page < UPHEAVAL_PAGES; page++)
		frames[page] = frames[page] >> 63 ? frames[page] & ((1ull << 55) - 1) : 0;
}

static void watch(uint32_t slot, struct random *random)
{
	struct range *range = &ranges[slot];
	uint32_t most = random_below(random, 8) ? 16 : UPHEAVAL_PAGES, room;

	range->first = random_below(random, UPHEAVAL_PAGES);
	room = UPHEAVAL_PAGES - range->first;
	range->last = range->first + 1 + random_below(random, room < most ? room : most);
	if (dreg_monitor(&dreg, slot, arena.base + (size_t)range->first * PAGE,
			 (size_t)(range->last - range->first) * PAGE))
		tap_bail("monitor");
}

static bool has_changed(const struct range *range)
{
	uint32_t page;

	for (page = range->first; page < range->last; page++)
		if (before[page] && before[page] != after[page])
			return true;
	return false;
}

static bool may_fire(const struct range *range, const struct upheaval_window *window)
{
	uint32_t block;
	int i;

	for (i = 0; window->may && i < 2; i++)
		if (range->first < window->last[i] && window->first[i] < range->last)
			return true;
	for (block = 0; block < UPHEAVAL_BLOCKS; block++)
		if (window->whole[block] && range->first < (block + 1) * UPHEAVAL_BLOCK_PAGES &&
		    block * UPHEAVAL_BLOCK_PAGES < range->last)
			return true;
	return false;
}

/* What the kernel told the monitor.  Reads the events of other slots away, too. */
static void show_event(uint32_t slot)
{
	const uint64_t base = (uintptr_t)arena.base;
	struct dreg_event event;

	while (read(dreg.fd, &event, sizeof(event)) == sizeof(event)) {
		events[event.slot] = event;
		event_round[event.slot] = round_now;
	}
	event = events[slot];
	if (event.start && event_round[slot] == round_now)
		tap_diag("  fired with reason %u, of pages %llu to %llu of the arena",
			 event.reason, (event.start - base) / PAGE, (event.end - base) / PAGE);
}

static void show_operations(int count)
{
	int i;

	for (i = 0; i < count; i++)
		tap_diag("  by %s of pages %u to %u, and %u to %u%s", upheaval_name(windows[i].kind),
			 windows[i].first[0], windows[i].last[0], windows[i].first[1],
			 windows[i].last[1], windows[i].done ? "" : ", which failed");
}

static void complain(const char *what, uint32_t slot, int count)
{
	if (missed + spurious >= 10)
		return;
	tap_diag("round %" PRIu64 ": %s: slot %u, pages %u to %u", round_now, what, slot,
		 ranges[slot].first, ranges[slot].last);
	show_operations(count);
	show_event(slot);
	if (missed + spurious == 0)
		background_show();
}

/* By @count operations, which were done at once. */
static void judge(int count)
{
	uint32_t slot;
	bool fired, allowed;
	int i;

	for (slot = 0; slot < SLOTS; slot++) {
		fired = dreg_fired(&dreg, slot);
		firings += fired;
		if (has_changed(&ranges[slot])) {
			changed_ranges++;
			if (fired)
				continue;
			complain("missed", slot, count);
			missed++;
		} else if (fired) {
			allowed = false;
			for (i = 0; i < count; i++)
				allowed |= may_fire(&ranges[slot], &windows[i]);
			if (allowed)
				continue;
			complain("spurious", slot, count);
			spurious++;
		}
	}
}

/* Gives back what has fired, and now and then what has not. */
static void watch_anew(struct random *random)
{
	uint32_t slot, named = 0, fired = 0;
	int reported;

	while (dreg_next(&dreg, &seen, &slot) == 1)
		named++;
	for (slot = 0; slot < SLOTS; slot++) {
		if (!dreg_fired(&dreg, slot) && random_below(random, 32))
			continue;
		reported = dreg_unmonitor(&dreg, slot);
		if (reported < 0 || reported != dreg_fired(&dreg, slot))
			wrong_ring++;
		fired += reported == 1;
		watch(slot, random);
	}
	if (named != fired && wrong_ring++ < 10) {
		tap_diag("round %" PRIu64 ": the ring names %u, UNMONITOR %u", round_now, named,
			 fired);
		background_show();
	}
}

struct other {
	struct random random;
	sem_t go;
	uint64_t asked;
	uint64_t begun;
	uint64_t done;
	bool stop;
};

static void *act_when_asked(void *argument)
{
	struct other *other = argument;
	uint64_t asked;

	for (;;) {
		/* Asleep, since in most rounds nobody asks. */
		while (sem_wait(&other->go))
			;
		if (__atomic_load_n(&other->stop, __ATOMIC_ACQUIRE))
			break;
		asked = __atomic_load_n(&other->asked, __ATOMIC_ACQUIRE);
		__atomic_store_n(&other->begun, asked, __ATOMIC_RELEASE);
		upheaval_act(&arena, &other->random, &windows[1]);
		__atomic_store_n(&other->done, asked, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void one_round(struct random *random, struct other *other)
{
	bool race = random_below(random, RACE_ONE_IN) == 0;

	look(before);
	if (race) {
		__atomic_add_fetch(&other->asked, 1, __ATOMIC_RELEASE);
		sem_post(&other->go);
		/* Both begin at once; on a single processor it has to be let in. */
		while (__atomic_load_n(&other->begun, __ATOMIC_ACQUIRE) != other->asked)
			sched_yield();
	}
	upheaval_act(&arena, random, &windows[0]);
	if (race) {
		while (__atomic_load_n(&other->done, __ATOMIC_ACQUIRE) != other->asked)
			nap();
		/* One may have brought the pages that the other has taken away again. */
		windows[0].may = windows[1].may = true;
		/* Or joined the mappings that the other has cut. */
		memcpy(windows[0].whole, windows[0].cut, sizeof(windows[0].whole));
		memcpy(windows[1].whole, windows[1].cut, sizeof(windows[1].whole));
		/* Either may have made huge pages under the other's hands. */
		if (arena.huge) {
			windows[0].first[0] = 0;
			windows[0].last[0] = UPHEAVAL_PAGES;
		}
	}
	look(after);
	operations += race ? 2 : 1;
	judge(race ? 2 : 1);
}

/* For the watchdog: what hangs has not failed yet. */
static void show_work(void)
{
	tap_diag("in round %" PRIu64 " of --seed %" PRIu64 ", the second only if two race:",
		 round_now, seed);
	show_operations(2);
}

static void report(const struct options *options)
{
	uint32_t kind;

	for (kind = 0; upheaval_name(kind); kind++)
		tap_diag("%s: %" PRIu64, upheaval_name(kind), arena.done[kind]);
	tap_diag("%" PRIu64 " operations in %" PRIu64 " rounds, %" PRIu64 " firings, %" PRIu64
		 " ranges whose pages changed", operations, round_now, firings, changed_ranges);
	tap_ok(changed_ranges > options->rounds / 10, "page tables: they really change");
	if (!tap_ok(missed == 0, "page tables: no change goes unnoticed"))
		tap_diag("%" PRIu64 " did", missed);
	if (!tap_ok(spurious == 0, "page tables: nothing fires that has no cause to"))
		tap_diag("%" PRIu64 " did", spurious);
	tap_ok(wrong_ring == 0, "page tables: flags, ring and UNMONITOR agree");
}

int main(int argc, char **argv)
{
	struct options options = { .rounds = DEFAULT_OPERATIONS };
	struct threads threads = { .count = 0 };
	struct other other = { .stop = false };
	struct random random;
	uint32_t slot;

	options_parse(&options, argc, argv);
	seed = options.seed;
	background_off();
	random = random_seed(options.seed);
	other.random = random_seed(options.seed + 1);
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0 || dreg_open(&dreg, SLOTS))
		tap_bail("/proc/self/pagemap, or dreg");
	must(fcntl(dreg.fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
	seen = dreg_user_delta(&dreg);
	upheaval_make(&arena);
	for (slot = 0; slot < SLOTS; slot++)
		watch(slot, &random);
	must(sem_init(&other.go, 0, 0), "sem_init");
	threads_add(&threads, act_when_asked, &other);
	watchdog_start(&operations, show_work);
	for (round_now = 0; operations < options.rounds; round_now++) {
		one_round(&random, &other);
		if (random_below(&random, CLEAR_ONE_IN) == 0)
			upheaval_clear(&arena, random_below(&random, 2));
		watch_anew(&random);
	}
	__atomic_store_n(&other.stop, true, __ATOMIC_RELEASE);
	sem_post(&other.go);
	threads_join(&threads);
	report(&options);
	upheaval_end(&arena);
	dreg_close(&dreg);
	return finish();
}
