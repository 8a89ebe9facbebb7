// SPDX-License-Identifier: GPL-2.0
/* Row 34: calls that must fail, each with its errno, and change nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "background.h"
#include "device.h"
#include "finish.h"
#include "memory.h"
#include "tap.h"

enum { SLOTS = 16 };

static void gives(long got, long wanted, const char *what)
{
	if (!tap_ok(got == wanted, "row 34, %s", what))
		tap_diag("%ld instead of %ld", got, wanted);
}

static int new_context(void)
{
	int fd = device_open();

	if (fd < 0)
		tap_bail("open " DREG_DEVICE ": %d", fd);
	return fd;
}

static int ready_context(long *bytes)
{
	int fd = new_context();

	*bytes = device_setup(fd, SLOTS);
	if (*bytes < 0)
		tap_bail("SETUP: %ld", *bytes);
	return fd;
}

static long map_error(int fd, size_t bytes, int protection, int flags,
		      off_t offset)
{
	void *mapped = mmap(NULL, bytes, protection, flags, fd, offset);

	if (mapped == MAP_FAILED)
		return -errno;
	munmap(mapped, bytes);
	return 0;
}

static short poll_now(int fd)
{
	struct pollfd state = { .fd = fd, .events = POLLIN };

	return poll(&state, 1, 0) < 0 ? -1 : state.revents;
}

static void before_setup(void)
{
	struct dreg_event event;
	int fd = new_context();

	gives(device_call(fd, _IO(DREG_IOC_MAGIC, 99), NULL), -ENOTTY,
	      "an unknown ioctl: ENOTTY");
	gives(device_monitor(fd, 0, NULL, PAGE), -EBADFD,
	      "MONITOR before SETUP: EBADFD");
	gives(device_unmonitor(fd, 0), -EBADFD,
	      "UNMONITOR before SETUP: EBADFD");
	gives(map_error(fd, PAGE, PROT_READ, MAP_SHARED, 0), -EBADFD,
	      "mmap before SETUP: EBADFD");
	gives(read(fd, &event, sizeof(event)) < 0 ? -errno : 0, -EBADFD,
	      "read before SETUP: EBADFD");
	gives(poll_now(fd), POLLERR, "poll before SETUP: POLLERR");
	close(fd);
}

static long setup_error(int fd, uint32_t abi, uint32_t slots)
{
	struct dreg_setup setup = { .abi = abi, .slots = slots };

	return device_call(fd, DREG_IOC_SETUP, &setup);
}

static void bad_setup(void)
{
	struct dreg_setup wrong = { .abi = DREG_ABI + 7, .slots = SLOTS };
	struct dreg_setup *unwritable = (void *)memory_pages(1);
	long long before;
	int fd = new_context();

	gives(device_call(fd, DREG_IOC_SETUP, NULL), -EFAULT,
	      "SETUP of a bad pointer: EFAULT");
	gives(device_call(fd, DREG_IOC_SETUP, &wrong), -EPROTONOSUPPORT,
	      "SETUP with another ABI: EPROTONOSUPPORT");
	gives(wrong.abi, DREG_ABI, "which tells the module's ABI");
	gives(setup_error(fd, DREG_ABI, 0), -EINVAL, "SETUP of 0 slots: EINVAL");
	gives(setup_error(fd, DREG_ABI, 24), -EINVAL,
	      "SETUP of 24 slots, no power of two: EINVAL");
	gives(setup_error(fd, DREG_ABI, DREG_SLOTS_MAX * 2), -EINVAL,
	      "SETUP of too many slots: EINVAL");
	before = device_set_parameter("max_slots", SLOTS / 2);
	gives(setup_error(fd, DREG_ABI, SLOTS), -EDQUOT,
	      "SETUP above max_slots: EDQUOT");
	device_set_parameter("max_slots", before);
	before = device_set_parameter("max_user_slots", SLOTS / 2);
	gives(setup_error(fd, DREG_ABI, SLOTS), -EDQUOT,
	      "SETUP above max_user_slots: EDQUOT");
	device_set_parameter("max_user_slots", before);
	unwritable->abi = DREG_ABI;
	unwritable->slots = SLOTS;
	must(mprotect(unwritable, PAGE, PROT_READ), "mprotect");
	gives(device_call(fd, DREG_IOC_SETUP, unwritable), -EFAULT,
	      "SETUP of an unwritable structure: EFAULT");
	gives(setup_error(fd, DREG_ABI, SLOTS), 0,
	      "SETUP after all of these succeeds");
	gives(setup_error(fd, DREG_ABI, SLOTS), -EALREADY,
	      "SETUP twice: EALREADY");
	munmap(unwritable, PAGE);
	close(fd);
}

static void bad_open(void)
{
	long long open_now = device_counter("contexts");
	int fd = new_context(), other;
	long long before = device_set_parameter("max_user_contexts",
						open_now + 1);

	other = device_open();
	gives(other, -EDQUOT, "open above max_user_contexts: EDQUOT");
	if (other >= 0)
		close(other);
	device_set_parameter("max_user_contexts", before);
	close(fd);
}

struct bad_range {
	uint64_t addr;
	uint64_t len;
	uint32_t slot;
	uint32_t flags;
	int error;
	const char *what;
};

static void bad_ranges(int fd, unsigned char *pages)
{
	const uint64_t good = (uintptr_t)pages;
	const struct bad_range cases[] = {
		{ good, PAGE, 1, 1, -EINVAL, "MONITOR with flags: EINVAL" },
		{ good, 0, 1, 0, -EINVAL, "MONITOR of no bytes: EINVAL" },
		{ good + 8, PAGE, 1, 0, -EINVAL,
		  "MONITOR of an unaligned address: EINVAL" },
		{ good, -good, 1, 0, -EOVERFLOW,
		  "MONITOR up to the very end of addresses: EOVERFLOW" },
		{ good, -(uint64_t)PAGE, 1, 0, -EOVERFLOW,
		  "MONITOR of a range that wraps around: EOVERFLOW" },
		{ good, UINT64_MAX, 1, 0, -EOVERFLOW,
		  "MONITOR of a length that wraps when rounded: EOVERFLOW" },
		{ 0xffff888000000000ull, PAGE, 1, 0, -EFAULT,
		  "MONITOR of a kernel address: EFAULT" },
		{ 0x00007ffffffff000ull, PAGE, 1, 0, -EFAULT,
		  "MONITOR of the page behind user addresses: EFAULT" },
		{ good, 1ull << 62, 1, 0, -EFAULT,
		  "MONITOR of a range that ends in no one's land: EFAULT" },
		{ good, PAGE, SLOTS, 0, -ERANGE,
		  "MONITOR of the slot behind the last: ERANGE" },
		{ good, PAGE, UINT32_MAX, 0, -ERANGE,
		  "MONITOR of slot 2^32 - 1: ERANGE" },
		{ good, PAGE, 0, 0, -EBUSY, "MONITOR of a busy slot: EBUSY" },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dreg_range range = {
			.addr = cases[i].addr,
			.len = cases[i].len,
			.slot = cases[i].slot,
			.flags = cases[i].flags,
		};
		struct dreg_batch batch = {
			.ranges = (uintptr_t)&range,
			.count = 1,
			.done = 77,
		};
		int got = device_call(fd, DREG_IOC_MONITOR, &batch);

		gives(batch.done == 0 ? got : -9999, cases[i].error,
		      cases[i].what);
	}
}

static void bad_batches(int fd)
{
	struct dreg_range ranges[SLOTS + 1] = { 0 };
	struct dreg_batch batch = { .ranges = (uintptr_t)ranges, .done = 77 };

	gives(device_call(fd, DREG_IOC_MONITOR, NULL), -EFAULT,
	      "MONITOR of a bad pointer: EFAULT");
	gives(device_call(fd, DREG_IOC_UNMONITOR, NULL), -EFAULT,
	      "UNMONITOR of a bad pointer: EFAULT");
	gives(device_call(fd, DREG_IOC_MONITOR, &batch), -EINVAL,
	      "MONITOR of no ranges: EINVAL");
	gives(device_call(fd, DREG_IOC_UNMONITOR, &batch), -EINVAL,
	      "UNMONITOR of no ranges: EINVAL");
	batch.count = SLOTS + 1;
	gives(device_call(fd, DREG_IOC_MONITOR, &batch), -E2BIG,
	      "MONITOR of more ranges than slots: E2BIG");
	batch.count = UINT32_MAX;
	gives(device_call(fd, DREG_IOC_MONITOR, &batch), -E2BIG,
	      "MONITOR of 2^32 - 1 ranges: E2BIG");
	gives(device_call(fd, DREG_IOC_UNMONITOR, &batch), -E2BIG,
	      "UNMONITOR of 2^32 - 1 ranges: E2BIG");
	gives(batch.done, 77, "these leave done alone");
	batch.count = 1;
	batch.ranges = 8;
	gives(device_call(fd, DREG_IOC_MONITOR, &batch), -EFAULT,
	      "MONITOR of ranges at a bad address: EFAULT");
	batch.ranges = 0xffff888000000000ull;
	gives(device_call(fd, DREG_IOC_MONITOR, &batch), -EFAULT,
	      "MONITOR of ranges in the kernel: EFAULT");
	batch.ranges = UINT64_MAX - 4;
	gives(device_call(fd, DREG_IOC_UNMONITOR, &batch), -EFAULT,
	      "UNMONITOR of ranges that wrap around: EFAULT");
	gives(batch.done, 0, "these have done none");
}

/* Three ranges in a page's last bytes; the fourth would be in the next page. */
static void half_bad_pointer(int fd, unsigned char *pages)
{
	unsigned char *page = memory_pages(1);
	struct dreg_range *ranges = (void *)(page + PAGE) - 3 * sizeof(*ranges);
	struct dreg_batch batch = { .ranges = (uintptr_t)ranges, .count = 4 };
	uint32_t i;

	for (i = 0; i < 3; i++)
		ranges[i] = (struct dreg_range){
			.addr = (uintptr_t)pages, .len = PAGE, .slot = 4 + i };
	gives(device_call(fd, DREG_IOC_MONITOR, &batch), -EFAULT,
	      "MONITOR of ranges whose fourth is not there: EFAULT");
	gives(batch.done, 3, "has done three");
	gives(device_call(fd, DREG_IOC_UNMONITOR, &batch), -EFAULT,
	      "UNMONITOR of the same: EFAULT");
	gives(batch.done, 3, "has undone three");
	gives(device_unmonitor(fd, 5), -ENOENT, "so their slots are free");
	munmap(page, PAGE);
}

