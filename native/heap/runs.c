// SPDX-License-Identifier: MIT
#include "runs.h"

#include <string.h>

// Runs of a list that are looked at for the best one.
enum { LOOKS = 8 };

static uint32_t bin_of(uint32_t pages) {
  if (pages < 16) return pages;
  uint32_t log = 31 - (uint32_t)__builtin_clz(pages);
  return (log - 3) * 16 + (pages >> (log - 4) & 15);
}

static void mark(struct runs* runs, uint32_t first, uint32_t pages, uint32_t kind) {
  struct run* run = &runs->at[first];
  struct run* last = &runs->at[first + pages - 1];
  run->pages = last->pages = pages;
  run->kind = last->kind = kind;
}

static void insert(struct runs* runs, uint32_t first) {
  struct run* run = &runs->at[first];
  uint32_t bin = bin_of(run->pages);
  uint32_t* head = &runs->heads[run->kind][bin];
  run->previous = RUN_NONE;
  run->next = *head;
  if (*head != RUN_NONE) runs->at[*head].previous = first;
  *head = first;
  runs->filled[run->kind][bin / 64] |= UINT64_C(1) << bin % 64;
}

static void remove_free(struct runs* runs, uint32_t first) {
  struct run* run = &runs->at[first];
  uint32_t bin = bin_of(run->pages);
  uint32_t* head = &runs->heads[run->kind][bin];
  if (run->next != RUN_NONE) runs->at[run->next].previous = run->previous;
  if (run->previous != RUN_NONE) runs->at[run->previous].next = run->next;
  if (*head != first) return;
  *head = run->next;
  if (*head == RUN_NONE) runs->filled[run->kind][bin / 64] &= ~(UINT64_C(1) << bin % 64);
}

void runs_init(struct runs* runs, struct run* at, uint32_t total) {
  memset(runs, 0, sizeof *runs);
  memset(runs->heads, 0xff, sizeof runs->heads);
  runs->at = at;
  runs->total = total;
}

// The first list from `bin` on that has a run; RUN_BINS: none has.
static uint32_t filled_from(const struct runs* runs, enum run_kind kind, uint32_t bin) {
  for (uint32_t word = bin / 64; word < RUN_BIN_WORDS; word++) {
    uint64_t bits = runs->filled[kind][word];
    if (word == bin / 64) bits &= ~UINT64_C(0) << bin % 64;
    if (bits) return word * 64 + (uint32_t)__builtin_ctzll(bits);
  }
  return RUN_BINS;
}

static uint32_t find(const struct runs* runs, enum run_kind kind, uint32_t pages) {
  uint32_t bin = bin_of(pages);
  uint32_t best = RUN_NONE;
  uint32_t first = runs->heads[kind][bin];
  for (int looks = 0; looks < LOOKS && first != RUN_NONE; looks++, first = runs->at[first].next) {
    uint32_t has = runs->at[first].pages;
    if (has >= pages && (best == RUN_NONE || has < runs->at[best].pages)) best = first;
  }
  if (best != RUN_NONE || bin + 1 >= RUN_BINS) return best;
  // In a later list each run is long enough.
  bin = filled_from(runs, kind, bin + 1);
  return bin == RUN_BINS ? RUN_NONE : runs->heads[kind][bin];
}

static void count(struct runs* runs, uint32_t from, uint32_t to, uint32_t pages) {
  runs->pages[from] -= pages;
  runs->pages[to] += pages;
}

uint32_t runs_take(struct runs* runs, enum run_kind kind, uint32_t pages) {
  uint32_t first = find(runs, kind, pages);
  if (first == RUN_NONE) return RUN_NONE;
  uint32_t has = runs->at[first].pages;
  remove_free(runs, first);
  mark(runs, first, pages, RUN_USED);
  count(runs, kind, RUN_USED, pages);
  if (has > pages) {
    mark(runs, first + pages, has - pages, kind);
    insert(runs, first + pages);
  }
  return first;
}

uint32_t runs_extend(struct runs* runs, uint32_t pages) {
  if (runs->total - runs->top < pages) return RUN_NONE;
  uint32_t first = runs->top;
  runs->top += pages;
  mark(runs, first, pages, RUN_USED);
  runs->pages[RUN_USED] += pages;
  return first;
}

