// SPDX-License-Identifier: GPL-2.0
/*
 * Rows 16, 29 and 35 under stress.  Four pairs of threads fight over a page
 * each, in one context: the owner monitors and unmonitors it, the remover
 * unmaps and maps it.  A ninth thread reads the events meanwhile.
 *
 * The rule (M1): when munmap() has returned, and the slot was monitored all
 * the time from before the call, its flag is set.  And each firing is told
 * exactly once (M3, M5): by UNMONITOR, in the ring, in user_delta.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "finish.h"
#include "libdreg.h"
#include "memory.h"
#include "options.h"
#include "tap.h"
#include "threads.h"

enum { DEFAULT_PAIRS = 4, DEFAULT_ROUNDS = 60000, MEET_ONE_IN = 64 };

struct pair {
	uint32_t slot;
	unsigned char *page;
	uint64_t rounds;
	struct random owner_random;
	struct random remover_random;

	/* Odd: monitored, from when MONITOR has returned on. */
	uint64_t epoch;
	/* The last epoch in the course of which all of a munmap happened. */
	uint64_t removed_in;
	bool done;

	/* The owner's. */
	uint64_t meetings;
	uint64_t fired;
	uint64_t unreported;
	uint64_t failed_calls;
	/* The remover's. */
	uint64_t munmaps;
	uint64_t removals;
	uint64_t late;
	/* The reader's, and the final count of the ring. */
	uint64_t events;
	uint64_t ring_entries;
};

static struct dreg dreg;
static struct pair pairs[THREADS_MAX / 2];
static unsigned int pair_count;
static bool stop_reading;
static uint64_t bad_events;

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/*
 * Now and then until the remover has been there twice, so that all of its
 * second munmap lies in the monitored time, however the threads are scheduled.
 */
static void wait_for_remover(struct pair *pair)
{
	uint64_t munmaps = load(&pair->munmaps);

	dawdle(&pair->owner_random);
	if (random_below(&pair->owner_random, MEET_ONE_IN))
		return;
	pair->meetings++;
	while (load(&pair->munmaps) < munmaps + 2)
		nap();
}

static void own_once(struct pair *pair)
{
	uint64_t epoch = load(&pair->epoch) + 1;
	int fired;

	if (dreg_monitor(&dreg, pair->slot, pair->page, PAGE)) {
		pair->failed_calls++;
		return;
	}
	store(&pair->epoch, epoch);
	wait_for_remover(pair);
	store(&pair->epoch, epoch + 1);
	fired = dreg_unmonitor(&dreg, pair->slot);
	if (fired < 0)
		pair->failed_calls++;
	if (fired == 1)
		pair->fired++;
	if (load(&pair->removed_in) == epoch && fired != 1)
		pair->unreported++;
}

