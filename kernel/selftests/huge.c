// SPDX-License-Identifier: GPL-2.0
/* Rows 15, 19, 20, 21 and 32 (hugetlb): pages of 2 MiB, reserved or transparent. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "finish.h"
#include "scene.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define THP_FOLDER "/sys/kernel/mm/transparent_hugepage"

/* What a scenario here watches: a few small pages inside a huge one. */
enum { PART = 8 * PAGE, PART_OFFSET = 16 * PAGE };

static struct scene scene;

static unsigned char *hugetlb_pages(int fd, size_t bytes)
{
	unsigned char *range = memory_hole(bytes, HUGE_PAGE);
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB :
			     MAP_SHARED;

	if (mmap(range, bytes, PROT_READ | PROT_WRITE,
		 flags | MAP_FIXED_NOREPLACE, fd, 0) != range)
		tap_bail("map hugetlb pages");
	memset(range, BYTE_OLD, bytes);
	return range;
}

static void hugetlb_unmapped(void)
{
	unsigned char *range = hugetlb_pages(-1, 2 * HUGE_PAGE);

	scene_row("row 19, munmap of a hugetlb page");
	scene_watch(&scene, 1, range + PART_OFFSET, PART);
	scene_watch(&scene, 2, range + HUGE_PAGE, PART);
	must(munmap(range, HUGE_PAGE), "munmap");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "a range in it fires");
	expect_quiet(&scene, 2, "a range in the next page does not fire");
	memory_map_at(range, HUGE_PAGE);
	expect_stale(&scene, 1, "the range in it is stale");
	expect_fresh(&scene, 2, "the range in the next page is fresh");
	scene_clear(&scene);
	munmap(range, HUGE_PAGE);
	munmap(range + HUGE_PAGE, HUGE_PAGE);
}

