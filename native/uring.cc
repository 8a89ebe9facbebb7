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
  auto entries = IntegerOf(env, info[0], 1, UINT32_MAX);
  auto* params = ArrayOf<io_uring_params>(env, info[1], 1);
  // Other flags have the kernel use addresses that stand in the parameters.
  if (!entries || !params || (params->flags & ~IORING_SETUP_CQSIZE)) return Answer(env, -EINVAL);
  long fd = syscall(SYS_io_uring_setup, static_cast<unsigned>(*entries), params);
  return fd < 0 ? AnswerErrno(env) : Answer(env, fd);
}

// uringEnter(fd, submit, complete, flags, milliseconds) -> submitted | -errno. Raw Node-API: it is
// on the path of each operation. Waits at most so long where `complete` is not 0.
static napi_value Enter(napi_env env, napi_callback_info info) {
  napi_value argument[5], result;
  size_t count = 5;
  napi_get_cb_info(env, info, &count, argument, nullptr, nullptr);
  auto fd = IntegerOf(env, argument[0], 0, INT_MAX);
  auto submit = IntegerOf(env, argument[1], 0, UINT32_MAX);
  auto complete = IntegerOf(env, argument[2], 0, UINT32_MAX);
  auto flags = IntegerOf(env, argument[3], 0, IORING_ENTER_GETEVENTS);
  double milliseconds = MillisecondsOf(env, argument[4]);
  long answer = -EINVAL;
  if (fd && submit && complete && flags && milliseconds >= 0) {
    timespec time = TimeOf(milliseconds);
    __kernel_timespec timeout = {time.tv_sec, time.tv_nsec};
    io_uring_getevents_arg wait = {0, 0, 0, reinterpret_cast<uintptr_t>(&timeout)};
    bool waits = *complete != 0;
    answer = syscall(SYS_io_uring_enter, *fd, *submit, *complete,
                     waits ? *flags | IORING_ENTER_EXT_ARG : *flags, waits ? &wait : nullptr,
                     waits ? sizeof wait : 0);
    if (answer < 0) answer = -errno;
  }
  napi_create_double(env, static_cast<double>(answer), &result);
  return result;
}

static int Register(int fd, unsigned opcode, void* argument, unsigned count) {
  return syscall(SYS_io_uring_register, fd, opcode, argument, count) < 0 ? -errno : 0;
}

// uringTable(fd, entries) -> 0 | -errno: a table of that many fixed buffers, all empty.
static Napi::Value Table(const Napi::CallbackInfo& info) {
  auto entries = IntegerOf(info.Env(), info[1], 1, UINT32_MAX);
  if (!entries) return Answer(info.Env(), -EINVAL);
  io_uring_rsrc_register table = {};
  table.nr = static_cast<uint32_t>(*entries);
  table.flags = IORING_RSRC_REGISTER_SPARSE;
  return Answer(info.Env(), Register(DescriptorOf(info.Env(), info[0]), IORING_REGISTER_BUFFERS2,
                                     &table, sizeof table));
}

// uringUpdate(fd, index, address, length) -> 0 | -errno: puts one fixed buffer into the table;
// address 0 takes out what was there.
static Napi::Value Update(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto index = IntegerOf(env, info[1], 0, UINT32_MAX);
  auto address = IntegerOf(env, info[2]), length = IntegerOf(env, info[3]);
  if (!index || !address || !length) return Answer(env, -EINVAL);
  iovec buffer = {reinterpret_cast<void*>(*address), static_cast<size_t>(*length)};
  io_uring_rsrc_update2 update = {};
  update.offset = static_cast<uint32_t>(*index);
  update.data = reinterpret_cast<uintptr_t>(&buffer);
  update.nr = 1;
  return Answer(env, Register(DescriptorOf(env, info[0]), IORING_REGISTER_BUFFERS_UPDATE, &update,
                              sizeof update));
}

// uringEventfd(fd, eventfd) -> 0 | -errno: the eventfd is signalled with each completion.
static Napi::Value Eventfd(const Napi::CallbackInfo& info) {
  int eventfd = DescriptorOf(info.Env(), info[1]);
  return Answer(info.Env(),
                Register(DescriptorOf(info.Env(), info[0]), IORING_REGISTER_EVENTFD, &eventfd, 1));
}

// uringHas(fd, opcode) -> 1, 0 or -errno.
static Napi::Value Has(const Napi::CallbackInfo& info) {
  constexpr unsigned kOps = 256;
  alignas(io_uring_probe) uint8_t space[sizeof(io_uring_probe) + kOps * sizeof(io_uring_probe_op)];
  memset(space, 0, sizeof space);
  auto opcode = IntegerOf(info.Env(), info[1], 0, kOps - 1);
  if (!opcode) return Answer(info.Env(), -EINVAL);
  int error = Register(DescriptorOf(info.Env(), info[0]), IORING_REGISTER_PROBE, space, kOps);
  if (error != 0) return Answer(info.Env(), error);
  auto* probe = reinterpret_cast<io_uring_probe*>(space);
  if (*opcode > probe->last_op) return Answer(info.Env(), 0);
  return Answer(info.Env(), probe->ops[*opcode].flags & IO_URING_OP_SUPPORTED ? 1 : 0);
}

// uringCancelAll(fd, milliseconds) -> 0 | -errno: cancels what is in flight, and waits for it.
static Napi::Value CancelAll(const Napi::CallbackInfo& info) {
  double milliseconds = MillisecondsOf(info.Env(), info[1]);
  if (milliseconds < 0) return Answer(info.Env(), -EINVAL);
  timespec time = TimeOf(milliseconds);
  io_uring_sync_cancel_reg cancel = {};
  cancel.fd = -1;
  cancel.flags = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY;
  cancel.timeout = {time.tv_sec, time.tv_nsec};
  return Answer(info.Env(), Register(DescriptorOf(info.Env(), info[0]), IORING_REGISTER_SYNC_CANCEL,
                                     &cancel, 1));
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
