// SPDX-License-Identifier: GPL-2.0
/*
 * Row 31 under stress: the ring turns many times, slots are reused at once.
 *
 * Eight producers fire their own slots as fast as they may; one consumer reaps
 * the ring, gives each slot back and monitors it again at once; one thread
 * reads the events.  The ring has just as many places as there are slots.
 *
 * The rules: when the call that changed the memory has returned, flag and
 * user_delta say so (M1, M2); every firing comes out of the ring once (M3, M4).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "finish.h"
#include "libdreg.h"
#include "memory.h"
#include "options.h"
#include "tap.h"
#include "threads.h"

enum {
	DEFAULT_THREADS = 8,
	DEFAULT_ROUNDS = 8000,
	SLOTS_EACH = 8,
	SLOTS_MAX = THREADS_MAX * SLOTS_EACH,
	PATIENCE_SECONDS = 120,
};

enum { ARMED, FIRED };

struct slot {
	unsigned char *page;
	uint32_t state;
	uint64_t firings;	/* the producer's */
	uint64_t taken;		/* the consumer's */
	uint64_t events;	/* the reader's */
};

struct producer {
	uint32_t first;
	uint64_t rounds;
	struct random random;
	uint64_t late_flags;
	uint64_t late_deltas;
};

static struct dreg dreg;
static struct slot slots[SLOTS_MAX];
static struct producer producers[THREADS_MAX];
static unsigned int producer_count;
static uint32_t running;
static bool stuck;
static bool stop_reading;

