// SPDX-License-Identifier: MIT
// io_uring: its three system calls. TypeScript sees the rings as typed arrays.
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>

#include "util.h"

namespace dreg {

// uringSetup(entries, params: Uint32Array(30)) -> fd | -errno; params is struct io_uring_params.
static Napi::Value Setup(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint8_t* params = RangeOf(env, info[1], 0, sizeof(io_uring_params));
  if (!params) return Answer(env, -EINVAL);
  long fd = syscall(SYS_io_uring_setup, static_cast<unsigned>(NumberOf(env, info[0], 0)), params);
  return fd < 0 ? AnswerErrno(env) : Answer(env, fd);
}

// uringEnter(fd, submit, complete, flags, milliseconds) -> submitted | -errno. Raw Node-API: it is
// on the path of each operation. Waits at most so long where `complete` is not 0.
static napi_value Enter(napi_env env, napi_callback_info info) {
  napi_value argument[5], result;
  size_t count = 5;
  napi_get_cb_info(env, info, &count, argument, nullptr, nullptr);
  double number[5];
  for (size_t i = 0; i < 5; i++) number[i] = i < count ? NumberOf(env, argument[i], 0) : 0;
  auto flags = static_cast<unsigned>(number[3]);
  __kernel_timespec timeout = {static_cast<int64_t>(number[4] / 1e3),
                               static_cast<long long>(number[4] * 1e6) % 1000000000};
  io_uring_getevents_arg wait = {0, 0, 0, reinterpret_cast<uintptr_t>(&timeout)};
  bool waits = number[2] != 0;
  long answer =
      syscall(SYS_io_uring_enter, static_cast<int>(number[0]), static_cast<unsigned>(number[1]),
              static_cast<unsigned>(number[2]), waits ? flags | IORING_ENTER_EXT_ARG : flags,
              waits ? &wait : nullptr, waits ? sizeof wait : 0);
  napi_create_double(env, static_cast<double>(answer < 0 ? -errno : answer), &result);
  return result;
}

static int Register(int fd, unsigned opcode, void* argument, unsigned count) {
  return syscall(SYS_io_uring_register, fd, opcode, argument, count) < 0 ? -errno : 0;
}

// uringTable(fd, entries) -> 0 | -errno: a table of that many fixed buffers, all empty.
static Napi::Value Table(const Napi::CallbackInfo& info) {
  io_uring_rsrc_register table = {};
  table.nr = static_cast<uint32_t>(NumberOf(info.Env(), info[1], 0));
  table.flags = IORING_RSRC_REGISTER_SPARSE;
  return Answer(info.Env(), Register(static_cast<int>(NumberOf(info.Env(), info[0], -1)),
                                     IORING_REGISTER_BUFFERS2, &table, sizeof table));
}

// uringUpdate(fd, index, address, length) -> 0 | -errno: puts one fixed buffer into the table;
// address 0 takes out what was there.
static Napi::Value Update(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  iovec buffer = {reinterpret_cast<void*>(static_cast<uintptr_t>(NumberOf(env, info[2], 0))),
                  static_cast<size_t>(NumberOf(env, info[3], 0))};
  io_uring_rsrc_update2 update = {};
  update.offset = static_cast<uint32_t>(NumberOf(env, info[1], 0));
  update.data = reinterpret_cast<uintptr_t>(&buffer);
  update.nr = 1;
  return Answer(env, Register(static_cast<int>(NumberOf(env, info[0], -1)),
                              IORING_REGISTER_BUFFERS_UPDATE, &update, sizeof update));
}

// uringEventfd(fd, eventfd) -> 0 | -errno: the eventfd is signalled with each completion.
static Napi::Value Eventfd(const Napi::CallbackInfo& info) {
  int eventfd = static_cast<int>(NumberOf(info.Env(), info[1], -1));
  return Answer(info.Env(), Register(static_cast<int>(NumberOf(info.Env(), info[0], -1)),
                                     IORING_REGISTER_EVENTFD, &eventfd, 1));
}

// uringHas(fd, opcode) -> 1, 0 or -errno.
static Napi::Value Has(const Napi::CallbackInfo& info) {
  constexpr unsigned kOps = 256;
  alignas(io_uring_probe) uint8_t space[sizeof(io_uring_probe) + kOps * sizeof(io_uring_probe_op)];
  memset(space, 0, sizeof space);
  auto opcode = static_cast<unsigned>(NumberOf(info.Env(), info[1], kOps));
  int error = Register(static_cast<int>(NumberOf(info.Env(), info[0], -1)), IORING_REGISTER_PROBE,
                       space, kOps);
  if (error != 0) return Answer(info.Env(), error);
  auto* probe = reinterpret_cast<io_uring_probe*>(space);
  if (opcode > probe->last_op) return Answer(info.Env(), 0);
  return Answer(info.Env(), probe->ops[opcode].flags & IO_URING_OP_SUPPORTED ? 1 : 0);
}

// uringCancelAll(fd, milliseconds) -> 0 | -errno: cancels what is in flight, and waits for it.
static Napi::Value CancelAll(const Napi::CallbackInfo& info) {
  io_uring_sync_cancel_reg cancel = {};
  cancel.fd = -1;
  cancel.flags = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY;
  double milliseconds = NumberOf(info.Env(), info[1], 0);
  cancel.timeout.tv_sec = static_cast<int64_t>(milliseconds / 1e3);
  cancel.timeout.tv_nsec = static_cast<long long>(milliseconds * 1e6) % 1000000000;
  return Answer(info.Env(), Register(static_cast<int>(NumberOf(info.Env(), info[0], -1)),
                                     IORING_REGISTER_SYNC_CANCEL, &cancel, 1));
}

void InitUring(Napi::Env env, Napi::Object exports) {
  exports.Set("uringSetup", Napi::Function::New(env, Setup));
  exports.Set("uringTable", Napi::Function::New(env, Table));
  exports.Set("uringUpdate", Napi::Function::New(env, Update));
  exports.Set("uringEventfd", Napi::Function::New(env, Eventfd));
  exports.Set("uringHas", Napi::Function::New(env, Has));
  exports.Set("uringCancelAll", Napi::Function::New(env, CancelAll));
  napi_value enter;
  napi_create_function(env, "uringEnter", NAPI_AUTO_LENGTH, Enter, nullptr, &enter);
  exports.Set("uringEnter", Napi::Value(env, enter));
}

}  // namespace dreg
