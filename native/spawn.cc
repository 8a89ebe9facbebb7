// SPDX-License-Identifier: MIT
// Child processes that cannot outlive this one unseen: vfork(2), prctl(2), execve(2), waitpid(2).
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "util.h"

namespace dreg {

// Descriptors 0, 1, … that a child can be given.
constexpr size_t FDS_MAX = 8;

// What the child needs between vfork and exec: all of it made before, because the child shares its
// parent's memory and may only make system calls.
struct Plan {
  char* const* words;
  char* const* environment;
  const char* directory;  // null: the parent's.
  int fds[FDS_MAX];
  size_t fdCount;
  int ledger;  // Where the child writes its pid, or -1.
  bool diesWithParent;
  uint64_t ignored;  // Signal n is ignored in the child where bit n - 1 is set.
  bool bound;
  cpu_set_t cpus;
  pid_t parent;
};

// What failed in the child, for the parent.
struct Failure {
  const char* call = nullptr;
  int error = 0;
};

[[noreturn]] static void Fail(Failure* failure, const char* call) {
  failure->call = call;
  failure->error = errno;
  _exit(127);
}

static void SetSignals(uint64_t ignored) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  for (int number = 1; number < NSIG; number++) {
    action.sa_handler = (ignored >> (number - 1)) & 1 ? SIG_IGN : SIG_DFL;
    sigaction(number, &action, nullptr);  // Some signals cannot be set: they are what they are.
  }
}

// `+ PID` or `- PID`. Without a reader the job runs unguarded by it: EPIPE is no failure.
static void WriteLedger(int ledger, char sign, pid_t pid) {
  char line[16];
  size_t at = sizeof line;
  line[--at] = '\n';
  for (; pid > 0; pid /= 10) line[--at] = static_cast<char>('0' + pid % 10);
  line[--at] = ' ';
  line[--at] = sign;
  ssize_t written = write(ledger, line + at, sizeof line - at);
  static_cast<void>(written);
}

static void MoveDescriptors(const Plan& plan, Failure* failure) {
  int high[FDS_MAX];
  // First out of each other's way, then into their places.
  for (size_t i = 0; i < plan.fdCount; i++) {
    high[i] = fcntl(plan.fds[i], F_DUPFD_CLOEXEC, static_cast<int>(plan.fdCount));
    if (high[i] < 0) Fail(failure, "fcntl");
  }
  for (size_t i = 0; i < plan.fdCount; i++) {
    if (dup2(high[i], static_cast<int>(i)) < 0) Fail(failure, "dup2");
    if (i > STDERR_FILENO) continue;
    int flags = fcntl(static_cast<int>(i), F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK))
      fcntl(static_cast<int>(i), F_SETFL, flags & ~O_NONBLOCK);
  }
}

[[noreturn]] static void RunChild(const Plan& plan, Failure* failure) {
  setsid();
  if (plan.diesWithParent) {
    // Where the kernel refuses this, the ledger alone guards.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // The parent may have ended before the call: then the signal will never come.
    if (getppid() != plan.parent) _exit(127);
  }
  // The child is in the ledger before it runs a foreign instruction, and holds the ledger open
  // until then: whoever reads the ledger sees no end of it without this child's pid.
  if (plan.ledger >= 0) WriteLedger(plan.ledger, '+', getpid());
  signal(SIGPIPE, SIG_IGN);  // Drops the one that waits blocked, if nobody reads.
  SetSignals(plan.ignored);
  if (plan.bound && sched_setaffinity(0, sizeof plan.cpus, &plan.cpus) != 0)
    Fail(failure, "sched_setaffinity");
  if (plan.directory && chdir(plan.directory) != 0) Fail(failure, "chdir");
  MoveDescriptors(plan, failure);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // A script without #! runs with /bin/sh, as everywhere.
  execvpe(plan.words[0], plan.words, plan.environment);
  Fail(failure, "execve");
}

// The parent waits until the child has executed its program or failed. No signal's handler may run
// in the child, which has the parent's memory.
static pid_t Start(const Plan& plan, Failure* failure) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t pid = vfork();
  if (pid == 0) RunChild(plan, failure);
  if (pid < 0) *failure = {"vfork", errno};
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid > 0 && failure->call) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) continue;
    if (plan.ledger >= 0) WriteLedger(plan.ledger, '-', pid);
  }
  return pid;
}

