// SPDX-License-Identifier: MIT
// What Atomics.wait is within a process, between processes: sleeping until somebody wakes those who
// wait for a word of shared memory. futex(2), futex_waitv(2).
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "futex.h"
#include "handle.h"

namespace dreg {

namespace {

// WAITS_MAX of runtime/shared-memory/wait.ts: threads that wait, in this process.
constexpr int kWaitsMax = 1024;
std::atomic<int> waits_under_way{0};

// Thread stacks: a wait calls two functions.
constexpr size_t kStackBytes = 128 * 1024;

class Mailbox;

// A wait on a thread of its own.
struct Wait {
  Wait(const Target& what, const Deadline& until, int32_t number, bool sync,
       std::shared_ptr<Mailbox> to)
      : target(what), deadline(until), id(number), blocks(sync), box(std::move(to)) {}

  Target target;
  Deadline deadline;
  int32_t id;
  // Who began it blocks until it has ended, and is not told.
  bool blocks;
  std::shared_ptr<Mailbox> box;
  std::atomic<uint32_t> cancel{0};
  std::atomic<uint32_t> done{0};
  int result = 0;
  // The thread, and how often it had slept when it began.
  std::atomic<int> thread{0};
  int64_t sleeps = 0;
};

// The waits of one JavaScript thread.
class Mailbox {
 public:
  explicit Mailbox(int fd) : fd_(fd) {}
  ~Mailbox() {
    close(fd_);
  }

  int fd() const {
    return fd_;
  }

  std::shared_ptr<Wait> Begin(const Target& target, const Deadline& deadline, bool blocks,
                              std::shared_ptr<Mailbox> self) {
    std::lock_guard<std::mutex> guard(lock_);
    auto wait = std::make_shared<Wait>(target, deadline, ++last_id_, blocks, std::move(self));
    under_way_[wait->id] = wait;
    return wait;
  }

  void Forget(int32_t id) {
    std::lock_guard<std::mutex> guard(lock_);
    under_way_.erase(id);
  }

  // On the thread that has waited.
  void Finish(Wait* wait, int result) {
    {
      std::lock_guard<std::mutex> guard(lock_);
      wait->result = result;
      if (!wait->blocks) {
        under_way_.erase(wait->id);
        ended_.insert(ended_.end(), {wait->id, result});
      }
    }
    wait->done.store(1);
    if (wait->blocks) {
      Wake(reinterpret_cast<uint32_t*>(&wait->done), INT_MAX, FUTEX_PRIVATE_FLAG);
      return;
    }
    uint64_t one = 1;
    // It cannot be full, and where it fails there is nobody to tell.
    [[maybe_unused]] ssize_t written = write(fd_, &one, sizeof one);
  }

  std::shared_ptr<Wait> Find(int32_t id) {
    std::lock_guard<std::mutex> guard(lock_);
    auto found = under_way_.find(id);
    return found == under_way_.end() ? nullptr : found->second;
  }

  // Ids and results, in turn.
  std::vector<int32_t> TakeEnded() {
    std::lock_guard<std::mutex> guard(lock_);
    std::vector<int32_t> taken;
    taken.swap(ended_);
    return taken;
  }

  void CancelAll() {
    std::lock_guard<std::mutex> guard(lock_);
    for (auto& [id, wait] : under_way_) Cancel(wait.get());
  }

  static void Cancel(Wait* wait) {
    wait->cancel.store(1);
    Wake(reinterpret_cast<uint32_t*>(&wait->cancel), 1, FUTEX_PRIVATE_FLAG);
  }

 private:
  int fd_;
  // Protects what follows, and nothing is called under it that blocks.
  std::mutex lock_;
  int32_t last_id_ = 0;
  std::unordered_map<int32_t, std::shared_ptr<Wait>> under_way_;
  std::vector<int32_t> ended_;
};

// What JavaScript holds; it ends with the thread's environment, and so do the waits.
struct Waits {
  static constexpr napi_type_tag kTag = {0x9d2c5680'efc60001, 0x5bd1e995'6a09e667};
  std::shared_ptr<Mailbox> box;

