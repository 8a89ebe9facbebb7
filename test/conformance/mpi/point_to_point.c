/* Steps of point-to-point communication (MPI 4.1, 3). */
#include "schedule.h"

#include <stdlib.h>
#include <string.h>

/* A request of the schedule, and its memory. */
static struct {
  MPI_Request request;
  unsigned char* bytes;
  int length;
  int receives;
  int persistent;
} requests[SLOTS];
static MPI_Message messages[SLOTS];

/* What came, where it did. */
static void received(int line, int error, MPI_Status* status, const unsigned char* bytes) {
  int class = MPI_SUCCESS, length, cancelled = 0;
  if (error != MPI_SUCCESS)
    MPI_Error_class(error, &class);
  if (class == MPI_ERR_TRUNCATE) {
    trace(line, "truncated");
    return;
  }
  MPI_Test_cancelled(status, &cancelled);
  if (cancelled) {
    trace(line, "cancelled");
    return;
  }
  if (status->MPI_SOURCE == MPI_PROC_NULL) {
    trace(line, "nobody");
    return;
  }
  MPI_Get_count(status, MPI_BYTE, &length);
  if (bytes == NULL)
    trace(line, "source %d tag %d length %d", status->MPI_SOURCE, status->MPI_TAG, length);
  else
    trace(line, "source %d tag %d length %d sum %08x", status->MPI_SOURCE, status->MPI_TAG, length,
          checksum(bytes, length));
}

typedef int Send(const void*, int, MPI_Datatype, int, int, MPI_Comm);
typedef int Isend(const void*, int, MPI_Datatype, int, int, MPI_Comm, MPI_Request*);

static char mode_of(const struct step* step, int at) {
  return step->words[at][0];
}

/* send COMM MODE DESTINATION TAG LENGTH SEED; the mode is s, y (synchronous) or b (buffered). */
static void send(const struct step* step) {
  char mode = mode_of(step, 2);
  Send* call = mode == 'y' ? MPI_Ssend : mode == 'b' ? MPI_Bsend : MPI_Send;
  int length = number(step, 5);
  unsigned char* bytes = filled(length, number(step, 6));
  call(bytes, length, MPI_BYTE, source_of(step, 3), number(step, 4), comm_of(step, 1));
  free(bytes);
}

/* isend SLOT COMM MODE DESTINATION TAG LENGTH SEED */
static void isend(const struct step* step) {
  char mode = mode_of(step, 3);
  Isend* call = mode == 'y' ? MPI_Issend : mode == 'b' ? MPI_Ibsend : MPI_Isend;
  int slot = number(step, 1), length = number(step, 6);
  requests[slot].bytes = filled(length, number(step, 7));
  requests[slot].receives = 0;
  call(requests[slot].bytes, length, MPI_BYTE, source_of(step, 4), number(step, 5),
       comm_of(step, 2), &requests[slot].request);
}

/* recv COMM SOURCE TAG ROOM */
static void recv(const struct step* step) {
  int room = number(step, 4);
  unsigned char* bytes = zeroed(room);
  MPI_Status status;
  int error = MPI_Recv(bytes, room, MPI_BYTE, source_of(step, 2), tag_of(step, 3),
                       comm_of(step, 1), &status);
  received(step->line, error, &status, bytes);
  free(bytes);
}

static void make_room(int slot, int room) {
  requests[slot].bytes = zeroed(room);
  requests[slot].length = room;
  requests[slot].receives = 1;
}

/* irecv SLOT COMM SOURCE TAG ROOM */
static void irecv(const struct step* step) {
  int slot = number(step, 1);
  make_room(slot, number(step, 5));
  MPI_Irecv(requests[slot].bytes, requests[slot].length, MPI_BYTE, source_of(step, 3),
            tag_of(step, 4), comm_of(step, 2), &requests[slot].request);
}

/* A request has ended. */
static void ended(int line, int slot, int error, MPI_Status* status) {
  if (requests[slot].receives)
    received(line, error, status, requests[slot].bytes);
  if (requests[slot].persistent)
    return;
  free(requests[slot].bytes);
  requests[slot].bytes = NULL;
}

/* Those of several that a call has given. */
static void ended_some(MPI_Status* found, int count, const int* places, MPI_Status* statuses) {
  for (int i = 0; i < count; i++)
    statuses[places[i]] = found[i];
}

