// SPDX-License-Identifier: MIT
// The process itself: sched_setaffinity(2), prctl(2), poll(2), pipe2(2), socketpair(2),
// fcntl(2), close(2).
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <string>

#include "util.h"

namespace dreg {

// affinityGet() -> the CPUs the calling thread may run on | -errno.
static Napi::Value AffinityGet(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return AnswerErrno(env);
  auto cpus = Napi::Array::New(env);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &set)) cpus.Set(cpus.Length(), Answer(env, cpu));
  return cpus;
}

// affinitySet(cpus) -> 0 | -errno: for the calling thread and what it starts from now on.
static Napi::Value AffinitySet(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsArray()) return Answer(env, -EINVAL);
  auto cpus = info[0].As<Napi::Array>();
  cpu_set_t set;
  CPU_ZERO(&set);
  for (uint32_t i = 0; i < cpus.Length(); i++) {
    auto cpu = IntegerOf(env, static_cast<Napi::Value>(cpus[i]), 0, CPU_SETSIZE - 1);
    if (!cpu) return Answer(env, -EINVAL);
    CPU_SET(static_cast<int>(*cpu), &set);
  }
  return sched_setaffinity(0, sizeof set, &set) != 0 ? AnswerErrno(env) : Answer(env, 0);
}

// dieWithParent(signal) -> the parent's pid: the kernel sends the signal when the parent ends.
static Napi::Value DieWithParent(const Napi::CallbackInfo& info) {
  auto signal = IntegerOf(info.Env(), info[0], 0, SIGRTMAX);
  if (!signal) return Answer(info.Env(), -EINVAL);
  if (prctl(PR_SET_PDEATHSIG, *signal) != 0) return AnswerErrno(info.Env());
  return Answer(info.Env(), getppid());
}

// inForeground(fd) -> 1 where this process may read the terminal: it is in its foreground, or the
// terminal is not the controlling one. 0: a read would stop it (SIGTTIN).
static Napi::Value InForeground(const Napi::CallbackInfo& info) {
  pid_t group = tcgetpgrp(static_cast<int>(NumberOf(info.Env(), info[0], -1)));
  return Answer(info.Env(), group < 0 || group == getpgrp());
}

// pollReadable(fd, milliseconds) -> 1 readable or hung up, 0 time-out, -errno.
static Napi::Value PollReadable(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = DescriptorOf(env, info[0]);
  double milliseconds = MillisecondsOf(env, info[1]);
  // poll(2) takes a negative one for none, and waits.
  if (fd < 0) return Answer(env, -EBADF);
  if (milliseconds < 0) return Answer(env, -EINVAL);
  pollfd waiting = {fd, POLLIN, 0};
  int ready = poll(&waiting, 1, static_cast<int>(milliseconds));
  if (ready < 0) return errno == EINTR ? Answer(env, 0) : AnswerErrno(env);
  if (ready > 0 && (waiting.revents & POLLNVAL)) return Answer(env, -EBADF);
  return Answer(env, ready);
}

// pollAny(fds, milliseconds) -> how many of an Int32Array's descriptors are readable or hung up, 0
// time-out, -errno. At most POLL_ANY_MAX descriptors.
static Napi::Value PollAny(const Napi::CallbackInfo& info) {
  constexpr size_t POLL_ANY_MAX = 8;
  Napi::Env env = info.Env();
  if (!info[0].IsTypedArray()) return Answer(env, -EINVAL);
  auto fds = info[0].As<Napi::TypedArray>();
  size_t count = fds.ElementLength();
  if (fds.TypedArrayType() != napi_int32_array || count > POLL_ANY_MAX) return Answer(env, -EINVAL);
  double milliseconds = MillisecondsOf(env, info[1]);
  if (milliseconds < 0) return Answer(env, -EINVAL);
  pollfd waiting[POLL_ANY_MAX];
  const int32_t* of = fds.As<Napi::Int32Array>().Data();
  for (size_t i = 0; i < count; i++) waiting[i] = {of[i], POLLIN, 0};
  int ready = poll(waiting, count, static_cast<int>(milliseconds));
  if (ready < 0) return errno == EINTR ? Answer(env, 0) : AnswerErrno(env);
  return Answer(env, ready);
}

