// SPDX-License-Identifier: GPL-2.0
/*
 * Rows 16 and 26: threads, children, and descriptors that travel.  How owners
 * end (row 25) is in ending.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "finish.h"
#include "scene.h"

enum { AFTER_EXEC_FAILED = 40 };

static struct scene scene;

struct place {
	unsigned char *addr;
	size_t len;
};

static void *unmap_place(void *argument)
{
	struct place *place = argument;

	must(munmap(place->addr, place->len), "munmap");
	return NULL;
}

static void by_thread(void)
{
	struct place place = { memory_pages(4), 4 * PAGE };
	pthread_t thread;

	scene_row("row 16, munmap by another thread");
	scene_watch(&scene, 1, place.addr, place.len);
	must(pthread_create(&thread, NULL, unmap_place, &place), "thread");
	must(pthread_join(thread, NULL), "join");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "fires");
	memory_map_at(place.addr, place.len);
	expect_stale(&scene, 1, "the old registration carries the old bytes");
	scene_clear(&scene);
	munmap(place.addr, place.len);
}

static int unmap_and_exit(void *argument)
{
	struct place *place = argument;

	return munmap(place->addr, place->len) ? 1 : 0;
}

static void by_shared_child(const char *row, int flags)
{
	struct place place = { memory_pages(4), 4 * PAGE };
	unsigned char *stack = memory_pages(16);
	int status = -1;
	pid_t child;

	scene_row(row);
	scene_watch(&scene, 1, place.addr, place.len);
	child = clone(unmap_and_exit, stack + 16 * PAGE,
		      CLONE_VM | SIGCHLD | flags, &place);
	if (child < 0)
		tap_bail("clone");
	if (waitpid(child, &status, 0) != child || status)
		tap_bail("the child failed");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "fires");
	memory_map_at(place.addr, place.len);
	expect_stale(&scene, 1, "the old registration carries the old bytes");
	scene_clear(&scene);
	munmap(place.addr, place.len);
	munmap(stack, 16 * PAGE);
}

static int monitor_from_child(void *argument)
{
	struct place *place = argument;

	return dreg_monitor(&scene.dreg, 2, place->addr, place->len) ? 1 : 0;
}

/* The child is part of the same address space: its calls are the owner's. */
static void shared_child_calls(void)
{
	struct place place = { memory_pages(1), PAGE };
	unsigned char *stack = memory_pages(16);
	int status = -1;
	pid_t child;

	child = clone(monitor_from_child, stack + 16 * PAGE,
		      CLONE_VM | SIGCHLD, &place);
	if (child < 0 || waitpid(child, &status, 0) != child)
		tap_bail("clone");
	tap_ok(status == 0, "row 16, a CLONE_VM child's MONITOR works");
	must(munmap(place.addr, PAGE), "munmap");
	tap_ok(dreg_fired(&scene.dreg, 2),
	       "row 16, and fires after that child has gone");
	dreg_unmonitor(&scene.dreg, 2);
	scene_reap(&scene);
	memset(&scene.watches[2], 0, sizeof(scene.watches[2]));
	munmap(stack, 16 * PAGE);
}

/* What every call from a foreign address space must say: bits of failures. */
static int foreign_calls(int fd)
{
	struct pollfd state = { .fd = fd, .events = POLLIN };
	struct dreg_event event;
	int wrong = 0;

	if (device_setup(fd, 4) != -EOWNERDEAD)
		wrong |= 1;
	if (device_monitor(fd, 9, (void *)PAGE, PAGE) != -EOWNERDEAD)
		wrong |= 2;
	if (device_unmonitor(fd, 1) != -EOWNERDEAD)
		wrong |= 4;
	if (read(fd, &event, sizeof(event)) >= 0 || errno != EOWNERDEAD)
		wrong |= 8;
	if (mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED ||
	    errno != EOWNERDEAD)
		wrong |= 16;
	if (poll(&state, 1, 0) != 1 || state.revents != POLLERR)
		wrong |= 32;
	return wrong;
}

/* Any mapping of the device; libdreg puts memory of the child's own there. */
static bool has_shared_area(void)
{
	static char maps[256 * 1024];
	size_t used = 0;
	ssize_t got;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	while ((got = read(fd, maps + used, sizeof(maps) - 1 - used)) > 0)
		used += (size_t)got;
	close(fd);
	return fd < 0 || !used || strstr(maps, DREG_DEVICE);
}

static int wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		tap_bail("waitpid");
	return status;
}

