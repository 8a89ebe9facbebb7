// SPDX-License-Identifier: MIT
// How a rank sleeps and is woken: futex(2) for a rank that blocks its thread, eventfd(2) watched by
// libuv for one that lives in the event loop.
#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include <csignal>
#include <memory>
#include <utility>
#include <vector>

#include "util.h"

namespace dreg {

static uint32_t* WordOf(napi_env env, napi_value view, napi_value index) {
  double at = NumberOf(env, index, -1) * sizeof(uint32_t);
  uint8_t* data = RangeOf(env, view, at, sizeof(uint32_t));
  return reinterpret_cast<uintptr_t>(data) % sizeof(uint32_t) ? nullptr
                                                              : reinterpret_cast<uint32_t*>(data);
}

// futexWait(words, index, expected, milliseconds) -> 0 when woken or already changed, else -errno.
static Napi::Value FutexWait(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint32_t* word = WordOf(env, info[0], info[1]);
  if (!word) return Answer(env, -EINVAL);
  auto expected = IntegerOf(env, info[2], INT32_MIN, UINT32_MAX);
  double milliseconds = MillisecondsOf(env, info[3]);
  if (!expected || milliseconds < 0) return Answer(env, -EINVAL);
  timespec timeout = TimeOf(milliseconds);
  long result =
      syscall(SYS_futex, word, FUTEX_WAIT, static_cast<uint32_t>(*expected), &timeout, nullptr, 0);
  if (result != 0 && errno != EAGAIN) return AnswerErrno(env);
  return Answer(env, 0);
}

// futexWake(words, index) -> how many slept.
static Napi::Value FutexWake(const Napi::CallbackInfo& info) {
  uint32_t* word = WordOf(info.Env(), info[0], info[1]);
  if (!word) return Answer(info.Env(), -EINVAL);
  long woken = syscall(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  return woken < 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), woken);
}

static Napi::Value EventfdCreate(const Napi::CallbackInfo& info) {
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd < 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), fd);
}

// eventfdSignal(fd) -> 0 | -errno. EAGAIN means that the counter is full: the sleeper will wake.
static Napi::Value EventfdSignal(const Napi::CallbackInfo& info) {
  uint64_t one = 1;
  ssize_t count = write(DescriptorOf(info.Env(), info[0]), &one, sizeof one);
  return count < 0 && errno != EAGAIN ? AnswerErrno(info.Env()) : Answer(info.Env(), 0);
}

// eventfdDrain(fd) -> how often it was signalled since the last time | -errno: 0, it was not.
static Napi::Value EventfdDrain(const Napi::CallbackInfo& info) {
  uint64_t count;
  ssize_t bytes = read(DescriptorOf(info.Env(), info[0]), &count, sizeof count);
  if (bytes < 0) return errno == EAGAIN ? Answer(info.Env(), 0) : AnswerErrno(info.Env());
  return Answer(info.Env(), static_cast<double>(count));
}

// A libuv poll handle on a readable descriptor; it owns neither the descriptor nor the loop. Its
// methods refuse any other `this`: a class's methods have its signature.
class Watcher : public Napi::ObjectWrap<Watcher> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Watcher",
                       {
                           InstanceMethod("ref", &Watcher::Reference),
                           InstanceMethod("unref", &Watcher::Unreference),
                           InstanceMethod("close", &Watcher::Close),
                       });
  }

  // new Watcher(fd, isEventfd, callback)
  explicit Watcher(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    Napi::Env env = info.Env();
    // The thread is being terminated: nothing was wrapped, and nobody will hold this.
    if (IsEmpty()) return;
    fd_ = DescriptorOf(env, info[0]);
    drain_ = BooleanOf(env, info[1]);
    uv_loop_t* loop = nullptr;
    if (!info[2].IsFunction() || napi_get_uv_event_loop(env, &loop) != napi_ok) {
      Napi::TypeError::New(env, "Watcher(fd, isEventfd, callback)").ThrowAsJavaScriptException();
      return;
    }
    callback_ = Napi::Persistent(info[2].As<Napi::Function>());
    context_ = std::make_unique<Napi::AsyncContext>(env, "dreg-mpi:watcher");
    poll_ = new uv_poll_t;
    poll_->data = this;
    int error = fd_ < 0 ? UV_EBADF : uv_poll_init(loop, poll_, fd_);
    if (error != 0) {
      // It is no handle of the loop yet, and closing it would end the process.
      delete poll_;
      poll_ = nullptr;
    } else if ((error = uv_poll_start(poll_, UV_READABLE, OnReadable)) != 0) {
      FreePoll();
    }
    if (error != 0) {
      auto failure = Napi::Error::New(env, uv_strerror(error));
      failure.Set("errno", Napi::Number::New(env, error));
      failure.ThrowAsJavaScriptException();
      return;
    }
    // The environment may end (a worker's too) while the handle lives in its loop.
    napi_add_env_cleanup_hook(env, OnEnvironmentEnd, this);
    hooked_ = true;
    Ref();
  }

  ~Watcher() override {
    Stop();
  }

  // Neither a watcher of ours, nor one of those that Node has for itself in every loop.
  static bool IsOther(uv_handle_t* handle) {
    switch (handle->type) {
      case UV_ASYNC:
      case UV_CHECK:
      case UV_IDLE:
      case UV_PREPARE:
      case UV_TIMER:
        return false;
      case UV_POLL:
        return reinterpret_cast<uv_poll_t*>(handle)->poll_cb != OnReadable;
      case UV_SIGNAL:
        return reinterpret_cast<uv_signal_t*>(handle)->signum != SIGWINCH;
      default:
        return true;
    }
  }

 private:
  static void OnReadable(uv_poll_t* poll, int status, int) {
    auto* self = static_cast<Watcher*>(poll->data);
    Napi::Env env = self->Env();
    Napi::HandleScope scope(env);
    uint64_t count;
    // What a non-blocking eventfd holds is read at once; a failed read means another look was
    // first.
    if (self->drain_ && read(self->fd_, &count, sizeof count) < 0) return;
    napi_value argument = Napi::Number::New(env, status), error;
    napi_status made = napi_make_callback(env, *self->context_, env.Global(),
                                          self->callback_.Value(), 1, &argument, nullptr);
    // Of an environment that is ending (a worker's) nobody listens, and nothing may be thrown.
    if (made == napi_pending_exception && napi_get_and_clear_last_exception(env, &error) == napi_ok)
      napi_fatal_exception(env, error);
  }
  static void OnEnvironmentEnd(void* data) {
    auto* self = static_cast<Watcher*>(data);
    self->hooked_ = false;
    self->FreePoll();
  }
  static void OnClosed(uv_handle_t* handle) {
    delete reinterpret_cast<uv_poll_t*>(handle);
  }
  void FreePoll() {
    if (!poll_) return;
    poll_->data = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(poll_), OnClosed);
    poll_ = nullptr;
  }
  void Stop() {
    if (hooked_) napi_remove_env_cleanup_hook(Env(), OnEnvironmentEnd, this);
    hooked_ = false;
    FreePoll();
  }
  void Reference(const Napi::CallbackInfo&) {
    if (poll_) uv_ref(reinterpret_cast<uv_handle_t*>(poll_));
  }
  void Unreference(const Napi::CallbackInfo&) {
    if (poll_) uv_unref(reinterpret_cast<uv_handle_t*>(poll_));
  }
  void Close(const Napi::CallbackInfo&) {
    if (!poll_) return;
    Stop();
    callback_.Reset();
    Unref();
  }

  int fd_ = -1;
  bool drain_ = false;
  bool hooked_ = false;
  uv_poll_t* poll_ = nullptr;
  Napi::FunctionReference callback_;
  std::unique_ptr<Napi::AsyncContext> context_;
};

