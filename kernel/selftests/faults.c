// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation fails once, on every path.  Needs a module built with
 * DREG_TEST=1: its parameter test_fail_alloc makes the N-th allocation from
 * now on fail.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"
#include "finish.h"
#include "memory.h"
#include "tap.h"

/* So many slots that flags, ring and tables of slots are on pages of their own. */
enum { SLOTS = 1 << 14, BATCH = 5, MORE_THAN_ANY_PATH = 100 };

/* What one path has: its state before, and the call that may fail. */
struct path {
	const char *name;
	int (*call)(int *fd);
	/* After a failure, nothing but this many ranges may be there. */
	uint32_t (*kept)(void);
	/* The context may keep what it has allocated, for the next attempt. */
	bool keeps_memory;
};

static unsigned char *pages;
static uint32_t batch_done;

/* Of the @number-th range of a batch. */
static uint32_t slot_of(uint32_t number)
{
	return number * (SLOTS / BATCH);
}

static int call_open(int *fd)
{
	*fd = device_open();
	return *fd < 0 ? *fd : 0;
}

static int call_setup(int *fd)
{
	long bytes = device_setup(*fd, SLOTS);

	return bytes < 0 ? (int)bytes : 0;
}

static int call_monitor(int *fd)
{
	return device_monitor(*fd, SLOTS / 2, pages, PAGE);
}

static int call_batch(int *fd)
{
	struct dreg_range ranges[BATCH];
	struct dreg_batch batch = {
		.ranges = (uintptr_t)ranges,
		.count = BATCH,
	};
	int error;
	uint32_t i;

	for (i = 0; i < BATCH; i++)
		ranges[i] = (struct dreg_range){
			.addr = (uintptr_t)pages, .len = PAGE,
			.slot = slot_of(i) };
	error = device_call(*fd, DREG_IOC_MONITOR, &batch);
	batch_done = batch.done;
	return error;
}

static uint32_t kept_nothing(void)
{
	return 0;
}

static uint32_t kept_done(void)
{
	return batch_done;
}

/* Opened, and set up where the path begins after that. */
static int context_for(const struct path *path)
{
	int fd = -1;

	if (path->call == call_open)
		return fd;
	fd = device_open();
	if (fd < 0)
		tap_bail("open: %d", fd);
	if (path->call != call_setup && device_setup(fd, SLOTS) < 0)
		tap_bail("SETUP");
	return fd;
}

/* The counters that must not move when a call fails. */
struct level {
	long long contexts;
	long long ranges;
	long long bytes;
};

static struct level level_now(void)
{
	return (struct level){ device_counter("contexts"),
			       device_counter("ranges"),
			       device_counter("bytes") };
}

/*
 * The @number-th allocation of the path fails.  Returns false when the path has
 * no such allocation: the call succeeded.
 */
static bool fail_one(const struct path *path, int number)
{
	int fd = context_for(path), error;
	struct level before = level_now(), after;
	uint32_t kept;

	device_set_parameter("test_fail_alloc", number);
	error = path->call(&fd);
	device_set_parameter("test_fail_alloc", 0);
	if (error == 0) {
		close(fd);
		return false;
	}
	kept = path->kept();
	after = level_now();
	tap_ok(error == -ENOMEM, "faults: %s, allocation %d fails: ENOMEM",
	       path->name, number);
	tap_ok(after.contexts == before.contexts &&
	       after.ranges == before.ranges + kept &&
	       (path->keeps_memory || after.bytes == before.bytes),
	       "faults: %s, allocation %d fails: %u ranges are kept", path->name,
	       number, kept);
	while (kept)
		if (device_unmonitor(fd, slot_of(--kept)) != 0)
			tap_bail("slot %u is not there", slot_of(kept));
	tap_ok(path->call(&fd) == 0,
	       "faults: %s, allocation %d fails: the next attempt succeeds",
	       path->name, number);
	close(fd);
	return true;
}

static void fail_all(const struct path *path, int at_least)
{
	int number = 1;

	while (number < MORE_THAN_ANY_PATH && fail_one(path, number))
		number++;
	if (!tap_ok(number - 1 >= at_least && number < MORE_THAN_ANY_PATH,
		    "faults: %s was made to fail at each of its allocations",
		    path->name))
		tap_diag("%d allocations", number - 1);
}

/* A failed MONITOR leaves an old firing of the slot where it was. */
static void flag_is_kept(void)
{
	const struct dreg_shared *shared;
	const uint8_t *flag;
	int fd = device_open();
	uint64_t delta;

	if (fd < 0 || device_setup(fd, SLOTS) < 0)
		tap_bail("SETUP");
	shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		tap_bail("map the shared area");
	flag = (const uint8_t *)shared + shared->flag_offset;
	if (device_monitor(fd, 3, pages, PAGE))
		tap_bail("MONITOR");
	must(madvise(pages, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	device_unmonitor(fd, 3);
	delta = shared->user_delta;
	/* Takes the unused watch, which would need no allocation. */
	if (device_monitor(fd, 4, pages, PAGE))
		tap_bail("MONITOR");
	device_set_parameter("test_fail_alloc", 1);
	tap_ok(device_monitor(fd, 3, pages, PAGE) == -ENOMEM && flag[3] == 1 &&
	       shared->user_delta == delta,
	       "faults: MONITOR fails: flag and user_delta are as they were");
	device_set_parameter("test_fail_alloc", 0);
	munmap((void *)shared, PAGE);
	close(fd);
}

int main(void)
{
	static const struct path paths[] = {
		{ "open", call_open, kept_nothing, false },
		{ "SETUP", call_setup, kept_nothing, false },
		{ "MONITOR", call_monitor, kept_nothing, true },
		{ "MONITOR of five", call_batch, kept_done, true },
	};
	static const int at_least[] = { 1, 5, 3, 2 * BATCH + 4 };
	size_t i;

	if (!device_has_parameter("test_fail_alloc")) {
		tap_lacks("faults: allocation failures",
			  "a module built with DREG_TEST=1");
		return finish();
	}
	pages = memory_pages(1);
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		fail_all(&paths[i], at_least[i]);
	flag_is_kept();
	return finish();
}
