// SPDX-License-Identifier: GPL-2.0
/*
 * What others see: counters, tracepoints, and the module as a user without
 * privileges has it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "background.h"
#include "device.h"
#include "finish.h"
#include "libdreg.h"
#include "memory.h"
#include "tap.h"

#define TRACING "/sys/kernel/tracing"
#define COUNTERS "/sys/class/misc/dreg/counters"

enum { NOBODY = 65534, TRACE_BYTES = 64 * 1024 };

/* Fires once, would have cause to fire again, and sees a change of protection. */
static void one_of_each(struct dreg *dreg, unsigned char *page)
{
	if (dreg_monitor(dreg, 3, page, PAGE))
		tap_bail("monitor");
	must(mprotect(page, PAGE, PROT_READ), "mprotect");
	must(mprotect(page, PAGE, PROT_READ | PROT_WRITE), "mprotect");
	must(madvise(page, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	must(madvise(page, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	if (dreg_unmonitor(dreg, 3) != 1)
		tap_bail("unmonitor");
	if (dreg_monitor(dreg, 3, page, PAGE))
		tap_bail("monitor");
	must(munmap(page, PAGE), "munmap");
	if (dreg_unmonitor(dreg, 3) != 1)
		tap_bail("unmonitor");
}

static void counted(struct dreg *dreg)
{
	static const char *const names[] = { "fired_unmap", "fired_clear",
		"fired_migrate", "fired_exclusive", "fired_release",
		"fired_other", "spurious_protection" };
	static const long long wanted[] = { 1, 1, 0, 0, 0, 0, 2 };
	enum { COUNT = sizeof(names) / sizeof(names[0]) };
	long long before[COUNT], moved;
	int i;

	for (i = 0; i < COUNT; i++)
		before[i] = device_counter(names[i]);
	one_of_each(dreg, memory_pages(1));
	for (i = 0; i < COUNT; i++) {
		moved = device_counter(names[i]) - before[i];
		if (!tap_ok(moved == wanted[i], "counter %s moves by %lld",
			    names[i], wanted[i]))
			tap_diag("it moved by %lld", moved);
	}
}

static void levels(struct dreg *dreg)
{
	long long ranges = device_counter("ranges");
	long long bytes = device_counter("bytes");
	unsigned char *page = memory_pages(1);
	struct dreg other;

	if (dreg_open(&other, 1024))
		tap_bail("dreg_open");
	tap_ok(device_counter("contexts") == 2, "counter contexts: two");
	tap_ok(device_counter("bytes") > bytes + 1024,
	       "counter bytes: a thousand slots more");
	dreg_close(&other);
	if (dreg_monitor(dreg, 1, page, PAGE))
		tap_bail("monitor");
	tap_ok(device_counter("ranges") == ranges + 1,
	       "counter ranges: one more");
	dreg_unmonitor(dreg, 1);
	tap_ok(device_counter("ranges") == ranges, "and gone again");
	munmap(page, PAGE);
}

static void read_trace(char *text)
{
	size_t used = 0;
	ssize_t got;
	int fd = open(TRACING "/trace", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		tap_bail(TRACING "/trace");
	while ((got = read(fd, text + used, TRACE_BYTES - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = 0;
	close(fd);
}

/* Is there a line with @first, and @second behind it? */
static bool has_line(const char *text, const char *first, const char *second)
{
	const char *at = text, *end, *found;

	while ((at = strstr(at, first))) {
		end = strchrnul(at, '\n');
		found = strstr(at, second);
		if (found && found < end)
			return true;
		at = end;
	}
	return false;
}

static void traced(struct dreg *dreg)
{
	static char text[TRACE_BYTES];
	unsigned char *page = memory_pages(1);
	char start[32];

	if (write_text(TRACING "/events/dreg/enable", "1")) {
		tap_lacks("tracepoints", "tracefs");
		munmap(page, PAGE);
		return;
	}
	write_text(TRACING "/trace", "\n");
	one_of_each(dreg, page);
	must(write_text(TRACING "/events/dreg/enable", "0"), "events/dreg");
	read_trace(text);
	snprintf(start, sizeof(start), "start=0x%lx ", (unsigned long)page);
	tap_ok(has_line(text, "monitor: ", start) &&
	       has_line(text, " monitor: ", "slot=3 "),
	       "tracepoint dreg:monitor shows slot and range");
	tap_ok(has_line(text, " fire: ", "reason=clear ") &&
	       has_line(text, " fire: ", "reason=unmap ") &&
	       has_line(text, " fire: ", "slot=3 "),
	       "tracepoint dreg:fire shows what fires, and why");
	tap_ok(has_line(text, " ignore: ", start),
	       "tracepoint dreg:ignore shows changes of protection, which do not");
	tap_ok(has_line(text, "unmonitor: ", "slot=3 fired=1"),
	       "tracepoint dreg:unmonitor shows whether it had fired");
}

/* In a child: what works without privileges, what is hidden; bits of failures. */
static int unprivileged(void)
{
	unsigned char *page = memory_pages(1);
	struct dreg dreg;
	int wrong = 0;

	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		return 64;
	if (dreg_open(&dreg, 4))
		return 1;
	if (dreg_monitor(&dreg, 1, page, PAGE))
		wrong |= 2;
	munmap(page, PAGE);
	if (!dreg_fired(&dreg, 1) || dreg_unmonitor(&dreg, 1) != 1)
		wrong |= 4;
	if (access(COUNTERS "/contexts", R_OK) == 0)
		wrong |= 8;
	if (access("/sys/module/dreg/parameters/max_slots", W_OK) == 0)
		wrong |= 16;
	/* One each is the limit: root's does not count, the second one does. */
	if (device_open() != -EDQUOT)
		wrong |= 32;
	dreg_close(&dreg);
	return wrong;
}

static void by_nobody(void)
{
	long long before = device_set_parameter("max_user_contexts", 1);
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(unprivileged());
	if (child < 0 || waitpid(child, &status, 0) != child)
		tap_bail("fork");
	device_set_parameter("max_user_contexts", before);
	if (!tap_ok(status == 0,
		    "an ordinary user can monitor, sees no counters, and has a limit of its own"))
		tap_diag("wait status 0x%x", status);
}

int main(void)
{
	struct dreg dreg;

	background_off();
	if (dreg_open(&dreg, 8))
		tap_bail("dreg_open");
	counted(&dreg);
	levels(&dreg);
	traced(&dreg);
	by_nobody();
	dreg_close(&dreg);
	return finish();
}