// What a walk over the handles of an event loop gathers.
using Walk = void (*)(uv_handle_t* handle, std::vector<double>* found);

static Napi::Value Gather(Napi::Env env, Walk walk) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return Answer(env, -EINVAL);
  std::pair<Walk, std::vector<double>> gathered(walk, {});
  uv_walk(
      loop,
      [](uv_handle_t* handle, void* data) {
        auto* to = static_cast<std::pair<Walk, std::vector<double>>*>(data);
        if (uv_is_active(handle) && !uv_is_closing(handle)) to->first(handle, &to->second);
      },
      &gathered);
  const std::vector<double>& found = gathered.second;
  auto answer = Napi::Array::New(env, found.size());
  for (uint32_t i = 0; i < found.size(); i++) answer.Set(i, Napi::Number::New(env, found[i]));
  return answer;
}

template <typename Call>
static double NumberFor(Call call) {
  return static_cast<double>(reinterpret_cast<uintptr_t>(call));
}

// loopOthers() -> how many things of this event loop may yet run JavaScript, whether or not they
// keep the process alive: sockets, pipes, signals (not a terminal's new size), children, what the
// thread pool works on. Timers and messages between threads are told apart below; watchers of ours
// are left out.
static Napi::Value LoopOthers(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return Answer(env, -EINVAL);
  int64_t count = loop->active_reqs.count;
  uv_walk(
      loop,
      [](uv_handle_t* handle, void* count) {
        if (uv_is_active(handle) && Watcher::IsOther(handle)) ++*static_cast<int64_t*>(count);
      },
      &count);
  return Answer(env, count);
}

// loopTimers() -> of each timer that runs, a number for the function that it calls, and when it is
// due.
static Napi::Value LoopTimers(const Napi::CallbackInfo& info) {
  return Gather(info.Env(), [](uv_handle_t* handle, std::vector<double>* found) {
    if (handle->type != UV_TIMER) return;
    auto* timer = reinterpret_cast<uv_timer_t*>(handle);
    found->push_back(NumberFor(timer->timer_cb));
    found->push_back(static_cast<double>(timer->timeout));
  });
}

// loopAsyncs() -> of each uv_async_t of this event loop, a number for the function that it calls.
static Napi::Value LoopAsyncs(const Napi::CallbackInfo& info) {
  return Gather(info.Env(), [](uv_handle_t* handle, std::vector<double>* found) {
    if (handle->type == UV_ASYNC)
      found->push_back(NumberFor(reinterpret_cast<uv_async_t*>(handle)->async_cb));
  });
}

void InitDoorbell(Napi::Env env, Napi::Object exports) {
  exports.Set("futexWait", Napi::Function::New(env, FutexWait));
  exports.Set("futexWake", Napi::Function::New(env, FutexWake));
  exports.Set("eventfdCreate", Napi::Function::New(env, EventfdCreate));
  exports.Set("eventfdSignal", Napi::Function::New(env, EventfdSignal));
  exports.Set("eventfdDrain", Napi::Function::New(env, EventfdDrain));
  exports.Set("Watcher", Watcher::Define(env));
  exports.Set("loopOthers", Napi::Function::New(env, LoopOthers));
  exports.Set("loopTimers", Napi::Function::New(env, LoopTimers));
  exports.Set("loopAsyncs", Napi::Function::New(env, LoopAsyncs));
}

}  // namespace dreg
