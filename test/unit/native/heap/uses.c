/*
 * What a program sees that is started with the shared heap: the case that is named, or all that it can
 * see of its heap. Prints "ok", or what is wrong.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heap.h"

enum { MIB = 1 << 20, LARGE = 256 << 10 };

#define EXPECT(what)                                       \
  do                                                       \
    if (!(what)) {                                         \
      printf("not ok: line %d: %s\n", __LINE__, #what);    \
      fflush(stdout);                                      \
      _exit(1);                                            \
    }                                                      \
  while (0)

/* The compiler must not know what becomes of a block. */
static void* volatile kept;

static struct dreg_heap heap(void) {
  struct dreg_heap seen;
  dreg_heap_look_function* look =
      (dreg_heap_look_function*)dlsym(RTLD_DEFAULT, "dreg_heap_look");
  EXPECT(look != NULL);
  look(&seen);
  return seen;
}

static int is_shared(const void* data) {
  struct dreg_heap seen = heap();
  return seen.fd >= 0 && (uintptr_t)data - (uintptr_t)seen.base < seen.bytes;
}

static int is_filled(const char* data, int value, size_t bytes) {
  return bytes == 0 || (data[0] == value && memcmp(data, data + 1, bytes - 1) == 0);
}

static void family(void) {
  char* data = malloc(LARGE);
  EXPECT(is_shared(data) && malloc_usable_size(data) >= LARGE);
  memset(data, 1, LARGE);
  data = realloc(data, 4 * LARGE);
  EXPECT(is_shared(data) && is_filled(data, 1, LARGE));
  data = realloc(data, 100);
  EXPECT(!is_shared(data) && is_filled(data, 1, 100));
  data = realloc(data, LARGE);
  EXPECT(is_shared(data) && is_filled(data, 1, 100));
  EXPECT(realloc(data, 0) == NULL);
  /* Used pages, and fresh ones. */
  data = calloc(LARGE, 1);
  EXPECT(is_shared(data) && is_filled(data, 0, LARGE));
  free(data);
  data = calloc(64, MIB);
  EXPECT(is_filled(data, 0, 64 * MIB));
  free(data);
  for (size_t alignment = sizeof(void*); alignment <= 8 * MIB; alignment *= 2)
    for (int way = 0; way < 3; way++) {
      void* made = NULL;
      if (way == 0) made = aligned_alloc(alignment, LARGE);
      else if (way == 1) made = memalign(alignment, LARGE);
      else EXPECT(posix_memalign(&made, alignment, LARGE) == 0);
      EXPECT(is_shared(made) && (uintptr_t)made % alignment == 0);
      memset(made, 1, LARGE);
      free(made);
    }
  void* unchanged = data;
  EXPECT(posix_memalign(&unchanged, 3, LARGE) == EINVAL && unchanged == data);
  EXPECT(posix_memalign(&unchanged, 8, SIZE_MAX / 2) == ENOMEM && unchanged == data);
  free(kept = valloc(LARGE));
  free(kept = pvalloc(LARGE + 1));
  /* What cannot be had is refused, and what was there stays. */
  volatile size_t most = SIZE_MAX;
  EXPECT((kept = malloc(most)) == NULL && errno == ENOMEM);
  EXPECT((kept = calloc(most / 2, 3)) == NULL && errno == ENOMEM);
  EXPECT((kept = pvalloc(most)) == NULL && errno == ENOMEM);
  data = malloc(LARGE);
  EXPECT((kept = realloc(data, most - 100)) == NULL && errno == ENOMEM);
  EXPECT((kept = reallocarray(data, most / 2, 3)) == NULL && errno == ENOMEM);
  data = reallocarray(data, LARGE, 2);
  EXPECT(is_shared(data));
  errno = 7;
  free(data);
  EXPECT(errno == 7);
  free(NULL);
  kept = malloc(100);
  EXPECT(!is_shared(kept) && malloc_usable_size(kept) >= 100);
  free(kept);
  EXPECT(heap().used == 0 && heap().refused > 0);
}

static unsigned long resident_file_pages(void) {
  unsigned long all = 0, resident = 0, shared = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  EXPECT(fscanf(file, "%lu %lu %lu", &all, &resident, &shared) == 3);
  fclose(file);
  return shared;
}

