// SPDX-License-Identifier: GPL-2.0
/*
 * Signals: no call of a program that goes on living fails with EINTR because of
 * one, and one that is killed while it waits for others dies at once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "finish.h"
#include "libdreg.h"
#include "memory.h"
#include "options.h"
#include "tap.h"

enum { PROCESSES = 300, TIMER_US = 300, VMAS = 600, STACK_PAGES = 16, ATTEMPTS = 50, SCENES = 5 };

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

/* Many mappings: the longer the kernel takes to lock them all, the better. */
static void map_many(void)
{
	unsigned char *area = memory_pages(2 * VMAS);
	int i;

	for (i = 0; i < VMAS; i++)
		must(mprotect(area + (size_t)i * 2 * PAGE, PAGE, PROT_READ), "mprotect");
}

static void start_timer(int flags)
{
	struct sigaction action = { .sa_handler = count_signal, .sa_flags = flags };
	struct itimerval interval = {
		.it_interval = { .tv_usec = TIMER_US },
		.it_value = { .tv_usec = TIMER_US },
	};

	must(sigaction(SIGALRM, &action, NULL), "sigaction");
	must(setitimer(ITIMER_REAL, &interval, NULL), "setitimer");
}

/* Everything that can be first in the life of a process; 0 or the errno. */
static int first_calls(int flags)
{
	unsigned char *page = memory_pages(1);
	int fd, error;
	long bytes;

	start_timer(flags);
	while (!signals)
		;
	fd = device_open();
	if (fd < 0)
		return -fd;
	bytes = device_setup(fd, 16);
	if (bytes < 0)
		return (int)-bytes;
	error = device_monitor(fd, 1, page, PAGE);
	if (error)
		return -error;
	error = device_unmonitor(fd, 1);
	return error < 0 ? -error : 0;
}

static void under_a_timer(int flags, const char *what, int processes)
{
	int i, failed = 0, interrupted = 0, status;
	pid_t child;

	for (i = 0; i < processes; i++) {
		child = fork();
		if (child == 0)
			_exit(first_calls(flags));
		if (child < 0 || waitpid(child, &status, 0) != child)
			tap_bail("fork");
		failed += status != 0;
		interrupted += status == EINTR << 8;
	}
	if (!tap_ok(failed == 0, "the first calls of a process, under a timer (%s)", what))
		tap_diag("%d of %d failed, %d with EINTR", failed, processes, interrupted);
}

/* All slots of the first but the last have a range of one page. */
static struct dreg many, other;
static uint32_t range_count;
static unsigned char *held, *free_page;

static void *discard(void *argument)
{
	(void)argument;
	must(madvise(held, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	return NULL;
}

/* In a process of its own, so that it can be killed alone. */
static int monitor_for_ever(void *argument)
{
	struct dreg *dreg = argument;
	uint32_t slot = dreg == &many ? range_count : 1;

	for (;;) {
		if (device_monitor(dreg->fd, slot, free_page, PAGE))
			_exit(1);
		if (device_unmonitor(dreg->fd, slot) < 0)
			_exit(2);
	}
}

static void monitor_many(void)
{
	struct dreg_range *ranges = calloc(range_count, sizeof(*ranges));
	struct dreg_batch batch = {
		.ranges = (uintptr_t)ranges,
		.count = range_count,
	};
	uint32_t i;

	if (!ranges)
		tap_bail("calloc");
	for (i = 0; i < range_count; i++)
		ranges[i] = (struct dreg_range){
			.addr = (uintptr_t)held, .len = PAGE, .slot = i };
	if (device_call(many.fd, DREG_IOC_MONITOR, &batch))
		tap_bail("monitor %u ranges", range_count);
	free(ranges);
}

static bool sleeps(pid_t pid)
{
	char path[32], line[128] = "", *state;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, line, sizeof(line) - 1) <= 0)
		tap_bail("%s", path);
	close(fd);
	state = strrchr(line, ')');
	return state && state[1] && state[2] == 'D';
}

/*
 * An invalidation that takes long, since it fires so many ranges; MONITOR has
 * to wait for it, and its process is killed meanwhile.  True if it is dead, and
 * not all of them have fired.
 */
static bool dies_while_it_waits(struct dreg *waiter, unsigned char *stack, int *scenes)
{
	uint64_t seen, at_kill, at_death;
	pthread_t thread;
	int status;
	pid_t child;

	/* The kernel calls notifiers in this order: so other has heard of it when many fires. */
	if (dreg_open(&other, 16) || dreg_open(&many, range_count + 1))
		tap_bail("dreg_open");
	seen = dreg_user_delta(&many);
	monitor_many();
	must(pthread_create(&thread, NULL, discard, NULL), "thread");
	while (!dreg_changed(&many, seen))
		usleep(100);
	child = clone(monitor_for_ever, stack + STACK_PAGES * PAGE, CLONE_VM | SIGCHLD, waiter);
	while (!sleeps(child) && dreg_user_delta(&many) - seen < range_count)
		usleep(100);
	at_kill = dreg_user_delta(&many) - seen;
	kill(child, SIGKILL);
	if (waitpid(child, &status, 0) != child)
		tap_bail("waitpid");
	at_death = dreg_user_delta(&many) - seen;
	must(pthread_join(thread, NULL), "join");
	dreg_close(&many);
	dreg_close(&other);
	tap_diag("of %u had fired: %llu when it was killed, %llu when it was dead", range_count,
		 (unsigned long long)at_kill, (unsigned long long)at_death);
	*scenes += at_kill < range_count / 2;
	return WIFSIGNALED(status) && at_death < range_count;
}

static void killed_while_it_waits(struct dreg *waiter, const char *whose)
{
	static unsigned char *stack;
	bool dies = false;
	int attempt, scenes = 0;

	if (!stack) {
		stack = memory_pages(STACK_PAGES);
		held = memory_pages(1);
		free_page = memory_pages(1);
	}
	/* On a busy machine all may have fired before the signal is sent. */
	for (attempt = 0; attempt < ATTEMPTS && scenes < SCENES && !dies; attempt++)
		dies = dies_while_it_waits(waiter, stack, &scenes);
	tap_ok(dies, "killed in a MONITOR that waits for an invalidation that fires %s: dead before that ends",
	       whose);
}

int main(int argc, char **argv)
{
	struct options options = { .rounds = PROCESSES, .ranges = DREG_SLOTS_MAX - 1 };

	options_parse(&options, argc, argv);
	range_count = options.ranges;
	/* Before there are mappings that each child would copy. */
	killed_while_it_waits(&other, "another context's ranges");
	killed_while_it_waits(&many, "its own context's ranges");
	map_many();
	under_a_timer(SA_RESTART, "SA_RESTART", (int)options.rounds);
	under_a_timer(0, "no SA_RESTART", (int)options.rounds);
	return finish();
}
