// SPDX-License-Identifier: GPL-2.0
/* Rows 10, 11 and 27: pages given back while the mapping stays. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "finish.h"
#include "scene.h"
#include "uring.h"

static struct scene scene;

static void dontneed_whole(void)
{
	unsigned char *range = memory_pages(4);

	scene_row("row 10, MADV_DONTNEED of the range");
	scene_watch(&scene, 1, range, 4 * PAGE);
	must(madvise(range, 4 * PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	expect_fire(&scene, 1, DREG_REASON_CLEAR, "fires");
	expect_stale(&scene, 1, "the old registration carries the old bytes");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

static void dontneed_page(void)
{
	unsigned char *range = memory_pages(8);

	scene_row("row 10, MADV_DONTNEED of page 3 of 8");
	scene_watch(&scene, 1, range, 8 * PAGE);
	scene_watch(&scene, 2, range + 3 * PAGE, PAGE);
	scene_watch(&scene, 3, range, 3 * PAGE);
	scene_watch(&scene, 4, range + 4 * PAGE, 4 * PAGE);
	must(madvise(range + 3 * PAGE, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	expect_fire(&scene, 1, DREG_REASON_CLEAR, "the whole fires");
	expect_fire(&scene, 2, DREG_REASON_CLEAR, "the page fires");
	expect_quiet(&scene, 3, "the pages before it do not fire");
	expect_quiet(&scene, 4, "the pages after it do not fire");
	expect_stale_part(&scene, 1, 3 * PAGE, PAGE, "the page is stale");
	expect_fresh_part(&scene, 1, 4 * PAGE, 4 * PAGE,
			  "the rest of the whole is fresh");
	expect_fresh(&scene, 3, "the pages before it are fresh");
	expect_fresh(&scene, 4, "the pages after it are fresh");
	scene_clear(&scene);
	munmap(range, 8 * PAGE);
}

static void free_lazily(void)
{
	unsigned char *range = memory_pages(6);

	scene_row("row 11, MADV_FREE of the range");
	scene_watch(&scene, 1, range, 4 * PAGE);
	scene_watch(&scene, 2, range + 4 * PAGE, 2 * PAGE);
	must(madvise(range, 4 * PAGE, MADV_FREE), "MADV_FREE");
	expect_fire(&scene, 1, DREG_REASON_CLEAR, "fires");
	expect_quiet(&scene, 2, "the pages after it do not fire");
	expect_fresh(&scene, 2, "the pages after it are fresh");
	scene_clear(&scene);
	munmap(range, 6 * PAGE);
}

static void raw_calls(void)
{
	unsigned char *range = memory_pages(4);

	scene_row("row 27, raw system calls");
	scene_watch(&scene, 1, range, 2 * PAGE);
	scene_watch(&scene, 2, range + 2 * PAGE, 2 * PAGE);
	must((int)syscall(SYS_munmap, range, 2 * PAGE), "SYS_munmap");
	must((int)syscall(SYS_madvise, range + 2 * PAGE, 2 * PAGE,
			  MADV_DONTNEED), "SYS_madvise");
	expect_fire(&scene, 1, DREG_REASON_UNMAP, "munmap fires");
	expect_fire(&scene, 2, DREG_REASON_CLEAR, "madvise fires");
	memory_map_at(range, 2 * PAGE);
	expect_stale(&scene, 1, "the unmapped pages are stale");
	expect_stale(&scene, 2, "the discarded pages are stale");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

static void uring_advises(void)
{
	unsigned char *range = memory_pages(4);
	int result;

	scene_row("row 27, io_uring MADVISE");
	scene_watch(&scene, 1, range, 4 * PAGE);
	result = uring_madvise(range, 4 * PAGE, MADV_DONTNEED);
	if (result) {
		lacks("fires", "io_uring");
		scene_clear(&scene);
		return;
	}
	expect_fire(&scene, 1, DREG_REASON_CLEAR, "fires");
	expect_stale(&scene, 1, "the old registration carries the old bytes");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

static void hints(void)
{
	unsigned char *range = memory_pages(4);

	scene_row("madvise hints that discard nothing");
	scene_watch(&scene, 1, range, 4 * PAGE);
	must(madvise(range, 4 * PAGE, MADV_WILLNEED), "MADV_WILLNEED");
	must(madvise(range, 4 * PAGE, MADV_SEQUENTIAL), "MADV_SEQUENTIAL");
	must(madvise(range, 4 * PAGE, MADV_DONTDUMP), "MADV_DONTDUMP");
	must(madvise(range, 4 * PAGE, MADV_DONTFORK), "MADV_DONTFORK");
	must(madvise(range, 4 * PAGE, MADV_COLD), "MADV_COLD");
	expect_quiet(&scene, 1, "do not fire");
	expect_fresh(&scene, 1, "leave the registration fresh");
	scene_clear(&scene);
	munmap(range, 4 * PAGE);
}

int main(void)
{
	scene_open(&scene);
	dontneed_whole();
	dontneed_page();
	free_lazily();
	raw_calls();
	uring_advises();
	hints();
	scene_close(&scene);
	return finish();
}