static void inherited(void)
{
	unsigned char *range = memory_pages(4);
	int wrong;
	pid_t child;

	scene_row("row 26, a forked child");
	claim(has_shared_area(), "its parent has a shared area");
	scene_watch(&scene, 1, range, 4 * PAGE);
	child = fork();
	if (child == 0) {
		wrong = foreign_calls(scene.dreg.fd);
		if (has_shared_area())
			wrong |= 64;
		munmap(range, 4 * PAGE);
		close(scene.dreg.fd);
		_exit(wrong);
	}
	wrong = wait_for(child);
	if (!claim(wrong == 0, "is told EOWNERDEAD by every call, POLLERR by poll, and has no shared area"))
		tap_diag("wait status 0x%x", wrong);
	expect_quiet(&scene, 1,
		     "its calls, its munmap and its close do not fire the parent's slot");
	expect_fresh(&scene, 1, "nor touch its registration");
	memset(range, BYTE_OLD, 4 * PAGE);
	must(munmap(range, 4 * PAGE), "munmap");
	expect_fire(&scene, 1, DREG_REASON_UNMAP,
		    "the parent's munmap still fires it");
	scene_clear(&scene);
}

static void over_exec(char *self)
{
	char number[16];
	int wrong;
	pid_t child;

	child = fork();
	if (child == 0) {
		int fd = device_open();

		if (fd < 0 || device_setup(fd, 16) < 0 || fcntl(fd, F_SETFD, 0) ||
		    device_monitor(fd, 1, memory_pages(4), 4 * PAGE))
			_exit(AFTER_EXEC_FAILED);
		snprintf(number, sizeof(number), "%d", fd);
		execl(self, self, "--after-exec", number, NULL);
		_exit(AFTER_EXEC_FAILED);
	}
	wrong = wait_for(child);
	if (!tap_ok(wrong == 0, "row 26, after exec the owner itself is a stranger: EOWNERDEAD"))
		tap_diag("wait status 0x%x", wrong);
}

static void send_fd(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	if (sendmsg(socket, &message, 0) != 1)
		_exit(1);
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		tap_bail("receive a descriptor");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static void set_pool(const char *count)
{
	write_text("/proc/sys/vm/nr_hugepages", count);
}

static long long free_huge_pages(void)
{
	return read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
}

/* An owner that holds a huge page, and passes its descriptor on before it dies. */
static void owner_with_huge_page(int socket)
{
	unsigned char *range = memory_hole(HUGE_PAGE, HUGE_PAGE);
	int fd = device_open();

	if (fd < 0 || device_setup(fd, 16) < 0)
		_exit(1);
	if (mmap(range, HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED_NOREPLACE, -1, 0) !=
	    range)
		_exit(2);
	range[0] = 1;
	if (device_monitor(fd, 1, range, HUGE_PAGE))
		_exit(3);
	send_fd(socket, fd);
	pause();
}

static void passed_on(void)
{
	long long contexts = device_counter("contexts"), pages;
	int ends[2], fd;
	pid_t child;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
	set_pool("4");
	pages = free_huge_pages();
	child = fork();
	if (child == 0)
		owner_with_huge_page(ends[1]);
	fd = receive_fd(ends[0]);
	tap_ok(foreign_calls(fd) == 0,
	       "row 26, a descriptor passed on: EOWNERDEAD from every call");
	tap_ok(pages > 0 && free_huge_pages() == pages - 1,
	       "row 26, its owner holds a huge page");
	kill(child, SIGKILL);
	wait_for(child);
	tap_ok(free_huge_pages() == pages,
	       "row 26, the owner is killed: its memory is free though the context lives");
	tap_ok(device_counter("contexts") == contexts + 1 &&
	       foreign_calls(fd) == 0,
	       "row 26, the context of the dead: EOWNERDEAD from every call");
	close(fd);
	tap_ok(device_counter_becomes("contexts", contexts),
	       "row 26, and ends with its last descriptor");
	set_pool("0");
	close(ends[0]);
	close(ends[1]);
}

/* In the program that exec started: the context is another address space's. */
static int after_exec(const char *number)
{
	return foreign_calls(atoi(number));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--after-exec"))
		return after_exec(argv[2]);
	scene_open(&scene);
	by_thread();
	by_shared_child("row 16, munmap by a vfork child", CLONE_VFORK);
	by_shared_child("row 16, munmap by a CLONE_VM child", 0);
	shared_child_calls();
	inherited();
	scene_close(&scene);
	over_exec("/proc/self/exe");
	passed_on();
	return finish();
}
