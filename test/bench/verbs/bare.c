// SPDX-License-Identifier: MIT
/*
 * What the device gives a C program on libibverbs alone, between two processes of this machine:
 *
 *   bare DEVICE GID_INDEX latency BYTES ROUNDS          ping-pong by SEND, polling
 *   bare DEVICE GID_INDEX get|put BYTES COUNT WINDOW    RDMA READ or WRITE, WINDOW under way
 *   bare ticks                                          of the processor's time stamp counter
 *
 * Prints nanoseconds: the median half round trip, the time for each message, or that of a tick.
 */
#include <infiniband/verbs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define CHECK(ok, what) \
  do {                  \
    if (!(ok)) {        \
      perror(what);     \
      exit(1);          \
    }                   \
  } while (0)

enum { RECEIVES = 16, WARM_UPS = 40, TRIPS_TIMED = 5, READS = 16 };

/* What an end tells the other one. */
struct place {
  union ibv_gid gid;
  uint64_t address;
  uint32_t key;
  uint32_t number;
};

struct end {
  struct ibv_context *context;
  struct ibv_pd *pd;
  struct ibv_cq *cq;
  struct ibv_qp *qp;
  struct ibv_mr *mr;
  char *memory;
  uint32_t bytes;
  struct place remote;
  int peer; /* a socket */
};

