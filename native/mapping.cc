// SPDX-License-Identifier: MIT
// Descriptors and mappings that end with their owner: a worker that is terminated runs no line of
// TypeScript any more, but its environment does release what it owns.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "buffer.h"

namespace dreg {

struct OwnedFd {
  int fd;
};

static void CloseOwned(OwnedFd* owned) {
  if (owned->fd >= 0) close(owned->fd);
  owned->fd = -1;
}

// ownFd(fd) -> owner: closes the descriptor when it is collected or its environment ends.
static Napi::Value OwnFd(const Napi::CallbackInfo& info) {
  auto* owned = new OwnedFd{static_cast<int>(NumberOf(info.Env(), info[0], -1))};
  auto release = [](Napi::Env, OwnedFd* dead) {
    CloseOwned(dead);
    delete dead;
  };
  auto owner = Napi::External<OwnedFd>::New(info.Env(), owned, release);
  if (owner.IsEmpty()) release(info.Env(), owned);
  return owner;
}

// closeOwned(owner): now, and once only.
static Napi::Value CloseOwnedFd(const Napi::CallbackInfo& info) {
  if (info[0].IsExternal()) CloseOwned(info[0].As<Napi::External<OwnedFd>>().Data());
  return info.Env().Undefined();
}

// openFd(path, write) -> fd | -errno.
static Napi::Value OpenFd(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) return Answer(info.Env(), -EINVAL);
  int mode = BooleanOf(info.Env(), info[1]) ? O_RDWR : O_RDONLY;
  int fd = open(info[0].As<Napi::String>().Utf8Value().c_str(), mode | O_CLOEXEC | O_NONBLOCK);
  return fd < 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), fd);
}

// mapFd(fd, offset, length, writable) -> ArrayBuffer | -errno: shared, unmapped when it is
// collected. For descriptors of devices, which have no size that could be looked at before.
static Napi::Value MapFd(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  double offset = NumberOf(env, info[1], -1);
  double length = NumberOf(env, info[2], -1);
  if (!(offset >= 0) || !(length > 0)) return Answer(env, -EINVAL);
  int protection = BooleanOf(env, info[3]) ? PROT_READ | PROT_WRITE : PROT_READ;
  void* data = mmap(nullptr, static_cast<size_t>(length), protection, MAP_SHARED | MAP_POPULATE,
                    static_cast<int>(NumberOf(env, info[0], -1)), static_cast<off_t>(offset));
  if (data == MAP_FAILED) return AnswerErrno(env);
  return BufferOver(env, data, static_cast<size_t>(length),
                    OwnerOfMapping(data, static_cast<size_t>(length)));
}

// readFd(fd, buffer) -> bytes | -errno.
static Napi::Value ReadFd(const Napi::CallbackInfo& info) {
  Bytes bytes = BytesOf(info.Env(), info[1]);
  ssize_t count =
      read(static_cast<int>(NumberOf(info.Env(), info[0], -1)), bytes.data, bytes.length);
  return count < 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), count);
}

void InitMapping(Napi::Env env, Napi::Object exports) {
  exports.Set("ownFd", Napi::Function::New(env, OwnFd));
  exports.Set("closeOwned", Napi::Function::New(env, CloseOwnedFd));
  exports.Set("openFd", Napi::Function::New(env, OpenFd));
  exports.Set("readFd", Napi::Function::New(env, ReadFd));
  exports.Set("mapFd", Napi::Function::New(env, MapFd));
}

}  // namespace dreg