  ~Waits() {
    box->CancelAll();
  }
};

void* RunWait(void* argument) {
  std::unique_ptr<std::shared_ptr<Wait>> held(static_cast<std::shared_ptr<Wait>*>(argument));
  Wait* wait = held->get();
  rusage usage = {};
  getrusage(RUSAGE_THREAD, &usage);
  wait->sleeps = usage.ru_nvcsw;
  wait->thread.store(static_cast<int>(syscall(SYS_gettid)));
  int result = WaitFor(wait->target, wait->deadline, &wait->cancel);
  waits_under_way.fetch_sub(1);
  wait->box->Finish(wait, result);
  return nullptr;
}

// The number behind a name in a file of /proc; -1 where there is none.
int64_t NumberIn(const char* text, const char* name) {
  const char* at = strstr(text, name);
  return at ? strtoll(at + strlen(name), nullptr, 10) : -1;
}

// Whether a thread sleeps, and has done so since it began to wait. -1: nobody knows.
int Sleeps(int thread, int64_t sleeps) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/self/task/%d/status", thread);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return -1;
  text[length] = 0;
  return strstr(text, "State:\tS") && NumberIn(text, "\nvoluntary_ctxt_switches:") > sleeps;
}

// Who is notified is who waits already. So nobody goes on before the thread has lain down: from
// then on the futex knows of it.
void AwaitSleep(Wait* wait) {
  timespec until = Later(Now(), 1, 0);
  while (!wait->done.load() && IsBefore(Now(), until)) {
    int thread = wait->thread.load();
    if (thread != 0 && Sleeps(thread, wait->sleeps) != 0) return;
    sched_yield();
  }
}

// 0 or -errno.
int StartThread(const std::shared_ptr<Wait>& wait) {
  if (waits_under_way.fetch_add(1) >= kWaitsMax) {
    waits_under_way.fetch_sub(1);
    return -EDQUOT;
  }
  auto held = std::make_unique<std::shared_ptr<Wait>>(wait);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // Signals are for the threads of Node.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  int error = pthread_create(&thread, &attributes, RunWait, held.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    waits_under_way.fetch_sub(1);
    return -ENOMEM;
  }
  held.release();
  return 0;
}

// The word that arguments from `at` on tell of: array, index, value. No word where they do not.
Target TargetOf(const Napi::CallbackInfo& info, int at) {
  Napi::Env env = info.Env();
  Target target;
  napi_value value = info[at + 2];
  int64_t big = 0;
  bool lossless = false;
  target.wide = napi_get_value_bigint_int64(env, value, &big, &lossless) == napi_ok;
  size_t width = target.wide ? sizeof(uint64_t) : sizeof(uint32_t);
  auto index = IntegerOf(env, info[at + 1]);
  auto number =
      target.wide ? std::optional<int64_t>(big) : IntegerOf(env, value, INT32_MIN, INT32_MAX);
  if (!index || !number || (target.wide && !lossless)) return {};
  uint8_t* data = RangeOf(env, info[at], static_cast<double>(*index) * width, width);
  if (reinterpret_cast<uintptr_t>(data) % width) return {};
  target.word = reinterpret_cast<uint32_t*>(data);
  target.expected = static_cast<uint64_t>(*number);
  return target;
}

}  // namespace

// waitHere(array, index, value, milliseconds) -> 0: woken | -EAGAIN: another value | -ETIMEDOUT |
// -errno. The value is a bigint where the array's elements are.
static Napi::Value WaitHere(const Napi::CallbackInfo& info) {
  Target target = TargetOf(info, 0);
  double milliseconds = NumberOf(info.Env(), info[3], -1);
  if (!target.word || !(milliseconds >= 0)) return Answer(info.Env(), -EINVAL);
  return Answer(info.Env(), WaitFor(target, Deadline(milliseconds), nullptr));
}

// notify(array, index, count, width) -> how many were woken | -errno.
static Napi::Value Notify(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto index = IntegerOf(env, info[1]), count = IntegerOf(env, info[2], 0, INT_MAX);
  auto width = IntegerOf(env, info[3], 4, 8);
  if (!index || !count || !width) return Answer(env, -EINVAL);
  auto bytes = static_cast<double>(*width);
  uint8_t* data = RangeOf(env, info[0], static_cast<double>(*index) * bytes, bytes);
  if (!data || reinterpret_cast<uintptr_t>(data) % *width) return Answer(env, -EINVAL);
  // The kernel wakes one for a count of 0.
  if (*count == 0) return Answer(env, 0);
  return Answer(env, Wake(reinterpret_cast<uint32_t*>(data), static_cast<int>(*count)));
}

