/*
 * The books of the shared heap against a model, which has a byte for each page: random calls, after each
 * of which the books' answer is compared, and now and then all that they have written down.
 */
#include "runs.c"

#include <stdio.h>
#include <stdlib.h>

enum { PAGES = 3000, RUNS = 200, FRESH = 255 };

static struct run books[PAGES];
static struct runs runs;
/* What each page is. */
static unsigned char kinds[PAGES];
static struct {
  uint32_t first, pages;
} mine[RUNS];
static uint64_t state;
static long step;

static void expect(int holds, const char* what) {
  if (holds) return;
  printf("not ok: %s at step %ld\n", what, step);
  exit(1);
}

static uint32_t below(uint32_t limit) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state % limit);
}

static void set(uint32_t first, uint32_t pages, int kind) {
  memset(kinds + first, kind, pages);
}

static int are(uint32_t first, uint32_t pages, int kind) {
  for (uint32_t i = 0; i < pages; i++)
    if (kinds[first + i] != kind) return 0;
  return 1;
}

/* Whether there is so long a free run: longer ones, too, are found for certain. */
static int has(int kind, uint32_t pages) {
  for (uint32_t at = 0, length = 0; at < PAGES; at++) {
    length = kinds[at] == kind ? length + 1 : 0;
    if (length >= pages) return 1;
  }
  return 0;
}

static void take(int at) {
  uint32_t pages = 1 + below(below(8) == 0 ? 400 : 30);
  int way = (int)below(3);
  uint32_t first = way < RUN_KINDS ? runs_take(&runs, way, pages) : runs_extend(&runs, pages);
  int kind = way < RUN_KINDS ? way : FRESH;
  if (first == RUN_NONE) {
    /* A run of just the size may be overlooked behind others of its list; one twice as long is not. */
    expect(!has(kind, 2 * pages), "a run that is not found");
    return;
  }
  expect(first + pages <= PAGES && are(first, pages, kind), "pages of another kind");
  if (way == RUN_KINDS) expect(first + pages == runs.top, "pages from elsewhere");
  mine[at].first = first;
  mine[at].pages = pages;
  set(first, pages, RUN_USED);
}

static void release(int at) {
  int kind = (int)below(RUN_KINDS);
  uint32_t first = mine[at].first, pages = mine[at].pages, top = runs.top;
  runs_release(&runs, first, kind);
  set(first, pages, kind);
  mine[at].pages = 0;
  for (uint32_t page = runs.top; page < top; page++) {
    expect(kinds[page] == RUN_CLEAN, "pages above the top that are not clean");
    kinds[page] = FRESH;
  }
}

static void split(int at) {
  int other = 0;
  while (other < RUNS && mine[other].pages) other++;
  if (other == RUNS || mine[at].pages < 2) return;
  uint32_t keep = 1 + below(mine[at].pages - 1);
  mine[other].first = runs_split(&runs, mine[at].first, keep);
  mine[other].pages = mine[at].pages - keep;
  mine[at].pages = keep;
  expect(mine[other].first == mine[at].first + keep, "the rest is elsewhere");
}

static void grow(int at) {
  uint32_t more = 1 + below(20), end = mine[at].first + mine[at].pages;
  int fits = end + more <= PAGES;
  for (uint32_t i = 1; fits && i < more; i++) fits = kinds[end + i] == kinds[end];
  if (fits && kinds[end] == RUN_USED) fits = 0;
  expect(runs_grow(&runs, mine[at].first, more) == fits, "whether a run grows");
  if (!fits) return;
  set(end, more, RUN_USED);
  mine[at].pages += more;
}

static void clean(void) {
  uint32_t most = 1 + below(100);
  uint32_t first = runs_take_largest_dirty(&runs, most);
  expect((first == RUN_NONE) == !has(RUN_DIRTY, 1), "whether a run is dirty");
  if (first == RUN_NONE) return;
  uint32_t pages = runs.at[first].pages;
  expect(pages <= most && are(first, pages, RUN_DIRTY), "pages that are not dirty");
  set(first, pages, RUN_USED);
  mine[0].first = first;
  mine[0].pages = pages;
}

int main(int count, char** words) {
  long steps = count > 1 ? atol(words[1]) : 1000000;
  state = count > 2 ? strtoull(words[2], NULL, 10) + 1 : 1;
  runs_init(&runs, books, PAGES);
  set(0, PAGES, FRESH);
  for (step = 0; step < steps; step++) {
    int at = (int)below(RUNS);
    if (!mine[0].pages && below(8) == 0) clean();
    else if (!mine[at].pages) take(at);
    else if (below(4) == 0) split(at);
    else if (below(4) == 0) grow(at);
    else release(at);
    if (step % 1009 == 0) {
      const char* wrong = runs_check(&runs);
      expect(wrong == NULL, wrong);
    }
  }
  printf("ok %ld calls\n", steps);
  return 0;
}
