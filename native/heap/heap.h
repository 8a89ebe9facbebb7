// SPDX-License-Identifier: MIT
// An allocator of large blocks in a region that other processes can map
// (docs/internals/shared-heap.md). Blocks begin at a page. All functions may be called from any
// thread.
#ifndef DREG_MPI_NATIVE_HEAP_HEAP_H_
#define DREG_MPI_NATIVE_HEAP_HEAP_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Changes with what struct dreg_heap means.
enum { DREG_HEAP_VERSION = 1 };

// What a process may know of its shared heap.
struct dreg_heap {
  uint32_t version;
  int32_t fd;          // of the file; -1 where there is no region
  const char* absent;  // why there is none
  char* base;
  uint64_t bytes;
  uint64_t inode;
  // As it is now.
  uint64_t used;     // bytes in blocks
  uint64_t dirty;    // bytes that are free and still take memory
  uint64_t refused;  // requests for which there was no room
};

// Fills in what is known now; makes the region if nothing was allocated before. The addon finds it
// by this name (dlsym).
typedef void dreg_heap_look_function(struct dreg_heap* heap);
__attribute__((visibility("default"))) dreg_heap_look_function dreg_heap_look;

#ifdef __cplusplus
}
#else

// The region's addresses; `heap_span` is 0 until there is a region.
extern uintptr_t heap_base;
extern size_t heap_span;

static inline int heap_owns(const void* data) {
  return (uintptr_t)data - heap_base < heap_span;
}

// NULL: there is no room, or no region. `zero`: the bytes are zeros. `alignment` is a power of two.
void* heap_allocate(size_t bytes, size_t alignment, int zero);
// Only blocks that heap_owns.
void heap_free(void* data);
// Makes the block shorter or longer where it is. 0: it cannot be.
int heap_resize(void* data, size_t bytes);
size_t heap_usable(void* data);
// Gives memory of free blocks back, but for so many bytes. Whether there was any.
int heap_trim(size_t keep);

// Around fork().
void heap_before_fork(void);
void heap_after_fork_in_parent(void);
void heap_after_fork_in_child(void);

#endif
#endif  // DREG_MPI_NATIVE_HEAP_HEAP_H_
