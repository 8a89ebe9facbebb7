/*
 * Collective operations (MPI 4.1, 6):
 *   coll NAME COMM HOW TYPE OP KIND ROOT PLACE SEED COUNT LISTS...
 * HOW: `now`, in any habit; `again`, persistent; or the slot of one that is started, which `finish SLOT` completes.
 * ROOT: a rank, -2 for MPI_PROC_NULL, -3 for MPI_ROOT. PLACE: 1 where this rank's data lie where the result will be.
 * COUNT is that of a block. LISTS have a number for each rank: counts, displacements and, of alltoallw, types.
 */
#include "elements.h"

#include <stdlib.h>
#include <string.h>

#define LISTS_MAX 6
#define ROUNDS 2

struct call {
  const struct step* step;
  const char* kind;
  MPI_Comm comm;
  int rank;
  /* Ranks that this one exchanges blocks with: all, or those of the other group. */
  int size;
  int between_groups;
  const struct type* type;
  MPI_Datatype element;
  /* Of an element; MINLOC has two values in it. */
  int width;
  MPI_Op op;
  int root;
  /* Whether the root's part is this rank's, and whether the others' is. */
  int at_root;
  int beside_root;
  int in_place;
  unsigned seed;
  int count;
  int* lists[LISTS_MAX];
  MPI_Datatype* types[2];
  void* send;
  unsigned char* receive;
  /* What is traced of `receive`. */
  int bytes;
  /* The average is a sum, divided by so many. */
  int divisor;
  int started;
  MPI_Request request;
};

static struct call* open_calls[SLOTS];

#define CALL(call, name, nonblocking, ...)                                                                             \
  check(call, (call)->started ? nonblocking(__VA_ARGS__, &(call)->request) : name(__VA_ARGS__))

static void check(const struct call* call, int error) {
  need(error == MPI_SUCCESS, call->step, "an MPI call failed");
}

static void fill(const struct call* call, unsigned char* at, int count) {
  fill_elements(call->kind, call->type, at, count * (call->width / call->type->width), call->seed);
}

/* Memory for so many elements each; those that this rank gives lie in the result, from `own` on, where it is in place. */
static void arrange(struct call* call, int sent, int room, int own) {
  call->receive = zeroed(room * call->width);
  call->bytes = room * call->width;
  if (call->in_place) {
    call->send = MPI_IN_PLACE;
    fill(call, call->receive + (size_t)own * call->width, sent);
  } else {
    call->send = zeroed(sent * call->width);
    fill(call, call->send, sent);
  }
}

static int sum(const int* list, int size) {
  int all = 0;
  for (int i = 0; i < size; i++)
    all += list[i];
  return all;
}

/* Elements of an array in which these blocks lie. */
static int extent(const int* counts, const int* displs, int size) {
  int end = 0;
  for (int i = 0; i < size; i++)
    if (displs[i] + counts[i] > end)
      end = displs[i] + counts[i];
  return end;
}

static void barrier(struct call* call) {
  arrange(call, 0, 0, 0);
  CALL(call, MPI_Barrier, MPI_Ibarrier, call->comm);
}

static void bcast(struct call* call) {
  arrange(call, 0, call->count, 0);
  if (call->at_root)
    fill(call, call->receive, call->count);
  CALL(call, MPI_Bcast, MPI_Ibcast, call->receive, call->count, call->element, call->root, call->comm);
}

static void gather(struct call* call) {
  arrange(call, call->beside_root ? call->count : 0, call->at_root ? call->count * call->size : 0,
          call->count * call->rank);
  CALL(call, MPI_Gather, MPI_Igather, call->send, call->count, call->element, call->receive, call->count, call->element,
       call->root, call->comm);
}

static void gatherv(struct call* call) {
  int *counts = call->lists[0], *displs = call->lists[1];
  arrange(call, call->beside_root ? call->count : 0, call->at_root ? extent(counts, displs, call->size) : 0,
          call->in_place ? displs[call->rank] : 0);
  CALL(call, MPI_Gatherv, MPI_Igatherv, call->send, call->count, call->element, call->receive, counts, displs,
       call->element, call->root, call->comm);
}

/* Where the root's block stays in place, nothing is received. */
static void* scattered(struct call* call, int sent) {
  void* room = call->in_place ? MPI_IN_PLACE : NULL;
  call->in_place = 0;
  arrange(call, call->at_root ? sent : 0, call->beside_root && room == NULL ? call->count : 0, 0);
  return room == NULL ? call->receive : room;
}

static void scatter(struct call* call) {
  void* room = scattered(call, call->count * call->size);
  CALL(call, MPI_Scatter, MPI_Iscatter, call->send, call->count, call->element, room, call->count, call->element,
       call->root, call->comm);
}

