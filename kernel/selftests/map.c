// SPDX-License-Identifier: GPL-2.0
/* Rows 1-9, 13 and 33: the calls that take an address away or move it. */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "finish.h"
#include "scene.h"

static struct scene scene;

static void munmap_whole(void)
{
	unsigned char *range = memory_pages(4);
	unsigned char lost[64];

	scene_row("row 1, munmap of the range");
	scene_watch(&scene, 1, range, 4 * PAGE);
	must(munmap(range, 4 * PAGE), "munmap");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "fires");
	memory_map_at(range, 4 * PAGE);
	expect_stale(&scene, 1, "the old registration carries the old bytes");
	if (scene.has_rdma) {
		memset(lost, 0x77, sizeof(lost));
		claim(rdma_carry_in(&scene.rdma, scene.watches[1].mr, range,
				    lost, sizeof(lost)) == 0 &&
		      memory_is(range, BYTE_NEW, sizeof(lost)),
		      "an RDMA READ into it has status 0 and its data is lost");
	}
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

static void munmap_middle(void)
{
	unsigned char *range = memory_pages(16);

	scene_row("row 2, munmap of pages 6 and 7 of 16");
	scene_watch(&scene, 1, range, 16 * PAGE);
	scene_watch(&scene, 2, range + 4 * PAGE, 4 * PAGE);
	scene_watch(&scene, 3, range + 6 * PAGE, PAGE);
	scene_watch(&scene, 4, range + 7 * PAGE, 4 * PAGE);
	scene_watch(&scene, 5, range, 6 * PAGE);
	scene_watch(&scene, 6, range + 8 * PAGE, 8 * PAGE);
	must(munmap(range + 6 * PAGE, 2 * PAGE), "munmap");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "the whole fires");
	expect_fire(&scene, 2, DREG_REASON_UNMAP, "one that ends in it fires");
	expect_fire(&scene, 3, DREG_REASON_UNMAP, "one inside it fires");
	expect_fire(&scene, 4, DREG_REASON_UNMAP, "one that begins in it fires");
	expect_quiet(&scene, 5, "one that ends before it does not fire");
	expect_quiet(&scene, 6, "one that begins after it does not fire");
	memory_map_at(range + 6 * PAGE, 2 * PAGE);
	expect_stale_part(&scene, 1, 6 * PAGE, 2 * PAGE,
			  "the whole is stale where it was unmapped");
	expect_fresh_part(&scene, 1, 0, 6 * PAGE,
			  "and fresh where it was not");
	expect_stale(&scene, 3, "the one inside is stale");
	expect_fresh(&scene, 5, "the one before is fresh");
	expect_fresh(&scene, 6, "the one after is fresh");
	scene_clear(&scene);
	munmap(range, 16 * PAGE);
}

static void munmap_neighbours(void)
{
	unsigned char *range = memory_pages(6);

	scene_row("row 3, munmap of the neighbouring pages");
	scene_watch(&scene, 1, range + PAGE, 4 * PAGE);
	scene_watch(&scene, 2, range + PAGE + 100, 2 * PAGE);
	scene_watch(&scene, 3, range + 5 * PAGE - 100, 100);
	scene_watch(&scene, 4, range + PAGE, 1);
	must(munmap(range, PAGE), "munmap");
	must(munmap(range + 5 * PAGE, PAGE), "munmap");
	expect_quiet(&scene, 1, "whole pages between them do not fire");
	expect_quiet(&scene, 2, "a range that ends inside a page does not fire");
	expect_quiet(&scene, 3, "the last 100 bytes of a page do not fire");
	expect_quiet(&scene, 4, "the first byte of a page does not fire");
	expect_fresh(&scene, 1, "whole pages are fresh");
	expect_fresh(&scene, 2, "the range that ends inside a page is fresh");
	expect_fresh(&scene, 3, "the last 100 bytes are fresh");
	must(munmap(range + 3 * PAGE, PAGE), "munmap");
	expect_fire(&scene, 1, DREG_REASON_UNMAP,
		    "munmap of a page of the first range fires it");
	expect_fire(&scene, 2, DREG_REASON_UNMAP,
		    "munmap of the page that a range ends in fires it");
	expect_quiet(&scene, 3, "the last 100 bytes still do not fire");
	scene_clear(&scene);
	munmap(range, 6 * PAGE);
}

static void map_fixed(void)
{
	unsigned char *range = memory_pages(4);

	scene_row("row 4, mmap(MAP_FIXED) over the range");
	scene_watch(&scene, 1, range, 4 * PAGE);
	if (mmap(range, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_FIXED, -1, 0) != range)
		tap_bail("mmap(MAP_FIXED)");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "fires");
	expect_stale(&scene, 1, "the old registration carries the old bytes");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

static void mremap_moves(void)
{
	unsigned char *range = memory_pages(4);
	unsigned char *there = memory_hole(4 * PAGE, PAGE);

	scene_row("row 5, mremap that moves the range");
	scene_watch(&scene, 1, range, 4 * PAGE);
	if (mremap(range, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   there) != there)
		tap_bail("mremap");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "fires");
	memory_map_at(range, 4 * PAGE);
	expect_stale(&scene, 1, "the old registration carries the old bytes");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
	munmap(there, 4 * PAGE);
}

