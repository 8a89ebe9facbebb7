// SPDX-License-Identifier: GPL-2.0
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"
#include "tap.h"

#define COUNTERS "/sys/class/misc/dreg/counters"
#define PARAMETERS "/sys/module/dreg/parameters"

int device_open(void)
{
	int fd = open(DREG_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int device_call(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) ? -errno : 0;
}

long device_setup(int fd, uint32_t slots)
{
	struct dreg_setup setup = { .abi = DREG_ABI, .slots = slots };
	int error = device_call(fd, DREG_IOC_SETUP, &setup);

	return error ? error : (long)setup.shared_bytes;
}

int device_monitor(int fd, uint32_t slot, const void *addr, uint64_t len)
{
	struct dreg_range range = {
		.addr = (uintptr_t)addr,
		.len = len,
		.slot = slot,
	};
	struct dreg_batch batch = { .ranges = (uintptr_t)&range, .count = 1 };

	return device_call(fd, DREG_IOC_MONITOR, &batch);
}

int device_unmonitor(int fd, uint32_t slot)
{
	struct dreg_range range = { .slot = slot };
	struct dreg_batch batch = { .ranges = (uintptr_t)&range, .count = 1 };
	int error = device_call(fd, DREG_IOC_UNMONITOR, &batch);

	return error ? error : (range.flags & DREG_FIRED) != 0;
}

long long device_counter(const char *name)
{
	char path[128];
	long long value;

	snprintf(path, sizeof(path), COUNTERS "/%s", name);
	value = read_number(path);
	if (value < 0)
		tap_bail("no counter %s", path);
	return value;
}

bool device_counter_becomes(const char *name, long long value)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int tries;

	for (tries = 0; tries < 12000; tries++) {
		if (device_counter(name) == value)
			return true;
		nanosleep(&pause, NULL);
	}
	tap_diag("counter %s is %lld", name, device_counter(name));
	return false;
}

bool device_has_parameter(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), PARAMETERS "/%s", name);
	return access(path, W_OK) == 0;
}

long long device_set_parameter(const char *name, long long value)
{
	char path[128], text[32];
	long long before;

	snprintf(path, sizeof(path), PARAMETERS "/%s", name);
	snprintf(text, sizeof(text), "%lld", value);
	before = read_number(path);
	if (write_text(path, text))
		tap_bail("set %s to %s", path, text);
	return before;
}
