/* Steps that make and free communicators (MPI 4.1, 7), and the barrier. */
#include "schedule.h"

#include <stddef.h>
#include <stdlib.h>

/* Tells who is in a new communicator, by ranks of the world. */
static void made(const struct step* step, MPI_Comm comm) {
  comms[number(step, 1)] = comm;
  if (comm == MPI_COMM_NULL) {
    trace(step->line, "none");
    return;
  }
  MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  MPI_Group all, group;
  MPI_Comm_group(MPI_COMM_WORLD, &all);
  MPI_Comm_group(comm, &group);
  int size, rank;
  MPI_Comm_size(comm, &size);
  MPI_Comm_rank(comm, &rank);
  for (int i = 0; i < size; i++) {
    int world;
    MPI_Group_translate_ranks(group, 1, &i, all, &world);
    trace(step->line, "%d of %d is %d%s", i, size, world, i == rank ? ", this one" : "");
  }
  MPI_Group_free(&all);
  MPI_Group_free(&group);
}

/* split SLOT PARENT COLOR KEY; the color -1 is none. */
static void split(const struct step* step) {
  int color = number(step, 3);
  MPI_Comm comm;
  MPI_Comm_split(comm_of(step, 2), color == -1 ? MPI_UNDEFINED : color, number(step, 4), &comm);
  made(step, comm);
}

/* dup SLOT PARENT */
static void dup(const struct step* step) {
  MPI_Comm comm;
  MPI_Comm_dup(comm_of(step, 2), &comm);
  made(step, comm);
}

/* create SLOT PARENT RANK... */
static void create(const struct step* step) {
  int ranks[WORDS_MAX];
  for (int i = 3; i < step->count; i++)
    ranks[i - 3] = number(step, i);
  MPI_Group all, group;
  MPI_Comm comm;
  MPI_Comm_group(comm_of(step, 2), &all);
  MPI_Group_incl(all, step->count - 3, ranks, &group);
  MPI_Comm_create(comm_of(step, 2), group, &comm);
  MPI_Group_free(&all);
  MPI_Group_free(&group);
  made(step, comm);
}

/* inter SLOT LOCAL LEADER BRIDGE REMOTE-LEADER TAG */
static void inter(const struct step* step) {
  MPI_Comm* comm = &comms[number(step, 1)];
  MPI_Intercomm_create(comm_of(step, 2), number(step, 3), comm_of(step, 4), number(step, 5), number(step, 6), comm);
  MPI_Comm_set_errhandler(*comm, MPI_ERRORS_RETURN);
  int size, others;
  MPI_Comm_size(*comm, &size);
  MPI_Comm_remote_size(*comm, &others);
  trace(step->line, "%d to %d", size, others);
}

/* free SLOT */
static void release(const struct step* step) {
  MPI_Comm* comm = &comms[number(step, 1)];
  if (*comm != MPI_COMM_NULL)
    MPI_Comm_free(comm);
}

/* barrier SLOT */
static void barrier(const struct step* step) {
  MPI_Barrier(comm_of(step, 1));
}

/* seed NUMBER: what follows is of this seed. */
static void seed(const struct step* step) {
  trace(step->line, "seed %d", number(step, 1));
}

const struct operation COMMUNICATORS[] = {
    {"split", split},     {"dup", dup},   {"create", create}, {"free", release},
    {"barrier", barrier}, {"seed", seed}, {"inter", inter}, {NULL, NULL},
};
