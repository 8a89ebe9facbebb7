// SPDX-License-Identifier: MIT
// What a forked child finds in its parent's memory, and does to it. It can run native code only: in
// a child of fork(2) without exec, Node's JavaScript dies of SIGSEGV.
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers.h"

namespace dreg {

// forkLoad(address) -> the word there as a forked child reads it, 0..255 | -errno; -EFAULT where the
// child dies of it.
static Napi::Value ForkLoad(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto address = static_cast<uintptr_t>(NumberOf(env, info[0], 0));
  pid_t child = fork();
  if (child < 0) return AnswerErrno(env);
  if (child == 0) _exit(*reinterpret_cast<volatile int32_t*>(address) & 0xff);
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return AnswerErrno(env);
  return Answer(env, WIFEXITED(status) ? WEXITSTATUS(status) : -EFAULT);
}

// forkCall(number, up to six arguments) -> 0 | -errno: one system call by a forked child.
static Napi::Value ForkCall(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  long a[7];
  for (size_t i = 0; i < 7; i++) a[i] = static_cast<long>(NumberOf(env, info[i], 0));
  pid_t child = fork();
  if (child < 0) return AnswerErrno(env);
  if (child == 0) _exit(syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]) == -1 ? errno : 0);
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return AnswerErrno(env);
  return Answer(env, WIFEXITED(status) ? -WEXITSTATUS(status) : -EFAULT);
}

void InitFork(Napi::Env env, Napi::Object exports) {
  exports.Set("forkLoad", Napi::Function::New(env, ForkLoad));
  exports.Set("forkCall", Napi::Function::New(env, ForkCall));
}

}  // namespace dreg
