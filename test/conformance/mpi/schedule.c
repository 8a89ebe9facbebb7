/*
 * Runs a schedule with MPI: `schedule FILE TRACE`. Each line of the file is a step, `RANK OPERATION WORDS...`; a rank runs
 * its own ones and those of `*`, and writes what it got to TRACE.RANK. schedule.ts does the same with dreg-mpi.
 */
#include "schedule.h"

#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define BSEND_BYTES (64 << 20)
/* No message of a schedule is longer. */
#define LENGTH_MAX 400000
#define YIELD_USEC 200

static const struct operation* const CHAPTERS[] = {COMMUNICATORS, POINT_TO_POINT, COLLECTIVE};

MPI_Comm comms[SLOTS];
int over;
static FILE* out;

int number(const struct step* step, int at) {
  need(at < step->count, step, "a word is missing");
  return atoi(step->words[at]);
}

int source_of(const struct step* step, int at) {
  int rank = number(step, at);
  return rank == -1 ? MPI_ANY_SOURCE : rank == -2 ? MPI_PROC_NULL : rank;
}

int tag_of(const struct step* step, int at) {
  int tag = number(step, at);
  return tag == -1 ? MPI_ANY_TAG : tag;
}

MPI_Comm comm_of(const struct step* step, int at) {
  return comms[number(step, at)];
}

/* Open MPI 4.1 writes a message that is truncated beyond its buffer (process_vm_readv): there is room for the longest. */
unsigned char* zeroed(int length) {
  return calloc(length + LENGTH_MAX, 1);
}

unsigned char* filled(int length, unsigned seed) {
  unsigned char* bytes = zeroed(length);
  unsigned x = seed;
  for (int i = 0; i < length; i++) {
    x = x * 1664525u + 1013904223u;
    bytes[i] = x >> 24;
  }
  return bytes;
}

unsigned checksum(const unsigned char* bytes, int length) {
  unsigned sum = 0x811c9dc5u;
  for (int i = 0; i < length; i++)
    sum = (sum ^ bytes[i]) * 0x01000193u;
  return sum;
}

void trace(int line, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(out, "%d ", line);
  vfprintf(out, format, arguments);
  fputc('\n', out);
  va_end(arguments);
}

void need(int good, const struct step* step, const char* what) {
  if (good)
    return;
  fprintf(stderr, "schedule: line %d, %s: %s\n", step->line, step->words[0], what);
  MPI_Abort(MPI_COMM_WORLD, 1);
  exit(1);
}

static void yield(int number) {
  (void)number;
  sched_yield();
}

/* Some libraries poll and never yield: where there are more ranks than cores each step would take a time slice. */
static void yield_often(void) {
  struct sigaction action = {.sa_handler = yield, .sa_flags = SA_RESTART};
  struct itimerval often = {{0, YIELD_USEC}, {0, YIELD_USEC}};
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &often, NULL);
}

static void run(const struct step* step) {
  for (size_t chapter = 0; chapter < sizeof CHAPTERS / sizeof *CHAPTERS; chapter++)
    for (const struct operation* one = CHAPTERS[chapter]; one->name != NULL; one++)
      if (strcmp(one->name, step->words[0]) == 0) {
        one->run(step);
        return;
      }
  need(0, step, "there is no such operation");
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  for (int i = 0; i < SLOTS; i++)
    comms[i] = UNUSED_COMM;
  comms[0] = MPI_COMM_WORLD;
  void* room = malloc(BSEND_BYTES);
  MPI_Buffer_attach(room, BSEND_BYTES);

  yield_often();
  FILE* schedule = argc == 3 ? fopen(argv[1], "r") : NULL;
  char name[4096];
  snprintf(name, sizeof name, "%s.%d", argc == 3 ? argv[2] : "", rank);
  out = fopen(name, "w");
  if (schedule == NULL || out == NULL) {
    fprintf(stderr, "schedule: the files cannot be opened: schedule FILE TRACE\n");
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  char* text = NULL;
  size_t capacity = 0;
  for (int line = 1; getline(&text, &capacity, schedule) >= 0; line++) {
    struct step step = {line, 0, {NULL}};
    char* whose = strtok(text, " \n");
    if (whose == NULL || (strcmp(whose, "*") != 0 && atoi(whose) != rank))
      continue;
    for (char* word; step.count < WORDS_MAX && (word = strtok(NULL, " \n")) != NULL;)
      step.words[step.count++] = word;
    if (step.count > 0)
      run(&step);
    if (over)
      break;
  }
  fclose(out);
  MPI_Finalize();
  return 0;
}
