// SPDX-License-Identifier: MIT
// malloc and its family, for a program that is started with this library (LD_PRELOAD). Large blocks
// come from the shared heap; all others, and those for which it has no room, from whoever would
// have been asked without it: glibc, or another preloaded allocator.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "heap.h"

// A block of so many bytes is a large one.
#define HEAP_BLOCK_MIN (64ul * 1024)

#define PUBLIC __attribute__((visibility("default")))
#define LIKELY(condition) __builtin_expect(!!(condition), 1)

enum { PAGE = 4096 };

static void* first_malloc(size_t bytes);
static void* first_calloc(size_t count, size_t bytes);
static void* first_realloc(void* data, size_t bytes);
static void first_free(void* data);
static void* first_memalign(size_t alignment, size_t bytes);
static size_t first_usable(void* data);
static int first_trim(size_t pad);

// The next allocator's. Whichever is called first finds them all.
static struct {
  void* (*malloc)(size_t);
  void* (*calloc)(size_t, size_t);
  void* (*realloc)(void*, size_t);
  void (*free)(void*);
  void* (*memalign)(size_t, size_t);
  size_t (*usable)(void*);
  int (*trim)(size_t);
} next = {first_malloc,   first_calloc, first_realloc, first_free,
          first_memalign, first_usable, first_trim};

// What is allocated while they are looked for: by one thread, before there is a second one.
static char early[4096] __attribute__((aligned(16)));
static size_t early_used;
static int looking;

static int is_early(const void* data) {
  return (uintptr_t)data - (uintptr_t)early < sizeof early;
}

static void* early_block(size_t bytes) {
  size_t taken = (bytes + 31) / 16 * 16;
  if (bytes > sizeof early || taken > sizeof early - early_used) {
    errno = ENOMEM;
    return NULL;
  }
  char* block = early + early_used;
  early_used += taken;
  *(size_t*)block = bytes;
  return block + 16;
}

static size_t early_bytes(const void* data) {
  return *(const size_t*)((const char*)data - 16);
}

static void* symbol(const char* name) {
  void* found = dlsym(RTLD_NEXT, name);
  if (found) return found;
  static const char said[] = "dreg-mpi: the shared heap finds no allocator behind it\n";
  ssize_t written = write(STDERR_FILENO, said, sizeof said - 1);
  (void)written;
  abort();
}

static void look(void) {
  looking = 1;
  void* found[] = {symbol("malloc"),
                   symbol("calloc"),
                   symbol("realloc"),
                   symbol("free"),
                   symbol("memalign"),
                   symbol("malloc_usable_size"),
                   dlsym(RTLD_NEXT, "malloc_trim")};
  memcpy(&next, found, found[6] ? sizeof found : sizeof found - sizeof found[6]);
  looking = 0;
}

static void* first_malloc(size_t bytes) {
  if (looking) return early_block(bytes);
  look();
  return next.malloc(bytes);
}

static void* first_calloc(size_t count, size_t bytes) {
  // The early blocks are zeros, and nothing is used twice.
  if (looking) return early_block(count * bytes);
  look();
  return next.calloc(count, bytes);
}

static void* first_realloc(void* data, size_t bytes) {
  look();
  return next.realloc(data, bytes);
}

static void first_free(void* data) {
  if (looking || data == NULL) return;
  look();
  next.free(data);
}

static void* first_memalign(size_t alignment, size_t bytes) {
  look();
  return next.memalign(alignment, bytes);
}

static size_t first_usable(void* data) {
  look();
  return next.usable(data);
}

static int first_trim(size_t pad) {
  (void)pad;
  return 0;
}

PUBLIC void* malloc(size_t bytes) {
  if (LIKELY(bytes < HEAP_BLOCK_MIN)) return next.malloc(bytes);
  void* data = heap_allocate(bytes, PAGE, 0);
  return data ? data : next.malloc(bytes);
}

