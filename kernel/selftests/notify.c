// SPDX-License-Identifier: GPL-2.0
/*
 * How a firing is told: ring, flags and user_delta in the shared area; read and
 * poll for a program that sleeps; several contexts and overlapping ranges.
 * The single-threaded half of row 31 is here too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "background.h"
#include "device.h"
#include "finish.h"
#include "libdreg.h"
#include "memory.h"
#include "tap.h"

static void opened(struct dreg *dreg, uint32_t slots)
{
	int error = dreg_open(dreg, slots);

	if (error)
		tap_bail("dreg_open: %d", error);
}

static void watched(struct dreg *dreg, uint32_t slot, void *addr, size_t len)
{
	int error = dreg_monitor(dreg, slot, addr, len);

	if (error)
		tap_bail("monitor slot %u: %d", slot, error);
}

static void discard(void *addr, size_t len)
{
	must(madvise(addr, len, MADV_DONTNEED), "MADV_DONTNEED");
}

static bool has_input(struct dreg *dreg)
{
	struct pollfd state = { .fd = dreg->fd, .events = POLLIN };

	return poll(&state, 1, 0) == 1 && state.revents == POLLIN;
}

static void fires_once(void)
{
	unsigned char *page = memory_pages(1);
	struct dreg dreg;
	uint64_t start;

	opened(&dreg, 4);
	start = dreg_user_delta(&dreg);
	watched(&dreg, 3, page, PAGE);
	discard(page, PAGE);
	discard(page, PAGE);
	must(munmap(page, PAGE), "munmap");
	tap_ok(dreg_user_delta(&dreg) == start + 1,
	       "M3: three changes of one range fire it once");
	tap_ok(dreg_unmonitor(&dreg, 3) == 1 && dreg_fired(&dreg, 3),
	       "UNMONITOR says so, and leaves the flag as it was");
	memory_map_at(page, PAGE);
	watched(&dreg, 3, page, PAGE);
	tap_ok(!dreg_fired(&dreg, 3), "MONITOR of the slot takes the flag back");
	must(munmap(page, PAGE), "munmap");
	tap_ok(dreg_fired(&dreg, 3) && dreg_user_delta(&dreg) == start + 2,
	       "M3: monitored again, it fires again");
	dreg_unmonitor(&dreg, 3);
	memory_map_at(page, PAGE);
	munmap(page, PAGE);
	tap_ok(dreg_user_delta(&dreg) == start + 2,
	       "M5: after UNMONITOR its range never fires it");
	dreg_close(&dreg);
}

static void events_in_order(void)
{
	static const uint32_t order[] = { 5, 2, 7, 0 };
	unsigned char *pages = memory_pages(8);
	struct dreg_event events[8];
	struct dreg dreg;
	bool right = true;
	uint32_t i;

	opened(&dreg, 8);
	must(fcntl(dreg.fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
	for (i = 0; i < 8; i++)
		watched(&dreg, i, pages + i * PAGE, PAGE);
	tap_ok(read(dreg.fd, events, sizeof(events)) < 0 && errno == EAGAIN,
	       "read with nothing to tell: EAGAIN");
	tap_ok(!has_input(&dreg), "and poll has no input");
	for (i = 0; i < 4; i++)
		discard(pages + order[i] * PAGE, PAGE);
	tap_ok(has_input(&dreg), "poll has input once a slot has fired");
	tap_ok(read(dreg.fd, events, sizeof(*events) * 2 - 1) ==
	       sizeof(*events), "read gives whole events only");
	tap_ok(read(dreg.fd, events + 1, sizeof(*events) * 7) ==
	       3 * sizeof(*events), "read gives as many as there are");
	for (i = 0; i < 4; i++)
		right = right && events[i].slot == order[i] &&
			events[i].reason == DREG_REASON_CLEAR &&
			events[i].start ==
				(uintptr_t)(pages + order[i] * PAGE) &&
			events[i].end == events[i].start + PAGE;
	tap_ok(right, "the events are those, in the order of the firings");
	tap_ok(!has_input(&dreg) &&
	       read(dreg.fd, events, sizeof(events)) < 0 && errno == EAGAIN,
	       "each once");
	discard(pages + PAGE, PAGE);
	tap_ok(dreg_unmonitor(&dreg, 1) == 1 && !has_input(&dreg),
	       "UNMONITOR takes back the event that was not read");
	dreg_close(&dreg);
	munmap(pages, 8 * PAGE);
}

struct sleeper {
	struct dreg *dreg;
	struct dreg_event event;
	ssize_t got;
	int error;
	bool polls;
};

static void *sleep_for_event(void *argument)
{
	struct sleeper *sleeper = argument;
	struct pollfd state = { .fd = sleeper->dreg->fd, .events = POLLIN };

	if (sleeper->polls && poll(&state, 1, -1) != 1)
		return NULL;
	sleeper->got = read(sleeper->dreg->fd, &sleeper->event,
			    sizeof(sleeper->event));
	sleeper->error = errno;
	return NULL;
}

static void wakes(bool polls)
{
	unsigned char *page = memory_pages(1);
	struct sleeper sleeper = { .polls = polls };
	struct dreg dreg;
	pthread_t thread;

	opened(&dreg, 2);
	watched(&dreg, 1, page, PAGE);
	sleeper.dreg = &dreg;
	must(pthread_create(&thread, NULL, sleep_for_event, &sleeper),
	     "pthread_create");
	usleep(50000);
	discard(page, PAGE);
	must(pthread_join(thread, NULL), "pthread_join");
	tap_ok(sleeper.got == sizeof(sleeper.event) && sleeper.event.slot == 1,
	       "a thread that sleeps in %s wakes when a slot fires",
	       polls ? "poll" : "read");
	dreg_close(&dreg);
	munmap(page, PAGE);
}

static void do_nothing(int signal_number)
{
	(void)signal_number;
}

static void interrupted(void)
{
	struct sigaction action = { .sa_handler = do_nothing };
	struct sleeper sleeper = { 0 };
	struct dreg dreg;
	pthread_t thread;
	int i;

	must(sigaction(SIGUSR1, &action, NULL), "sigaction");
	opened(&dreg, 2);
	sleeper.dreg = &dreg;
	must(pthread_create(&thread, NULL, sleep_for_event, &sleeper),
	     "pthread_create");
	/* Again and again: the first may come before the thread is in read. */
	for (i = 0; i < 100; i++) {
		usleep(10000);
		if (pthread_kill(thread, SIGUSR1) ||
		    pthread_tryjoin_np(thread, NULL) == 0)
			break;
	}
	tap_ok(i < 100 && sleeper.got < 0 && sleeper.error == EINTR,
	       "a signal ends a read that sleeps: EINTR");
	dreg_close(&dreg);
}

