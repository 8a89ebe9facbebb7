// SPDX-License-Identifier: MIT
// /dev/dreg: its ioctls as kernel/dreg.h has them.
#include "../kernel/dreg.h"

#include <sys/ioctl.h>

#include "util.h"

namespace dreg {

// dregSetup(fd, slots, abi: Uint32Array(1)) -> bytes to map | -errno. abi[0] is the module's.
static Napi::Value DregSetup(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto slots = IntegerOf(env, info[1], 0, UINT32_MAX);
  auto* abi = ArrayOf<uint32_t>(env, info[2], 1);
  if (!abi || !slots) return Answer(env, -EINVAL);
  dreg_setup setup = {DREG_ABI, static_cast<uint32_t>(*slots), 0};
  int result = ioctl(DescriptorOf(env, info[0]), DREG_IOC_SETUP, &setup);
  int error = errno;
  *abi = setup.abi;
  if (result != 0) return Answer(env, -error);
  return Answer(env, static_cast<int64_t>(setup.shared_bytes));
}

// A batch of `count` struct dreg_range in `ranges` -> how many were done, or -errno where none was.
// EINTR, which an older module gives at any signal, is no answer: it goes on where it stopped.
static Napi::Value Batch(const Napi::CallbackInfo& info, unsigned long request) {
  Napi::Env env = info.Env();
  auto count = IntegerOf(env, info[2], 0, UINT32_MAX);
  auto* ranges = count ? ArrayOf<dreg_range>(env, info[1], static_cast<double>(*count)) : nullptr;
  if (!ranges) return Answer(env, -EINVAL);
  int fd = DescriptorOf(env, info[0]);
  auto total = static_cast<uint32_t>(*count);
  uint32_t done = 0;
  int result;
  do {
    dreg_batch batch = {reinterpret_cast<uintptr_t>(ranges + done), total - done, 0};
    result = ioctl(fd, request, &batch);
    done += batch.done;
  } while (result != 0 && errno == EINTR && done < total);
  if (result != 0 && done == 0) return AnswerErrno(env);
  return Answer(env, done);
}

static Napi::Value DregMonitor(const Napi::CallbackInfo& info) {
  return Batch(info, DREG_IOC_MONITOR);
}
static Napi::Value DregUnmonitor(const Napi::CallbackInfo& info) {
  return Batch(info, DREG_IOC_UNMONITOR);
}

void InitDreg(Napi::Env env, Napi::Object exports) {
  exports.Set("dregSetup", Napi::Function::New(env, DregSetup));
  exports.Set("dregMonitor", Napi::Function::New(env, DregMonitor));
  exports.Set("dregUnmonitor", Napi::Function::New(env, DregUnmonitor));
}

}  // namespace dreg
