// SPDX-License-Identifier: GPL-2.0
/*
 * What monitored ranges cost others: those who change memory under them after
 * they have fired, those who only change protection, and who wants the processor
 * while a million ranges fire.
 *
 * Times are the calling thread's own processor time, and compared only with
 * those of the same program.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "background.h"
#include "device.h"
#include "finish.h"
#include "libdreg.h"
#include "memory.h"
#include "options.h"
#include "swap.h"
#include "tap.h"
#include "threads.h"

enum { RANGES = 1 << 20, SAMPLES = 15, TIMES = 10, ATTEMPTS = 10 };

/* All of one page; an eighth as many where each has a page of its own. */
static uint32_t range_count;

static uint32_t spread(void)
{
	return range_count / 8;
}

static int context_of(uint32_t slots)
{
	int fd = device_open();

	if (fd < 0 || device_setup(fd, slots) < 0)
		tap_bail("a context of %u slots", slots);
	return fd;
}

/* @count ranges of a page, each @step bytes behind the one before. */
static void monitor_many(int fd, unsigned char *from, uint32_t count, size_t step)
{
	struct dreg_range *ranges = calloc(count, sizeof(*ranges));
	struct dreg_batch batch = { .ranges = (uintptr_t)ranges, .count = count };
	uint32_t i;

	if (!ranges)
		tap_bail("calloc");
	for (i = 0; i < count; i++)
		ranges[i] = (struct dreg_range){
			.addr = (uintptr_t)(from + i * step), .len = PAGE, .slot = i };
	if (device_call(fd, DREG_IOC_MONITOR, &batch))
		tap_bail("monitor %u ranges", count);
	free(ranges);
}

static double own_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The least time of an operation, over a few: what else the machine does adds to it. */
static double cost_of(void (*operation)(void *), void *argument)
{
	double least = 0, start, cost;
	int i;

	for (i = 0; i < SAMPLES; i++) {
		start = own_time();
		operation(argument);
		cost = own_time() - start;
		if (i == 0 || cost < least)
			least = cost;
	}
	return least;
}

struct page {
	int file;
	unsigned char *addr;
};