static void two_contexts(void)
{
	unsigned char *pages = memory_pages(4);
	struct dreg left, right;

	opened(&left, 4);
	opened(&right, 4);
	watched(&left, 1, pages, 2 * PAGE);
	watched(&right, 2, pages + PAGE, 2 * PAGE);
	discard(pages, PAGE);
	tap_ok(dreg_fired(&left, 1) && !dreg_fired(&right, 2),
	       "two contexts of one process: only the one concerned fires");
	discard(pages + PAGE, PAGE);
	tap_ok(dreg_fired(&right, 2), "then the other one");
	dreg_close(&left);
	dreg_unmonitor(&right, 2);
	watched(&right, 2, pages, 4 * PAGE);
	munmap(pages + 3 * PAGE, PAGE);
	tap_ok(dreg_fired(&right, 2),
	       "one is closed: the other goes on working");
	dreg_close(&right);
	munmap(pages, 4 * PAGE);
}

static void equal_ranges(void)
{
	unsigned char *pages = memory_pages(4);
	struct dreg dreg;

	opened(&dreg, 4);
	watched(&dreg, 0, pages, 4 * PAGE);
	watched(&dreg, 1, pages, 4 * PAGE);
	watched(&dreg, 2, pages + PAGE, PAGE);
	tap_ok(dreg_unmonitor(&dreg, 0) == 0, "one of two equal ranges goes");
	discard(pages + PAGE, PAGE);
	tap_ok(dreg_fired(&dreg, 1) && dreg_fired(&dreg, 2) &&
	       !dreg_fired(&dreg, 0),
	       "the other and a nested one still fire");
	dreg_close(&dreg);
	munmap(pages, 4 * PAGE);
}

static void area_outlives_mapping(void)
{
	unsigned char *page = memory_pages(1);
	struct dreg dreg;
	const struct dreg_shared *again;
	uint64_t start;

	opened(&dreg, 4);
	start = dreg_user_delta(&dreg);
	watched(&dreg, 1, page, PAGE);
	again = mmap(NULL, dreg.shared_bytes, PROT_READ, MAP_SHARED, dreg.fd,
		     0);
	if (again == MAP_FAILED)
		tap_bail("map the shared area twice");
	munmap((void *)dreg.shared, dreg.shared_bytes);
	munmap(page, PAGE);
	tap_ok(again->user_delta == start + 1 &&
	       ((const uint8_t *)again)[again->flag_offset + 1] == 1,
	       "the area can be mapped twice, and unmapped while slots fire");
	munmap((void *)again, dreg.shared_bytes);
	close(dreg.fd);
}

