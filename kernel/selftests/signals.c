// SPDX-License-Identifier: GPL-2.0
/*
 * Signals: no call of a program that goes on living fails with EINTR because of
 * one, and one that is killed while it waits for others dies at once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
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

enum { PROCESSES = 300, TIMER_US = 300, VMAS = 600, STACK_PAGES = 16 };

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

static int many, other;
static unsigned char *held, *free_page;
static bool discarding, discarded, asks;

static void set(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_SEQ_CST);
}

static bool is_set(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static void *discard(void *argument)
{
	(void)argument;
	set(&discarding);
	must(madvise(held, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	set(&discarded);
	return NULL;
}

/* In a process of its own, so that it can be killed alone. */
static int monitor_for_ever(void *argument)
{
	(void)argument;
	for (;;) {
		set(&asks);
		if (device_monitor(other, 1, free_page, PAGE))
			_exit(1);
		if (device_unmonitor(other, 1) < 0)
			_exit(2);
	}
}

static void monitor_a_million(void)
{
	struct dreg_range *ranges = calloc(DREG_SLOTS_MAX, sizeof(*ranges));
	struct dreg_batch batch = {
		.ranges = (uintptr_t)ranges,
		.count = DREG_SLOTS_MAX,
	};
	uint32_t i;

	if (!ranges)
		tap_bail("calloc");
	for (i = 0; i < DREG_SLOTS_MAX; i++)
		ranges[i] = (struct dreg_range){
			.addr = (uintptr_t)held, .len = PAGE, .slot = i };
	if (device_call(many, DREG_IOC_MONITOR, &batch))
		tap_bail("monitor a million ranges");
	free(ranges);
}

/*
 * An invalidation that takes long, since it fires a million ranges; MONITOR of
 * another context has to wait for it, and its process is killed meanwhile.
 */
static void killed_while_it_waits(void)
{
	unsigned char *stack = memory_pages(STACK_PAGES);
	bool early;
	pthread_t thread;
	int status;
	pid_t child;

	held = memory_pages(1);
	free_page = memory_pages(1);
	many = device_open();
	other = device_open();
	if (device_setup(many, DREG_SLOTS_MAX) < 0 || device_setup(other, 16) < 0)
		tap_bail("SETUP");
	monitor_a_million();
	must(pthread_create(&thread, NULL, discard, NULL), "thread");
	while (!is_set(&discarding))
		usleep(100);
	usleep(5000);
	child = clone(monitor_for_ever, stack + STACK_PAGES * PAGE, CLONE_VM | SIGCHLD, NULL);
	while (!is_set(&asks))
		usleep(100);
	usleep(5000);
	kill(child, SIGKILL);
	if (waitpid(child, &status, 0) != child)
		tap_bail("waitpid");
	early = !is_set(&discarded);
	must(pthread_join(thread, NULL), "join");
	tap_ok(WIFSIGNALED(status) && early,
	       "killed in a MONITOR that waits for an invalidation: dead before that ends");
	close(many);
	close(other);
}

int main(int argc, char **argv)
{
	struct options options = { .rounds = PROCESSES };

	options_parse(&options, argc, argv);
	/* Before there are mappings that each child would copy. */
	killed_while_it_waits();
	map_many();
	under_a_timer(SA_RESTART, "SA_RESTART", (int)options.rounds);
	under_a_timer(0, "no SA_RESTART", (int)options.rounds);
	return finish();
}
