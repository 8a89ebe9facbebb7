// SPDX-License-Identifier: MIT
// memfd_create(2), mmap(2), mprotect(2), madvise(2).
#define _GNU_SOURCE
#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// Linux 6.3; older C libraries have no name for it.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

// Away from the numbers that programs expect to get next.
enum { LEAST_FD = 64 };

static size_t at_most(size_t bytes, int resource, size_t share) {
  struct rlimit limit;
  if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return bytes;
  size_t most = limit.rlim_cur / share;
  return bytes < most ? bytes : most;
}

// Where the system promises no page that it does not have (2), a page of a file in memory may be
// refused when it is first touched, by SIGBUS.
static int is_overcommit_strict(void) {
  char mode = '0';
  int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t got = read(fd, &mode, 1);
  close(fd);
  return got == 1 && mode == '2';
}

static size_t reasonable_size(size_t asked) {
  size_t machine = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
  size_t bytes = asked ? asked : 2 * machine;
  if (bytes > HEAP_REGION_MAX) bytes = HEAP_REGION_MAX;
  // Addresses are needed for much else. A longer file would be a signal (SIGXFSZ).
  bytes = at_most(bytes, RLIMIT_AS, 4);
  bytes = at_most(bytes, RLIMIT_DATA, 1);
  bytes = at_most(bytes, RLIMIT_FSIZE, 1);
  return bytes / HEAP_ALIGNMENT * HEAP_ALIGNMENT;
}

static int make_file(size_t bytes) {
  const char* name = "dreg-mpi shared heap";
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int made = memfd_create(name, flags | MFD_NOEXEC_SEAL);
  if (made < 0 && errno == EINVAL) made = memfd_create(name, flags);
  if (made < 0) return -1;
  int fd = fcntl(made, F_DUPFD_CLOEXEC, LEAST_FD);
  if (fd >= 0)
    close(made);
  else
    fd = made;
  // Whoever maps it can touch all of it, for ever.
  int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (fchmod(fd, 0600) == 0 && ftruncate(fd, (off_t)bytes) == 0 &&
      fcntl(fd, F_ADD_SEALS, seals) == 0)
    return fd;
  close(fd);
  return -1;
}

// Addresses that begin at a multiple of HEAP_ALIGNMENT.
static char* reserve(size_t bytes, int fd) {
  size_t more = bytes + HEAP_ALIGNMENT;
  char* found = mmap(NULL, more, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (found == MAP_FAILED) return NULL;
  size_t skipped = -(size_t)found & (HEAP_ALIGNMENT - 1);
  char* base = found + skipped;
  if (skipped) munmap(found, skipped);
  munmap(base + bytes, HEAP_ALIGNMENT - skipped);
  int flags = MAP_SHARED | MAP_NORESERVE | MAP_FIXED;
  if (mmap(base, bytes, PROT_NONE, flags, fd, 0) != MAP_FAILED) return base;
  munmap(base, bytes);
  return NULL;
}

const char* region_open(struct region* region, size_t asked) {
  if (sysconf(_SC_PAGESIZE) != HEAP_PAGE_BYTES) return "pages are not of 4 KiB";
  if (is_overcommit_strict()) return "vm.overcommit_memory is 2";
  size_t bytes = reasonable_size(asked);
  if (bytes < HEAP_ALIGNMENT) return "a limit (ulimit -v, -d or -f) leaves too little room";
  int fd = make_file(bytes);
  if (fd < 0) return "the system makes no file in memory (memfd_create)";
  char* base = reserve(bytes, fd);
  struct stat status;
  if (!base || fstat(fd, &status) != 0) {
    if (base) munmap(base, bytes);
    close(fd);
    return "the system gives no addresses (mmap)";
  }
  *region = (struct region){base, bytes, 0, fd, status.st_dev, status.st_ino};
  return NULL;
}

int region_reach(struct region* region, size_t end) {
  if (end <= region->opened) return 1;
  char* from = region->base + region->opened;
  size_t bytes = end - region->opened;
  if (mprotect(from, bytes, PROT_READ | PROT_WRITE) != 0) return 0;
  // As far as the system wants large pages for memory that is shared (shmem_enabled).
  madvise(from, bytes, MADV_HUGEPAGE);
  region->opened = end;
  return 1;
}

void region_clean(void* data, size_t bytes) {
  if (madvise(data, bytes, MADV_REMOVE) == 0) return;
  // Refused where the program has locked its memory.
  if (munlock(data, bytes) == 0 && madvise(data, bytes, MADV_REMOVE) == 0) return;
  memset(data, 0, bytes);
}

// The descriptor may have been closed, and its number be that of something else.
static int has_file(const struct region* region) {
  struct stat status;
  return fstat(region->fd, &status) == 0 && status.st_dev == region->device &&
         status.st_ino == region->inode;
}

void region_after_fork(struct region* region) {
  if (region->opened == 0) return;
  int flags = MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED;
  int protection = PROT_READ | PROT_WRITE;
  if (has_file(region) &&
      mmap(region->base, region->opened, protection, flags, region->fd, 0) != MAP_FAILED)
    return;
  mprotect(region->base, region->opened, PROT_READ);
}