// The strings of an array, and the null-terminated pointers to them that exec wants.
class Strings {
 public:
  explicit Strings(Napi::Value value) {
    if (!value.IsArray()) return;
    auto array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); i++) {
      Napi::Value each = array[i];
      if (!each.IsString()) return;
      texts_.push_back(each.As<Napi::String>().Utf8Value());
    }
    for (auto& text : texts_) pointers_.push_back(text.data());
    pointers_.push_back(nullptr);
  }
  // Null where the value was no array of strings.
  char* const* pointers() const {
    return pointers_.empty() ? nullptr : pointers_.data();
  }
  size_t size() const {
    return texts_.size();
  }

 private:
  std::vector<std::string> texts_;
  std::vector<char*> pointers_;
};

// False where the value is neither missing nor a list of CPUs.
static bool ReadCpus(Napi::Env env, Napi::Value value, Plan* plan) {
  CPU_ZERO(&plan->cpus);
  plan->bound = value.IsArray();
  if (!plan->bound) return value.IsUndefined();
  auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++) {
    double cpu = NumberOf(env, static_cast<Napi::Value>(array[i]), -1);
    if (!(cpu >= 0) || cpu >= CPU_SETSIZE) return false;
    CPU_SET(static_cast<int>(cpu), &plan->cpus);
  }
  return true;
}

static bool ReadFds(Napi::Value value, Plan* plan) {
  if (!value.IsTypedArray()) return false;
  auto fds = value.As<Napi::TypedArray>();
  plan->fdCount = fds.ElementLength();
  if (fds.TypedArrayType() != napi_int32_array || plan->fdCount > FDS_MAX) return false;
  memcpy(plan->fds, fds.As<Napi::Int32Array>().Data(), plan->fdCount * sizeof(int));
  return true;
}

static uint64_t ReadSignals(Napi::Env env, Napi::Value value) {
  uint64_t set = 0;
  if (!value.IsArray()) return set;
  auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++) {
    double number = NumberOf(env, static_cast<Napi::Value>(array[i]), 0);
    if (number >= 1 && number <= 64) set |= uint64_t{1} << (static_cast<int>(number) - 1);
  }
  return set;
}

// processSpawn({ words, environment, directory, fds, ledger, diesWithParent, ignored, cpus }) ->
// pid | [call, errno]: what failed, in the child or before. The child leads a session of its own.
static Napi::Value ProcessSpawn(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsObject()) return Answer(env, -EINVAL);
  auto options = info[0].As<Napi::Object>();
  Strings words(options.Get("words"));
  Strings environment(options.Get("environment"));
  std::string directory;
  Plan plan = {};
  plan.words = words.pointers();
  plan.environment = environment.pointers();
  if (!plan.words || words.size() == 0 || !plan.environment) return Answer(env, -EINVAL);
  if (!ReadFds(options.Get("fds"), &plan)) return Answer(env, -EINVAL);
  if (!ReadCpus(env, options.Get("cpus"), &plan)) return Answer(env, -EINVAL);
  Napi::Value where = options.Get("directory");
  if (where.IsString()) {
    directory = where.As<Napi::String>().Utf8Value();
    plan.directory = directory.c_str();
  }
  plan.ledger = static_cast<int>(NumberOf(env, options.Get("ledger"), -1));
  plan.diesWithParent = BooleanOf(env, options.Get("diesWithParent"));
  plan.ignored = ReadSignals(env, options.Get("ignored"));
  plan.parent = getpid();
  Failure failure;
  pid_t pid = Start(plan, &failure);
  if (!failure.call) return Answer(env, pid);
  auto told = Napi::Array::New(env, 2);
  told.Set(0u, Napi::String::New(env, failure.call));
  told.Set(1u, Answer(env, -failure.error));
  return told;
}

static double MillisecondsIn(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
}

// processReap(pid, used) -> 0 while it runs | 1 << 16 | its status as waitpid tells it | -errno.
// A Float64Array gets what the process used, with the children that it waited for: milliseconds of
// processors, bytes of memory at most.
static Napi::Value ProcessReap(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int pid = static_cast<int>(NumberOf(env, info[0], 0));
  if (pid <= 0) return Answer(env, -EINVAL);
  int status = 0;
  rusage usage = {};
  pid_t reaped = wait4(pid, &status, WNOHANG, &usage);
  if (reaped < 0) return AnswerErrno(env);
  double* used = reaped > 0 ? ArrayOf<double>(env, info[1], 2) : nullptr;
  if (used) {
    used[0] = MillisecondsIn(usage.ru_utime) + MillisecondsIn(usage.ru_stime);
    used[1] = static_cast<double>(usage.ru_maxrss) * 1024;
  }
  return Answer(env, reaped == 0 ? 0 : (1 << 16) | (status & 0xffff));
}

void InitSpawn(Napi::Env env, Napi::Object exports) {
  exports.Set("processSpawn", Napi::Function::New(env, ProcessSpawn));
  exports.Set("processReap", Napi::Function::New(env, ProcessReap));
}

}  // namespace dreg
