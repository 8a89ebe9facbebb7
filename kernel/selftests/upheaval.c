// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "upheaval.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory.h"
#include "tap.h"
#include "upheaval_kinds.h"

enum { ROOM_ONE_IN = 4 };

const char *upheaval_name(uint32_t kind)
{
	return kind < upheaval_kind_count ? upheaval_kinds[kind].name : NULL;
}

static uint32_t choose_kind(struct random *random)
{
	uint32_t total = 0, kind, left;

	for (kind = 0; kind < upheaval_kind_count; kind++)
		total += upheaval_kinds[kind].weight;
	left = random_below(random, total);
	for (kind = 0; left >= upheaval_kinds[kind].weight; kind++)
		left -= upheaval_kinds[kind].weight;
	return kind;
}

void upheaval_act(struct upheaval *arena, struct random *random,
		  struct upheaval_window *window)
{
	struct place place = { .arena = arena, .random = random, .window = window };
	/* Mostly a few pages; now and then a huge page and more. */
	uint32_t most = random_below(random, 16) ? 24 : UPHEAVAL_PAGES;
	uint32_t kind = choose_kind(random), room;

	place.first = random_below(random, UPHEAVAL_PAGES);
	room = UPHEAVAL_PAGES - place.first;
	place.last = place.first + 1 + random_below(random, room < most ? room : most);
	place.addr = place_of(arena, place.first);
	place.bytes = (size_t)(place.last - place.first) * PAGE;
	*window = (struct upheaval_window){
		.first = { place.first },
		.last = { place.last },
		.kind = kind,
	};
	window->done = upheaval_kinds[kind].act(&place);
	if (window->done)
		__atomic_add_fetch(&arena->done[kind], 1, __ATOMIC_RELAXED);
	/* Huge pages are changed as a whole and split; their parts may have been moved. */
	if (arena->huge)
		wherever_it_is(&place);
}

void upheaval_make(struct upheaval *arena)
{
	const off_t bytes = (off_t)UPHEAVAL_PAGES * PAGE;
	struct io_uring_params params;
	int i;

	*arena = (struct upheaval){ .base = memory_hole((size_t)bytes, HUGE_PAGE) };
	arena->file = memfd_create("compare", MFD_CLOEXEC);
	must(ftruncate(arena->file, bytes), "ftruncate");
	write_text("/proc/sys/vm/nr_hugepages", "8");
	arena->huge_file = memfd_create("compare", MFD_CLOEXEC | MFD_HUGETLB);
	if (arena->huge_file >= 0)
		must(ftruncate(arena->huge_file, bytes), "ftruncate");
	arena->faults = faults_open();
	arena->self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	for (i = 0; i < 4; i++) {
		params = (struct io_uring_params){ 0 };
		arena->rings[i] = (int)syscall(__NR_io_uring_setup, 1, &params);
		if (arena->rings[i] >= 0)
			fcntl(arena->rings[i], F_SETFD, FD_CLOEXEC);
	}
}

void upheaval_clear(struct upheaval *arena, bool huge_allowed)
{
	const size_t bytes = (size_t)UPHEAVAL_PAGES * PAGE;
	int i;

	for (i = 0; i < 4; i++)
		syscall(__NR_io_uring_register, arena->rings[i], IORING_UNREGISTER_BUFFERS, NULL, 0);
	must(munmap(arena->base, bytes), "munmap");
	/* The file may have huge pages as well, from MADV_COLLAPSE. */
	must(ftruncate(arena->file, 0), "ftruncate");
	must(ftruncate(arena->file, (off_t)bytes), "ftruncate");
	arena->huge = false;
	arena->huge_allowed = huge_allowed;
	/*
	 * Now and then one mapping of it all: the kernel announces more than it cuts, and
	 * has room for huge pages that nobody has asked for (background.h).
	 */
	if (!huge_allowed && ++arena->clears % ROOM_ONE_IN == 0)
		memory_map_at(arena->base, bytes);
}

void upheaval_end(struct upheaval *arena)
{
	int i;

	upheaval_clear(arena, false);
	for (i = 0; i < 4; i++)
		close(arena->rings[i]);
	close(arena->self);
	close(arena->faults);
	if (arena->huge_file >= 0)
		close(arena->huge_file);
	close(arena->file);
	write_text("/proc/sys/vm/nr_hugepages", "0");
}
