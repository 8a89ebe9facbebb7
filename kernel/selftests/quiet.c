// SPDX-License-Identifier: GPL-2.0
/*
 * The check and the reaping need no system call: they are done by a task that
 * the kernel kills at its first one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "finish.h"
#include "libdreg.h"
#include "memory.h"
#include "tap.h"

enum { SLOTS = 256, CHECKS = 1000000, STACK_PAGES = 16 };

static struct dreg dreg;
static uint64_t seen;
static uint32_t reaped;
static uint32_t not_flagged;
static uint64_t changes_seen;

/* From here on every system call but the exit kills the task. */
static int forbid_calls(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(filter[0]),
		.filter = filter,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/* A million checks, and the reaping of whatever fires meanwhile. */
static int check_and_reap(void *argument)
{
	uint32_t checks, slot;

	(void)argument;
	if (forbid_calls())
		_exit(1);
	for (checks = 0; checks < CHECKS || reaped < SLOTS; checks++) {
		if (!dreg_changed(&dreg, seen))
			continue;
		changes_seen++;
		while (dreg_next(&dreg, &seen, &slot) == 1) {
			not_flagged += !dreg_fired(&dreg, slot);
			reaped++;
		}
	}
	_exit(0);
}

static int make_a_call(void *argument)
{
	(void)argument;
	if (forbid_calls())
		_exit(1);
	syscall(SYS_getppid);
	_exit(0);
}

static pid_t start(int (*body)(void *), unsigned char *stack)
{
	pid_t child = clone(body, stack + STACK_PAGES * PAGE, CLONE_VM |
			    SIGCHLD, NULL);

	if (child < 0)
		tap_bail("clone");
	return child;
}

static int wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		tap_bail("waitpid");
	return status;
}

int main(void)
{
	unsigned char *stack = memory_pages(STACK_PAGES);
	unsigned char *pages = memory_pages(SLOTS);
	uint32_t slot;
	pid_t child;
	int status;

	if (dreg_open(&dreg, SLOTS))
		tap_bail("dreg_open");
	seen = dreg_user_delta(&dreg);
	for (slot = 0; slot < SLOTS; slot++)
		if (dreg_monitor(&dreg, slot, pages + slot * PAGE, PAGE))
			tap_bail("monitor");
	status = wait_for(start(make_a_call, stack));
	tap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
	       "a task that may make no system call dies of one");
	child = start(check_and_reap, stack);
	for (slot = 0; slot < SLOTS; slot++) {
		must(munmap(pages + slot * PAGE, PAGE), "munmap");
		if (slot % 16 == 0)
			usleep(1000);
	}
	status = wait_for(child);
	if (!tap_ok(status == 0,
		    "a million checks and 256 firings: not one system call"))
		tap_diag("wait status 0x%x", status);
	tap_ok(reaped == SLOTS && not_flagged == 0,
	       "all of the firings were reaped, each with its flag");
	tap_diag("they came in %llu lots", (unsigned long long)changes_seen);
	dreg_close(&dreg);
	return finish();
}