/* After a peak the memory is the system's again. */
static void peak(void) {
  enum { BLOCKS = 300 };
  char* blocks[BLOCKS];
  unsigned long before = resident_file_pages();
  for (int i = 0; i < BLOCKS; i++) memset(blocks[i] = malloc(MIB), 1, MIB);
  EXPECT(resident_file_pages() - before >= BLOCKS * 256ul);
  /* Every other one first: what is left is in pieces. */
  for (int i = 0; i < BLOCKS; i++) free(blocks[i * 2 % BLOCKS + i * 2 / BLOCKS]);
  EXPECT(heap().used == 0 && heap().dirty <= 64 * MIB);
  EXPECT(resident_file_pages() - before <= 64 * 256 + 100);
  EXPECT(malloc_trim(0) == 1);
  EXPECT(heap().dirty == 0 && resident_file_pages() - before <= 100);
  /* Memory that the program has locked is given back, too. */
  kept = memset(malloc(100 * MIB), 1, 100 * MIB);
  EXPECT(mlock(kept, 100 * MIB) == 0);
  free(kept);
  EXPECT(malloc_trim(0) == 1 && heap().dirty == 0);
  kept = calloc(100, MIB);
  EXPECT(is_filled(kept, 0, 100 * MIB));
}

enum { THREADS = 4, SHARED_BLOCKS = 64, CALLS = 3000 };

static struct {
  pthread_mutex_t lock;
  unsigned char* data;
  size_t bytes;
  unsigned char mark;
} exchanged[SHARED_BLOCKS];

/* Blocks that one thread fills and another one checks, moves and frees. */
static void* exchange(void* seed) {
  unsigned int state = (unsigned int)(uintptr_t)seed;
  for (int i = 0; i < CALLS; i++) {
    int at = rand_r(&state) % SHARED_BLOCKS;
    pthread_mutex_lock(&exchanged[at].lock);
    unsigned char* data = exchanged[at].data;
    size_t bytes = exchanged[at].bytes;
    if (data) EXPECT(is_filled((char*)data, (char)exchanged[at].mark, bytes));
    size_t wanted = 32768 + (size_t)rand_r(&state) % LARGE;
    if (data && rand_r(&state) % 4 == 0) {
      data = realloc(data, wanted);
      EXPECT(is_filled((char*)data, (char)exchanged[at].mark, bytes < wanted ? bytes : wanted));
    } else {
      free(data);
      data = rand_r(&state) % 2 ? calloc(wanted, 1) : memset(malloc(wanted), 0, wanted);
      EXPECT(is_filled((char*)data, 0, wanted));
    }
    exchanged[at].mark = (unsigned char)rand_r(&state);
    exchanged[at].bytes = wanted;
    exchanged[at].data = memset(data, exchanged[at].mark, wanted);
    pthread_mutex_unlock(&exchanged[at].lock);
    if (i % 500 == 0) malloc_trim(0);
  }
  return NULL;
}

static void start(pthread_t* threads) {
  for (int i = 0; i < SHARED_BLOCKS; i++) pthread_mutex_init(&exchanged[i].lock, NULL);
  for (uintptr_t i = 0; i < THREADS; i++)
    EXPECT(pthread_create(&threads[i], NULL, exchange, (void*)(i + 1)) == 0);
}

static void finish(const pthread_t* threads) {
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < SHARED_BLOCKS; i++) free(exchanged[i].data);
  EXPECT(heap().used == 0);
}

static void threads(void) {
  pthread_t all[THREADS];
  start(all);
  finish(all);
}

