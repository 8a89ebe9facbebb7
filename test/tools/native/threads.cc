// SPDX-License-Identifier: MIT
// A second thread that makes system calls on memory, while the first one goes on.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "helpers.h"

namespace dreg {

struct Task {
  std::thread thread;
  Napi::ObjectReference words;  // what the thread writes to lives as long as the task
  std::atomic<bool> done{false};
  long result = 0;
};

static Napi::Value Give(Napi::Env env, Task* task) {
  return Napi::External<Task>::New(env, task, [](Napi::Env, Task* dead) {
    if (dead->thread.joinable()) dead->thread.join();
    delete dead;
  });
}

// threadCall(number, up to six arguments) -> task: one system call by a thread of its own.
static Napi::Value ThreadCall(const Napi::CallbackInfo& info) {
  long a[7];
  for (size_t i = 0; i < 7; i++) a[i] = static_cast<long>(NumberOf(info.Env(), info[i], 0));
  auto* task = new Task;
  task->thread = std::thread(
      [task, a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3], a4 = a[4], a5 = a[5], a6 = a[6]] {
        task->result = syscall(a0, a1, a2, a3, a4, a5, a6);
        if (task->result == -1) task->result = -errno;
        task->done.store(true);
      });
  return Give(info.Env(), task);
}

// threadReplace(address, length, value) -> task: unmaps, maps the same address anew, fills it.
static Napi::Value ThreadReplace(const Napi::CallbackInfo& info) {
  auto* at = reinterpret_cast<void*>(static_cast<uintptr_t>(NumberOf(info.Env(), info[0], 0)));
  auto length = static_cast<size_t>(NumberOf(info.Env(), info[1], 0));
  int value = static_cast<int>(NumberOf(info.Env(), info[2], 0));
  auto* task = new Task;
  task->thread = std::thread([=] {
    munmap(at, length);
    void* again = mmap(at, length, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    task->result = again == at ? 0 : -EEXIST;
    if (again == at) memset(at, value, length);
    task->done.store(true);
  });
  return Give(info.Env(), task);
}

// threadStore(words: Int32Array, index, value, milliseconds) -> task: stores the value after a
// while, whatever the first thread is doing then.
static Napi::Value ThreadStore(const Napi::CallbackInfo& info) {
  double index = NumberOf(info.Env(), info[1], -1);
  auto* word = reinterpret_cast<std::atomic<int32_t>*>(
      RangeOf(info.Env(), info[0], index * sizeof(int32_t), sizeof(int32_t)));
  if (!word) return Answer(info.Env(), -EINVAL);
  int value = static_cast<int>(NumberOf(info.Env(), info[2], 0));
  auto pause = static_cast<useconds_t>(NumberOf(info.Env(), info[3], 0) * 1000);
  auto* task = new Task;
  task->words = Napi::Persistent(info[0].As<Napi::Object>());
  task->thread = std::thread([=] {
    usleep(pause);
    word->store(value);
    task->done.store(true);
  });
  return Give(info.Env(), task);
}

// threadChurn(address, length, words: Int32Array(2), count) -> task: for each version from 1 to
// count maps new memory over the old, fills it with 32-bit words of the version, stores it in
// words[0]. Ends before where words[1] is not 0.
static Napi::Value ThreadChurn(const Napi::CallbackInfo& info) {
  auto* at = reinterpret_cast<int32_t*>(static_cast<uintptr_t>(NumberOf(info.Env(), info[0], 0)));
  auto length = static_cast<size_t>(NumberOf(info.Env(), info[1], 0));
  auto* version = reinterpret_cast<std::atomic<int32_t>*>(RangeOf(info.Env(), info[2], 0, 8));
  double count = NumberOf(info.Env(), info[3], 0);
  if (!version) return Answer(info.Env(), -EINVAL);
  auto* task = new Task;
  task->words = Napi::Persistent(info[2].As<Napi::Object>());
  task->thread = std::thread([=] {
    for (int32_t next = 1; next <= count && task->result == 0 && version[1] == 0; next++) {
      void* again =
          mmap(at, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      if (again != at) task->result = -errno;
      std::fill_n(at, length / sizeof *at, next);
      version[0].store(next);
    }
    task->done.store(true);
  });
  return Give(info.Env(), task);
}

static Task* TaskOf(const Napi::CallbackInfo& info) {
  return info[0].As<Napi::External<Task>>().Data();
}

static Napi::Value ThreadDone(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), TaskOf(info)->done.load());
}

static Napi::Value ThreadJoin(const Napi::CallbackInfo& info) {
  Task* task = TaskOf(info);
  if (task->thread.joinable()) task->thread.join();
  return Answer(info.Env(), task->result);
}

void InitThreads(Napi::Env env, Napi::Object exports) {
  exports.Set("threadCall", Napi::Function::New(env, ThreadCall));
  exports.Set("threadReplace", Napi::Function::New(env, ThreadReplace));
  exports.Set("threadStore", Napi::Function::New(env, ThreadStore));
  exports.Set("threadChurn", Napi::Function::New(env, ThreadChurn));
  exports.Set("threadDone", Napi::Function::New(env, ThreadDone));
  exports.Set("threadJoin", Napi::Function::New(env, ThreadJoin));
}

}  // namespace dreg
