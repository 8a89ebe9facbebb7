// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"
#include "tap.h"

#define THP_FOLDER "/sys/kernel/mm/transparent_hugepage"

struct setting {
	const char *path;
	const char *value;
	char before[64];
};

/*
 * Debian's kernels make a huge page of any fresh memory that has room for one; to
 * split it fires every range in its two megabytes.
 */
static struct setting settings[] = {
	{ .path = THP_FOLDER "/enabled", .value = "madvise" },
	{ .path = THP_FOLDER "/shmem_enabled", .value = "never" },
	{ .path = THP_FOLDER "/khugepaged/scan_sleep_millisecs", .value = "4000000000" },
	{ .path = "/proc/sys/vm/compaction_proactiveness", .value = "0" },
	{ .path = "/proc/sys/kernel/numa_balancing", .value = "0" },
};

/* Of /proc/vmstat: work that no program asks for, and moves of pages by anybody. */
static const char *const counted[] = {
	"compact_daemon_migrate_scanned", "compact_migrate_scanned", "ksm_swpin_copy",
	"numa_pages_migrated", "pgmigrate_fail", "pgmigrate_success", "pgscan_direct",
	"pgscan_kswapd", "thp_collapse_alloc", "thp_fault_alloc", "thp_split_page",
};

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]),
       COUNTED = sizeof(counted) / sizeof(counted[0]) };

static long long counts_before[COUNTED];
static pid_t owner;

/* "[always] madvise never" is always, any other text is itself. */
static bool read_setting(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, room - 1);
	char *chosen;

	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return false;
	text[got] = 0;
	chosen = strchr(text, '[');
	if (chosen)
		memmove(text, chosen + 1, strlen(chosen));
	text[strcspn(text, "]\n")] = 0;
	return true;
}

static void read_counts(long long *counts)
{
	FILE *vmstat = fopen("/proc/vmstat", "re");
	long long value;
	char name[64];
	size_t i;

	while (vmstat && fscanf(vmstat, "%63s %lld", name, &value) == 2)
		for (i = 0; i < COUNTED; i++)
			if (!strcmp(name, counted[i]))
				counts[i] = value;
	if (vmstat)
		fclose(vmstat);
}

static void put_back(void)
{
	size_t i;

	/* A child that exits is not the program's end. */
	if (getpid() != owner)
		return;
	for (i = 0; i < SETTINGS; i++)
		if (settings[i].before[0])
			write_text(settings[i].path, settings[i].before);
}

/*
 * A process's first memory that may become huge wakes khugepaged for one pass, however
 * long it is to sleep: that is had now, where there is nothing to see.
 */
static void khugepaged_passes(void)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	const char *passes = THP_FOLDER "/khugepaged/full_scans";
	long long before = read_number(passes);
	unsigned char *own = memory_hole(HUGE_PAGE, HUGE_PAGE);
	int tries;

	memory_map_at(own, HUGE_PAGE);
	if (before < 0 || madvise(own, HUGE_PAGE, MADV_HUGEPAGE))
		return;
	for (tries = 0; tries < 500 && read_number(passes) == before; tries++)
		nanosleep(&pause, NULL);
}

void background_off(void)
{
	struct setting *setting;

	owner = getpid();
	atexit(put_back);
	for (setting = settings; setting < settings + SETTINGS; setting++) {
		if (!read_setting(setting->path, setting->before, sizeof(setting->before))) {
			if (errno != ENOENT)
				tap_bail("read %s", setting->path);
			continue;
		}
		if (write_text(setting->path, setting->value))
			tap_bail("set %s to %s", setting->path, setting->value);
	}
	khugepaged_passes();
	read_counts(counts_before);
}

void background_show(void)
{
	long long counts[COUNTED] = { 0 };
	size_t i;

	read_counts(counts);
	for (i = 0; i < COUNTED; i++)
		if (counts[i] != counts_before[i])
			tap_diag("  the kernel's %s since the start: %lld", counted[i],
				 counts[i] - counts_before[i]);
}
