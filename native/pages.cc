// SPDX-License-Identifier: MIT
// What all threads of a process have in common: the page size, a page that a forked child finds
// empty (mmap(2), madvise(2) WIPEONFORK), and a first time.
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

#include "buffer.h"

namespace dreg {

static size_t PageBytes() {
  return static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

static Napi::Value PageSize(const Napi::CallbackInfo& info) {
  return Answer(info.Env(), static_cast<int64_t>(PageBytes()));
}

// forkGuard() -> ArrayBuffer of one page | -errno. What is written there is zero in every child
// made by fork(2), so that who owns something can be told by one load and no getpid(2).
static Napi::Value ForkGuard(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  void* data =
      mmap(nullptr, PageBytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return AnswerErrno(env);
  if (madvise(data, PageBytes(), MADV_WIPEONFORK) != 0) {
    int error = errno;
    munmap(data, PageBytes());
    return Answer(env, -error);
  }
  return BufferOver(env, data, PageBytes(), OwnerOfMapping(data, PageBytes()));
}

// firstTime() -> whether this is the first call in the process, of all its threads.
static Napi::Value FirstTime(const Napi::CallbackInfo& info) {
  static std::atomic_flag called = ATOMIC_FLAG_INIT;
  return Napi::Boolean::New(info.Env(), !called.test_and_set());
}

void InitPages(Napi::Env env, Napi::Object exports) {
  exports.Set("pageSize", Napi::Function::New(env, PageSize));
  exports.Set("firstTime", Napi::Function::New(env, FirstTime));
  exports.Set("forkGuard", Napi::Function::New(env, ForkGuard));
}

}  // namespace dreg
