// SPDX-License-Identifier: MIT
// What tests do to memory behind the library's back: the bare system calls, and views on any
// address. Calls answer a value >= 0 or a negative errno.
#include "helpers.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <vector>

namespace dreg {

static Napi::Value Result(const Napi::CallbackInfo& info, long value) {
  return value == -1 ? AnswerErrno(info.Env()) : Answer(info.Env(), value);
}

static long Long(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<long>(NumberOf(info.Env(), info[index], 0));
}

// call(number, up to six arguments): any system call, not through libc's functions.
static Napi::Value Call(const Napi::CallbackInfo& info) {
  return Result(info, syscall(Long(info, 0), Long(info, 1), Long(info, 2), Long(info, 3),
                              Long(info, 4), Long(info, 5), Long(info, 6)));
}

// view(address, length) -> an ArrayBuffer there, which owns nothing.
static Napi::Value View(const Napi::CallbackInfo& info) {
  return Napi::ArrayBuffer::New(info.Env(), reinterpret_cast<void*>(Long(info, 0)),
                                static_cast<size_t>(Long(info, 1)));
}

// brkGrow(bytes) -> where the new memory begins.
static Napi::Value BrkGrow(const Napi::CallbackInfo& info) {
  void* before = sbrk(Long(info, 0));
  return Result(info, reinterpret_cast<long>(before));
}

// brkCycle(start, bytes) -> 0: what BrkGrow gave is given back and taken again; EBUSY where
// somebody else has moved the break since.
static Napi::Value BrkCycle(const Napi::CallbackInfo& info) {
  long start = Long(info, 0), bytes = Long(info, 1);
  if (reinterpret_cast<long>(sbrk(0)) != start + bytes) return Answer(info.Env(), -EBUSY);
  if (sbrk(-bytes) == reinterpret_cast<void*>(-1)) return AnswerErrno(info.Env());
  return Result(info, sbrk(bytes) == reinterpret_cast<void*>(start) ? 0 : -1);
}

// shmAttach(bytes, address, flags) -> address: a segment that is gone with its last attachment.
static Napi::Value ShmAttach(const Napi::CallbackInfo& info) {
  int id = shmget(IPC_PRIVATE, static_cast<size_t>(Long(info, 0)), IPC_CREAT | 0600);
  if (id < 0) return AnswerErrno(info.Env());
  void* at = shmat(id, reinterpret_cast<void*>(Long(info, 1)), static_cast<int>(Long(info, 2)));
  int error = errno;
  shmctl(id, IPC_RMID, nullptr);
  errno = error;
  return Result(info, reinterpret_cast<long>(at));
}

static Napi::Value ShmDetach(const Napi::CallbackInfo& info) {
  return Result(info, shmdt(reinterpret_cast<void*>(Long(info, 0))));
}

// vforkUnmap(address, length) -> 0: unmapped by a child that shares our memory.
static Napi::Value VforkUnmap(const Napi::CallbackInfo& info) {
  long address = Long(info, 0), length = Long(info, 1);
  pid_t child = vfork();
  if (child == 0) _exit(syscall(SYS_munmap, address, length) == 0 ? 0 : 1);
  if (child < 0) return AnswerErrno(info.Env());
  int status = 0;
  waitpid(child, &status, 0);
  return Answer(info.Env(), status == 0 ? 0 : -EIO);
}

// forkIdle() -> pid of a child that sleeps until it is killed.
static Napi::Value ForkIdle(const Napi::CallbackInfo& info) {
  pid_t child = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) syscall(SYS_pause);
  }
  return Result(info, child);
}

static Napi::Value KillAndWait(const Napi::CallbackInfo& info) {
  auto child = static_cast<pid_t>(Long(info, 0));
  kill(child, SIGKILL);
  return Result(info, waitpid(child, nullptr, 0));
}

// limit(resource, soft) -> 0.
static Napi::Value Limit(const Napi::CallbackInfo& info) {
  auto resource = static_cast<__rlimit_resource>(Long(info, 0));
  rlimit limit;
  if (getrlimit(resource, &limit) != 0) return AnswerErrno(info.Env());
  limit.rlim_cur = static_cast<rlim_t>(Long(info, 1));
  return Result(info, setrlimit(resource, &limit));
}

// forbid(number, errno) -> 0: that system call fails so in this process from now on, as under a
// container's seccomp profile.
static Napi::Value Forbid(const Napi::CallbackInfo& info) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(Long(info, 0)), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(Long(info, 1))),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {sizeof filter / sizeof *filter, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return AnswerErrno(info.Env());
  return Result(info,
                syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program));
}

static Napi::Object InitHelpers(Napi::Env env, Napi::Object exports) {
  exports.Set("call", Napi::Function::New(env, Call));
  exports.Set("view", Napi::Function::New(env, View));
  exports.Set("brkGrow", Napi::Function::New(env, BrkGrow));
  exports.Set("brkCycle", Napi::Function::New(env, BrkCycle));
  exports.Set("shmAttach", Napi::Function::New(env, ShmAttach));
  exports.Set("shmDetach", Napi::Function::New(env, ShmDetach));
  exports.Set("vforkUnmap", Napi::Function::New(env, VforkUnmap));
  exports.Set("forkIdle", Napi::Function::New(env, ForkIdle));
  exports.Set("killAndWait", Napi::Function::New(env, KillAndWait));
  exports.Set("limit", Napi::Function::New(env, Limit));
  exports.Set("forbid", Napi::Function::New(env, Forbid));
  InitFork(env, exports);
  InitThreads(env, exports);
  InitUserfaultfd(env, exports);
  return exports;
}

}  // namespace dreg

static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) {
  return dreg::InitHelpers(env, exports);
}
NODE_API_MODULE(dreg_memory_test, InitAddon)