static void discard(void *argument)
{
	struct page *page = argument;

	page->addr[0] = 1;
	must(madvise(page->addr, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
}

static void reclaim(void *argument)
{
	struct page *page = argument;

	page->addr[0] = 1;
	must(madvise(page->addr, PAGE, MADV_PAGEOUT), "MADV_PAGEOUT");
}

static void punch(void *argument)
{
	struct page *page = argument;

	if (pwrite(page->file, "x", 1, 0) != 1)
		tap_bail("pwrite");
	must(fallocate(page->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE),
	     "punch a hole");
}

/* By another process, which never heard of dreg; the page is mapped here. */
static double punched_elsewhere(struct page *page)
{
	double cost = 0;
	int ends[2], status;
	pid_t child;

	page->addr[0] = 1;
	must(pipe(ends), "pipe");
	child = fork();
	if (child == 0) {
		cost = cost_of(punch, page);
		_exit(write(ends[1], &cost, sizeof(cost)) != sizeof(cost));
	}
	if (read(ends[0], &cost, sizeof(cost)) != sizeof(cost) ||
	    waitpid(child, &status, 0) != child || status)
		tap_bail("punching");
	close(ends[0]);
	close(ends[1]);
	return cost;
}

/* An emulated kernel may count processor time by ticks: nothing is shorter than this. */
static const double MEASURABLE_NS = 100e3;

static void cheap(double cost, double without, const char *what)
{
	if (without < MEASURABLE_NS)
		without = MEASURABLE_NS;
	if (!tap_ok(cost < TIMES * without, "%s", what))
		tap_diag("%.0f ns with, %.0f ns without", cost, without);
}

static void reclaimed(struct page *page, double reclaiming)
{
	static const char what[] = "many ranges that have fired: reclaim is not held up";

	if (reclaiming > 0)
		cheap(cost_of(reclaim, page), reclaiming, what);
	else
		tap_lacks(what, "a swap device (zram)");
}

static void fired_already(void)
{
	struct page file = { .file = memfd_create("holdup", MFD_CLOEXEC) };
	struct page anonymous = { .addr = memory_pages(1) };
	double discarding, punching, reclaiming;
	bool swap = swap_on();
	int fd = context_of(range_count / 2);

	must(ftruncate(file.file, PAGE), "ftruncate");
	file.addr = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file.file, 0);
	if (file.addr == MAP_FAILED)
		tap_bail("map the file");
	discarding = cost_of(discard, &anonymous);
	reclaiming = swap ? cost_of(reclaim, &anonymous) : 0;
	punching = punched_elsewhere(&file);

	monitor_many(fd, file.addr, range_count / 2, 0);
	punch(&file);
	cheap(punched_elsewhere(&file), punching,
	      "many ranges that have fired: another process's hole punch is not held up");
	close(fd);

	fd = context_of(range_count);
	monitor_many(fd, anonymous.addr, range_count, 0);
	discard(&anonymous);
	cheap(cost_of(discard, &anonymous), discarding,
	      "many ranges that have fired: MADV_DONTNEED is not held up");
	reclaimed(&anonymous, reclaiming);
	close(fd);
	munmap(file.addr, PAGE);
	close(file.file);
	munmap(anonymous.addr, PAGE);
	if (swap)
		swap_off();
}

static bool stop;

static void *spin(void *argument)
{
	(void)argument;
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
		;
	return NULL;
}

/* Beside a thread that wants the same processor all the time. */
static void others_may_run(void)
{
	struct page page = { .addr = memory_pages(1) };
	struct rusage before, after;
	pthread_t thread;
	int fd = context_of(range_count);

	monitor_many(fd, page.addr, range_count, 0);
	stay_on_one_processor();
	must(pthread_create(&thread, NULL, spin, NULL), "thread");
	page.addr[0] = 1;
	getrusage(RUSAGE_THREAD, &before);
	must(madvise(page.addr, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	getrusage(RUSAGE_THREAD, &after);
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	must(pthread_join(thread, NULL), "join");
	/* One may be that of the system call's end. */
	if (!tap_ok(after.ru_nivcsw > before.ru_nivcsw + 2,
		    "while many ranges fire, others may run on that processor"))
		tap_diag("%ld switches", after.ru_nivcsw - before.ru_nivcsw);
	close(fd);
	munmap(page.addr, PAGE);
}

static void *discard_once(void *page)
{
	discard(page);
	return NULL;
}

/*
 * While a million ranges fire: UNMONITOR of another context, and of that one.
 * True if both have returned, and not all of them have fired.
 */
static bool unmonitors_meanwhile(struct page *page, unsigned char *own)
{
	struct dreg many, other;
	int first, second;
	pthread_t thread;
	uint64_t seen;
	bool early;

	if (dreg_open(&many, range_count) || dreg_open(&other, 2))
		tap_bail("dreg_open");
	seen = dreg_user_delta(&many);
	monitor_many(many.fd, page->addr, range_count - 1, 0);
	if (dreg_monitor(&many, range_count - 1, own, PAGE) || dreg_monitor(&other, 1, own, PAGE))
		tap_bail("monitor");
	must(pthread_create(&thread, NULL, discard_once, page), "thread");
	while (!dreg_changed(&many, seen))
		usleep(100);
	first = device_unmonitor(other.fd, 1);
	second = device_unmonitor(many.fd, range_count - 1);
	early = dreg_user_delta(&many) - seen < range_count - 1;
	must(pthread_join(thread, NULL), "join");
	dreg_close(&other);
	dreg_close(&many);
	return first == 0 && second == 0 && early;
}

static void unmonitor_does_not_wait(void)
{
	struct page page = { .addr = memory_pages(1) };
	unsigned char *own = memory_pages(2);
	bool meanwhile = false;
	int attempt;

	/* On a busy machine all may have fired before this thread runs again. */
	for (attempt = 0; attempt < ATTEMPTS && !meanwhile; attempt++)
		meanwhile = unmonitors_meanwhile(&page, own);
	tap_ok(meanwhile, "while many ranges fire, UNMONITOR of others does not wait for that");
	munmap(own, 2 * PAGE);
	munmap(page.addr, PAGE);
}

/* All of the area, which is as many mappings as before when it is over. */
static void protect(void *argument)
{
	const size_t bytes = (size_t)spread() * PAGE;

	must(mprotect(argument, bytes, PROT_READ), "mprotect");
	must(mprotect(argument, bytes, PROT_READ | PROT_WRITE), "mprotect");
}

static double lesser(double a, double b)
{
	return a < b ? a : b;
}

/*
 * The least of all attempts, three at least: a busy machine may be slow in all
 * samples of one, and a walk of all ranges costs its time in each.
 */
static void protection_changes(void)
{
	unsigned char *area = memory_pages(spread());
	double with = INFINITY, without = INFINITY;
	int attempt, fd;

	for (attempt = 0; attempt < 3 || (attempt < ATTEMPTS && with >= 1.5 * without); attempt++) {
		fd = context_of(spread());
		without = lesser(without, cost_of(protect, area));
		monitor_many(fd, area, spread(), PAGE);
		with = lesser(with, cost_of(protect, area));
		close(fd);
	}
	if (!tap_ok(with < 1.5 * without,
		    "mprotect of many monitored ranges costs what it costs of none"))
		tap_diag("%.0f ns with, %.0f ns without", with, without);
	munmap(area, (size_t)spread() * PAGE);
}

int main(int argc, char **argv)
{
	struct options options = { .ranges = RANGES };

	options_parse(&options, argc, argv);
	range_count = options.ranges;
	background_off();
	fired_already();
	protection_changes();
	others_may_run();
	unmonitor_does_not_wait();
	return finish();
}
