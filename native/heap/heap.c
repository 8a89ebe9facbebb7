// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "heap.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "region.h"
#include "runs.h"

// Free memory that is kept, beside an eighth of what is in use. What goes beyond it is given back.
// Zeros are written over it for a block that may fit; a longer one has fresh pages, of which those
// that are never touched cost nothing.
#define HEAP_DIRTY_BYTES (64ul * 1024 * 1024)
// So much of the region becomes accessible at a time: whoever locks all of a process's memory
// (mlockall) has no more than that filled for nothing.
#define HEAP_STEP_BYTES (64ul * 1024 * 1024)

enum { PAGE = HEAP_PAGE_BYTES };

uintptr_t heap_base;
size_t heap_span;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
// Tried once. Read without the lock, so that who has no region waits for nobody.
static enum { UNTRIED, OPEN, ABSENT } state;
static const char* absent;
static struct region region = {.fd = -1};
static struct runs runs;
static uint64_t refused;
// Not 0 in the process that made the region. Reads as 0 in a forked child, however it was forked.
static volatile int* owner;

static size_t pages_of(size_t bytes) {
  return (bytes + PAGE - 1) / PAGE;
}

static char* address_of(uint32_t page) {
  return region.base + (size_t)page * PAGE;
}

static void* private_memory(size_t bytes, int protection) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* data = mmap(NULL, bytes, protection, flags, -1, 0);
  return data == MAP_FAILED ? NULL : data;
}

// Needs the lock. NULL, or why there is no region.
static const char* try_open(void) {
  const char* asked = secure_getenv("DREG_SHARED_HEAP_BYTES");
  const char* reason = region_open(&region, asked ? strtoull(asked, NULL, 10) : 0);
  if (reason) return reason;
  size_t pages = region.bytes / PAGE;
  struct run* at = private_memory(pages * sizeof(struct run), PROT_NONE);
  void* word = private_memory(PAGE, PROT_READ | PROT_WRITE);
  if (!at || !word || madvise(word, PAGE, MADV_WIPEONFORK) != 0) {
    if (at) munmap(at, pages * sizeof(struct run));
    if (word) munmap(word, PAGE);
    munmap(region.base, region.bytes);
    close(region.fd);
    region.fd = -1;
    return "the system gives no memory for the heap's books (mmap)";
  }
  owner = word;
  *owner = 1;
  runs_init(&runs, at, (uint32_t)pages);
  heap_base = (uintptr_t)region.base;
  __atomic_store_n(&heap_span, region.bytes, __ATOMIC_RELEASE);
  return NULL;
}

static int is_open(void) {
  int seen = __atomic_load_n(&state, __ATOMIC_ACQUIRE);
  if (seen == UNTRIED) {
    pthread_mutex_lock(&lock);
    if (state == UNTRIED) {
      absent = try_open();
      __atomic_store_n(&state, absent ? ABSENT : OPEN, __ATOMIC_RELEASE);
    }
    seen = state;
    pthread_mutex_unlock(&lock);
  }
  return seen == OPEN && *owner;
}

// Needs the lock, and lets others have it meanwhile. Until no more than `keep` bytes are dirty.
static void give_back(size_t keep) {
  while ((size_t)runs.pages[RUN_DIRTY] * PAGE > keep) {
    size_t excess = runs.pages[RUN_DIRTY] - keep / PAGE;
    uint32_t first = runs_take_largest_dirty(&runs, (uint32_t)excess);
    if (first == RUN_NONE) return;
    // In use as long as it takes: nobody else takes it, or joins it to his own.
    size_t bytes = (size_t)runs.at[first].pages * PAGE;
    pthread_mutex_unlock(&lock);
    region_clean(address_of(first), bytes);
    pthread_mutex_lock(&lock);
    runs_release(&runs, first, RUN_CLEAN);
  }
}

// Needs the lock.
static void limit_dirty(void) {
  size_t most = HEAP_DIRTY_BYTES + (size_t)runs.pages[RUN_USED] * PAGE / 8;
  // Some more than needed, so that not each free comes by here.
  if ((size_t)runs.pages[RUN_DIRTY] * PAGE > most) give_back(most - most / 8);
}

// Needs the lock. Makes the pages before `end` accessible, and their books. 0: they cannot be.
static int reach(size_t end) {
  size_t bytes = end * PAGE;
  if (bytes <= region.opened) return 1;
  if (bytes > region.bytes) return 0;
  bytes = (bytes + HEAP_STEP_BYTES - 1) / HEAP_STEP_BYTES * HEAP_STEP_BYTES;
  if (bytes > region.bytes) bytes = region.bytes;
  size_t books = bytes / PAGE * sizeof(struct run);
  return mprotect(runs.at, books, PROT_READ | PROT_WRITE) == 0 && region_reach(&region, bytes);
}

// Needs the lock.
static uint32_t extend(uint32_t pages) {
  return reach((size_t)runs.top + pages) ? runs_extend(&runs, pages) : RUN_NONE;
}

