// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel memory a range, all told: what the memory control group of this
 * process is charged for SETUP and for one range in every slot, and beside it
 * by how much the whole system's slab and vmalloc memory grew.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "device.h"
#include "memory.h"
#include "tap.h"

#define CGROUPS "/tmp/dreg-bench-cgroups"
#define CGROUP CGROUPS "/dreg-bench"

enum { SLOTS = 1 << 17, BATCH = 1024 };

static void enter_group(void)
{
	char self[16];

	snprintf(self, sizeof(self), "%d", getpid());
	mkdir(CGROUPS, 0700);
	must(mount("none", CGROUPS, "cgroup2", 0, NULL), "mount cgroup2");
	must(write_text(CGROUPS "/cgroup.subtree_control", "+memory"),
	     "the memory controller");
	must(mkdir(CGROUP, 0700), "a control group");
	must(write_text(CGROUP "/cgroup.procs", self), "enter it");
}

static void leave_group(void)
{
	char self[16];

	snprintf(self, sizeof(self), "%d", getpid());
	write_text(CGROUPS "/cgroup.procs", self);
	rmdir(CGROUP);
	umount2(CGROUPS, MNT_DETACH);
	rmdir(CGROUPS);
}

/* The number behind @key in a file of "key value" or "key: value" lines. */
static double field(const char *path, const char *key)
{
	char line[256], name[128];
	double value, found = -1;
	FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%127[^ :]%*[: ]%lf", name, &value) == 2 &&
		    !strcmp(name, key))
			found = value;
	if (file)
		fclose(file);
	if (found < 0)
		tap_bail("no %s in %s", key, path);
	return found;
}

static double charged(void)
{
	return field(CGROUP "/memory.stat", "kernel");
}

static double system_wide(void)
{
	return 1024 * (field("/proc/meminfo", "Slab") +
		       field("/proc/meminfo", "VmallocUsed"));
}

static void monitor_all(int fd, const void *page)
{
	static struct dreg_range ranges[BATCH];
	struct dreg_batch batch = {
		.ranges = (uintptr_t)ranges,
		.count = BATCH,
	};
	uint32_t slot, i;

	for (slot = 0; slot < SLOTS; slot += BATCH) {
		for (i = 0; i < BATCH; i++)
			ranges[i] = (struct dreg_range){
				.addr = (uintptr_t)page, .len = PAGE,
				.slot = slot + i };
		must(device_call(fd, DREG_IOC_MONITOR, &batch), "MONITOR");
	}
}

int main(void)
{
	unsigned char *page = memory_pages(1);
	double group, system, counter;
	int fd = device_open();

	if (fd < 0)
		tap_bail("/dev/dreg");
	enter_group();
	/* Once before: what the control group itself needs is there then. */
	if (device_setup(fd, 1) < 0)
		tap_bail("SETUP");
	close(fd);
	fd = device_open();
	counter = (double)device_counter("bytes");
	group = charged();
	system = system_wide();
	if (device_setup(fd, SLOTS) < 0)
		tap_bail("SETUP");
	monitor_all(fd, page);
	group = (charged() - group) / SLOTS;
	system = (system_wide() - system) / SLOTS;
	counter = ((double)device_counter("bytes") - counter) / SLOTS;
	bench_print("kernel memory a range, charged", "bytes", &group, 1);
	bench_print("kernel memory a range, system", "bytes", &system, 1);
	bench_print("kernel memory a range, dreg's counter", "bytes", &counter,
		    1);
	close(fd);
	leave_group();
	return 0;
}
