// SPDX-License-Identifier: GPL-2.0
/*
 * libdreg in a forked child: each call is defined, what the child reads says
 * that everything has changed, and nothing that the child has mapped since is
 * touched.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "background.h"
#include "device.h"
#include "finish.h"
#include "libdreg.h"
#include "memory.h"
#include "tap.h"

enum { SLOTS = 1024, MAPPINGS = 32, FORKS = 200 };

static struct dreg dreg;
static uint64_t seen;
static unsigned char *page;

static int wait_for(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child)
		tap_bail("the child");
	return status;
}

/* Runs @body in a forked child: its result must be 0. */
static void in_child(int (*body)(void), const char *what)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(body());
	status = wait_for(child);
	if (!tap_ok(status == 0, "a forked child: %s", what))
		tap_diag("wait status 0x%x", status);
}

static int reads(void)
{
	uint64_t from = seen;
	uint32_t slot;

	if (!dreg_changed(&dreg, seen))
		return 1;
	for (slot = 0; slot < SLOTS; slot++)
		if (!dreg_fired(&dreg, slot))
			return 2;
	if (dreg_next(&dreg, &from, &slot) != -EOWNERDEAD || from != seen)
		return 3;
	return dreg_user_delta(&dreg) == UINT64_MAX ? 0 : 4;
}

static int calls(void)
{
	struct dreg_range range = { .addr = (uintptr_t)page, .len = PAGE, .slot = 7 };
	uint32_t done = 9;
	int wrong = 0;

	if (dreg_monitor(&dreg, 2, page, PAGE) != -EOWNERDEAD)
		wrong |= 1;
	if (dreg_unmonitor(&dreg, 1) != -EOWNERDEAD)
		wrong |= 2;
	if (dreg_monitor_batch(&dreg, &range, 1, &done) != -EOWNERDEAD || done)
		wrong |= 4;
	if (dreg_unmonitor_batch(&dreg, &range, 1, NULL) != -EOWNERDEAD)
		wrong |= 8;
	return wrong;
}

/* Memory of the child's own, as much at a time as the shared area was. */
static unsigned char *mappings[MAPPINGS];

static int map_some(void)
{
	int i;

	for (i = 0; i < MAPPINGS; i++) {
		mappings[i] = mmap(NULL, dreg.shared_bytes, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (mappings[i] == MAP_FAILED)
			return -1;
		memset(mappings[i], BYTE_OLD, dreg.shared_bytes);
	}
	return 0;
}

static bool all_there(size_t bytes)
{
	unsigned char present[64];
	int i;

	for (i = 0; i < MAPPINGS; i++)
		if (mincore(mappings[i], bytes, present) ||
		    !memory_is(mappings[i], BYTE_OLD, bytes))
			return false;
	return true;
}

static int closes(void)
{
	size_t bytes = dreg.shared_bytes;

	if (map_some())
		return 1;
	dreg_close(&dreg);
	if (!all_there(bytes))
		return 2;
	dreg_close(&dreg); /* once more is nothing */
	return dreg.fd == -1 ? 0 : 3;
}

static int opens_again(void)
{
	unsigned char *own = memory_pages(1);

	dreg_close(&dreg);
	if (dreg_open(&dreg, SLOTS))
		return 1;
	if (dreg_monitor(&dreg, 3, own, PAGE) || dreg_fired(&dreg, 3))
		return 2;
	munmap(own, PAGE);
	if (!dreg_fired(&dreg, 3) || dreg_unmonitor(&dreg, 3) != 1)
		return 3;
	dreg_close(&dreg);
	return 0;
}

static int grandchild(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(reads() * 16 + closes());
	status = wait_for(child);
	if (!WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status) ? 2 : opens_again();
}

/* A child whose parent's handlers were not run, with its memory in the hole. */
static void bare_clone(void)
{
	pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	size_t bytes = dreg.shared_bytes;
	unsigned char *hole = (unsigned char *)dreg.shared;

	if (child == 0) {
		memory_map_at(hole, bytes);
		memset(hole, BYTE_OLD, bytes);
		dreg_close(&dreg);
		_exit(memory_is(hole, BYTE_OLD, bytes) ? 0 : 1);
	}
	tap_ok(wait_for(child) == 0,
	       "a child of a bare clone(): close leaves alone what it has mapped there");
}

static bool stop;

static void *open_and_close(void *argument)
{
	struct dreg other;

	(void)argument;
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		if (dreg_open(&other, 16))
			return (void *)1;
		dreg_close(&other);
	}
	return NULL;
}

static void threads_open_meanwhile(void)
{
	pthread_t thread;
	void *failed;
	int i, wrong = 0;

	must(pthread_create(&thread, NULL, open_and_close, NULL), "thread");
	for (i = 0; i < FORKS; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(reads() || calls());
		wrong += wait_for(child) != 0;
	}
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	must(pthread_join(thread, &failed), "join");
	tap_ok(!wrong && !failed,
	       "forked while another thread opens and closes: all the same");
}

int main(void)
{
	background_off();
	if (dreg_open(&dreg, SLOTS))
		tap_bail("dreg_open");
	page = memory_pages(1);
	if (dreg_monitor(&dreg, 1, page, PAGE))
		tap_bail("monitor");
	seen = dreg_user_delta(&dreg);
	in_child(reads, "all has changed, every slot has fired, dreg_next() says EOWNERDEAD");
	in_child(calls, "MONITOR and UNMONITOR say EOWNERDEAD, one by one and in batches");
	in_child(closes, "close leaves the memory alone that it has mapped since");
	in_child(opens_again, "close, then open: a context of its own, which works");
	in_child(grandchild, "the same in its own child");
	bare_clone();
	threads_open_meanwhile();
	tap_ok(!dreg_changed(&dreg, seen) && !dreg_fired(&dreg, 1),
	       "the parent: nothing of this has fired its slot");
	must(madvise(page, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	tap_ok(dreg_fired(&dreg, 1) && dreg_unmonitor(&dreg, 1) == 1,
	       "the parent: its slot still fires");
	dreg_close(&dreg);
	munmap(page, PAGE);
	return finish();
}