// waitsOpen() -> what this thread's waits belong to | -errno.
static Napi::Value WaitsOpen(const Napi::CallbackInfo& info) {
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return AnswerErrno(info.Env());
  auto waits = std::make_unique<Waits>(Waits{std::make_shared<Mailbox>(fd)});
  return Napi::Value(info.Env(), Handle<Waits>::Give(info.Env(), std::move(waits)));
}

// waitsFd(waits) -> an eventfd that is signalled when some have ended; it ends with them.
static Napi::Value WaitsFd(const Napi::CallbackInfo& info) {
  Waits* waits = Handle<Waits>::Of(info.Env(), info[0]);
  return Answer(info.Env(), waits ? waits->box->fd() : -EINVAL);
}

// waitBegin(waits, array, index, value, milliseconds, blocks) -> id | -EDQUOT: there are too many |
// -errno. Whoever notifies after that notifies it, too.
static Napi::Value WaitBegin(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Waits* waits = Handle<Waits>::Of(env, info[0]);
  Target target = TargetOf(info, 1);
  double milliseconds = NumberOf(env, info[4], -1);
  if (!waits || !target.word || !(milliseconds >= 0)) return Answer(env, -EINVAL);
  Mailbox& box = *waits->box;
  auto wait = box.Begin(target, Deadline(milliseconds), BooleanOf(env, info[5]), waits->box);
  int error = StartThread(wait);
  if (error != 0) {
    box.Forget(wait->id);
    return Answer(env, error);
  }
  AwaitSleep(wait.get());
  return Answer(env, wait->id);
}

// waitBlock(waits, id, milliseconds) -> as waitHere, of a wait that blocks | -EBUSY: it goes on.
static Napi::Value WaitBlock(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Waits* waits = Handle<Waits>::Of(env, info[0]);
  double milliseconds = MillisecondsOf(env, info[2]);
  if (!waits || milliseconds < 0) return Answer(env, -EINVAL);
  auto id = static_cast<int32_t>(IntegerOf(env, info[1], 0, INT32_MAX).value_or(0));
  auto wait = waits->box->Find(id);
  if (!wait) return Answer(env, -EINVAL);
  if (!wait->done.load()) {
    timespec timeout = TimeOf(milliseconds);
    syscall(SYS_futex, &wait->done, FUTEX_WAIT_PRIVATE, 0, &timeout, nullptr, 0);
    if (!wait->done.load()) return Answer(env, -EBUSY);
  }
  waits->box->Forget(id);
  return Answer(env, wait->result);
}

// waitCancel(waits, id): it ends with -ECANCELED, if it has not ended yet.
static Napi::Value WaitCancel(const Napi::CallbackInfo& info) {
  Waits* waits = Handle<Waits>::Of(info.Env(), info[0]);
  auto id = static_cast<int32_t>(IntegerOf(info.Env(), info[1], 0, INT32_MAX).value_or(0));
  auto wait = waits ? waits->box->Find(id) : nullptr;
  if (wait) Mailbox::Cancel(wait.get());
  return info.Env().Undefined();
}

// waitsEnded(waits) -> id and result, in turn, of those that do not block and have ended.
static Napi::Value WaitsEnded(const Napi::CallbackInfo& info) {
  Waits* waits = Handle<Waits>::Of(info.Env(), info[0]);
  std::vector<int32_t> ended;
  if (waits) ended = waits->box->TakeEnded();
  auto result = Napi::Array::New(info.Env(), ended.size());
  for (uint32_t i = 0; i < ended.size(); i++) result.Set(i, Answer(info.Env(), ended[i]));
  return result;
}

void InitWaits(Napi::Env env, Napi::Object exports) {
  exports.Set("waitHere", Napi::Function::New(env, WaitHere));
  exports.Set("notify", Napi::Function::New(env, Notify));
  exports.Set("waitsOpen", Napi::Function::New(env, WaitsOpen));
  exports.Set("waitsFd", Napi::Function::New(env, WaitsFd));
  exports.Set("waitBegin", Napi::Function::New(env, WaitBegin));
  exports.Set("waitBlock", Napi::Function::New(env, WaitBlock));
  exports.Set("waitCancel", Napi::Function::New(env, WaitCancel));
  exports.Set("waitsEnded", Napi::Function::New(env, WaitsEnded));
}

}  // namespace dreg
