// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "arena.h"

#include <string.h>
#include <sys/mman.h>

#include "memory.h"
#include "tap.h"

void arena_make(struct arena *arena)
{
	memset(arena, 0, sizeof(*arena));
	arena->base = memory_hole(ARENA_PAGES * PAGE, PAGE);
}

static unsigned char *address_of(const struct arena *arena, uint32_t page)
{
	return arena->base + (size_t)page * PAGE;
}

static void map_over(struct arena *arena, uint32_t first, uint32_t last)
{
	size_t bytes = (size_t)(last - first) * PAGE;
	uint32_t page;

	if (mmap(address_of(arena, first), bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
	    address_of(arena, first))
		tap_bail("mmap(MAP_FIXED)");
	for (page = first; page < last; page++) {
		arena->state[page] = ARENA_MAPPED;
		arena->writable[page] = true;
	}
}

static void unmap(struct arena *arena, uint32_t first, uint32_t last)
{
	uint32_t page;

	must(munmap(address_of(arena, first), (size_t)(last - first) * PAGE),
	     "munmap");
	for (page = first; page < last; page++)
		arena->state[page] = ARENA_HOLE;
}

/* One page at a time would be exact too; all at once meets holes on its way. */
static void discard(struct arena *arena, uint32_t first, uint32_t last)
{
	uint32_t page;

	/* ENOMEM says that there were holes; the rest is done all the same. */
	madvise(address_of(arena, first), (size_t)(last - first) * PAGE,
		MADV_DONTNEED);
	for (page = first; page < last; page++)
		if (arena->state[page] == ARENA_PRESENT)
			arena->state[page] = ARENA_MAPPED;
}

static void protect(struct arena *arena, uint32_t page, bool writable)
{
	if (arena->state[page] == ARENA_HOLE)
		return;
	must(mprotect(address_of(arena, page), PAGE,
		      writable ? PROT_READ | PROT_WRITE : PROT_READ),
	     "mprotect");
	arena->writable[page] = writable;
}

/* Never a read: the page of zeroes would be there, and then be replaced. */
static void touch(struct arena *arena, uint32_t first, uint32_t last)
{
	uint32_t page;

	for (page = first; page < last; page++) {
		if (arena->state[page] == ARENA_HOLE || !arena->writable[page])
			continue;
		*address_of(arena, page) = 1;
		arena->state[page] = ARENA_PRESENT;
	}
}

static void fill_holes(struct arena *arena, uint32_t first, uint32_t last)
{
	uint32_t page;

	for (page = first; page < last; page++)
		if (arena->state[page] == ARENA_HOLE)
			map_over(arena, page, page + 1);
}

static bool has_mapping(const enum arena_state *state, uint32_t first,
			uint32_t last)
{
	while (first < last)
		if (state[first++] != ARENA_HOLE)
			return true;
	return false;
}

struct arena_operation arena_act(struct arena *arena, struct random *random)
{
	struct arena_operation operation = {
		.kind = ARENA_KEEPS,
		.first = random_below(random, ARENA_PAGES),
	};
	uint32_t first = operation.first, last, room;

	room = ARENA_PAGES - first;
	last = first + 1 + random_below(random, room < 6 ? room : 6);
	operation.last = last;
	memcpy(operation.before, arena->state, sizeof(operation.before));
	switch (random_below(random, 16)) {
	case 0 ... 2:
		operation.kind = ARENA_UNMAPS;
		unmap(arena, first, last);
		break;
	case 3:
		operation.kind = ARENA_UNMAPS;
		map_over(arena, first, last);
		break;
	case 4 ... 5:
		operation.kind = ARENA_DISCARDS;
		discard(arena, first, last);
		break;
	case 6 ... 7:
		protect(arena, first, random_below(random, 3) > 0);
		break;
	case 8 ... 11:
		fill_holes(arena, first, last);
		break;
	default:
		touch(arena, first, last);
	}
	return operation;
}

enum arena_verdict arena_judge(const struct arena *arena,
			       const struct arena_operation *operation,
			       uint64_t start, uint64_t end)
{
	uint64_t base = (uintptr_t)arena->base;
	enum arena_verdict verdict = ARENA_NO;
	bool touches = false;
	uint32_t page;

	if (operation->kind == ARENA_KEEPS)
		return ARENA_NO;
	for (page = operation->first; page < operation->last; page++) {
		uint64_t at = base + (uint64_t)page * PAGE;

		if (at + PAGE <= start || at >= end)
			continue;
		touches = true;
		if (operation->before[page] == ARENA_PRESENT)
			return ARENA_MUST;
		if (operation->before[page] == ARENA_MAPPED)
			verdict = ARENA_MAY;
	}
	/* The kernel announces a munmap as a whole, holes between included. */
	if (touches && operation->kind == ARENA_UNMAPS &&
	    has_mapping(operation->before, operation->first, operation->last))
		verdict = ARENA_MAY;
	return verdict;
}