/* One call after the other, until all have ended. */
static void complete_by(const char* how, int count, MPI_Request* list, MPI_Status* statuses) {
  int places[WORDS_MAX], flag = 0, found;
  MPI_Status some[WORDS_MAX];
  if (strcmp(how, "all") == 0)
    MPI_Waitall(count, list, statuses);
  else if (strcmp(how, "testall") == 0)
    while (!flag)
      MPI_Testall(count, list, &flag, statuses);
  else
    for (int left = count; left > 0;) {
      found = 1;
      if (strcmp(how, "any") == 0)
        MPI_Waitany(count, list, places, some);
      else if (strcmp(how, "testany") == 0) {
        MPI_Testany(count, list, places, &flag, some);
        found = flag;
      } else if (strcmp(how, "some") == 0)
        MPI_Waitsome(count, list, &found, places, some);
      else
        MPI_Testsome(count, list, &found, places, some);
      if (found > 0)
        ended_some(some, found, places, statuses);
      left -= found;
    }
}

/* complete HOW SLOT...: by all, any, some, testall, testany or testsome. */
static void complete(const struct step* step) {
  MPI_Request list[WORDS_MAX];
  MPI_Status statuses[WORDS_MAX];
  int count = step->count - 2;
  for (int i = 0; i < count; i++)
    list[i] = requests[number(step, i + 2)].request;
  complete_by(step->words[1], count, list, statuses);
  for (int i = 0; i < count; i++) {
    int slot = number(step, i + 2);
    requests[slot].request = list[i];
    ended(step->line, slot, MPI_SUCCESS, &statuses[i]);
  }
}

/* wait SLOT */
static void wait(const struct step* step) {
  int slot = number(step, 1);
  MPI_Status status;
  int error = MPI_Wait(&requests[slot].request, &status);
  ended(step->line, slot, error, &status);
}

/* test SLOT: again and again */
static void test(const struct step* step) {
  int slot = number(step, 1), flag = 0, error = MPI_SUCCESS;
  MPI_Status status;
  while (!flag && error == MPI_SUCCESS)
    error = MPI_Test(&requests[slot].request, &flag, &status);
  ended(step->line, slot, error, &status);
}

/* cancel SLOT: a receive that nothing meets */
static void cancel(const struct step* step) {
  MPI_Cancel(&requests[number(step, 1)].request);
  wait(step);
}

/* psend SLOT COMM MODE DESTINATION TAG LENGTH */
static void psend(const struct step* step) {
  Isend* call = mode_of(step, 3) == 'y' ? MPI_Ssend_init : MPI_Send_init;
  int slot = number(step, 1);
  make_room(slot, number(step, 6));
  requests[slot].receives = 0;
  requests[slot].persistent = 1;
  call(requests[slot].bytes, requests[slot].length, MPI_BYTE, source_of(step, 4), number(step, 5),
       comm_of(step, 2), &requests[slot].request);
}

/* precv SLOT COMM SOURCE TAG ROOM */
static void precv(const struct step* step) {
  int slot = number(step, 1);
  make_room(slot, number(step, 5));
  requests[slot].persistent = 1;
  MPI_Recv_init(requests[slot].bytes, requests[slot].length, MPI_BYTE, source_of(step, 3),
                tag_of(step, 4), comm_of(step, 2), &requests[slot].request);
}

/* start SEED SLOT...: several are started together; the seed fills what is sent. */
static void start(const struct step* step) {
  MPI_Request list[WORDS_MAX];
  int count = step->count - 2;
  for (int i = 0; i < count; i++) {
    int slot = number(step, i + 2);
    unsigned char* bytes = filled(requests[slot].length, number(step, 1));
    if (!requests[slot].receives)
      memcpy(requests[slot].bytes, bytes, requests[slot].length);
    free(bytes);
    list[i] = requests[slot].request;
  }
  if (count == 1)
    MPI_Start(list);
  else
    MPI_Startall(count, list);
}

/* pfree SLOT */
static void pfree(const struct step* step) {
  int slot = number(step, 1);
  MPI_Request_free(&requests[slot].request);
  free(requests[slot].bytes);
  requests[slot].persistent = 0;
}

