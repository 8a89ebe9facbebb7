// SPDX-License-Identifier: MIT
// Which pages of a region are whose: runs of pages that are in use, or free. Book-keeping alone:
// no system call, no lock, and the pages themselves are never touched.
#ifndef DREG_MPI_NATIVE_HEAP_RUNS_H_
#define DREG_MPI_NATIVE_HEAP_RUNS_H_

#include <stddef.h>
#include <stdint.h>

// Free runs of a kind never lie side by side. Of each kind there are lists of runs of about the
// same length: sixteen for each power of two.
enum { RUN_BINS = 464, RUN_BIN_WORDS = (RUN_BINS + 63) / 64 };

// Dirty pages were used and are still there. Clean pages read as zeros and take no memory.
enum run_kind { RUN_DIRTY, RUN_CLEAN, RUN_KINDS, RUN_USED };

#define RUN_NONE UINT32_MAX

// At a run's first page. At its last page only `pages` and `kind` count.
struct run {
  uint32_t pages;
  uint32_t kind;
  uint32_t previous;
  uint32_t next;
};

struct runs {
  struct run* at;  // one for each page
  uint32_t total;
  uint32_t top;  // no page from here on is in a run: they are as clean as on the first day
  uint32_t pages[RUN_USED + 1];  // by kind
  uint32_t heads[RUN_KINDS][RUN_BINS];
  uint64_t filled[RUN_KINDS][RUN_BIN_WORDS];
};

// `at` has room for `total` entries; their content does not matter.
void runs_init(struct runs* runs, struct run* at, uint32_t total);

// The first page of a run of exactly so many pages, which is in use from now on; RUN_NONE.
uint32_t runs_take(struct runs* runs, enum run_kind kind, uint32_t pages);

// The same of pages that were never in a run.
uint32_t runs_extend(struct runs* runs, uint32_t pages);

// A run in use becomes free, and one with its free neighbours of that kind.
void runs_release(struct runs* runs, uint32_t first, enum run_kind kind);

// Cuts a run in use behind `keep` pages. Gives the first page of the rest, which is in use, too.
uint32_t runs_split(struct runs* runs, uint32_t first, uint32_t keep);

// Makes a run in use so many pages longer, if what follows is free. 1: done.
int runs_grow(struct runs* runs, uint32_t first, uint32_t more);

// Takes at most so many pages from the end of one of the longest dirty runs; RUN_NONE: none is
// dirty.
uint32_t runs_take_largest_dirty(struct runs* runs, uint32_t most);

// NULL where all that is written down agrees, else what does not. For tests.
const char* runs_check(const struct runs* runs);

#endif  // DREG_MPI_NATIVE_HEAP_RUNS_H_
