/*
 * The shared heap's allocator against a model: random calls, of which every answer and every byte that
 * counts is compared. Built with the sanitizers, together with the allocator's own files.
 */
#include "heap.c"

#include <stdio.h>
#include <stdnoreturn.h>

enum { BLOCKS = 400 };

static struct block {
  unsigned char* data;
  size_t bytes;
  uint64_t mark;
} blocks[BLOCKS];

static uint64_t random_state;
static long step;

static noreturn void fail(const char* what) {
  printf("not ok: %s at step %ld\n", what, step);
  exit(1);
}

static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static uint64_t below(uint64_t limit) {
  return next_random() % limit;
}

/* Mostly small blocks, sometimes ones that hardly fit. */
static size_t any_size(void) {
  size_t most = (size_t)1 << (12 + below(below(32) == 0 ? 14 : 5));
  return 1 + below(most);
}

/* A block's first and last bytes, and those around each page's end, say whose they are. */
static void each_mark(struct block* block, void (*visit)(unsigned char*, unsigned char)) {
  for (size_t at = 0; at < block->bytes; at += PAGE) {
    size_t end = at + PAGE < block->bytes ? at + PAGE : block->bytes;
    visit(block->data + at, (unsigned char)(block->mark + at / PAGE));
    visit(block->data + end - 1, (unsigned char)(block->mark + at / PAGE));
  }
}

static void put(unsigned char* at, unsigned char value) {
  *at = value;
}

static void compare(unsigned char* at, unsigned char value) {
  if (*at != value) fail("a block's bytes are another's");
}

static void zero(unsigned char* at, unsigned char value) {
  (void)value;
  if (*at != 0) fail("a block of zeros has other bytes");
}

static void fill(struct block* block) {
  block->mark = next_random();
  each_mark(block, put);
}

static void allocate(struct block* block) {
  size_t bytes = any_size();
  size_t alignment = below(8) == 0 ? (size_t)1 << (4 + below(18)) : PAGE;
  int zeros = below(2) == 0;
  unsigned char* data = heap_allocate(bytes, alignment, zeros);
  if (!data) return;
  *block = (struct block){data, bytes, 0};
  if (!heap_owns(data) || !heap_owns(data + bytes - 1)) fail("a block outside of the heap");
  if ((uintptr_t)data % alignment || (uintptr_t)data % PAGE) fail("a block that is not aligned");
  if (heap_usable(data) < bytes || heap_usable(data) >= bytes + PAGE) fail("a block's usable size");
  if (zeros) each_mark(block, zero);
  if (zeros)
    for (size_t i = 0; i < 8; i++) zero(data + below(bytes), 0);
  fill(block);
}

static void resize(struct block* block) {
  size_t bytes = any_size(), has = block->bytes;
  each_mark(block, compare);
  if (!heap_resize(block->data, bytes)) {
    if (bytes <= has) fail("a block that cannot become shorter");
    return;
  }
  /* What both sizes have is as it was, but for the last page's end. */
  block->bytes = bytes < has ? bytes / PAGE * PAGE : has;
  each_mark(block, compare);
  block->bytes = bytes;
  fill(block);
}

static void drop(struct block* block) {
  each_mark(block, compare);
  heap_free(block->data);
  block->data = NULL;
}

static void check_books(void) {
  const char* wrong = runs_check(&runs);
  if (wrong) fail(wrong);
  size_t used = 0, most;
  for (int i = 0; i < BLOCKS; i++)
    if (blocks[i].data) used += (blocks[i].bytes + PAGE - 1) / PAGE;
  if (used != runs.pages[RUN_USED]) fail("blocks that nobody has");
  most = HEAP_DIRTY_BYTES + used * PAGE / 8;
  /* An eighth of blocks that were just given back may be too much until the next free. */
  if ((size_t)runs.pages[RUN_DIRTY] * PAGE > most + region.bytes / 8) fail("memory is not given back");
}

static void random_call(void) {
  struct block* block = &blocks[below(BLOCKS)];
  if (!block->data) allocate(block);
  else if (below(4) == 0) resize(block);
  else drop(block);
  if (below(5000) == 0) heap_trim(below(2) ? 0 : below(region.bytes));
}

int main(int count, char** words) {
  long steps = count > 1 ? atol(words[1]) : 100000;
  random_state = count > 2 ? strtoull(words[2], NULL, 10) : 1;
  struct dreg_heap heap;
  dreg_heap_look(&heap);
  if (heap.fd < 0) {
    printf("not ok: %s\n", heap.absent);
    return 1;
  }
  for (step = 0; step < steps; step++) {
    random_call();
    if (step % 997 == 0) check_books();
  }
  for (int i = 0; i < BLOCKS; i++)
    if (blocks[i].data) drop(&blocks[i]);
  heap_trim(0);
  check_books();
  dreg_heap_look(&heap);
  if (heap.used || heap.dirty || runs.top) fail("something is left");
  printf("ok %ld calls, %lu refused\n", steps, (unsigned long)heap.refused);
  return 0;
}