PUBLIC void* calloc(size_t count, size_t bytes) {
  size_t all;
  if (__builtin_mul_overflow(count, bytes, &all)) {
    errno = ENOMEM;
    return NULL;
  }
  if (LIKELY(all < HEAP_BLOCK_MIN)) return next.calloc(count, bytes);
  void* data = heap_allocate(all, PAGE, 1);
  return data ? data : next.calloc(count, bytes);
}

PUBLIC void free(void* data) {
  if (heap_owns(data)) {
    // free() leaves errno as it was.
    int error = errno;
    heap_free(data);
    errno = error;
  } else if (LIKELY(!is_early(data)))
    next.free(data);
}

// To another allocator, or to another place.
static void* move(void* data, size_t has, size_t bytes) {
  void* moved = malloc(bytes);
  if (!moved) return NULL;
  memcpy(moved, data, has < bytes ? has : bytes);
  free(data);
  return moved;
}

PUBLIC void* realloc(void* data, size_t bytes) {
  if (data == NULL) return malloc(bytes);
  if (is_early(data)) return move(data, early_bytes(data), bytes);
  if (!heap_owns(data)) {
    if (LIKELY(bytes < HEAP_BLOCK_MIN)) return next.realloc(data, bytes);
    size_t has = next.usable(data);
    // What is large already grows where it is, or by the kernel's moving its pages.
    return has < HEAP_BLOCK_MIN ? move(data, has, bytes) : next.realloc(data, bytes);
  }
  if (bytes == 0) {
    free(data);
    return NULL;
  }
  if (bytes >= HEAP_BLOCK_MIN && heap_resize(data, bytes)) return data;
  return move(data, heap_usable(data), bytes);
}

// aligned_alloc and its relatives; the alignment is a power of two.
static void* aligned(size_t alignment, size_t bytes) {
  if (bytes >= HEAP_BLOCK_MIN) {
    void* data = heap_allocate(bytes, alignment, 0);
    if (data) return data;
  }
  return next.memalign(alignment, bytes);
}

static int is_power(size_t alignment) {
  return alignment != 0 && (alignment & (alignment - 1)) == 0;
}

// Other alignments are the next allocator's business.
PUBLIC void* memalign(size_t alignment, size_t bytes) {
  return is_power(alignment) ? aligned(alignment, bytes) : next.memalign(alignment, bytes);
}

PUBLIC void* aligned_alloc(size_t alignment, size_t bytes) {
  return memalign(alignment, bytes);
}

PUBLIC int posix_memalign(void** data, size_t alignment, size_t bytes) {
  if (!is_power(alignment) || alignment % sizeof(void*) != 0) return EINVAL;
  int error = errno;
  void* found = aligned(alignment, bytes);
  errno = error;
  if (!found) return ENOMEM;
  *data = found;
  return 0;
}

PUBLIC void* valloc(size_t bytes) {
  return aligned(PAGE, bytes);
}

PUBLIC void* pvalloc(size_t bytes) {
  size_t all;
  if (__builtin_add_overflow(bytes, PAGE - 1, &all)) {
    errno = ENOMEM;
    return NULL;
  }
  return aligned(PAGE, all / PAGE * PAGE);
}

PUBLIC void* reallocarray(void* data, size_t count, size_t bytes) {
  size_t all;
  if (!__builtin_mul_overflow(count, bytes, &all)) return realloc(data, all);
  errno = ENOMEM;
  return NULL;
}

PUBLIC size_t malloc_usable_size(void* data) {
  if (heap_owns(data)) return heap_usable(data);
  return is_early(data) ? early_bytes(data) : next.usable(data);
}

PUBLIC int malloc_trim(size_t pad) {
  int any = heap_trim(pad);
  return next.trim(pad) | any;
}

// C23; glibc has them from 2.43 on.
PUBLIC void free_sized(void* data, size_t bytes) {
  (void)bytes;
  free(data);
}

PUBLIC void free_aligned_sized(void* data, size_t alignment, size_t bytes) {
  (void)alignment;
  (void)bytes;
  free(data);
}

// Before a thread of the program can fork.
__attribute__((constructor)) static void begin(void) {
  pthread_atfork(heap_before_fork, heap_after_fork_in_parent, heap_after_fork_in_child);
}