static void area_outlives_descriptor(void)
{
	unsigned char *page = memory_pages(1);
	struct dreg dreg;

	opened(&dreg, 4);
	watched(&dreg, 1, page, PAGE);
	must(close(dreg.fd), "close");
	tap_ok(!dreg_fired(&dreg, 1),
	       "row 26: close of the descriptor fires nothing");
	munmap(page, PAGE);
	tap_ok(dreg_fired(&dreg, 1),
	       "row 26: the area that is still mapped goes on telling");
	munmap((void *)dreg.shared, dreg.shared_bytes);
}

/* Every slot of @dreg on the same page, by batches. */
static bool watch_all(struct dreg *dreg, struct dreg_range *ranges, void *page)
{
	uint32_t slot;

	for (slot = 0; slot < dreg->slots; slot++)
		ranges[slot] = (struct dreg_range){
			.addr = (uintptr_t)page, .len = PAGE, .slot = slot };
	return dreg_monitor_batch(dreg, ranges, dreg->slots, NULL) == 0;
}

/* Takes in @dreg->slots entries of the ring: true if each slot came once. */
static bool each_once(struct dreg *dreg, uint64_t *seen, unsigned char *counts)
{
	uint32_t slot, taken = 0;
	bool right = true;

	memset(counts, 0, dreg->slots);
	while (dreg_next(dreg, seen, &slot) == 1) {
		right = right && slot < dreg->slots && !counts[slot];
		if (slot < dreg->slots)
			counts[slot] = 1;
		taken++;
	}
	for (slot = 0; slot < dreg->slots; slot++)
		right = right && dreg_fired(dreg, slot);
	return right && taken == dreg->slots;
}

static void all_at_once(uint32_t slots, int times)
{
	struct dreg_range *ranges = calloc(slots, sizeof(*ranges));
	unsigned char *counts = calloc(slots, 1);
	unsigned char *page = memory_pages(1);
	uint32_t slot, reported = 0;
	struct dreg dreg;
	uint64_t seen;

	if (!ranges || !counts)
		tap_bail("calloc");
	opened(&dreg, slots);
	seen = dreg_user_delta(&dreg);
	while (times--) {
		tap_ok(watch_all(&dreg, ranges, page),
		       "row 31: all of %u slots monitored", slots);
		discard(page, PAGE);
		tap_ok(each_once(&dreg, &seen, counts),
		       "row 31: all fire at once, the ring names each once");
		reported = 0;
		tap_ok(dreg_unmonitor_batch(&dreg, ranges, slots, NULL) == 0,
		       "row 31: all unmonitored");
		for (slot = 0; slot < slots; slot++)
			reported += ranges[slot].flags == DREG_FIRED;
		tap_ok(reported == slots, "row 31: each is reported as fired");
	}
	dreg_close(&dreg);
	munmap(page, PAGE);
	free(counts);
	free(ranges);
}

/* A reader who monitors again without looking at the ring must notice it. */
static void overrun(void)
{
	unsigned char *page = memory_pages(1);
	struct dreg dreg;
	uint64_t seen;
	uint32_t slot;
	int i;

	opened(&dreg, 2);
	seen = dreg_user_delta(&dreg);
	for (i = 0; i < 5; i++) {
		watched(&dreg, 1, page, PAGE);
		discard(page, PAGE);
		dreg_unmonitor(&dreg, 1);
	}
	tap_ok(dreg_next(&dreg, &seen, &slot) == -EOVERFLOW &&
	       dreg_next(&dreg, &seen, &slot) == 0,
	       "row 31: who monitors again before looking is told so, once");
	dreg_close(&dreg);
	munmap(page, PAGE);
}

int main(void)
{
	background_off();
	fires_once();
	events_in_order();
	wakes(false);
	wakes(true);
	interrupted();
	two_contexts();
	equal_ranges();
	area_outlives_mapping();
	area_outlives_descriptor();
	all_at_once(1, 2);
	all_at_once(4096, 3);
	all_at_once(DREG_SLOTS_MAX, 1);
	overrun();
	return finish();
}
