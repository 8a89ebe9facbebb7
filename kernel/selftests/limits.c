// SPDX-License-Identifier: GPL-2.0
/* What a user may have, and what that costs before it is used. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "background.h"
#include "device.h"
#include "finish.h"
#include "libdreg.h"
#include "memory.h"
#include "tap.h"

enum { NOBODY = 65534, SUBORDINATE = 100000, RANKS = 32, RANK_SLOTS = 1 << 19 };

/* As 32 ranks of a job that each ask for as many as a cache may ever need. */
static void many_ranks(void)
{
	long long before = device_counter("bytes");
	int fds[RANKS + 1], i;
	bool all = true;

	for (i = 0; i <= RANKS; i++) {
		fds[i] = device_open();
		all = all && fds[i] >= 0 && device_setup(fds[i], RANK_SLOTS) > 0;
	}
	tap_ok(all, "33 contexts of 524,288 slots are within a user's limits");
	if (!tap_ok(device_counter("bytes") - before < (RANKS + 1) * 64ll * 1024,
		    "and cost less than 64 KiB each while nothing is monitored"))
		tap_diag("%lld bytes", device_counter("bytes") - before);
	for (i = 0; i <= RANKS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* A range in each corner: the pages for its flag and its firing, and no more. */
static void corners(void)
{
	unsigned char *page = memory_pages(1);
	long long before;
	struct dreg dreg;
	uint64_t seen;
	uint32_t slot;
	int wrong = 0;

	if (dreg_open(&dreg, DREG_SLOTS_MAX))
		tap_bail("dreg_open");
	seen = dreg_user_delta(&dreg);
	before = device_counter("bytes");
	if (dreg_monitor(&dreg, DREG_SLOTS_MAX - 1, page, PAGE) ||
	    dreg_monitor(&dreg, DREG_SLOTS_MAX / 2, page, PAGE))
		tap_bail("monitor");
	tap_ok(device_counter("bytes") - before < 64 * 1024,
	       "the last slot of a million costs what it needs");
	munmap(page, PAGE);
	wrong += dreg_next(&dreg, &seen, &slot) != 1;
	wrong += dreg_next(&dreg, &seen, &slot) != 1;
	wrong += dreg_next(&dreg, &seen, &slot) != 0;
	wrong += !dreg_fired(&dreg, DREG_SLOTS_MAX - 1);
	wrong += !dreg_fired(&dreg, DREG_SLOTS_MAX / 2);
	wrong += dreg_fired(&dreg, 12345);
	tap_ok(wrong == 0, "and fires as any other; flags that nobody used are 0");
	dreg_close(&dreg);
}

/* One slot of each page and table: much memory for few ranges. */
static void sparse(void)
{
	long long before = device_set_parameter("max_user_ranges", 100), bytes;
	unsigned char *page = memory_pages(1);
	int error = 0, done;
	struct dreg dreg;

	if (dreg_open(&dreg, DREG_SLOTS_MAX))
		tap_bail("dreg_open");
	for (done = 0; done < 100 && !error; done++)
		error = dreg_monitor(&dreg, (uint32_t)done * 8192, page, PAGE);
	bytes = device_counter("bytes");
	device_set_parameter("max_user_ranges", before);
	if (!tap_ok(error == -EDQUOT && bytes < 200 * 1024,
		    "slots used sparsely: EDQUOT before they take more than their ranges may"))
		tap_diag("%d after %d, %lld bytes", error, done, bytes);
	tap_ok(dreg_monitor(&dreg, (uint32_t)done * 8192, page, PAGE) == 0,
	       "and more where the limit is higher");
	dreg_close(&dreg);
	munmap(page, PAGE);
}

/*
 * Who is in a chroot, as this program may be, cannot make a user namespace: makes
 * the mounted file system that it sees the root of a mount namespace of its own.
 */
static int leave_chroot(void)
{
	int here, i;

	if (unshare(CLONE_NEWNS))
		return -1;
	/* Now: what was opened before belongs to the namespace that was left. */
	here = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* Above the old root, where a narrower one does not hold. */
	if (here < 0 || chroot("/tmp") || fchdir(here))
		return -1;
	for (i = 0; i < 16; i++)
		if (chdir(".."))
			return -1;
	if (chroot(".") || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || fchdir(here))
		return -1;
	return mount(".", "/", NULL, MS_MOVE, NULL) ? -1 : chroot(".");
}

static bool is_in_chroot(void)
{
	struct stat ours, first;

	return stat("/", &ours) || stat("/proc/1/root", &first) ||
	       ours.st_dev != first.st_dev || ours.st_ino != first.st_ino;
}

/*
 * Two uids that nobody gets from a namespace of its own.  0, or what went wrong:
 * the first open must succeed, the second fail, since both count as nobody's.
 */
static int in_namespace(int ready, int go)
{
	char byte = 0;
	int first, second;

	if (is_in_chroot() && leave_chroot()) {
		tap_diag("out of the chroot: %m");
		return 9;
	}
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY) ||
	    unshare(CLONE_NEWUSER))
		return 1;
	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1)
		return 2;
	if (seteuid(1))
		return 3;
	first = device_open();
	if (first < 0)
		return 4;
	if (seteuid(0) || seteuid(2))
		return 5;
	second = device_open();
	return second == -EDQUOT ? 0 : 6;
}

static void subordinate_uids(void)
{
	static const char what[] = "uids of a user namespace share the limits of who made it";
	int ready[2], go[2], status;
	char path[64], map[64], byte;
	long long before;
	pid_t child;

	if (access("/proc/self/ns/user", F_OK)) {
		tap_lacks(what, "user namespaces");
		return;
	}
	before = device_set_parameter("max_user_contexts", 1);
	must(pipe(ready), "pipe");
	must(pipe(go), "pipe");
	child = fork();
	if (child == 0)
		_exit(in_namespace(ready[1], go[0]));
	close(ready[1]);
	if (read(ready[0], &byte, 1) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/uid_map", child);
		snprintf(map, sizeof(map), "0 %d 1000", SUBORDINATE);
		must(write_text(path, map), "uid_map");
		if (write(go[1], &byte, 1) != 1)
			tap_bail("write");
	}
	if (waitpid(child, &status, 0) != child)
		tap_bail("waitpid");
	device_set_parameter("max_user_contexts", before);
	if (!tap_ok(status == 0, "%s", what))
		tap_diag("wait status 0x%x", status);
}

int main(void)
{
	background_off();
	many_ranks();
	corners();
	sparse();
	subordinate_uids();
	return finish();
}
