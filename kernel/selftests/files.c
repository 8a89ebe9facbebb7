// SPDX-License-Identifier: GPL-2.0
/* Rows 12, 18, 26 (the mapped file) and 32: shared objects behind a mapping. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "finish.h"
#include "scene.h"

static struct scene scene;

/* A shared mapping of @pages of @fd, in a hole of its own, in BYTE_OLD. */
static unsigned char *map_file(int fd, size_t pages)
{
	unsigned char *range = memory_hole(pages * PAGE, PAGE);

	must(ftruncate(fd, (off_t)(pages * PAGE)), "ftruncate");
	if (mmap(range, pages * PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) != range)
		tap_bail("map the file");
	memset(range, BYTE_OLD, pages * PAGE);
	return range;
}

static int make_memfd(void)
{
	int fd = memfd_create("dreg-selftest", MFD_CLOEXEC);

	if (fd < 0)
		tap_bail("memfd_create");
	return fd;
}

static void by_another_process(void (*act)(int fd), int fd)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		tap_bail("fork");
	if (child == 0) {
		act(fd);
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || status)
		tap_bail("the other process failed");
}

static void truncate_to_4(int fd)
{
	if (ftruncate(fd, 4 * PAGE))
		_exit(1);
}

static void punch_4_to_8(int fd)
{
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      4 * PAGE, 4 * PAGE))
		_exit(1);
}

/* Pages 4-7 of 8 go by @act; pages 0-3 stay. */
static void loses_tail(const char *row, int fd, void (*act)(int fd),
		       bool by_other)
{
	unsigned char *range = map_file(fd, 8);

	scene_row(row);
	scene_watch(&scene, 1, range, 4 * PAGE);
	scene_watch(&scene, 2, range + 4 * PAGE, 4 * PAGE);
	scene_watch(&scene, 3, range, 8 * PAGE);
	if (by_other)
		by_another_process(act, fd);
	else
		act(fd);
	expect_quiet(&scene, 1, "the part that stays does not fire");
	expect_fire(&scene, 2, DREG_REASON_CLEAR, "the part that goes fires");
	expect_fire(&scene, 3, DREG_REASON_CLEAR, "a range over both fires");
	must(ftruncate(fd, 8 * PAGE), "ftruncate");
	expect_fresh(&scene, 1, "the part that stays is fresh");
	expect_stale(&scene, 2, "the part that went is stale");
	scene_clear(&scene);
	munmap(range, 8 * PAGE);
}

static void truncations(void)
{
	int fd = make_memfd();

	loses_tail("row 12, ftruncate by this process", fd, truncate_to_4,
		   false);
	loses_tail("row 12, ftruncate by another process", fd, truncate_to_4,
		   true);
	loses_tail("row 12, a hole punched by this process", fd, punch_4_to_8,
		   false);
	loses_tail("row 12, a hole punched by another process", fd,
		   punch_4_to_8, true);
	close(fd);
}

static void removed(void)
{
	int fd = make_memfd();
	unsigned char *range = map_file(fd, 4);

	scene_row("row 12, MADV_REMOVE");
	scene_watch(&scene, 1, range, 4 * PAGE);
	must(madvise(range, 4 * PAGE, MADV_REMOVE), "MADV_REMOVE");
	expect_fire(&scene, 1, DREG_REASON_CLEAR, "fires");
	expect_stale(&scene, 1, "the old registration carries the old bytes");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
	close(fd);
}

static void shm_attached(void)
{
	unsigned char *range, *spare = memory_hole(4 * PAGE, PAGE);
	int id = shmget(IPC_PRIVATE, 4 * PAGE, IPC_CREAT | 0600);
	int other = shmget(IPC_PRIVATE, 4 * PAGE, IPC_CREAT | 0600);

	if (id < 0 || other < 0)
		tap_bail("shmget");
	range = shmat(id, spare, 0);
	if (range != spare)
		tap_bail("shmat");
	memset(range, BYTE_OLD, 4 * PAGE);

	scene_row("row 18, IPC_RMID of an attached segment");
	scene_watch(&scene, 1, range, 4 * PAGE);
	must(shmctl(id, IPC_RMID, NULL), "IPC_RMID");
	expect_quiet(&scene, 1, "does not fire");
	expect_fresh(&scene, 1, "the registration carries fresh bytes");
	memset(range, BYTE_OLD, 4 * PAGE);
	scene_clear(&scene);

	scene_row("row 18, shmat(SHM_REMAP) over the range");
	scene_watch(&scene, 1, range, 4 * PAGE);
	if (shmat(other, range, SHM_REMAP) != range)
		tap_bail("shmat(SHM_REMAP)");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "fires");
	expect_stale(&scene, 1, "the old registration carries the old bytes");
	memset(range, BYTE_OLD, 4 * PAGE);
	scene_clear(&scene);

	scene_row("row 18, shmdt");
	scene_watch(&scene, 1, range, 4 * PAGE);
	must(shmctl(other, IPC_RMID, NULL), "IPC_RMID");
	must(shmdt(range), "shmdt");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "fires");
	memory_map_at(range, 4 * PAGE);
	expect_stale(&scene, 1, "the old registration carries the old bytes");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

