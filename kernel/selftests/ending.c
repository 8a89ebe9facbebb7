// SPDX-License-Identifier: GPL-2.0
/* Row 25: every way for an owner of ranges to end. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "finish.h"
#include "memory.h"
#include "tap.h"

enum { MANY = 1000 };

static int wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		tap_bail("waitpid");
	return status;
}

/* Monitors MANY ranges, tells the parent so, and goes on to @end. */
static pid_t owner_of_many(void (*end)(void))
{
	int ends[2], fd, i;
	unsigned char *pages;
	pid_t child;
	char byte;

	must(pipe2(ends, O_CLOEXEC), "pipe2");
	child = fork();
	if (child == 0) {
		pages = memory_pages(16);
		fd = device_open();
		if (fd < 0 || device_setup(fd, 1024) < 0)
			_exit(1);
		for (i = 0; i < MANY; i++)
			if (device_monitor(fd, (uint32_t)i,
					   pages + i % 16 * PAGE, PAGE))
				_exit(1);
		if (write(ends[1], "x", 1) != 1)
			_exit(1);
		end();
		_exit(1);
	}
	close(ends[1]);
	if (read(ends[0], &byte, 1) != 1)
		tap_bail("the owner of many ranges failed");
	close(ends[0]);
	return child;
}

static void end_by_exit(void)
{
	exit(0);
}

static void end_by_exec(void)
{
	execl("/bin/true", "true", NULL);
}

static void end_by_kill(void)
{
	kill(getpid(), SIGKILL);
}

static void end_by_fault(void)
{
	signal(SIGSEGV, SIG_DFL);
	*memory_hole(PAGE, PAGE) = 1;
}

static void ends(const char *how, void (*end)(void), int signal_number)
{
	long long contexts = device_counter("contexts");
	long long ranges = device_counter("ranges");
	int status = wait_for(owner_of_many(end));

	tap_ok(signal_number ? WIFSIGNALED(status) &&
			       WTERMSIG(status) == signal_number :
			       status == 0,
	       "row 25, an owner of %d ranges ends by %s", MANY, how);
	tap_ok(device_counter_becomes("ranges", ranges) &&
	       device_counter_becomes("contexts", contexts),
	       "row 25, %s leaves nothing behind", how);
}

#define CGROUPS "/tmp/dreg-selftest-cgroups"
#define CGROUP CGROUPS "/dreg-selftest"

/* Takes memory until the control group's limit kills the process. */
static void end_by_oom(void)
{
	size_t bytes = 256u << 20, i;
	unsigned char *pages;
	char self[16];

	snprintf(self, sizeof(self), "%d", getpid());
	if (write_text(CGROUP "/cgroup.procs", self))
		_exit(1);
	pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; pages != MAP_FAILED && i < bytes; i += PAGE)
		pages[i] = 1;
}

static void oom_killed(void)
{
	mkdir(CGROUPS, 0700);
	if (mount("none", CGROUPS, "cgroup2", 0, NULL) ||
	    write_text(CGROUPS "/cgroup.subtree_control", "+memory") ||
	    mkdir(CGROUP, 0700) || write_text(CGROUP "/memory.max", "24M")) {
		tap_lacks("row 25, the OOM killer",
			  "memory control groups (v2)");
		return;
	}
	ends("the OOM killer", end_by_oom, SIGKILL);
	rmdir(CGROUP);
	umount(CGROUPS);
	rmdir(CGROUPS);
}

int main(void)
{
	ends("exit", end_by_exit, 0);
	ends("exec", end_by_exec, 0);
	ends("SIGKILL", end_by_kill, SIGKILL);
	ends("a fault", end_by_fault, SIGSEGV);
	oom_killed();
	return finish();
}
