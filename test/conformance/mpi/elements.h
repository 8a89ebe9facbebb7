/* Elements of collective operations: their types, the values that a seed decides, and the operations of reductions. */
#pragma once
#include "schedule.h"

struct type {
  const char* name;
  MPI_Datatype mpi;
  int width;
  /* A value and its index. */
  MPI_Datatype pair;
};

const struct type* type_of(const struct step* step, const char* name);
MPI_Op op_of(const struct step* step, const char* name);
int takes_pairs(const char* op);

/* What a rank gives: `kind` says which values a sum, a product, … of them has in every order. */
void fill_elements(const char* kind, const struct type* type, unsigned char* at, int count, unsigned seed);
/* Divides each element. */
void divide(const struct type* type, unsigned char* at, int count, int by);
