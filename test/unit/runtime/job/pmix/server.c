// A launcher by libpmix's server: `server RANKS LOST FILE PROGRAM ARGUMENTS` starts the ranks here, and says of
// rank LOST, once there is the file, that its process was aborted.
#define _GNU_SOURCE
#include <pmix.h>
#include <pmix_server.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// What the addon declares for itself.
_Static_assert(sizeof(pmix_proc_t) == 260, "pmix_proc_t");
_Static_assert(sizeof(pmix_value_t) == 32, "pmix_value_t");
_Static_assert(sizeof(pmix_info_t) == 552, "pmix_info_t");
_Static_assert(PMIX_RANK_WILDCARD == 4294967294u, "PMIX_RANK_WILDCARD");
_Static_assert(PMIX_BOOL == 1 && PMIX_UINT32 == 14 && PMIX_PROC == 22 && PMIX_BYTE_OBJECT == 27,
               "types");
_Static_assert(PMIX_ERR_LOST_CONNECTION == -61 && PMIX_EVENT_NO_ACTION_TAKEN == -331, "statuses");

#define RANKS_MAX 8
static const pmix_nspace_t job = "dreg-test";
static atomic_int done;

static void check(const char *what, pmix_status_t status) {
  if (status == PMIX_SUCCESS || status == PMIX_OPERATION_SUCCEEDED) return;
  fprintf(stderr, "%s: %s\n", what, PMIx_Error_string(status));
  exit(99);
}

static void on_done(pmix_status_t status, void *data) {
  (void)data;
  check("a call of the server", status);
  done++;
}

static void wait_for(pmix_status_t status, const char *what) {
  check(what, status);
  while (status != PMIX_OPERATION_SUCCEEDED && done == 0) usleep(1000);
  done = 0;
}

static pmix_status_t connected(const pmix_proc_t *proc, void *object, pmix_op_cbfunc_t cb, void *data) {
  (void)proc, (void)object;
  if (cb) cb(PMIX_SUCCESS, data);
  return PMIX_SUCCESS;
}

// All ranks are here: what they gave is what they get.
static pmix_status_t fence(const pmix_proc_t procs[], size_t count, const pmix_info_t info[], size_t infos,
                           char *data, size_t bytes, pmix_modex_cbfunc_t cb, void *cbdata) {
  (void)procs, (void)count, (void)info, (void)infos;
  if (cb) cb(PMIX_SUCCESS, data, bytes, cbdata, NULL, NULL);
  return PMIX_SUCCESS;
}

static pmix_server_module_t module = {
    .client_connected = connected, .client_finalized = connected, .fence_nb = fence};

static void register_job(uint32_t ranks) {
  pmix_info_t info[6];
  char host[256], peers[64] = "", *nodes, *map;
  gethostname(host, sizeof host);
  for (uint32_t i = 0; i < ranks; i++) snprintf(peers + strlen(peers), 8, i ? ",%u" : "%u", i);
  check("PMIx_generate_regex", PMIx_generate_regex(host, &nodes));
  check("PMIx_generate_ppn", PMIx_generate_ppn(peers, &map));
  PMIX_INFO_LOAD(&info[0], PMIX_UNIV_SIZE, &ranks, PMIX_UINT32);
  PMIX_INFO_LOAD(&info[1], PMIX_JOB_SIZE, &ranks, PMIX_UINT32);
  PMIX_INFO_LOAD(&info[2], PMIX_LOCAL_SIZE, &ranks, PMIX_UINT32);
  PMIX_INFO_LOAD(&info[3], PMIX_LOCAL_PEERS, peers, PMIX_STRING);
  PMIX_INFO_LOAD(&info[4], PMIX_NODE_MAP, nodes, PMIX_REGEX);
  PMIX_INFO_LOAD(&info[5], PMIX_PROC_MAP, map, PMIX_REGEX);
  wait_for(PMIx_server_register_nspace(job, (int)ranks, info, 6, on_done, NULL), "register_nspace");
}

static void start(uint32_t rank, char **program) {
  extern char **environ;
  pmix_proc_t proc;
  char **environment = NULL;
  size_t count = 0;
  PMIX_PROC_LOAD(&proc, job, rank);
  wait_for(PMIx_server_register_client(&proc, getuid(), getgid(), NULL, on_done, NULL), "register_client");
  while (environ[count]) count++;
  environment = calloc(count + 1, sizeof *environment);
  for (size_t i = 0; i < count; i++) environment[i] = strdup(environ[i]);
  check("setup_fork", PMIx_server_setup_fork(&proc, &environment));
  if (fork() != 0) return;
  execvpe(program[0], program, environment);
  perror(program[0]);
  _exit(127);
}

int main(int argc, char **argv) {
  pmix_proc_t self, lost;
  pmix_info_t affected;
  int status, failed = 0;
  if (argc < 5 || atoi(argv[1]) > RANKS_MAX) return 2;
  uint32_t ranks = (uint32_t)atoi(argv[1]);
  check("PMIx_server_init", PMIx_server_init(&module, NULL, 0));
  register_job(ranks);
  for (uint32_t rank = 0; rank < ranks; rank++) start(rank, argv + 4);
  while (access(argv[3], F_OK) != 0) usleep(1000);
  PMIX_PROC_LOAD(&self, job, 0);
  PMIX_PROC_LOAD(&lost, job, (pmix_rank_t)atoi(argv[2]));
  PMIX_INFO_LOAD(&affected, PMIX_EVENT_AFFECTED_PROC, &lost, PMIX_PROC);
  wait_for(PMIx_Notify_event(PMIX_ERR_PROC_ABORTED_BY_SIG, &lost, PMIX_RANGE_NAMESPACE, &affected, 1,
                             on_done, NULL),
           "PMIx_Notify_event");
  for (uint32_t i = 0; i < ranks; i++)
    if (wait(&status) < 0 || status != 0) failed = 1;
  PMIx_server_finalize();
  return failed;
}
