// SPDX-License-Identifier: MIT
// Memory by address: where a buffer lies, plain copies, and process_vm_readv(2) with its twin.
#include <sys/uio.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "util.h"

namespace dreg {

// addressOf(buffer) -> its address, 0 where it is detached or empty.
static Napi::Value AddressOf(const Napi::CallbackInfo& info) {
  Bytes bytes = BytesOf(info.Env(), info[0]);
  return Answer(info.Env(), static_cast<int64_t>(reinterpret_cast<uintptr_t>(bytes.data)));
}

using RemoteCall = ssize_t (*)(pid_t, const iovec*, unsigned long, const iovec*, unsigned long,
                               unsigned long);

// remote(pid, address, buffer, offset, length) -> bytes moved | -errno. Fewer bytes are moved where
// the remote range ends in unmapped memory.
static Napi::Value Remote(const Napi::CallbackInfo& info, RemoteCall call) {
  Napi::Env env = info.Env();
  auto pid = IntegerOf(env, info[0], 1, INT_MAX);
  auto address = IntegerOf(env, info[1]);
  double offset = NumberOf(env, info[3], -1);
  double length = NumberOf(env, info[4], -1);
  uint8_t* data = RangeOf(env, info[2], offset, length);
  if (!data || !pid || !address) return Answer(env, -EINVAL);
  iovec local = {data, static_cast<size_t>(length)};
  iovec remote = {reinterpret_cast<void*>(*address), static_cast<size_t>(length)};
  ssize_t count = call(static_cast<pid_t>(*pid), &local, 1, &remote, 1, 0);
  return count < 0 ? AnswerErrno(env) : Answer(env, count);
}

static Napi::Value ReadRemote(const Napi::CallbackInfo& info) {
  return Remote(info, process_vm_readv);
}

static Napi::Value WriteRemote(const Napi::CallbackInfo& info) {
  return Remote(info, process_vm_writev);
}

// copy(to, toOffset, from, fromOffset, length) -> length | -EINVAL. Raw Node-API: it is called for
// each piece of a large message, where a view for each piece would cost an allocation.
static napi_value Copy(napi_env env, napi_callback_info info) {
  napi_value argument[5], result;
  size_t count = 5;
  napi_get_cb_info(env, info, &count, argument, nullptr, nullptr);
  double answer = -EINVAL;
  if (count == 5) {
    double length = NumberOf(env, argument[4], -1);
    uint8_t* to = RangeOf(env, argument[0], NumberOf(env, argument[1], -1), length);
    uint8_t* from = RangeOf(env, argument[2], NumberOf(env, argument[3], -1), length);
    if (to && from) {
      memmove(to, from, static_cast<size_t>(length));
      answer = length;
    }
  }
  napi_create_double(env, answer, &result);
  return result;
}

// A row of runs of `size` bytes, `stride` bytes apart, of which the first lies at `at`.
struct Runs {
  uint8_t* first = nullptr;
  int64_t stride = 0;
};

// The runs that three arguments from `at` on tell of: a buffer, where, how far apart. Null where
// they do not all lie inside.
static Runs RunsOf(napi_env env, const napi_value* argument, int64_t size, int64_t count) {
  auto at = IntegerOf(env, argument[1]);
  auto stride = IntegerOf(env, argument[2], -kExact);
  if (!at || !stride) return {};
  double reach = static_cast<double>(*stride) * static_cast<double>(count - 1);
  double low = static_cast<double>(*at) + std::min(reach, 0.0);
  uint8_t* lowest = RangeOf(env, argument[0], low, std::abs(reach) + static_cast<double>(size));
  if (!lowest) return {};
  return {reach < 0 ? lowest - static_cast<int64_t>(reach) : lowest, *stride};
}

template <size_t kSize>
static void MoveRuns(Runs to, Runs from, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    memcpy(to.first + i * to.stride, from.first + i * from.stride, kSize);
}

// copyRuns(to, toOffset, toStride, from, fromOffset, fromStride, size, count) -> count | -EINVAL.
// One after the other. A loop of JavaScript takes nearly twice as long for each run.
static napi_value CopyRuns(napi_env env, napi_callback_info info) {
  napi_value argument[8], result;
  size_t given = 8;
  napi_get_cb_info(env, info, &given, argument, nullptr, nullptr);
  double answer = -EINVAL;
  auto size = IntegerOf(env, argument[6], 1);
  auto count = IntegerOf(env, argument[7], 1);
  if (given == 8 && size && count) {
    Runs to = RunsOf(env, argument, *size, *count);
    Runs from = RunsOf(env, argument + 3, *size, *count);
    // In one place any number of runs has room.
    bool bounded = *count == 1 || to.stride != 0 || from.stride != 0;
    if (to.first && from.first && bounded) {
      if (*size == 8) {
        MoveRuns<8>(to, from, *count);
      } else if (*size == 4) {
        MoveRuns<4>(to, from, *count);
      } else {
        for (int64_t i = 0; i < *count; i++)
          memmove(to.first + i * to.stride, from.first + i * from.stride, *size);
      }
      answer = static_cast<double>(*count);
    }
  }
  napi_create_double(env, answer, &result);
  return result;
}

void InitMemory(Napi::Env env, Napi::Object exports) {
  exports.Set("addressOf", Napi::Function::New(env, AddressOf));
  exports.Set("readRemote", Napi::Function::New(env, ReadRemote));
  exports.Set("writeRemote", Napi::Function::New(env, WriteRemote));
  napi_value copy, runs;
  napi_create_function(env, "copy", NAPI_AUTO_LENGTH, Copy, nullptr, &copy);
  exports.Set("copy", Napi::Value(env, copy));
  napi_create_function(env, "copyRuns", NAPI_AUTO_LENGTH, CopyRuns, nullptr, &runs);
  exports.Set("copyRuns", Napi::Value(env, runs));
}

}  // namespace dreg