static Napi::Value PairOf(Napi::Env env, const int ends[2]) {
  auto pair = Napi::Array::New(env, 2);
  for (uint32_t i = 0; i < 2; i++) pair.Set(i, Answer(env, ends[i]));
  return pair;
}

// pipeCreate() -> [read end, write end] | -errno: both close on exec, both block.
static Napi::Value PipeCreate(const Napi::CallbackInfo& info) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return AnswerErrno(info.Env());
  return PairOf(info.Env(), ends);
}

// socketPair() -> two connected stream sockets | -errno: both close on exec, both block.
static Napi::Value SocketPair(const Napi::CallbackInfo& info) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return AnswerErrno(info.Env());
  return PairOf(info.Env(), ends);
}

// closeOnExec(fd) -> 0 | -errno: programs that this process starts do not get the descriptor.
static Napi::Value CloseOnExec(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = DescriptorOf(env, info[0]);
  int flags = fcntl(fd, F_GETFD);
  if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) != 0) return AnswerErrno(env);
  return Answer(env, 0);
}

// The state of this process's registration: 1 while it is under way, then 0 or a negative errno.
static std::atomic<int> registration{1};
static std::once_flag registrationBegun;

static void* RegisterForMembarrier(void*) {
  long result = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
  registration.store(result < 0 ? -errno : 0, std::memory_order_release);
  return nullptr;
}

// membarrierRegister() -> 1 | 0 | -errno: this process takes part in other processes' membarrier().
// In a process of several threads the kernel waits for each CPU's next quiet moment (10 ms), so
// that a thread does it: 1 until it has, and then the same answer to every call.
static Napi::Value MembarrierRegister(const Napi::CallbackInfo& info) {
  std::call_once(registrationBegun, [] {
    pthread_t thread;
    int error = pthread_create(&thread, nullptr, RegisterForMembarrier, nullptr);
    if (error != 0)
      registration.store(-error, std::memory_order_release);
    else
      pthread_detach(thread);
  });
  return Answer(info.Env(), registration.load(std::memory_order_acquire));
}

// membarrier() -> 0 | -errno: a full barrier on every CPU that runs a registered process.
static Napi::Value Membarrier(const Napi::CallbackInfo& info) {
  long result = syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
  return result < 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), 0);
}

// fullFence(): no access of this thread that comes after it is done before one that comes before
// it.
static void FullFence(const Napi::CallbackInfo&) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

static Napi::Value CloseFd(const Napi::CallbackInfo& info) {
  int fd = DescriptorOf(info.Env(), info[0]);
  return close(fd) != 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), 0);
}

// libraryMissing(name) -> '' where the dynamic linker finds it | what the linker says.
static Napi::Value LibraryMissing(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsString()) return Napi::String::New(env, "no name of a library");
  std::string name = info[0].As<Napi::String>().Utf8Value();
  void* handle = dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL);
  const char* reason = handle ? "" : dlerror();
  Napi::String answer = Napi::String::New(env, reason ? reason : "unknown");
  if (handle) dlclose(handle);
  return answer;
}

void InitProcess(Napi::Env env, Napi::Object exports) {
  exports.Set("affinityGet", Napi::Function::New(env, AffinityGet));
  exports.Set("affinitySet", Napi::Function::New(env, AffinitySet));
  exports.Set("dieWithParent", Napi::Function::New(env, DieWithParent));
  exports.Set("inForeground", Napi::Function::New(env, InForeground));
  exports.Set("pollReadable", Napi::Function::New(env, PollReadable));
  exports.Set("pollAny", Napi::Function::New(env, PollAny));
  exports.Set("pipeCreate", Napi::Function::New(env, PipeCreate));
  exports.Set("socketPair", Napi::Function::New(env, SocketPair));
  exports.Set("closeOnExec", Napi::Function::New(env, CloseOnExec));
  exports.Set("membarrierRegister", Napi::Function::New(env, MembarrierRegister));
  exports.Set("membarrier", Napi::Function::New(env, Membarrier));
  exports.Set("fullFence", Napi::Function::New(env, FullFence));
  exports.Set("closeFd", Napi::Function::New(env, CloseFd));
  exports.Set("libraryMissing", Napi::Function::New(env, LibraryMissing));
}

}  // namespace dreg
