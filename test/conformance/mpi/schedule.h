/* What the steps of each chapter need of the interpreter of schedules (schedule.c). */
#pragma once
#include <mpi.h>

#define WORDS_MAX 256
#define SLOTS 256
#define UNUSED_COMM MPI_COMM_NULL

/* A line of the schedule: where it stands, and its words after the rank. */
struct step {
  int line;
  int count;
  char* words[WORDS_MAX];
};

/* A kind of step, by its first word. */
struct operation {
  const char* name;
  void (*run)(const struct step* step);
};

/* One list a chapter; each ends with a name that is NULL. */
extern const struct operation COMMUNICATORS[];
extern const struct operation POINT_TO_POINT[];
extern const struct operation COLLECTIVE[];

/* Communicators by their numbers in the schedule; 0 is the world. */
extern MPI_Comm comms[SLOTS];

/* Set by a step: what comes behind it is not for MPI. */
extern int over;

/* The word at a place, as a number. */
int number(const struct step* step, int at);
/* The same where -1 is any source or tag, and -2 nobody. */
int source_of(const struct step* step, int at);
int tag_of(const struct step* step, int at);
MPI_Comm comm_of(const struct step* step, int at);

/* Memory with bytes that a seed decides; free() it. */
unsigned char* filled(int length, unsigned seed);
unsigned char* zeroed(int length);
unsigned checksum(const unsigned char* bytes, int length);

/* A line of this rank's trace. */
void trace(int line, const char* format, ...) __attribute__((format(printf, 2, 3)));
/* Ends the job where an MPI call failed, or the schedule asks for what there is not. */
void need(int good, const struct step* step, const char* what);