static double now(void)
{
  struct timespec time;

  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

static void open_device(struct end *end, const char *name)
{
  struct ibv_device **devices = ibv_get_device_list(NULL);

  CHECK(devices, "ibv_get_device_list");
  while (*devices && strcmp(ibv_get_device_name(*devices), name) != 0) devices++;
  CHECK(*devices, name);
  end->context = ibv_open_device(*devices);
  CHECK(end->context, "ibv_open_device");
}

static void make_queue(struct end *end, uint32_t depth)
{
  struct ibv_qp_init_attr wanted = {0};
  struct ibv_qp_attr to = {0};
  const int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE;

  end->pd = ibv_alloc_pd(end->context);
  CHECK(end->pd, "ibv_alloc_pd");
  end->cq = ibv_create_cq(end->context, depth + RECEIVES, NULL, NULL, 0);
  CHECK(end->cq, "ibv_create_cq");
  CHECK(posix_memalign((void **)&end->memory, 4096, end->bytes) == 0, "posix_memalign");
  memset(end->memory, 1, end->bytes);
  end->mr = ibv_reg_mr(end->pd, end->memory, end->bytes, access);
  CHECK(end->mr, "ibv_reg_mr");
  wanted.send_cq = wanted.recv_cq = end->cq;
  wanted.qp_type = IBV_QPT_RC;
  wanted.cap.max_send_wr = depth;
  wanted.cap.max_recv_wr = RECEIVES;
  wanted.cap.max_send_sge = wanted.cap.max_recv_sge = 1;
  wanted.cap.max_inline_data = 64;
  end->qp = ibv_create_qp(end->pd, &wanted);
  CHECK(end->qp, "ibv_create_qp");
  to.qp_state = IBV_QPS_INIT;
  to.port_num = 1;
  to.qp_access_flags = access;
  CHECK(ibv_modify_qp(end->qp, &to,
                      IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS) == 0,
        "ibv_modify_qp to INIT");
}

static void post_receive(struct end *end)
{
  struct ibv_sge piece = {(uintptr_t)end->memory, end->bytes, end->mr->lkey};
  struct ibv_recv_wr request = {.sg_list = &piece, .num_sge = 1};
  struct ibv_recv_wr *bad;

  CHECK(ibv_post_recv(end->qp, &request, &bad) == 0, "ibv_post_recv");
}

/* Nobody goes on before both are here. */
static void meet(struct end *end)
{
  char byte = 0;

  CHECK(write(end->peer, &byte, 1) == 1 && read(end->peer, &byte, 1) == 1, "the other end");
}

static void connect_queue(struct end *end, int gid_index)
{
  struct place here = {.address = (uintptr_t)end->memory, .key = end->mr->rkey};
  struct ibv_port_attr port;
  struct ibv_qp_attr to = {0};

  CHECK(ibv_query_gid(end->context, 1, gid_index, &here.gid) == 0, "ibv_query_gid");
  CHECK(ibv_query_port(end->context, 1, &port) == 0, "ibv_query_port");
  here.number = end->qp->qp_num;
  CHECK(write(end->peer, &here, sizeof here) == sizeof here, "write");
  CHECK(read(end->peer, &end->remote, sizeof here) == sizeof here, "read");
  to.qp_state = IBV_QPS_RTR;
  to.path_mtu = port.active_mtu;
  to.dest_qp_num = end->remote.number;
  to.max_dest_rd_atomic = READS;
  to.min_rnr_timer = 12;
  to.ah_attr.is_global = 1;
  to.ah_attr.port_num = 1;
  to.ah_attr.grh.dgid = end->remote.gid;
  to.ah_attr.grh.sgid_index = gid_index;
  to.ah_attr.grh.hop_limit = 64;
  CHECK(ibv_modify_qp(end->qp, &to,
                      IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
                          IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER) == 0,
        "ibv_modify_qp to RTR");
  to.qp_state = IBV_QPS_RTS;
  to.timeout = 14;
  to.retry_cnt = 6;
  to.rnr_retry = 6;
  to.max_rd_atomic = READS;
  CHECK(ibv_modify_qp(end->qp, &to,
                      IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
                          IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC) == 0,
        "ibv_modify_qp to RTS");
  meet(end);
}

static void post(struct end *end, enum ibv_wr_opcode opcode, unsigned flags)
{
  struct ibv_sge piece = {(uintptr_t)end->memory, end->bytes, end->mr->lkey};
  struct ibv_send_wr request = {.sg_list = &piece, .num_sge = 1, .opcode = opcode};
  struct ibv_send_wr *bad;

  request.send_flags = flags;
  request.wr.rdma.remote_addr = end->remote.address;
  request.wr.rdma.rkey = end->remote.key;
  CHECK(ibv_post_send(end->qp, &request, &bad) == 0, "ibv_post_send");
}

/* Polls until a completion comes; whether it is a message. */
static int take(struct end *end)
{
  struct ibv_wc done;
  int count;

  do count = ibv_poll_cq(end->cq, 1, &done);
  while (count == 0);
  CHECK(count == 1, "ibv_poll_cq");
  if (done.status != IBV_WC_SUCCESS) {
    fprintf(stderr, "bare: %s\n", ibv_wc_status_str(done.status));
    exit(1);
  }
  return done.opcode & IBV_WC_RECV;
}

/* One in so many SENDs asks for a completion. */
static void send_message(struct end *end, int number)
{
  const unsigned inlined = end->bytes <= 64 ? IBV_SEND_INLINE : 0;

  post(end, IBV_WR_SEND, inlined | (number % 4 == 0 ? IBV_SEND_SIGNALED : 0));
}

static void receive_message(struct end *end)
{
  while (!take(end));
  post_receive(end);
}

static int ascending(const void *left, const void *right)
{
  const double a = *(const double *)left, b = *(const double *)right;

  return (a > b) - (a < b);
}

/* The median of a few round trips at a time: reading a guest's clock takes long. */
static double latency(struct end *end, int rounds, int first)
{
  const int count = (rounds + TRIPS_TIMED - 1) / TRIPS_TIMED;
  double *times = calloc(count, sizeof *times);
  double before = now(), median;

  CHECK(times, "calloc");
  for (int i = -WARM_UPS; i < count; i++) {
    for (int trip = 0; trip < TRIPS_TIMED; trip++) {
      if (first) send_message(end, trip);
      receive_message(end);
      if (!first) send_message(end, trip);
    }
    const double after = now();

    if (i >= 0) times[i] = (after - before) / 2 / TRIPS_TIMED;
    before = after;
  }
  qsort(times, count, sizeof *times, ascending);
  median = times[count / 2];
  free(times);
  return median;
}

static double transfer(struct end *end, enum ibv_wr_opcode opcode, int count, int window)
{
  const double started = now();
  int posted = 0;

  for (int done = 0; done < count; done++) {
    while (posted < count && posted - done < window) {
      post(end, opcode, IBV_SEND_SIGNALED);
      posted++;
    }
    take(end);
  }
  return (now() - started) / count;
}

/* How long a tick is by the clock that everybody but perftest reads. */
static double tick(void)
{
  const double started = now();
  const uint64_t first = __rdtsc();
  double elapsed;

  do elapsed = now() - started;
  while (elapsed < 5e8);
  return elapsed / (__rdtsc() - first);
}

/* The first end measures; of a transfer the other one only waits. */
static double run(struct end *end, const char *what, int count, int window, int first)
{
  double ns;

  if (strcmp(what, "latency") == 0) return latency(end, count, first);
  if (!first) {
    meet(end);
    return 0;
  }
  ns = transfer(end, what[0] == 'g' ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE, count, window);
  meet(end);
  return ns;
}

int main(int argc, char **argv)
{
  const int window = argc > 6 ? atoi(argv[6]) : 1;
  struct end end = {0};
  int sockets[2], status = 0;
  pid_t child;
  double ns;

  if (argc == 2 && strcmp(argv[1], "ticks") == 0) {
    printf("%.6f\n", tick());
    return 0;
  }
  if (argc < 6 || window < 1 || atoi(argv[4]) < 1 || atoi(argv[5]) < 1) {
    fputs("bare DEVICE GID_INDEX latency|get|put BYTES COUNT [WINDOW]\n", stderr);
    return 2;
  }
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "socketpair");
  child = fork();
  CHECK(child >= 0, "fork");
  end.peer = sockets[child == 0];
  close(sockets[child != 0]);
  end.bytes = atoi(argv[4]);
  open_device(&end, argv[1]);
  make_queue(&end, window > RECEIVES ? window : RECEIVES);
  for (int i = 0; i < RECEIVES; i++) post_receive(&end);
  connect_queue(&end, atoi(argv[2]));
  ns = run(&end, argv[3], atoi(argv[5]), window, child != 0);
  if (child == 0) return 0;
  CHECK(waitpid(child, &status, 0) == child, "waitpid");
  if (status != 0) return 1;
  printf("%.1f\n", ns);
  return 0;
}