static void fails_in_the_middle(int fd, unsigned char *pages)
{
	struct dreg_range ranges[6];
	struct dreg_batch batch = { .ranges = (uintptr_t)ranges, .count = 6 };
	uint32_t i;

	for (i = 0; i < 6; i++)
		ranges[i] = (struct dreg_range){
			.addr = (uintptr_t)pages, .len = PAGE, .slot = 4 + i };
	ranges[4].slot = 4;
	gives(device_call(fd, DREG_IOC_MONITOR, &batch), -EBUSY,
	      "MONITOR of six whose fifth is busy: EBUSY");
	gives(batch.done, 4, "has done four");
	for (i = 0; i < 4; i++)
		gives(device_unmonitor(fd, 4 + i), 0, "one of the four is there");
	gives(device_unmonitor(fd, 9), -ENOENT, "the sixth is not");
}

static void bad_unmonitor(int fd, unsigned char *pages)
{
	struct dreg_range *unwritable = (void *)memory_pages(1);
	struct dreg_batch batch = {
		.ranges = (uintptr_t)unwritable,
		.count = 1,
	};

	gives(device_unmonitor(fd, SLOTS), -ERANGE,
	      "UNMONITOR of the slot behind the last: ERANGE");
	gives(device_unmonitor(fd, 3), -ENOENT,
	      "UNMONITOR of a free slot: ENOENT");
	gives(device_monitor(fd, 2, pages, PAGE), 0, "MONITOR of slot 2");
	*unwritable = (struct dreg_range){ .slot = 2 };
	must(mprotect(unwritable, PAGE, PROT_READ), "mprotect");
	gives(device_call(fd, DREG_IOC_UNMONITOR, &batch), -EFAULT,
	      "UNMONITOR whose flags cannot be written: EFAULT");
	gives(device_unmonitor(fd, 2), 0, "keeps the slot");
	gives(device_unmonitor(fd, 2), -ENOENT, "UNMONITOR twice: ENOENT");
	munmap(unwritable, PAGE);
}