// Needs the lock. Prefers dirty pages (unless `clean`), then clean ones, then new ones.
static uint32_t take(uint32_t pages, int clean, int* dirty) {
  uint32_t first = clean ? RUN_NONE : runs_take(&runs, RUN_DIRTY, pages);
  *dirty = first != RUN_NONE;
  if (first == RUN_NONE) first = runs_take(&runs, RUN_CLEAN, pages);
  if (first == RUN_NONE) first = extend(pages);
  if (first != RUN_NONE || runs.pages[RUN_DIRTY] == 0) return first;
  give_back(0);
  first = runs_take(&runs, RUN_CLEAN, pages);
  return first == RUN_NONE ? extend(pages) : first;
}

// Needs the lock. Cuts a run so that it begins at a multiple of `alignment` and has so many pages.
static uint32_t trim(uint32_t first, uint32_t pages, size_t alignment, enum run_kind kind) {
  uint32_t skipped = (uint32_t)((-(uintptr_t)address_of(first) & (alignment - 1)) / PAGE);
  uint32_t aligned = skipped ? runs_split(&runs, first, skipped) : first;
  if (runs.at[aligned].pages > pages) runs_release(&runs, runs_split(&runs, aligned, pages), kind);
  if (skipped) runs_release(&runs, first, kind);
  return aligned;
}

void* heap_allocate(size_t bytes, size_t alignment, int zero) {
  if (!is_open()) return NULL;
  size_t pages = pages_of(bytes);
  size_t more = alignment > PAGE ? alignment / PAGE - 1 : 0;
  int dirty = 0;
  uint32_t first = RUN_NONE;
  pthread_mutex_lock(&lock);
  if (bytes < region.bytes && pages + more <= runs.total)
    first = take((uint32_t)(pages + more), zero && bytes > HEAP_DIRTY_BYTES, &dirty);
  if (first == RUN_NONE)
    refused++;
  else if (more)
    first = trim(first, (uint32_t)pages, alignment, dirty ? RUN_DIRTY : RUN_CLEAN);
  pthread_mutex_unlock(&lock);
  if (first == RUN_NONE) return NULL;
  char* data = address_of(first);
  if (zero && dirty) memset(data, 0, bytes);
  return data;
}

// The block that begins there. A wrong pointer ends the process, as with glibc.
static uint32_t block_at(const void* data) {
  size_t offset = (uintptr_t)data - heap_base;
  size_t page = offset / PAGE;
  if (offset % PAGE == 0 && page < runs.top && runs.at[page].kind == RUN_USED &&
      runs.at[page].pages > 0)
    return (uint32_t)page;
  static const char said[] = "dreg-mpi: free or realloc of what is no block of the shared heap\n";
  ssize_t written = write(STDERR_FILENO, said, sizeof said - 1);
  (void)written;
  abort();
}

void heap_free(void* data) {
  // To a forked child the blocks are its parent's.
  if (!*owner) return;
  pthread_mutex_lock(&lock);
  runs_release(&runs, block_at(data), RUN_DIRTY);
  limit_dirty();
  pthread_mutex_unlock(&lock);
}

int heap_resize(void* data, size_t bytes) {
  if (!*owner) return 0;
  if (bytes > region.bytes) return 0;
  int done = 1;
  size_t wanted = pages_of(bytes);
  pthread_mutex_lock(&lock);
  uint32_t first = block_at(data);
  size_t pages = runs.at[first].pages;
  if (wanted > pages) {
    done = reach(first + wanted) && runs_grow(&runs, first, (uint32_t)(wanted - pages));
  } else if (wanted < pages) {
    runs_release(&runs, runs_split(&runs, first, wanted ? (uint32_t)wanted : 1), RUN_DIRTY);
    limit_dirty();
  }
  pthread_mutex_unlock(&lock);
  return done;
}

// No lock: the caller's block changes by nobody's hand but the caller's.
size_t heap_usable(void* data) {
  return (size_t)runs.at[((uintptr_t)data - heap_base) / PAGE].pages * PAGE;
}

int heap_trim(size_t keep) {
  if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != OPEN || !*owner) return 0;
  pthread_mutex_lock(&lock);
  int any = (size_t)runs.pages[RUN_DIRTY] * PAGE > keep;
  give_back(keep);
  pthread_mutex_unlock(&lock);
  return any;
}

void dreg_heap_look(struct dreg_heap* heap) {
  int open = is_open();
  *heap = (struct dreg_heap){.version = DREG_HEAP_VERSION, .fd = -1};
  if (!open) {
    heap->absent = absent ? absent : "the process was forked from one that has it";
    return;
  }
  pthread_mutex_lock(&lock);
  heap->fd = region.fd;
  heap->base = region.base;
  heap->bytes = region.bytes;
  heap->inode = region.inode;
  heap->used = (uint64_t)runs.pages[RUN_USED] * PAGE;
  heap->dirty = (uint64_t)runs.pages[RUN_DIRTY] * PAGE;
  heap->refused = refused;
  pthread_mutex_unlock(&lock);
}

void heap_before_fork(void) {
  pthread_mutex_lock(&lock);
}

void heap_after_fork_in_parent(void) {
  pthread_mutex_unlock(&lock);
}

// The child has the heap's pages as they are now and as its parent changes them, until it writes
// into them itself: then it has its own. It allocates from glibc.
void heap_after_fork_in_child(void) {
  if (state == OPEN) region_after_fork(&region);
  pthread_mutex_init(&lock, NULL);
}