static struct {
	uint64_t unarmed;	/* came out of the ring without having fired */
	uint64_t not_flagged;
	uint64_t not_reported;
	uint64_t failed_calls;
	uint64_t overruns;
} consumer;

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static bool is_set(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

/* A slot of this producer that is monitored and has not fired. */
static struct slot *pick(struct producer *producer)
{
	time_t start = now();

	for (;;) {
		uint32_t turn = random_below(&producer->random, SLOTS_EACH), i;

		for (i = 0; i < SLOTS_EACH; i++) {
			uint32_t index = producer->first +
					 (turn + i) % SLOTS_EACH;

			if (__atomic_load_n(&slots[index].state,
					    __ATOMIC_ACQUIRE) == ARMED)
				return &slots[index];
		}
		nap();
		if (is_set(&stuck))
			return NULL;
		if (now() > start + PATIENCE_SECONDS) {
			__atomic_store_n(&stuck, true, __ATOMIC_SEQ_CST);
			return NULL;
		}
	}
}

static void change(struct producer *producer, unsigned char *page)
{
	switch (random_below(&producer->random, 3)) {
	case 0:
		must(madvise(page, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
		break;
	case 1:
		must(munmap(page, PAGE), "munmap");
		break;
	default:
		if (mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_FIXED, -1, 0) != page)
			tap_bail("mmap(MAP_FIXED)");
	}
}

/* The hole that munmap left is closed, and the page is there again. */
static void restore(unsigned char *page)
{
	if (mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != page &&
	    errno != EEXIST)
		tap_bail("map again");
}

static void fire_once(struct producer *producer, struct slot *slot)
{
	uint32_t index = (uint32_t)(slot - slots);
	uint64_t before = dreg_user_delta(&dreg);
	bool taken;

	slot->page[0] = 1;
	slot->firings++;
	__atomic_store_n(&slot->state, FIRED, __ATOMIC_SEQ_CST);
	change(producer, slot->page);
	/* The consumer may have been faster, and armed the slot again. */
	if (!dreg_fired(&dreg, index)) {
		taken = __atomic_load_n(&slot->taken, __ATOMIC_SEQ_CST) ==
			slot->firings;
		producer->late_flags += !taken;
	}
	if (dreg_user_delta(&dreg) == before)
		producer->late_deltas++;
	restore(slot->page);
}

static void *produce(void *argument)
{
	struct producer *producer = argument;
	struct slot *slot;
	uint64_t round;

	for (round = 0; round < producer->rounds; round++) {
		slot = pick(producer);
		if (!slot)
			break;
		fire_once(producer, slot);
		dawdle(&producer->random);
	}
	__atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void take(uint32_t index)
{
	struct slot *slot = &slots[index];

	if (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) != FIRED)
		consumer.unarmed++;
	if (!dreg_fired(&dreg, index))
		consumer.not_flagged++;
	if (dreg_unmonitor(&dreg, index) != 1)
		consumer.not_reported++;
	/* Before the slot is down again: see fire_once(). */
	__atomic_add_fetch(&slot->taken, 1, __ATOMIC_SEQ_CST);
	if (dreg_monitor(&dreg, index, slot->page, PAGE))
		consumer.failed_calls++;
	__atomic_store_n(&slot->state, ARMED, __ATOMIC_RELEASE);
}

static void *consume(void *argument)
{
	uint64_t *seen = argument;
	bool last = false;
	uint32_t index;
	int got;

	while (!last) {
		last = __atomic_load_n(&running, __ATOMIC_SEQ_CST) == 0;
		while ((got = dreg_next(&dreg, seen, &index)) > 0)
			take(index);
		if (got < 0)
			consumer.overruns++;
		nap();
	}
	return NULL;
}

static void *read_events(void *argument)
{
	struct pollfd state = { .fd = dreg.fd, .events = POLLIN };
	struct dreg_event event;

	(void)argument;
	while (!is_set(&stop_reading)) {
		if (poll(&state, 1, 1) < 0)
			tap_bail("poll");
		while (read(dreg.fd, &event, sizeof(event)) == sizeof(event))
			slots[event.slot].events++;
		if (errno != EAGAIN)
			tap_bail("read");
	}
	return NULL;
}

static void prepare(const struct options *options)
{
	uint32_t total, index, ring = 1;
	unsigned int i;
	int error;

	producer_count = options->threads;
	if (producer_count < 1 || producer_count > THREADS_MAX - 2)
		tap_bail("%u threads", options->threads);
	total = producer_count * SLOTS_EACH;
	while (ring < total)
		ring *= 2;
	error = dreg_open(&dreg, ring);
	if (error)
		tap_bail("dreg_open: %d", error);
	must(fcntl(dreg.fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
	for (index = 0; index < total; index++) {
		slots[index].page = memory_pages(1);
		if (dreg_monitor(&dreg, index, slots[index].page, PAGE))
			tap_bail("monitor slot %u", index);
	}
	for (i = 0; i < producer_count; i++) {
		producers[i].first = i * SLOTS_EACH;
		producers[i].rounds = options->rounds / producer_count;
		producers[i].random = random_seed(options->seed + i);
	}
	running = producer_count;
}

static void run(uint64_t *seen)
{
	struct threads working = { .count = 0 }, reading = { .count = 0 };
	unsigned int i;

	threads_add(&reading, read_events, NULL);
	threads_add(&working, consume, seen);
	for (i = 0; i < producer_count; i++)
		threads_add(&working, produce, &producers[i]);
	threads_join(&working);
	__atomic_store_n(&stop_reading, true, __ATOMIC_SEQ_CST);
	threads_join(&reading);
}

static void judge(uint64_t delta)
{
	uint64_t firings = 0, late_flags = 0, late_deltas = 0;
	uint64_t lost = 0, wrong_events = 0;
	uint32_t index;
	unsigned int i;

	for (index = 0; index < producer_count * SLOTS_EACH; index++) {
		firings += slots[index].firings;
		lost += slots[index].taken != slots[index].firings;
		wrong_events += slots[index].events > slots[index].firings;
	}
	for (i = 0; i < producer_count; i++) {
		late_flags += producers[i].late_flags;
		late_deltas += producers[i].late_deltas;
	}
	tap_diag("%" PRIu64 " firings, the ring went round %" PRIu64 " times",
		 firings, firings / dreg.slots);
	tap_ok(!stuck, "row 31: every firing is found by the consumer in time");
	if (!tap_ok(late_flags == 0,
		    "row 31: when the call has returned, the flag is set"))
		tap_diag("%" PRIu64 " times it was not", late_flags);
	if (!tap_ok(late_deltas == 0,
		    "row 31: when the call has returned, user_delta has moved"))
		tap_diag("%" PRIu64 " times it had not", late_deltas);
	tap_ok(lost == 0, "row 31: each slot comes as often as it has fired");
	tap_ok(consumer.unarmed == 0 && consumer.overruns == 0,
	       "row 31: none comes that has not fired, and none is overwritten");
	tap_ok(consumer.not_flagged == 0,
	       "row 31: who sees the ring entry sees the flag");
	tap_ok(consumer.not_reported == 0 && consumer.failed_calls == 0,
	       "row 31: UNMONITOR reports each, the slot is free at once");
	tap_ok(delta == firings, "row 31: user_delta has counted all of them");
	tap_ok(wrong_events == 0, "row 31: read gives no event twice");
}

int main(int argc, char **argv)
{
	struct options options = {
		.rounds = DEFAULT_ROUNDS,
		.threads = DEFAULT_THREADS,
	};
	uint64_t start, seen;

	options_parse(&options, argc, argv);
	prepare(&options);
	start = dreg_user_delta(&dreg);
	seen = start;
	tap_diag("user_delta starts at %" PRIu64, start);
	run(&seen);
	judge(dreg_user_delta(&dreg) - start);
	dreg_close(&dreg);
	return finish();
}
