/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything that can happen to memory, at random: for `compare`, which holds
 * what the monitor says against the page tables.
 */
#ifndef DREG_SELFTESTS_UPHEAVAL_H
#define DREG_SELFTESTS_UPHEAVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

/* Two blocks of a huge page's size, aligned like huge pages. */
enum { UPHEAVAL_BLOCKS = 2, UPHEAVAL_BLOCK_PAGES = 512,
       UPHEAVAL_PAGES = UPHEAVAL_BLOCKS * UPHEAVAL_BLOCK_PAGES, UPHEAVAL_KINDS = 32 };

/*
 * What an operation may have touched, in pages.  A range may fire by it only if
 * it overlaps; with @may, also if no page of the range has changed.
 *
 * Before the kernel cuts a mapping in the middle of a block, it splits the huge page
 * that may be there, and announces so for all of the block before it looks whether
 * there is one.  It does neither where the mapping does not cover the block.
 */
struct upheaval_window {
	uint32_t first[2];
	uint32_t last[2];
	bool may;
	bool cut[UPHEAVAL_BLOCKS];	/* in its middle */
	bool whole[UPHEAVAL_BLOCKS];	/* and one mapping covered it just before */
	uint32_t kind;
	bool done;		/* it has not failed */
};

struct upheaval {
	unsigned char *base;
	int file;		/* a memfd of as many pages */
	int huge_file;		/* the same of huge pages, or -1 */
	int faults;		/* userfaultfd, or -1 */
	int self;		/* pidfd */
	int rings[4];		/* io_uring, for pins; or -1 */
	/* Since the arena was last emptied: may huge pages come, and have they? */
	bool huge_allowed;
	bool huge;
	uint32_t clears;
	/* How often each kind has done its work. */
	uint64_t done[UPHEAVAL_KINDS];
};

void upheaval_make(struct upheaval *upheaval);

/*
 * Unmaps all of it, and empties the file.  With huge pages the kernel widens so
 * much that anything may fire; without, what may is known to the page.
 */
void upheaval_clear(struct upheaval *upheaval, bool huge_allowed);

/*
 * Does something; any number of threads may at once.  While it is done, @window says
 * what it is.
 */
void upheaval_act(struct upheaval *upheaval, struct random *random,
		  struct upheaval_window *window);

/* The name of a kind, NULL behind the last. */
const char *upheaval_name(uint32_t kind);

void upheaval_end(struct upheaval *upheaval);

#endif