static void file_closed(void)
{
	int fd = make_memfd();
	unsigned char *range = map_file(fd, 4);

	scene_row("row 26, close of the mapped file");
	scene_watch(&scene, 1, range, 4 * PAGE);
	must(close(fd), "close");
	expect_quiet(&scene, 1, "does not fire");
	expect_fresh(&scene, 1, "the registration carries fresh bytes");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

static void unmapped(const char *row, int fd)
{
	unsigned char *range = map_file(fd, 4);

	scene_row(row);
	scene_watch(&scene, 1, range, 4 * PAGE);
	must(munmap(range, 4 * PAGE), "munmap");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "munmap fires");
	memory_map_at(range, 4 * PAGE);
	expect_stale(&scene, 1, "the unmapped registration is stale");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

static void tmpfs_file(void)
{
	char path[] = "/tmp/dreg-selftest-XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0)
		tap_bail("mkstemp");
	unlink(path);
	loses_tail("row 32, a file on tmpfs, truncated", fd, truncate_to_4,
		   false);
	unmapped("row 32, a file on tmpfs, unmapped", fd);
	close(fd);
}

static void memfd_unmapped(void)
{
	int fd = make_memfd();

	unmapped("row 32, a memfd, unmapped", fd);
	close(fd);
}

/* A private mapping whose pages are the file's until they are written. */
static void private_file(void)
{
	int fd = make_memfd();
	unsigned char *range = map_file(fd, 4);

	scene_row("row 32, a private mapping of a file, unmapped");
	if (mmap(range, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_FIXED, fd, 0) != range)
		tap_bail("mmap(MAP_PRIVATE)");
	memset(range, BYTE_OLD, 4 * PAGE);
	scene_watch(&scene, 1, range, 4 * PAGE);
	must(munmap(range, 4 * PAGE), "munmap");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "fires");
	memory_map_at(range, 4 * PAGE);
	expect_stale(&scene, 1, "the old registration carries the old bytes");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
	close(fd);
}

static void zero_mapping(void)
{
	size_t bytes = 4 * PAGE;
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	unsigned char *range;

	if (fd < 0)
		tap_bail("/dev/zero");
	range = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (range == MAP_FAILED)
		tap_bail("map /dev/zero");
	scene_row("row 32, a shared mapping of /dev/zero, unmapped");
	memset(range, BYTE_OLD, bytes);
	scene_watch(&scene, 1, range, bytes);
	must(munmap(range, bytes), "munmap");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "munmap fires");
	memory_map_at(range, bytes);
	expect_stale(&scene, 1, "the unmapped registration is stale");
	scene_clear(&scene);
	munmap(range, bytes);
	close(fd);
}

/* The firmware's pages: nothing there can be registered, so monitored only. */
static void device_mapping(void)
{
	enum { FIRMWARE = 0xf0000 };
	int fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
	void *range = MAP_FAILED;

	scene_row("row 32, a device mapping (/dev/mem), unmapped");
	if (fd >= 0)
		range = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, FIRMWARE);
	if (range == MAP_FAILED) {
		lacks("munmap fires", "/dev/mem");
	} else {
		scene_monitor(&scene, 1, range, PAGE);
		must(munmap(range, PAGE), "munmap");
		expect_fire(&scene, 1, DREG_REASON_UNMAP, "munmap fires");
		scene_clear(&scene);
	}
	if (fd >= 0)
		close(fd);
}

int main(void)
{
	scene_open(&scene);
	truncations();
	removed();
	shm_attached();
	file_closed();
	tmpfs_file();
	memfd_unmapped();
	private_file();
	zero_mapping();
	device_mapping();
	scene_close(&scene);
	return finish();
}