void runs_release(struct runs* runs, uint32_t first, enum run_kind kind) {
  uint32_t pages = runs->at[first].pages;
  count(runs, RUN_USED, kind, pages);
  uint32_t end = first + pages;
  if (end < runs->top && runs->at[end].kind == kind) {
    pages += runs->at[end].pages;
    remove_free(runs, end);
  }
  if (first > 0 && runs->at[first - 1].kind == kind) {
    first -= runs->at[first - 1].pages;
    pages += runs->at[first].pages;
    remove_free(runs, first);
  }
  if (kind == RUN_CLEAN && first + pages == runs->top) {
    runs->top = first;
    runs->pages[RUN_CLEAN] -= pages;
    return;
  }
  mark(runs, first, pages, kind);
  insert(runs, first);
}

uint32_t runs_split(struct runs* runs, uint32_t first, uint32_t keep) {
  uint32_t pages = runs->at[first].pages;
  mark(runs, first, keep, RUN_USED);
  mark(runs, first + keep, pages - keep, RUN_USED);
  return first + keep;
}

int runs_grow(struct runs* runs, uint32_t first, uint32_t more) {
  uint32_t pages = runs->at[first].pages;
  uint32_t end = first + pages;
  if (end == runs->top) {
    if (runs_extend(runs, more) == RUN_NONE) return 0;
  } else {
    uint32_t kind = runs->at[end].kind, has = runs->at[end].pages;
    if (kind == RUN_USED || has < more) return 0;
    remove_free(runs, end);
    count(runs, kind, RUN_USED, more);
    if (has > more) {
      mark(runs, end + more, has - more, kind);
      insert(runs, end + more);
    }
  }
  mark(runs, first, pages + more, RUN_USED);
  return 1;
}

uint32_t runs_take_largest_dirty(struct runs* runs, uint32_t most) {
  for (int word = RUN_BIN_WORDS - 1; word >= 0; word--) {
    uint64_t bits = runs->filled[RUN_DIRTY][word];
    if (!bits) continue;
    uint32_t bin = (uint32_t)word * 64 + 63 - (uint32_t)__builtin_clzll(bits);
    uint32_t first = runs->heads[RUN_DIRTY][bin];
    uint32_t pages = runs->at[first].pages;
    uint32_t taken = pages < most ? pages : most;
    remove_free(runs, first);
    if (taken < pages) {
      mark(runs, first, pages - taken, RUN_DIRTY);
      insert(runs, first);
    }
    mark(runs, first + pages - taken, taken, RUN_USED);
    count(runs, RUN_DIRTY, RUN_USED, taken);
    return first + pages - taken;
  }
  return RUN_NONE;
}

static int is_listed(const struct runs* runs, uint32_t first) {
  const struct run* run = &runs->at[first];
  uint32_t bin = bin_of(run->pages);
  if (!(runs->filled[run->kind][bin / 64] >> bin % 64 & 1)) return 0;
  if (run->next != RUN_NONE && runs->at[run->next].previous != first) return 0;
  return run->previous == RUN_NONE ? runs->heads[run->kind][bin] == first
                                   : runs->at[run->previous].next == first;
}

const char* runs_check(const struct runs* runs) {
  uint64_t pages[RUN_USED + 1] = {0};
  uint32_t before = RUN_USED;
  for (uint32_t first = 0; first < runs->top; first += runs->at[first].pages) {
    const struct run* run = &runs->at[first];
    if (run->kind > RUN_USED || run->kind == RUN_KINDS) return "a run of no kind";
    if (run->pages == 0 || run->pages > runs->top - first) return "a run beyond the top";
    const struct run* last = &runs->at[first + run->pages - 1];
    if (last->pages != run->pages || last->kind != run->kind) return "a run's end is another's";
    if (run->kind != RUN_USED && run->kind == before) return "two free runs side by side";
    if (run->kind != RUN_USED && !is_listed(runs, first)) return "a free run in no list";
    pages[run->kind] += run->pages;
    before = run->kind;
  }
  if (before == RUN_CLEAN) return "clean pages below the top";
  for (int kind = 0; kind <= RUN_USED; kind++)
    if (pages[kind] != runs->pages[kind]) return "wrong counts";
  return NULL;
}
