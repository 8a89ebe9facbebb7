#include "elements.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Of the affine maps x -> a x + b that MAPS composes, modulo a prime: an element is a * 256 + b. */
#define PRIME 251

const struct type* type_of(const struct step* step, const char* name) {
  static struct type types[] = {
      {"Int8Array", MPI_INT8_T, 1, MPI_DATATYPE_NULL},
      {"Uint8Array", MPI_UINT8_T, 1, MPI_DATATYPE_NULL},
      {"Int16Array", MPI_INT16_T, 2, MPI_DATATYPE_NULL},
      {"Uint16Array", MPI_UINT16_T, 2, MPI_DATATYPE_NULL},
      {"Int32Array", MPI_INT32_T, 4, MPI_2INT},
      {"Uint32Array", MPI_UINT32_T, 4, MPI_DATATYPE_NULL},
      {"BigInt64Array", MPI_INT64_T, 8, MPI_DATATYPE_NULL},
      {"BigUint64Array", MPI_UINT64_T, 8, MPI_DATATYPE_NULL},
      {"Float32Array", MPI_FLOAT, 4, MPI_DATATYPE_NULL},
      {"Float64Array", MPI_DOUBLE, 8, MPI_2DOUBLE_PRECISION},
  };
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (strcmp(types[i].name, name) == 0)
      return &types[i];
  need(0, step, "there is no such type");
  return NULL;
}

static int64_t composed(int64_t first, int64_t second) {
  int64_t a = first / 256, b = first % 256;
  return a * (second / 256) % PRIME * 256 + (a * (second % 256) + b) % PRIME;
}

/* inout[i] = in[i] after inout[i]: another result in another order of the ranks. */
static void compose(void* in, void* inout, int* count, MPI_Datatype* type) {
  for (int i = 0; i < *count; i++)
    if (*type == MPI_INT32_T)
      ((int32_t*)inout)[i] = composed(((int32_t*)in)[i], ((int32_t*)inout)[i]);
    else if (*type == MPI_INT64_T)
      ((int64_t*)inout)[i] = composed(((int64_t*)in)[i], ((int64_t*)inout)[i]);
    else
      ((double*)inout)[i] = composed(((double*)in)[i], ((double*)inout)[i]);
}

MPI_Op op_of(const struct step* step, const char* name) {
  static MPI_Op maps = MPI_OP_NULL;
  if (strcmp(name, "MAPS") == 0 || strcmp(name, "EACH_MAPS") == 0) {
    if (maps == MPI_OP_NULL)
      MPI_Op_create(compose, 0, &maps);
    return maps;
  }
  const struct {
    const char* name;
    MPI_Op op;
  } ops[] = {{"-", MPI_OP_NULL}, {"SUM", MPI_SUM},   {"AVG", MPI_SUM},       {"PROD", MPI_PROD},    {"MIN", MPI_MIN},
             {"MAX", MPI_MAX},   {"BAND", MPI_BAND}, {"BOR", MPI_BOR},       {"BXOR", MPI_BXOR},    {"LAND", MPI_LAND},
             {"LOR", MPI_LOR},   {"LXOR", MPI_LXOR}, {"MINLOC", MPI_MINLOC}, {"MAXLOC", MPI_MAXLOC}};
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (strcmp(ops[i].name, name) == 0)
      return ops[i].op;
  need(0, step, "there is no such operation on elements");
  return MPI_OP_NULL;
}

int takes_pairs(const char* op) {
  return strcmp(op, "MINLOC") == 0 || strcmp(op, "MAXLOC") == 0;
}

static double value_of(const char* kind, unsigned x) {
  static const double POWERS[] = {0.5, 1, 2, -1};
  int byte = x >> 24;
  if (strcmp(kind, "few") == 0)
    return byte & 3;
  if (strcmp(kind, "halves") == 0)
    return byte >> 1;
  if (strcmp(kind, "powers") == 0)
    return POWERS[byte & 3];
  if (strcmp(kind, "maps") == 0)
    return (1 + byte % (PRIME - 1)) * 256 + (int)(x >> 16 & 255) % PRIME;
  return (byte - 128) / 4.0;
}

static double load(const struct type* type, const unsigned char* at) {
  return type->mpi == MPI_FLOAT ? *(const float*)at : *(const double*)at;
}

static void store(const struct type* type, unsigned char* at, double value) {
  if (type->mpi == MPI_FLOAT)
    *(float*)at = value;
  else if (type->mpi == MPI_DOUBLE)
    *(double*)at = value;
  else if (type->width == 1)
    *(int8_t*)at = value;
  else if (type->width == 2)
    *(int16_t*)at = value;
  else if (type->width == 4)
    *(int32_t*)at = value;
  else
    *(int64_t*)at = value;
}

void fill_elements(const char* kind, const struct type* type, unsigned char* at, int count, unsigned seed) {
  if (strcmp(kind, "bytes") == 0) {
    unsigned char* bytes = filled(count * type->width, seed);
    memcpy(at, bytes, (size_t)count * type->width);
    free(bytes);
    return;
  }
  unsigned x = seed;
  for (int i = 0; i < count; i++) {
    x = x * 1664525u + 1013904223u;
    store(type, at + (size_t)i * type->width, value_of(kind, x));
  }
}

void divide(const struct type* type, unsigned char* at, int count, int by) {
  for (int i = 0; i < count; i++, at += type->width)
    store(type, at, load(type, at) / by);
}
