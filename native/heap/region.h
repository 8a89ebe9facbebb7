// SPDX-License-Identifier: MIT
// Memory that other processes can map: a range of addresses over a file that has no name.
#ifndef DREG_MPI_NATIVE_HEAP_REGION_H_
#define DREG_MPI_NATIVE_HEAP_REGION_H_

#include <stddef.h>
#include <sys/types.h>

enum { HEAP_PAGE_BYTES = 4096 };
// The region begins at a multiple of this, as large pages do.
#define HEAP_ALIGNMENT (2ul * 1024 * 1024)
// The region has twice the machine's memory, and at most this.
#define HEAP_REGION_MAX (1024ul * 1024 * 1024 * 1024)

struct region {
  char* base;
  size_t bytes;
  size_t opened;  // from the base on, accessible
  int fd;
  dev_t device;
  ino_t inode;
};

// Reserves addresses and makes the file; no memory is used. NULL, or why it cannot be.
const char* region_open(struct region* region, size_t asked);

// Makes [base, base + end) accessible; `end` is a multiple of a page. 0: it cannot be.
int region_reach(struct region* region, size_t end);

// Gives the pages' memory back: they read as zeros afterwards.
void region_clean(void* data, size_t bytes);

// In a forked child: what it writes is its own from now on.
void region_after_fork(struct region* region);

#endif  // DREG_MPI_NATIVE_HEAP_REGION_H_