static void reap(pid_t child) {
  int status;
  EXPECT(waitpid(child, &status, 0) == child);
  EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A child has its parent's blocks as they are, and allocates from glibc. What it writes is its own. */
static void in_child(char* data) {
  EXPECT(is_filled(data, 1, LARGE));
  memset(data, 2, LARGE / 2);
  EXPECT(malloc_usable_size(data) >= LARGE);
  EXPECT(heap().fd < 0 && heap().absent != NULL);
  char* other = malloc(LARGE);
  EXPECT((uintptr_t)other < (uintptr_t)data || (uintptr_t)other >= (uintptr_t)data + LARGE);
  char* moved = realloc(data, 2 * LARGE);
  EXPECT(moved != data && is_filled(moved, 2, LARGE / 2));
  EXPECT(is_filled(moved + LARGE / 2, 1, LARGE / 2));
  free(moved);
  free(data);
  free(other);
  malloc_trim(0);
  _exit(0);
}

static void forking(void) {
  char* data = memset(malloc(LARGE), 1, LARGE);
  pid_t child = fork();
  if (child == 0) in_child(data);
  reap(child);
  EXPECT(is_filled(data, 1, LARGE));
  EXPECT(heap().used == LARGE);
  free(data);
}

/* Threads allocate meanwhile; the lock is nobody's in the child. */
static void forking_threads(void) {
  pthread_t all[THREADS];
  char* data = memset(malloc(LARGE), 1, LARGE);
  start(all);
  for (int i = 0; i < 20; i++) {
    pid_t child = fork();
    if (child == 0) in_child(data);
    reap(child);
  }
  EXPECT(is_filled(data, 1, LARGE));
  free(data);
  finish(all);
}

/* Without glibc's fork(), no handler runs: what is the parent's stays so. */
static void bare_fork(void) {
  char* data = memset(malloc(LARGE), 1, LARGE);
  pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
  if (child == 0) {
    free(data);
    char* other = memset(malloc(LARGE), 2, LARGE);
    free(other);
    _exit(is_shared(other) || !is_filled(data, 1, LARGE));
  }
  reap(child);
  EXPECT(is_filled(data, 1, LARGE) && heap().used == LARGE);
}

/* The heap's file is gone, and its number another file's. */
static void closed(void) {
  char* data = memset(malloc(LARGE), 1, LARGE);
  EXPECT(dup2(STDOUT_FILENO, heap().fd) >= 0);
  pid_t child = fork();
  if (child == 0) _exit(!is_filled(data, 1, LARGE));
  reap(child);
  free(data);
  EXPECT(malloc_trim(0) == 1);
  kept = calloc(LARGE, 1);
  EXPECT(is_shared(kept) && is_filled(kept, 0, LARGE));
}

/* A heap that is full, and has room again. */
static void full(void) {
  enum { BLOCKS = 600 };
  char* blocks[BLOCKS];
  for (int i = 0; i < BLOCKS; i++) memset(blocks[i] = malloc(LARGE), i & 63, LARGE);
  EXPECT(is_shared(blocks[0]) && !is_shared(blocks[BLOCKS - 1]) && heap().refused > 0);
  for (int i = 0; i < BLOCKS; i++) EXPECT(is_filled(blocks[i], i & 63, LARGE));
  /* From one to the other. */
  blocks[0] = realloc(blocks[0], 64 * MIB);
  EXPECT(!is_shared(blocks[0]) && is_filled(blocks[0], 0, LARGE));
  for (int i = 0; i < BLOCKS; i++) free(blocks[i]);
  kept = malloc(32 * MIB);
  EXPECT(is_shared(kept));
}

static void none(void) {
  char* data = memset(malloc(LARGE), 1, LARGE);
  EXPECT(heap().fd < 0 && heap().absent != NULL);
  printf("%s: ", heap().absent);
  data = realloc(data, 4 * LARGE);
  EXPECT(is_filled(data, 1, LARGE));
  free(data);
}

/* What was given already is not given twice. */
static void wrong(void) {
  char* data = malloc(LARGE);
  free(data + 4096);
}

static const struct {
  const char* name;
  void (*run)(void);
} cases[] = {
    {"family", family},   {"peak", peak},   {"threads", threads},
    {"forking", forking}, {"closed", closed}, {"forking threads", forking_threads},
    {"bare fork", bare_fork}, {"full", full}, {"none", none},
    {"wrong", wrong},
};

int main(int count, char** words) {
  for (size_t i = 0; count == 2 && i < sizeof cases / sizeof cases[0]; i++)
    if (strcmp(cases[i].name, words[1]) == 0) {
      cases[i].run();
      printf("ok\n");
      return 0;
    }
  fprintf(stderr, "no such case\n");
  return 2;
}
