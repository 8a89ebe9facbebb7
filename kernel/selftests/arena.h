/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fuzzer's memory: a few pages that it maps, unmaps, touches, protects and
 * discards, and whose state it therefore knows.
 */
#ifndef DREG_SELFTESTS_ARENA_H
#define DREG_SELFTESTS_ARENA_H

#include <stdbool.h>
#include <stdint.h>

#include "random.h"

enum { ARENA_PAGES = 24 };

enum arena_state {
	ARENA_HOLE,
	ARENA_MAPPED,		/* no page present: never touched, or discarded */
	ARENA_PRESENT,
};

enum arena_kind {
	ARENA_UNMAPS,		/* munmap, mmap(MAP_FIXED) */
	ARENA_DISCARDS,		/* madvise(MADV_DONTNEED) */
	ARENA_KEEPS,		/* mprotect, a write, mmap into a hole */
};

/* Must a range that overlaps the operation fire? */
enum arena_verdict { ARENA_NO, ARENA_MAY, ARENA_MUST };

/* One operation on [first, last) pages, as it was before it was done. */
struct arena_operation {
	enum arena_kind kind;
	uint32_t first;
	uint32_t last;
	enum arena_state before[ARENA_PAGES];
};

struct arena {
	unsigned char *base;
	enum arena_state state[ARENA_PAGES];
	bool writable[ARENA_PAGES];
};

void arena_make(struct arena *arena);

/* Does something random to it, and says what. */
struct arena_operation arena_act(struct arena *arena, struct random *random);

/* What that means for a range of [start, end) addresses. */
enum arena_verdict arena_judge(const struct arena *arena,
			       const struct arena_operation *operation,
			       uint64_t start, uint64_t end);

#endif
