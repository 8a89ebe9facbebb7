// SPDX-License-Identifier: MIT
// Sleeping on several things at once: epoll(7) over descriptors and a timer, timerfd_create(2), in
// one descriptor; and sched_yield(2).
#include <sched.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <iterator>

#include "util.h"

namespace dreg {

// epollCreate(fds, edges) -> a descriptor that is readable while one of an Int32Array's is, and by
// the first `edges` of them from news on until epollDrain | -errno.
static Napi::Value EpollCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsTypedArray()) return Answer(env, -EINVAL);
  auto fds = info[0].As<Napi::TypedArray>();
  if (fds.TypedArrayType() != napi_int32_array) return Answer(env, -EINVAL);
  auto edges = IntegerOf(env, info[1], 0, INT_MAX).value_or(0);
  const int32_t* of = fds.As<Napi::Int32Array>().Data();
  int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return AnswerErrno(env);
  for (size_t i = 0; i < fds.ElementLength(); i++) {
    epoll_event event = {};
    event.events = EPOLLIN;
    if (static_cast<int64_t>(i) < edges) event.events |= EPOLLET;
    event.data.fd = of[i];
    if (epoll_ctl(fd, EPOLL_CTL_ADD, of[i], &event) == 0) continue;
    int error = errno;
    close(fd);
    return Answer(env, -error);
  }
  return Answer(env, fd);
}

// epollDrain(fd) -> how many were readable | -errno.
static Napi::Value EpollDrain(const Napi::CallbackInfo& info) {
  epoll_event events[16];
  int count = epoll_wait(DescriptorOf(info.Env(), info[0]), events, std::size(events), 0);
  return count < 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), count);
}

static Napi::Value TimerCreate(const Napi::CallbackInfo& info) {
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  return fd < 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), fd);
}

// timerSet(fd, milliseconds) -> 0 | -errno: readable so much later; 0: never, and not now either.
static Napi::Value TimerSet(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  double milliseconds = MillisecondsOf(env, info[1]);
  if (milliseconds < 0) return Answer(env, -EINVAL);
  itimerspec when = {};
  when.it_value = TimeOf(milliseconds);
  int fd = DescriptorOf(env, info[0]);
  return timerfd_settime(fd, 0, &when, nullptr) != 0 ? AnswerErrno(env) : Answer(env, 0);
}

static Napi::Value Yield(const Napi::CallbackInfo& info) {
  return sched_yield() != 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), 0);
}

void InitWake(Napi::Env env, Napi::Object exports) {
  exports.Set("epollCreate", Napi::Function::New(env, EpollCreate));
  exports.Set("epollDrain", Napi::Function::New(env, EpollDrain));
  exports.Set("timerCreate", Napi::Function::New(env, TimerCreate));
  exports.Set("timerSet", Napi::Function::New(env, TimerSet));
  exports.Set("yieldCpu", Napi::Function::New(env, Yield));
}

}  // namespace dreg