static void hugetlb_discarded(void)
{
	unsigned char *range = hugetlb_pages(-1, 2 * HUGE_PAGE);

	scene_row("row 19, MADV_DONTNEED of a hugetlb page");
	scene_watch(&scene, 1, range + PART_OFFSET, PART);
	scene_watch(&scene, 2, range + HUGE_PAGE, PART);
	must(madvise(range, HUGE_PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	expect_fire(&scene, 1, DREG_REASON_CLEAR, "a range in it fires");
	expect_quiet(&scene, 2, "a range in the next page does not fire");
	expect_stale(&scene, 1, "the range in it is stale");
	expect_fresh(&scene, 2, "the range in the next page is fresh");
	scene_clear(&scene);
	munmap(range, 2 * HUGE_PAGE);
}

/* Fork of small pages does not fire (protect.c); of huge ones the kernel says more. */
static void forked(const char *row, unsigned char *range)
{
	pid_t child;

	scene_row(row);
	scene_watch(&scene, 1, range + PART_OFFSET, PART);
	child = fork();
	if (child < 0)
		tap_bail("fork");
	while (child == 0)
		pause();
	expect_either(&scene, 1, "may fire");
	expect_fresh(&scene, 1, "and is fresh either way, while the child lives");
	must(kill(child, SIGKILL), "kill");
	if (waitpid(child, NULL, 0) != child)
		tap_bail("waitpid");
	expect_fresh(&scene, 1, "and when the child is gone");
	scene_clear(&scene);
}

static void hugetlb_forked(void)
{
	unsigned char *range = hugetlb_pages(-1, HUGE_PAGE);

	forked("row 15, fork with a registered hugetlb page", range);
	munmap(range, HUGE_PAGE);
}

static void hugetlb_memfd(void)
{
	int fd = memfd_create("dreg-selftest", MFD_CLOEXEC | MFD_HUGETLB);
	unsigned char *range;

	if (fd < 0)
		tap_bail("memfd_create(MFD_HUGETLB)");
	must(ftruncate(fd, 2 * HUGE_PAGE), "ftruncate");
	range = hugetlb_pages(fd, 2 * HUGE_PAGE);
	scene_row("row 32, a hugetlb memfd, truncated");
	scene_watch(&scene, 1, range + PART_OFFSET, PART);
	scene_watch(&scene, 2, range + HUGE_PAGE + PART_OFFSET, PART);
	must(ftruncate(fd, HUGE_PAGE), "ftruncate");
	expect_quiet(&scene, 1, "the page that stays does not fire");
	expect_fire(&scene, 2, ANY_REASON, "the page that goes fires");
	must(ftruncate(fd, 2 * HUGE_PAGE), "ftruncate");
	expect_fresh(&scene, 1, "the page that stays is fresh");
	expect_stale(&scene, 2, "the page that went is stale");
	scene_clear(&scene);
	munmap(range, 2 * HUGE_PAGE);
	close(fd);
}

static void hugetlb(void)
{
	static const char pool[] = "/proc/sys/vm/nr_hugepages";
	char before[32];

	snprintf(before, sizeof(before), "%lld", read_number(pool));
	if (write_text(pool, "12") || read_number(pool) < 12) {
		scene_row("row 19, hugetlb pages");
		lacks("munmap fires", "12 huge pages");
		write_text(pool, before);
		return;
	}
	hugetlb_unmapped();
	hugetlb_discarded();
	hugetlb_forked();
	hugetlb_memfd();
	write_text(pool, before);
}

/* Bytes of transparent huge pages in the mapping that @addr is in. */
static long long huge_bytes_at(const void *addr)
{
	uint64_t start, end, wanted = (uintptr_t)addr;
	long long kilobytes, found = -1;
	bool inside = false;
	char line[512];
	FILE *smaps = fopen("/proc/self/smaps", "re");

	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			inside = start <= wanted && wanted < end;
		else if (inside && sscanf(line, "AnonHugePages: %lld",
					  &kilobytes) == 1)
			found = kilobytes * 1024;
	}
	if (smaps)
		fclose(smaps);
	return found;
}

/* One transparent huge page alone between its guards; NULL: none to be had. */
static unsigned char *transparent_page(void)
{
	unsigned char *range = memory_hole(HUGE_PAGE, HUGE_PAGE);

	memory_map_at(range, HUGE_PAGE);
	must(madvise(range, HUGE_PAGE, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	memset(range, BYTE_OLD, HUGE_PAGE);
	if (huge_bytes_at(range) == (long long)HUGE_PAGE)
		return range;
	munmap(range, HUGE_PAGE);
	return NULL;
}

static void transparent_forked(void)
{
	static const char row[] = "row 15, fork with a registered transparent huge page";
	unsigned char *range = transparent_page();

	if (!range) {
		scene_row(row);
		lacks("may fire", "transparent huge pages");
		return;
	}
	forked(row, range);
	munmap(range, HUGE_PAGE);
}

/* A transparent huge page whose tail @act touches, beside a watched part. */
static void splits(const char *row, void (*act)(unsigned char *tail))
{
	unsigned char *range = transparent_page();

	scene_row(row);
	if (!range) {
		lacks("may fire", "transparent huge pages");
		return;
	}
	scene_watch(&scene, 1, range + PART_OFFSET, PART);
	scene_watch(&scene, 2, range + HUGE_PAGE - 2 * PAGE, 2 * PAGE);
	act(range + HUGE_PAGE - PAGE);
	claim(huge_bytes_at(range) == 0, "the huge page is split");
	expect_either(&scene, 1, "a range in what stays may fire");
	expect_fresh(&scene, 1, "and is fresh either way");
	scene_clear(&scene);
	munmap(range, HUGE_PAGE);
}

static void cut_tail(unsigned char *tail)
{
	must(munmap(tail, PAGE), "munmap");
}

static void protect_tail(unsigned char *tail)
{
	must(mprotect(tail, PAGE, PROT_READ), "mprotect");
}

static void discard_tail(unsigned char *tail)
{
	must(madvise(tail, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
}

/* 2 MiB of small pages that the kernel is then allowed to make one. */
static unsigned char *small_pages(void)
{
	unsigned char *range = memory_hole(HUGE_PAGE, HUGE_PAGE);

	memory_map_at(range, HUGE_PAGE);
	must(madvise(range, HUGE_PAGE, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	memset(range, BYTE_OLD, HUGE_PAGE);
	must(madvise(range, HUGE_PAGE, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	return range;
}

/* The kernel announces the split of a huge page before it looks whether there is one. */
static void cut_without_huge_page(void)
{
	unsigned char *range = small_pages();

	scene_row("row 20, mprotect beside a range where no huge page is");
	must(madvise(range, HUGE_PAGE, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	scene_watch(&scene, 1, range + PART_OFFSET, PART);
	protect_tail(range + HUGE_PAGE - PAGE);
	expect_either(&scene, 1, "a range in the same two megabytes may fire");
	expect_fresh(&scene, 1, "and is fresh either way");
	scene_clear(&scene);
	scene_row("row 20, mprotect beside a range in a mapping that is cut already");
	scene_watch(&scene, 1, range + PART_OFFSET, PART);
	protect_tail(range + HUGE_PAGE - 3 * PAGE);
	expect_quiet(&scene, 1, "does not fire");
	expect_fresh(&scene, 1, "and is fresh");
	scene_clear(&scene);
	munmap(range, HUGE_PAGE);
}

static void collapse_pinned(void)
{
	unsigned char *range = small_pages();

	scene_row("row 21, MADV_COLLAPSE of a registered range");
	scene_watch(&scene, 1, range + PART_OFFSET, PART);
	if (madvise(range, HUGE_PAGE, MADV_COLLAPSE) && errno == EINVAL)
		tap_diag("this kernel has no MADV_COLLAPSE");
	expect_either(&scene, 1, "may fire");
	expect_fresh(&scene, 1, "and is fresh either way");
	scene_clear(&scene);
	munmap(range, HUGE_PAGE);
}

/* Nothing holds the pages here: they are copied, so the slot must fire. */
static void collapse_unpinned(void)
{
	unsigned char *range = small_pages();

	scene_row("row 21, MADV_COLLAPSE of a range that is monitored only");
	scene_monitor(&scene, 1, range + PART_OFFSET, PART);
	if (madvise(range, HUGE_PAGE, MADV_COLLAPSE))
		lacks("fires", "MADV_COLLAPSE");
	else
		expect_fire(&scene, 1, DREG_REASON_CLEAR, "fires");
	scene_clear(&scene);
	munmap(range, HUGE_PAGE);
}

/* Waits until a counter of the kernel has moved on by @more; false: it stays. */
static bool counter_moves(const char *path, long long more)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	long long start = read_number(path);
	int tries;

	for (tries = 0; tries < 6000; tries++) {
		if (read_number(path) >= start + more)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static void khugepaged(void)
{
	unsigned char *range = small_pages();
	char before[32];

	snprintf(before, sizeof(before), "%lld",
		 read_number(THP_FOLDER "/khugepaged/scan_sleep_millisecs"));
	scene_row("row 21, khugepaged over a registered range");
	scene_watch(&scene, 1, range + PART_OFFSET, PART);
	scene_monitor(&scene, 2, range + HUGE_PAGE - PART, PART);
	must(write_text(THP_FOLDER "/khugepaged/scan_sleep_millisecs", "1"),
	     "khugepaged");
	claim(counter_moves(THP_FOLDER "/khugepaged/full_scans", 3),
	      "khugepaged has passed three times");
	must(write_text(THP_FOLDER "/khugepaged/scan_sleep_millisecs", before),
	     "khugepaged");
	expect_either(&scene, 1, "may fire");
	expect_fresh(&scene, 1, "and is fresh either way");
	scene_clear(&scene);
	munmap(range, HUGE_PAGE);
}

int main(void)
{
	scene_open(&scene);
	hugetlb();
	transparent_forked();
	splits("row 20, munmap beside a range in the same huge page", cut_tail);
	splits("row 20, mprotect beside a range in the same huge page",
	       protect_tail);
	splits("row 20, MADV_DONTNEED beside a range in the same huge page",
	       discard_tail);
	cut_without_huge_page();
	collapse_pinned();
	collapse_unpinned();
	khugepaged();
	scene_close(&scene);
	return finish();
}
