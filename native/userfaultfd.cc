// SPDX-License-Identifier: MIT
// userfaultfd(2) as a source of "this mapping has changed". A thread of its own reads the events
// and writes flags, ring and user_delta in the layout of kernel/dreg.h (userfaultfd_reader.h).
//
// The registered mappings are in write-protect mode and nothing is ever write-protected: no access
// to the memory makes a fault event, whether its page was touched before or not.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>

#include "buffer.h"
#include "handle.h"
#include "userfaultfd_reader.h"

namespace dreg {

// userfaultfdOpen(flags) -> fd | -errno. Non-blocking, closed by exec.
static Napi::Value Open(const Napi::CallbackInfo& info) {
  auto flags = IntegerOf(info.Env(), info[0], 0, INT_MAX);
  if (!flags) return Answer(info.Env(), -EINVAL);
  long fd = syscall(SYS_userfaultfd, *flags | O_CLOEXEC | O_NONBLOCK);
  return fd < 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), fd);
}

// userfaultfdApi(fd, features) -> 0 | -errno.
static Napi::Value Api(const Napi::CallbackInfo& info) {
  auto features = IntegerOf(info.Env(), info[1]);
  if (!features) return Answer(info.Env(), -EINVAL);
  uffdio_api api = {};
  api.api = UFFD_API;
  api.features = static_cast<uint64_t>(*features);
  int result = ioctl(DescriptorOf(info.Env(), info[0]), UFFDIO_API, &api);
  return result != 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), 0);
}

// userfaultfdGuards() -> 1 where the kernel has guard pages (Linux 6.13), else 0. An advice that it
// does not know is refused, be there nothing to advise on.
static Napi::Value Guards(const Napi::CallbackInfo& info) {
  constexpr int kGuardInstall = 102;
  return Answer(info.Env(), madvise(nullptr, 0, kGuardInstall) == 0 ? 1 : 0);
}

// Each event is compared with every slot: more would be no use.
static constexpr int64_t kSlotsMost = 1 << 20;

// userfaultfdStart(fd, slots) -> {reader, area, wakeFd} | -errno. Takes the descriptor. The reader
// stops when it is collected or its environment ends.
static Napi::Value Start(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = DescriptorOf(env, info[0]);
  int64_t slots = IntegerOf(env, info[1], 1, kSlotsMost).value_or(0);
  if (slots == 0 || (slots & (slots - 1))) {
    if (fd >= 0) close(fd);
    return Answer(env, -EINVAL);
  }
  auto reader = std::make_unique<UserfaultfdReader>(fd, static_cast<uint32_t>(slots));
  int error = reader->Start();
  if (error != 0) return Answer(env, error);
  // The area outlives the reader and the ArrayBuffer, whichever is released first.
  std::shared_ptr<AnonymousMemory> area = reader->shared();
  auto result = Napi::Object::New(env);
  result.Set("area", BufferOver(env, area->data, area->length, area));
  result.Set("wakeFd", Answer(env, reader->wake_fd()));
  result.Set("reader", Napi::Value(env, Handle<UserfaultfdReader>::Give(env, std::move(reader))));
  return result;
}

// One call of the reader with up to three whole numbers behind it -> its answer.
template <typename Call>
static Napi::Value With(const Napi::CallbackInfo& info, size_t count, Call call) {
  Napi::Env env = info.Env();
  UserfaultfdReader* reader = Handle<UserfaultfdReader>::Of(env, info[0]);
  uint64_t numbers[3] = {};
  for (size_t i = 0; i < count; i++) {
    auto number = IntegerOf(env, info[i + 1]);
    if (!number) return Answer(env, -EINVAL);
    numbers[i] = static_cast<uint64_t>(*number);
  }
  return Answer(env, reader ? call(reader, numbers) : -EINVAL);
}

static uint32_t SlotOf(uint64_t number) {
  return static_cast<uint32_t>(std::min<uint64_t>(number, UINT32_MAX));
}

static Napi::Value Stop(const Napi::CallbackInfo& info) {
  if (UserfaultfdReader* reader = Handle<UserfaultfdReader>::Of(info.Env(), info[0]))
    reader->Stop();
  return info.Env().Undefined();
}
static Napi::Value Register(const Napi::CallbackInfo& info) {
  return With(info, 2, [](UserfaultfdReader* reader, uint64_t* at) {
    return reader->Register(at[0], at[1]);
  });
}
static Napi::Value Unregister(const Napi::CallbackInfo& info) {
  return With(info, 2, [](UserfaultfdReader* reader, uint64_t* at) {
    return reader->Unregister(at[0], at[1]);
  });
}
static Napi::Value Arm(const Napi::CallbackInfo& info) {
  return With(info, 3, [](UserfaultfdReader* reader, uint64_t* at) {
    return reader->Arm(SlotOf(at[0]), at[1], at[2]);
  });
}
static Napi::Value Disarm(const Napi::CallbackInfo& info) {
  return With(info, 1, [](UserfaultfdReader* reader, uint64_t* at) {
    return reader->Disarm(SlotOf(at[0]));
  });
}
static Napi::Value Fence(const Napi::CallbackInfo& info) {
  return With(info, 0, [](UserfaultfdReader* reader, uint64_t*) { return reader->Fence(); });
}

void InitUserfaultfd(Napi::Env env, Napi::Object exports) {
  exports.Set("userfaultfdOpen", Napi::Function::New(env, Open));
  exports.Set("userfaultfdApi", Napi::Function::New(env, Api));
  exports.Set("userfaultfdGuards", Napi::Function::New(env, Guards));
  exports.Set("userfaultfdStart", Napi::Function::New(env, Start));
  exports.Set("userfaultfdStop", Napi::Function::New(env, Stop));
  exports.Set("userfaultfdRegister", Napi::Function::New(env, Register));
  exports.Set("userfaultfdUnregister", Napi::Function::New(env, Unregister));
  exports.Set("userfaultfdArm", Napi::Function::New(env, Arm));
  exports.Set("userfaultfdDisarm", Napi::Function::New(env, Disarm));
  exports.Set("userfaultfdFence", Napi::Function::New(env, Fence));
}

}  // namespace dreg