static void *own(void *argument)
{
	struct pair *pair = argument;
	uint64_t round;

	for (round = 0; round < pair->rounds; round++) {
		own_once(pair);
		dawdle(&pair->owner_random);
	}
	__atomic_store_n(&pair->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *take_away(void *argument)
{
	struct pair *pair = argument;

	while (!__atomic_load_n(&pair->done, __ATOMIC_SEQ_CST)) {
		uint64_t epoch = load(&pair->epoch);
		int fired;

		must(munmap(pair->page, PAGE), "munmap");
		fired = dreg_fired(&dreg, pair->slot);
		store(&pair->munmaps, pair->munmaps + 1);
		if (epoch % 2 && load(&pair->epoch) == epoch) {
			pair->removals++;
			store(&pair->removed_in, epoch);
			if (!fired)
				pair->late++;
		}
		memory_map_at(pair->page, PAGE);
		pair->page[0] = 1;
		dawdle(&pair->remover_random);
	}
	return NULL;
}

/* Reads while slots are given back, so events vanish under its hands. */
static void *read_events(void *argument)
{
	struct pollfd state = { .fd = dreg.fd, .events = POLLIN };
	struct dreg_event events[8];
	ssize_t got, i;

	(void)argument;
	while (!__atomic_load_n(&stop_reading, __ATOMIC_SEQ_CST)) {
		if (poll(&state, 1, 1) < 0)
			tap_bail("poll");
		got = read(dreg.fd, events, sizeof(events));
		if (got < 0 && errno != EAGAIN)
			tap_bail("read");
		for (i = 0; i < got / (ssize_t)sizeof(events[0]); i++) {
			if (events[i].slot >= pair_count ||
			    events[i].reason != DREG_REASON_UNMAP)
				bad_events++;
			else
				pairs[events[i].slot].events++;
		}
	}
	return NULL;
}

static void count_ring(uint64_t from)
{
	uint32_t slot;

	/* As many places as rounds: nothing is overwritten. */
	while (dreg_next(&dreg, &from, &slot) == 1)
		if (slot < pair_count)
			pairs[slot].ring_entries++;
}

static uint32_t ring_for(uint64_t rounds)
{
	uint32_t slots = 1;

	while (slots < rounds && slots < DREG_SLOTS_MAX)
		slots *= 2;
	return slots;
}

static void prepare(const struct options *options)
{
	unsigned int i;
	int error;

	pair_count = options->threads / 2;
	if (pair_count < 1 || pair_count > THREADS_MAX / 2 - 1)
		tap_bail("%u threads", options->threads);
	error = dreg_open(&dreg, ring_for(options->rounds));
	if (error)
		tap_bail("dreg_open: %d", error);
	must(fcntl(dreg.fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
	for (i = 0; i < pair_count; i++) {
		pairs[i].slot = i;
		pairs[i].page = memory_pages(1);
		pairs[i].rounds = options->rounds / pair_count;
		pairs[i].owner_random = random_seed(options->seed + i);
		pairs[i].remover_random =
			random_seed(options->seed + THREADS_MAX + i);
	}
}

static void fight(void)
{
	struct threads fighters = { .count = 0 }, readers = { .count = 0 };
	unsigned int i;

	threads_add(&readers, read_events, NULL);
	for (i = 0; i < pair_count; i++) {
		threads_add(&fighters, own, &pairs[i]);
		threads_add(&fighters, take_away, &pairs[i]);
	}
	threads_join(&fighters);
	__atomic_store_n(&stop_reading, true, __ATOMIC_SEQ_CST);
	threads_join(&readers);
}

static void judge(uint64_t delta)
{
	struct pair sum = { 0 };
	uint64_t wrong_ring = 0, wrong_events = 0;
	unsigned int i;

	for (i = 0; i < pair_count; i++) {
		sum.meetings += pairs[i].meetings;
		sum.fired += pairs[i].fired;
		sum.unreported += pairs[i].unreported;
		sum.failed_calls += pairs[i].failed_calls;
		sum.removals += pairs[i].removals;
		sum.late += pairs[i].late;
		sum.events += pairs[i].events;
		wrong_ring += pairs[i].ring_entries != pairs[i].fired;
		wrong_events += pairs[i].events > pairs[i].fired;
	}
	tap_diag("%" PRIu64 " meetings, %" PRIu64 " firings, %" PRIu64 " munmaps inside a monitored time, %" PRIu64 " events read",
		 sum.meetings, sum.fired, sum.removals, sum.events);
	/* Else the claims below would prove nothing. */
	tap_ok(sum.meetings > 0 && sum.removals >= sum.meetings &&
	       sum.fired >= sum.meetings,
	       "rows 16, 29: munmap and MONITOR really met");
	if (!tap_ok(sum.late == 0,
		    "rows 16, 29: when munmap has returned, the flag is set"))
		tap_diag("%" PRIu64 " times it was not", sum.late);
	if (!tap_ok(sum.unreported == 0,
		    "row 35: UNMONITOR reports every munmap that came before it"))
		tap_diag("%" PRIu64 " it did not", sum.unreported);
	tap_ok(sum.failed_calls == 0,
	       "row 29: no MONITOR or UNMONITOR fails under fire");
	if (!tap_ok(delta == sum.fired,
		    "row 35: user_delta counts what UNMONITOR reports"))
		tap_diag("user_delta moved by %" PRIu64, delta);
	tap_ok(wrong_ring == 0, "row 35: the ring names each firing once");
	tap_ok(wrong_events == 0 && bad_events == 0,
	       "row 29: read gives no event twice, and none that is wrong");
}

int main(int argc, char **argv)
{
	struct options options = {
		.rounds = DEFAULT_ROUNDS,
		.threads = 2 * DEFAULT_PAIRS,
	};
	uint64_t start;

	options_parse(&options, argc, argv);
	prepare(&options);
	start = dreg_user_delta(&dreg);
	fight();
	count_ring(start);
	judge(dreg_user_delta(&dreg) - start);
	dreg_close(&dreg);
	return finish();
}