static void mremap_shrinks(void)
{
	unsigned char *range = memory_pages(8);

	scene_row("row 6, mremap that shrinks 8 pages to 4");
	scene_watch(&scene, 1, range, 4 * PAGE);
	scene_watch(&scene, 2, range + 4 * PAGE, 4 * PAGE);
	scene_watch(&scene, 3, range + 2 * PAGE, 4 * PAGE);
	if (mremap(range, 8 * PAGE, 4 * PAGE, 0) != range)
		tap_bail("mremap");
	expect_quiet(&scene, 1, "the kept part does not fire");
	expect_fire(&scene, 2, DREG_REASON_UNMAP, "the part cut off fires");
	expect_fire(&scene, 3, DREG_REASON_UNMAP, "a range over the cut fires");
	memory_map_at(range + 4 * PAGE, 4 * PAGE);
	expect_fresh(&scene, 1, "the kept part is fresh");
	expect_stale(&scene, 2, "the part cut off is stale");
	scene_clear(&scene);
	munmap(range, 8 * PAGE);
}

static void mremap_grows(void)
{
	unsigned char *range = memory_pages(8);

	scene_row("row 7, mremap that grows in place");
	must(munmap(range + 4 * PAGE, 4 * PAGE), "munmap");
	scene_watch(&scene, 1, range, 4 * PAGE);
	if (mremap(range, 4 * PAGE, 8 * PAGE, 0) != range)
		tap_bail("mremap");
	memset(range + 4 * PAGE, BYTE_OLD, 4 * PAGE);
	expect_quiet(&scene, 1, "does not fire");
	expect_fresh(&scene, 1, "the registration carries fresh bytes");
	scene_clear(&scene);
	munmap(range, 8 * PAGE);
}

static void mremap_onto(void)
{
	unsigned char *range = memory_pages(4);
	unsigned char *other = memory_pages(4);

	scene_row("row 8, mremap(MREMAP_FIXED) of something else onto the range");
	scene_watch(&scene, 1, range, 4 * PAGE);
	if (mremap(other, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   range) != range)
		tap_bail("mremap");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "fires");
	expect_stale(&scene, 1, "the old registration carries the old bytes");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

static void mremap_leaves(void)
{
	unsigned char *range = memory_pages(4);
	unsigned char *there = memory_hole(4 * PAGE, PAGE);

	scene_row("row 9, mremap(MREMAP_DONTUNMAP)");
	scene_watch(&scene, 1, range, 4 * PAGE);
	if (mremap(range, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED |
		   MREMAP_DONTUNMAP, there) != there)
		tap_bail("mremap(MREMAP_DONTUNMAP)");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "fires");
	expect_stale(&scene, 1, "the old registration carries the old bytes");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
	munmap(there, 4 * PAGE);
}

/* Keeps malloc away from the program break while a row moves it. */
static void malloc_has_enough(void)
{
	void *block;

	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	block = malloc(2 << 20);
	if (!block)
		tap_bail("malloc");
	free(block);
}

static void brk_shrinks(void)
{
	unsigned char *start, *range;
	size_t bytes = 32 * PAGE;

	scene_row("row 13, brk shrinks and grows again");
	malloc_has_enough();
	start = sbrk((intptr_t)bytes + PAGE);
	range = (unsigned char *)(((uintptr_t)start + PAGE - 1) &
				  ~(uintptr_t)(PAGE - 1));
	must(madvise(range, bytes, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	memset(range, BYTE_OLD, bytes);
	scene_watch(&scene, 1, range + 16 * PAGE, 16 * PAGE);
	scene_watch(&scene, 2, range, 16 * PAGE);
	if (sbrk(0) != start + bytes + PAGE)
		tap_bail("malloc moved the program break");
	must(brk(range + 16 * PAGE), "brk");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "the part given back fires");
	expect_quiet(&scene, 2, "the part kept does not fire");
	must(brk(range + 32 * PAGE), "brk");
	expect_stale(&scene, 1, "the part given back is stale");
	expect_fresh(&scene, 2, "the part kept is fresh");
	scene_clear(&scene);
	must(brk(start), "brk");
}

static void malloc_frees(void)
{
	size_t bytes = 8 << 20;
	unsigned char *block;

	scene_row("row 13, free of a large malloc block");
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	block = malloc(bytes);
	if (!block)
		tap_bail("malloc");
	memset(block + PAGE, BYTE_OLD, 8 * PAGE);
	scene_watch(&scene, 1, block + PAGE, 4 * PAGE);
	free(block);
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "fires");
	scene_clear(&scene);
}

static void never_touched(void)
{
	unsigned char *range = memory_hole(4 * PAGE, PAGE);

	scene_row("row 33, a range monitored before any page of it is present");
	memory_map_at(range, 4 * PAGE);
	must(madvise(range, 4 * PAGE, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	scene_monitor(&scene, 1, range, 4 * PAGE);
	memset(range, BYTE_OLD, 4 * PAGE);
	expect_quiet(&scene, 1, "the first touch does not fire");
	scene_register(&scene, 1);
	expect_quiet(&scene, 1, "registering touched pages does not fire");
	expect_fresh(&scene, 1, "and carries fresh bytes");
	memset(range, BYTE_OLD, 4 * PAGE);
	must(munmap(range, 4 * PAGE), "munmap");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "munmap fires");
	memory_map_at(range, 4 * PAGE);
	expect_stale(&scene, 1, "and the registration is stale");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

int main(void)
{
	scene_open(&scene);
	munmap_whole();
	munmap_middle();
	munmap_neighbours();
	map_fixed();
	mremap_moves();
	mremap_shrinks();
	mremap_grows();
	mremap_onto();
	mremap_leaves();
	brk_shrinks();
	malloc_frees();
	never_touched();
	scene_close(&scene);
	return finish();
}
