// SPDX-License-Identifier: MIT
// /dev/dreg: its ioctls as kernel/dreg.h has them.
#include "../kernel/dreg.h"

#include <sys/ioctl.h>

#include "util.h"

namespace dreg {

// dregSetup(fd, slots, abi: Uint32Array(1)) -> bytes to map | -errno. abi[0] is the module's.
static Napi::Value DregSetup(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto* abi = reinterpret_cast<uint32_t*>(RangeOf(env, info[2], 0, sizeof(uint32_t)));
  if (!abi) return Answer(env, -EINVAL);
  dreg_setup setup = {DREG_ABI, static_cast<uint32_t>(NumberOf(env, info[1], 0)), 0};
  int result = ioctl(static_cast<int>(NumberOf(env, info[0], -1)), DREG_IOC_SETUP, &setup);
  int error = errno;
  *abi = setup.abi;
  if (result != 0) return Answer(env, -error);
  return Answer(env, static_cast<int64_t>(setup.shared_bytes));
}

// A batch of `count` struct dreg_range in `ranges` -> how many were done, or -errno where none was.
// EINTR, which an older module gives at any signal, is no answer: it goes on where it stopped.
static Napi::Value Batch(const Napi::CallbackInfo& info, unsigned long request) {
  Napi::Env env = info.Env();
  double count = NumberOf(env, info[2], 0);
  uint8_t* ranges = RangeOf(env, info[1], 0, count * sizeof(dreg_range));
  if (!ranges) return Answer(env, -EINVAL);
  int fd = static_cast<int>(NumberOf(env, info[0], -1));
  uint32_t total = static_cast<uint32_t>(count);
  uint32_t done = 0;
  int result;
  do {
    dreg_batch batch = {reinterpret_cast<uintptr_t>(ranges + done * sizeof(dreg_range)),
                        total - done, 0};
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