static void scatterv(struct call* call) {
  int *counts = call->lists[0], *displs = call->lists[1];
  void* room = scattered(call, call->at_root ? extent(counts, displs, call->size) : 0);
  CALL(call, MPI_Scatterv, MPI_Iscatterv, call->send, counts, displs, call->element, room, call->count, call->element,
       call->root, call->comm);
}

/* lists: how many elements a block of this group and of the other one has. */
static void allgather(struct call* call) {
  int theirs = call->between_groups ? call->lists[0][0] : call->count;
  arrange(call, call->count, theirs * call->size, theirs * call->rank);
  CALL(call, MPI_Allgather, MPI_Iallgather, call->send, call->count, call->element, call->receive, theirs,
       call->element, call->comm);
}

static void allgatherv(struct call* call) {
  int *counts = call->lists[0], *displs = call->lists[1];
  arrange(call, call->count, extent(counts, displs, call->size), call->in_place ? displs[call->rank] : 0);
  CALL(call, MPI_Allgatherv, MPI_Iallgatherv, call->send, call->count, call->element, call->receive, counts, displs,
       call->element, call->comm);
}

static void alltoall(struct call* call) {
  int theirs = call->between_groups ? call->lists[0][0] : call->count;
  arrange(call, call->count * call->size, theirs * call->size, 0);
  CALL(call, MPI_Alltoall, MPI_Ialltoall, call->send, call->count, call->element, call->receive, theirs, call->element,
       call->comm);
}

static void alltoallv(struct call* call) {
  int** lists = call->lists;
  int room = extent(lists[2], lists[3], call->size);
  int sent = call->in_place ? room : extent(lists[0], lists[1], call->size);
  arrange(call, sent, room, 0);
  CALL(call, MPI_Alltoallv, MPI_Ialltoallv, call->send, lists[0], lists[1], call->element, call->receive, lists[2],
       lists[3], call->element, call->comm);
}

/* COUNT bytes each way, in which blocks of several types lie. */
static void alltoallw(struct call* call) {
  static const char* const NAMES[] = {"Uint8Array", "Int32Array", "Float64Array"};
  for (int side = 0; side < 2; side++) {
    call->types[side] = calloc(call->size, sizeof(MPI_Datatype));
    for (int i = 0; i < call->size; i++)
      call->types[side][i] = type_of(call->step, NAMES[call->lists[4 + side][i]])->mpi;
  }
  int** lists = call->lists;
  arrange(call, call->count, call->count, 0);
  CALL(call, MPI_Alltoallw, MPI_Ialltoallw, call->send, lists[0], lists[1], call->types[0], call->receive, lists[2],
       lists[3], call->types[1], call->comm);
}

static void reduce(struct call* call) {
  arrange(call, call->beside_root ? call->count : 0, call->at_root ? call->count : 0, 0);
  CALL(call, MPI_Reduce, MPI_Ireduce, call->send, call->receive, call->count, call->element, call->op, call->root,
       call->comm);
}

static void allreduce(struct call* call) {
  arrange(call, call->count, call->count, 0);
  CALL(call, MPI_Allreduce, MPI_Iallreduce, call->send, call->receive, call->count, call->element, call->op,
       call->comm);
}

/* COUNT is that of all blocks. */
static void reduceScatter(struct call* call) {
  int* counts = call->lists[0];
  int local;
  MPI_Comm_size(call->comm, &local);
  need(sum(counts, local) == call->count, call->step, "the counts are not those of all");
  arrange(call, call->count, call->in_place ? call->count : counts[call->rank], 0);
  call->bytes = counts[call->rank] * call->width;
  CALL(call, MPI_Reduce_scatter, MPI_Ireduce_scatter, call->send, call->receive, counts, call->element, call->op,
       call->comm);
}

static void reduceScatterBlock(struct call* call) {
  int local;
  MPI_Comm_size(call->comm, &local);
  int own = call->count / local;
  arrange(call, call->count, call->in_place ? call->count : own, 0);
  call->bytes = own * call->width;
  CALL(call, MPI_Reduce_scatter_block, MPI_Ireduce_scatter_block, call->send, call->receive, own, call->element,
       call->op, call->comm);
}

static void scan(struct call* call) {
  arrange(call, call->count, call->count, 0);
  call->divisor = call->rank + 1;
  CALL(call, MPI_Scan, MPI_Iscan, call->send, call->receive, call->count, call->element, call->op, call->comm);
}

/* What the first rank has is not said. */
static void exscan(struct call* call) {
  arrange(call, call->count, call->count, 0);
  call->divisor = call->rank;
  if (call->rank == 0)
    call->bytes = 0;
  CALL(call, MPI_Exscan, MPI_Iexscan, call->send, call->receive, call->count, call->element, call->op, call->comm);
}

