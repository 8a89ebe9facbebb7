// SPDX-License-Identifier: GPL-2.0
/*
 * The first process of a guest of ARM64, where an address may carry a tag in its
 * top byte: loads the module, and prints as TAP what MONITOR makes of tags.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dreg.h"

enum { PAGE = 4096, SLOTS = 64 };

/* Not user space's. */
static const uint64_t TOO_HIGH = 1ull << 48;

static int fd, claims;
static const struct dreg_shared *shared;

static void claim(int holds, const char *what)
{
	printf("%sok %d - %s\n", holds ? "" : "not ", ++claims, what);
}

static uint64_t tagged(const void *address, uint8_t tag)
{
	return (uint64_t)(uintptr_t)address | (uint64_t)tag << 56;
}

/* 0 or an errno.  The ranges' own address has a tag, too. */
static int monitor(uint64_t address, uint32_t slot, uint8_t tag)
{
	struct dreg_range range = { .addr = address, .len = PAGE, .slot = slot };
	struct dreg_batch batch = { .ranges = tagged(&range, tag), .count = 1 };

	return ioctl(fd, DREG_IOC_MONITOR, &batch) ? errno : 0;
}

static int has_fired(uint32_t slot)
{
	return ((const volatile uint8_t *)shared)[shared->flag_offset + slot];
}

/* The flag, and then what UNMONITOR says. */
static int fired(uint32_t slot)
{
	struct dreg_range range = { .slot = slot };
	struct dreg_batch batch = { .ranges = (uintptr_t)&range, .count = 1 };
	int flag = has_fired(slot);

	return !ioctl(fd, DREG_IOC_UNMONITOR, &batch) && flag && range.flags == DREG_FIRED;
}

static int load(void)
{
	struct dreg_setup setup = { .abi = DREG_ABI, .slots = SLOTS };
	int module = open("/dreg.ko", O_RDONLY | O_CLOEXEC);

	if (syscall(SYS_finit_module, module, "", 0))
		return -1;
	close(module);
	fd = open("/dev/dreg", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, DREG_IOC_SETUP, &setup))
		return -1;
	shared = mmap(NULL, setup.shared_bytes, PROT_READ, MAP_SHARED, fd, 0);
	return shared == MAP_FAILED ? -1 : 0;
}

static void tags(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	struct dreg_event event = { 0 };

	memset(page, 1, 2 * PAGE);
	claim(!monitor(tagged(page, 0x2a), 1, 0), "a tagged address is monitored");
	madvise(page + PAGE, PAGE, MADV_DONTNEED);
	claim(!has_fired(1), "the page beside it does not fire it");
	madvise(page, PAGE, MADV_DONTNEED);
	claim(read(fd, &event, sizeof(event)) == sizeof(event) &&
	      event.start == (uintptr_t)page && event.end == (uintptr_t)page + PAGE,
	      "its own does, and the event has the address without the tag");
	claim(fired(1), "flag and UNMONITOR say so");

	claim(!prctl(PR_SET_TAGGED_ADDR_CTRL, PR_TAGGED_ADDR_ENABLE, 0, 0, 0),
	      "calls take tagged addresses");
	page[0] = 1;
	claim(!monitor(tagged(page, 0x7f), 2, 0x11), "ranges are read by a tagged pointer");
	claim(!madvise((void *)tagged(page, 0x33), PAGE, MADV_DONTNEED) && fired(2),
	      "a call with another tag fires it");
	claim(monitor(tagged(page + 1, 0x2a), 3, 0) == EINVAL, "within a page: EINVAL");
	claim(monitor(TOO_HIGH | tagged(NULL, 0x2a), 3, 0) == EFAULT,
	      "beyond the end of user addresses: EFAULT");
	claim(!monitor(tagged(page, 0x55), 4, 0) && !monitor((uintptr_t)page, 5, 0),
	      "one page with a tag and without");
	munmap(page, PAGE);
	claim(fired(4) && fired(5), "both fire when it is unmapped");
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	mount("none", "/dev", "devtmpfs", 0, NULL);
	claim(!load(), "the module is loaded");
	if (shared)
		tags();
	printf("1..%d\n", claims);
	reboot(RB_POWER_OFF);
	return 1;
}
