// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "watchdog.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

/* Far more than any operation takes on a busy machine and an emulated processor. */
enum { TELL_SECONDS = 10, STUCK_SECONDS = 120 };

static const uint64_t *counter;
static void (*describe_work)(void);
static unsigned int stuck_seconds = STUCK_SECONDS;

static void show_file(const char *task, const char *name)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/%s", task, name);
	file = fopen(path, "re");
	if (!file) {
		tap_diag("    %s: %s", name, strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		tap_diag("    %s: %s", name, line);
	}
	fclose(file);
}

static void show_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;

	while (tasks && (task = readdir(tasks))) {
		if (task->d_name[0] == '.')
			continue;
		tap_diag("  thread %s", task->d_name);
		show_file(task->d_name, "syscall");
		show_file(task->d_name, "stack");
	}
	if (tasks)
		closedir(tasks);
}

static void stuck(uint64_t count)
{
	int times;

	/* Twice: what runs round in the kernel is at another place each time. */
	for (times = 0; times < 2; times++) {
		show_threads();
		sleep(1);
	}
	/* Last, since a report may show the end alone. */
	tap_diag("nothing has been done for %u s, after %" PRIu64, stuck_seconds, count);
	describe_work();
	printf("Bail out! it hangs\n");
	fflush(stdout);
	/* What hangs may hold whatever exit() asks for. */
	_exit(1);
}

static void *watch_over(void *unused)
{
	uint64_t last = 0, now;
	unsigned int still = 0, seconds;

	for (seconds = 1;; seconds++) {
		sleep(1);
		now = __atomic_load_n(counter, __ATOMIC_RELAXED);
		still = now == last ? still + 1 : 0;
		last = now;
		if (seconds % TELL_SECONDS == 0)
			tap_diag("%u s: %" PRIu64, seconds, now);
		if (still >= stuck_seconds)
			stuck(now);
	}
	return unused;
}

void watchdog_start(const uint64_t *progress, void (*describe)(void))
{
	const char *seconds = getenv("DREG_WATCHDOG_SECONDS");
	pthread_t thread;

	counter = progress;
	describe_work = describe;
	if (seconds)
		stuck_seconds = (unsigned int)strtoul(seconds, NULL, 0);
	if (pthread_create(&thread, NULL, watch_over, NULL) || pthread_detach(thread))
		tap_bail("start the watchdog");
}