static const struct {
  const char* name;
  void (*run)(struct call* call);
} CALLS[] = {
    {"barrier", barrier},     {"bcast", bcast},
    {"gather", gather},       {"gatherv", gatherv},
    {"scatter", scatter},     {"scatterv", scatterv},
    {"allgather", allgather}, {"allgatherv", allgatherv},
    {"alltoall", alltoall},   {"alltoallv", alltoallv},
    {"alltoallw", alltoallw}, {"reduce", reduce},
    {"allreduce", allreduce}, {"reduceScatter", reduceScatter},
    {"scan", scan},           {"reduceScatterBlock", reduceScatterBlock},
    {"exscan", exscan},
};

static struct call* read_call(const struct step* step) {
  struct call* call = calloc(1, sizeof *call);
  call->step = step;
  call->comm = comm_of(step, 2);
  MPI_Comm_rank(call->comm, &call->rank);
  MPI_Comm_test_inter(call->comm, &call->between_groups);
  if (call->between_groups)
    MPI_Comm_remote_size(call->comm, &call->size);
  else
    MPI_Comm_size(call->comm, &call->size);
  call->type = type_of(step, step->words[4]);
  int pairs = takes_pairs(step->words[5]);
  call->element = pairs ? call->type->pair : call->type->mpi;
  call->width = call->type->width * (pairs ? 2 : 1);
  call->op = op_of(step, step->words[5]);
  call->divisor = call->size;
  call->kind = step->words[6];
  int root = number(step, 7);
  call->root = root == -3 ? MPI_ROOT : root == -2 ? MPI_PROC_NULL : root;
  call->at_root = call->between_groups ? root == -3 : root == call->rank;
  call->beside_root = call->between_groups ? root >= 0 : 1;
  call->in_place = number(step, 8);
  call->seed = number(step, 9);
  call->count = number(step, 10);
  int list = 0;
  int local = call->size;
  if (strcmp(step->words[1], "reduceScatter") == 0)
    MPI_Comm_size(call->comm, &local);
  for (int at = 11; at < step->count; list++) {
    call->lists[list] = calloc(local, sizeof(int));
    for (int i = 0; i < local && at < step->count; i++)
      call->lists[list][i] = number(step, at++);
  }
  return call;
}

static void end(struct call* call, int line, const char* name) {
  unsigned char* result = call->receive;
  if (strcmp(call->step->words[5], "AVG") == 0)
    divide(call->type, result, call->bytes / call->width, call->divisor);
  trace(line, "%s %d bytes %08x", name, call->bytes, checksum(result, call->bytes));
  if (call->send != MPI_IN_PLACE)
    free(call->send);
  free(call->receive);
  for (int i = 0; i < 2; i++)
    free(call->types[i]);
}

static void discard(struct call* call) {
  for (int i = 0; i < LISTS_MAX; i++)
    free(call->lists[i]);
  free(call);
}

/* The words of a step go with its line. */
static struct step* kept(const struct step* step) {
  struct step* copy = malloc(sizeof *copy);
  *copy = *step;
  for (int i = 0; i < step->count; i++)
    copy->words[i] = strdup(step->words[i]);
  return copy;
}

static void coll(const struct step* step) {
  const char *name = step->words[1], *how = step->words[3];
  size_t at = 0;
  while (at < sizeof CALLS / sizeof *CALLS && strcmp(CALLS[at].name, name) != 0)
    at++;
  need(at < sizeof CALLS / sizeof *CALLS, step, "there is no such collective operation");
  int again = strcmp(how, "again") == 0, now = strcmp(how, "now") == 0;
  for (int round = 0; round < (again ? ROUNDS : 1); round++) {
    struct call* call = read_call(now || again ? step : kept(step));
    call->seed += round;
    call->started = !now && !again;
    CALLS[at].run(call);
    if (call->started)
      open_calls[atoi(how)] = call;
    else {
      end(call, step->line, name);
      discard(call);
    }
  }
}

/* finish SLOT */
static void finish(const struct step* step) {
  struct call* call = open_calls[number(step, 1)];
  struct step* copy = (struct step*)call->step;
  check(call, MPI_Wait(&call->request, MPI_STATUS_IGNORE));
  end(call, step->line, copy->words[1]);
  discard(call);
  for (int i = 0; i < copy->count; i++)
    free(copy->words[i]);
  free(copy);
}

/* own OPERATION=ALGORITHM...: what comes behind it dreg-mpi compares with itself alone. */
static void own(const struct step* step) {
  (void)step;
  over = 1;
}

const struct operation COLLECTIVE[] = {{"coll", coll}, {"finish", finish}, {"own", own}, {NULL, NULL}};