static void quota(int fd, unsigned char *pages)
{
	long long ranges = device_counter("ranges");
	long long before = device_set_parameter("max_user_ranges", ranges + 1);

	gives(device_monitor(fd, 4, pages, PAGE), 0,
	      "MONITOR up to max_user_ranges");
	gives(device_monitor(fd, 5, pages, PAGE), -EDQUOT,
	      "MONITOR above max_user_ranges: EDQUOT");
	device_set_parameter("max_user_ranges", before);
	gives(device_unmonitor(fd, 4), 0, "the one below it is there");
}

static void bad_maps(int fd, size_t bytes)
{
	void *area, *grown;

	gives(map_error(fd, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, 0),
	      -EACCES, "a writable mmap: EACCES");
	gives(map_error(fd, bytes + PAGE, PROT_READ, MAP_SHARED, 0), -EINVAL,
	      "a longer mmap: EINVAL");
	gives(map_error(fd, bytes, PROT_READ, MAP_SHARED, PAGE), -EINVAL,
	      "an mmap from another offset: EINVAL");
	gives(map_error(fd, bytes, PROT_READ, MAP_PRIVATE, 0), -EINVAL,
	      "a private mmap: EINVAL");
	gives(map_error(fd, PAGE, PROT_READ, MAP_SHARED, 0), 0,
	      "a shorter mmap succeeds");
	area = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (area == MAP_FAILED)
		tap_bail("map the shared area");
	gives(mprotect(area, bytes, PROT_READ | PROT_WRITE) ? -errno : 0,
	      -EACCES, "mprotect to writable: EACCES");
	grown = mremap(area, bytes, bytes + PAGE, MREMAP_MAYMOVE);
	gives(grown == MAP_FAILED ? -errno : 0, -EFAULT,
	      "mremap to more: EFAULT");
	munmap(area, bytes);
}