/* probe COMM SOURCE TAG */
static void probe(const struct step* step) {
  MPI_Status status;
  MPI_Probe(source_of(step, 2), tag_of(step, 3), comm_of(step, 1), &status);
  received(step->line, MPI_SUCCESS, &status, NULL);
}

/* iprobe COMM SOURCE TAG: until there is one */
static void iprobe(const struct step* step) {
  MPI_Status status;
  for (int flag = 0; !flag;)
    MPI_Iprobe(source_of(step, 2), tag_of(step, 3), comm_of(step, 1), &flag, &status);
  received(step->line, MPI_SUCCESS, &status, NULL);
}

/* nothing COMM SOURCE TAG: neither probe finds what was never sent. */
static void nothing(const struct step* step) {
  MPI_Status status;
  MPI_Message message;
  int seen, claimed;
  MPI_Iprobe(source_of(step, 2), tag_of(step, 3), comm_of(step, 1), &seen, &status);
  MPI_Improbe(source_of(step, 2), tag_of(step, 3), comm_of(step, 1), &claimed, &message, &status);
  trace(step->line, "seen %d claimed %d", seen != 0, claimed != 0);
}

/* mprobe SLOT COMM SOURCE TAG */
static void mprobe(const struct step* step) {
  MPI_Status status;
  MPI_Mprobe(source_of(step, 3), tag_of(step, 4), comm_of(step, 2), &messages[number(step, 1)],
             &status);
  received(step->line, MPI_SUCCESS, &status, NULL);
}

/* improbe SLOT COMM SOURCE TAG: until there is one */
static void improbe(const struct step* step) {
  MPI_Status status;
  for (int flag = 0; !flag;)
    MPI_Improbe(source_of(step, 3), tag_of(step, 4), comm_of(step, 2), &flag,
                &messages[number(step, 1)], &status);
  received(step->line, MPI_SUCCESS, &status, NULL);
}

/* mrecv SLOT ROOM */
static void mrecv(const struct step* step) {
  int room = number(step, 2);
  unsigned char* bytes = zeroed(room);
  MPI_Status status;
  int error = MPI_Mrecv(bytes, room, MPI_BYTE, &messages[number(step, 1)], &status);
  received(step->line, error, &status, bytes);
  free(bytes);
}

/* imrecv REQUEST SLOT ROOM */
static void imrecv(const struct step* step) {
  int slot = number(step, 1);
  make_room(slot, number(step, 3));
  MPI_Imrecv(requests[slot].bytes, requests[slot].length, MPI_BYTE, &messages[number(step, 2)],
             &requests[slot].request);
}

/* sendrecv COMM DESTINATION TAG LENGTH SEED SOURCE TAG ROOM */
static void sendrecv(const struct step* step) {
  int length = number(step, 4), room = number(step, 8);
  unsigned char* bytes = filled(length, number(step, 5));
  unsigned char* into = zeroed(room);
  MPI_Status status;
  MPI_Sendrecv(bytes, length, MPI_BYTE, source_of(step, 2), number(step, 3), into, room, MPI_BYTE,
               source_of(step, 6), tag_of(step, 7), comm_of(step, 1), &status);
  received(step->line, MPI_SUCCESS, &status, into);
  free(bytes);
  free(into);
}

/* replace COMM DESTINATION TAG LENGTH SEED SOURCE TAG */
static void replace(const struct step* step) {
  int length = number(step, 4);
  unsigned char* bytes = filled(length, number(step, 5));
  MPI_Status status;
  MPI_Sendrecv_replace(bytes, length, MPI_BYTE, source_of(step, 2), number(step, 3),
                       source_of(step, 6), tag_of(step, 7), comm_of(step, 1), &status);
  received(step->line, MPI_SUCCESS, &status, bytes);
  free(bytes);
}

const struct operation POINT_TO_POINT[] = {
    {"send", send},         {"isend", isend},   {"recv", recv},       {"irecv", irecv},
    {"complete", complete}, {"wait", wait},     {"test", test},       {"cancel", cancel},
    {"psend", psend},       {"precv", precv},   {"start", start},     {"pfree", pfree},
    {"probe", probe},       {"iprobe", iprobe}, {"nothing", nothing}, {"mprobe", mprobe},
    {"improbe", improbe},   {"mrecv", mrecv},   {"imrecv", imrecv},   {"sendrecv", sendrecv},
    {"replace", replace},   {NULL, NULL},
};
