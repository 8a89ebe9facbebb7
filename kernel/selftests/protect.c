// SPDX-License-Identifier: GPL-2.0
/*
 * Rows 14, 15, 17, 23 and 24: changes of protection, which leave a pinned
 * page where it is, and copy-on-write, which moves a page only while no
 * registration holds it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "finish.h"
#include "scene.h"

static struct scene scene;

static void mprotected(void)
{
	unsigned char *range = memory_pages(4);
	const int read_write = PROT_READ | PROT_WRITE;

	scene_row("row 14, mprotect");
	scene_watch(&scene, 1, range, 4 * PAGE);
	must(mprotect(range, 4 * PAGE, PROT_READ), "mprotect");
	expect_quiet(&scene, 1, "to read-only does not fire");
	must(mprotect(range, 4 * PAGE, PROT_NONE), "mprotect");
	expect_quiet(&scene, 1, "to none does not fire");
	must(mprotect(range, 4 * PAGE, read_write), "mprotect");
	expect_quiet(&scene, 1, "and back does not fire");
	must(mprotect(range + PAGE, PAGE, PROT_READ), "mprotect");
	must(mprotect(range + PAGE, PAGE, read_write), "mprotect");
	expect_quiet(&scene, 1, "of one page inside does not fire");
	expect_fresh(&scene, 1, "leaves the registration fresh");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

static void pkey_mprotected(void)
{
	unsigned char *range = memory_pages(4);
	int key = pkey_alloc(0, 0);

	scene_row("row 14, pkey_mprotect");
	if (key < 0) {
		lacks("does not fire", "protection keys");
		munmap(range, 4 * PAGE);
		return;
	}
	scene_watch(&scene, 1, range, 4 * PAGE);
	must(pkey_mprotect(range, 4 * PAGE, PROT_READ | PROT_WRITE, key),
	     "pkey_mprotect");
	expect_quiet(&scene, 1, "does not fire");
	expect_fresh(&scene, 1, "leaves the registration fresh");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
	pkey_free(key);
}

/* A child that holds a copy of the whole address space until it is told. */
static pid_t fork_and_hold(int *release)
{
	int ends[2];
	pid_t child;
	char byte;

	must(pipe2(ends, O_CLOEXEC), "pipe2");
	child = fork();
	if (child < 0)
		tap_bail("fork");
	if (child == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(ends[0]);
	*release = ends[1];
	return child;
}

static void let_go(pid_t child, int release)
{
	int status;

	close(release);
	if (waitpid(child, &status, 0) != child || status)
		tap_bail("the child failed");
}

static void forked(void)
{
	unsigned char *range = memory_pages(4);
	pid_t child;
	int release;

	scene_row("row 15, fork with a registration");
	if (!scene.has_rdma) {
		lacks("does not fire", "an RDMA device");
		munmap(range, 4 * PAGE);
		return;
	}
	scene_watch(&scene, 1, range, 4 * PAGE);
	child = fork_and_hold(&release);
	expect_quiet(&scene, 1, "fork does not fire");
	memset(range, BYTE_NEW, 4 * PAGE);
	expect_quiet(&scene, 1, "the parent's write does not fire");
	expect_fresh(&scene, 1, "the parent's registration is fresh");
	let_go(child, release);
	expect_quiet(&scene, 1, "the child's exit does not fire");
	expect_fresh(&scene, 1, "the registration is still fresh");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

/* Nothing pins the page here, so the parent is who gets the copy. */
static void forked_unpinned(void)
{
	unsigned char *range = memory_pages(4);
	pid_t child;
	int release;

	scene_row("row 15, fork with a range that is monitored only");
	scene_monitor(&scene, 1, range, 4 * PAGE);
	child = fork_and_hold(&release);
	expect_quiet(&scene, 1, "fork does not fire");
	range[0] = BYTE_NEW;
	expect_fire(&scene, 1, DREG_REASON_CLEAR,
		    "the parent's write, which moves its page, fires");
	let_go(child, release);
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

static void registering_copies(void)
{
	unsigned char *range = memory_pages(4);
	pid_t child;
	int release;

	scene_row("row 17, registering breaks copy-on-write");
	if (!scene.has_rdma) {
		lacks("may fire", "an RDMA device");
		munmap(range, 4 * PAGE);
		return;
	}
	child = fork_and_hold(&release);
	scene_monitor(&scene, 1, range, 4 * PAGE);
	scene_register(&scene, 1);
	expect_either(&scene, 1, "may fire");
	scene_clear(&scene);
	scene_monitor(&scene, 1, range, 4 * PAGE);
	scene_register(&scene, 1);
	expect_quiet(&scene, 1, "the second attempt does not fire");
	expect_fresh(&scene, 1, "and its registration is fresh");
	let_go(child, release);
	expect_fresh(&scene, 1, "also when the child is gone");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

static int uffd_open(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -1;
	if (ioctl(fd, UFFDIO_API, &api) == 0)
		return fd;
	close(fd);
	return -1;
}

static void uffd_register(int fd, void *addr, size_t len, uint64_t mode)
{
	struct uffdio_register area = {
		.range = { .start = (uintptr_t)addr, .len = len },
		.mode = mode,
	};

	must(ioctl(fd, UFFDIO_REGISTER, &area), "UFFDIO_REGISTER");
}

static void uffd_copies(int fd)
{
	unsigned char *range = memory_hole(4 * PAGE, PAGE);
	unsigned char *source = memory_pages(4);
	struct uffdio_copy copy = {
		.dst = (uintptr_t)range,
		.src = (uintptr_t)source,
		.len = 4 * PAGE,
	};

	scene_row("row 23, userfaultfd COPY into the range");
	memory_map_at(range, 4 * PAGE);
	uffd_register(fd, range, 4 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
	scene_monitor(&scene, 1, range, 4 * PAGE);
	must(ioctl(fd, UFFDIO_COPY, &copy), "UFFDIO_COPY");
	expect_quiet(&scene, 1, "does not fire");
	scene_register(&scene, 1);
	expect_fresh(&scene, 1, "the registration carries fresh bytes");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
	munmap(source, 4 * PAGE);
}

static void uffd_protects(int fd)
{
	unsigned char *range = memory_pages(4);
	struct uffdio_writeprotect protect = {
		.range = { .start = (uintptr_t)range, .len = 4 * PAGE },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	scene_row("row 23, userfaultfd WRITEPROTECT of the range");
	uffd_register(fd, range, 4 * PAGE, UFFDIO_REGISTER_MODE_WP);
	scene_watch(&scene, 1, range, 4 * PAGE);
	must(ioctl(fd, UFFDIO_WRITEPROTECT, &protect), "UFFDIO_WRITEPROTECT");
	expect_quiet(&scene, 1, "does not fire");
	protect.mode = 0;
	must(ioctl(fd, UFFDIO_WRITEPROTECT, &protect), "UFFDIO_WRITEPROTECT");
	expect_quiet(&scene, 1, "taking it back does not fire");
	expect_fresh(&scene, 1, "the registration carries fresh bytes");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

static void userfaults(void)
{
	int fd = uffd_open();

	if (fd < 0) {
		scene_row("row 23, userfaultfd");
		lacks("does not fire", "userfaultfd");
		return;
	}
	uffd_copies(fd);
	uffd_protects(fd);
	close(fd);
}

static void soft_dirty(void)
{
	unsigned char *range = memory_pages(4);

	scene_row("row 24, /proc/self/clear_refs");
	scene_watch(&scene, 1, range, 4 * PAGE);
	must(write_text("/proc/self/clear_refs", "1"), "clear_refs 1");
	expect_quiet(&scene, 1, "clearing the referenced bits does not fire");
	must(write_text("/proc/self/clear_refs", "4"), "clear_refs 4");
	expect_quiet(&scene, 1, "clearing the soft-dirty bits does not fire");
	memset(range, BYTE_NEW, 4 * PAGE);
	expect_quiet(&scene, 1, "the write after it does not fire");
	expect_fresh(&scene, 1, "the registration carries fresh bytes");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

int main(void)
{
	scene_open(&scene);
	mprotected();
	pkey_mprotected();
	forked();
	forked_unpinned();
	registering_copies();
	userfaults();
	soft_dirty();
	scene_close(&scene);
	return finish();
}