/* Reading is all that the area is for, so a read-only descriptor will do. */
static void read_only_descriptor(void)
{
	int fd = open(DREG_DEVICE, O_RDONLY | O_CLOEXEC);

	gives(fd < 0 || device_setup(fd, SLOTS) < 0, 0,
	      "a read-only descriptor can be set up");
	gives(map_error(fd, PAGE, PROT_READ, MAP_SHARED, 0), 0,
	      "and its area mapped");
	gives(map_error(fd, PAGE, PROT_READ, MAP_PRIVATE, 0), -EINVAL,
	      "but not privately: EINVAL");
	gives(map_error(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0),
	      -EACCES, "and not writable: EACCES");
	close(fd);
}

static void bad_reads(int fd)
{
	struct dreg_event event;

	gives(read(fd, &event, sizeof(event) - 1) < 0 ? -errno : 0, -EINVAL,
	      "read into less than an event: EINVAL");
}

/* Reads for which an event is there, so that nothing blocks. */
static void reads_that_keep(int fd, unsigned char *pages)
{
	void *guard = pages - PAGE;
	struct dreg_event event;

	gives(device_monitor(fd, 7, pages, PAGE), 0, "MONITOR of slot 7");
	must(madvise(pages, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	gives(read(fd, guard, sizeof(event)) < 0 ? -errno : 0, -EFAULT,
	      "read to a bad address: EFAULT");
	gives(read(fd, &event, sizeof(event)), sizeof(event),
	      "keeps the event for the next read");
	gives(event.slot, 7, "which names the slot");
	gives(device_unmonitor(fd, 7), 1, "UNMONITOR says that it fired");
}

int main(void)
{
	long long contexts = device_counter("contexts");
	long long ranges = device_counter("ranges");
	unsigned char *pages = memory_pages(2);
	const struct dreg_shared *shared;
	uint64_t delta;
	long bytes;
	int fd;

	background_off();
	before_setup();
	bad_setup();
	bad_open();
	read_only_descriptor();

	fd = ready_context(&bytes);
	shared = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		tap_bail("map the shared area");
	gives(device_monitor(fd, 0, pages + PAGE, PAGE), 0, "MONITOR of slot 0");
	delta = shared->user_delta;
	bad_ranges(fd, pages);
	bad_batches(fd);
	half_bad_pointer(fd, pages);
	fails_in_the_middle(fd, pages);
	bad_unmonitor(fd, pages);
	quota(fd, pages);
	bad_maps(fd, (size_t)bytes);
	bad_reads(fd);
	gives((long)(shared->user_delta - delta), 0,
	      "after all of these user_delta is what it was");
	gives(device_counter("ranges") - ranges, 1,
	      "and one range is monitored, the good one");
	reads_that_keep(fd, pages);
	gives(device_unmonitor(fd, 0), 0, "which has not fired");
	munmap((void *)shared, (size_t)bytes);
	close(fd);
	munmap(pages, 2 * PAGE);
	tap_ok(device_counter_becomes("contexts", contexts) &&
	       device_counter_becomes("ranges", ranges),
	       "row 34, the counters are what they were");
	return finish();
}
