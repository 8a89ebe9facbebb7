// SPDX-License-Identifier: MIT
// Descriptors and mappings that end with their owner: a worker that is terminated runs no line of
// TypeScript any more, but its environment does release what it owns.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "buffer.h"
#include "handle.h"

namespace dreg {

struct OwnedFd {
  static constexpr napi_type_tag kTag = {0x3b80c5d9e41f4a26, 0x9a57d1f6208be34c};

  explicit OwnedFd(int the_fd) : fd(the_fd) {}
  ~OwnedFd() {
    Close();
  }
  void Close() {
    if (fd >= 0) close(fd);
    fd = -1;
  }

  int fd;
};

// ownFd(fd) -> owner: closes the descriptor when it is collected or its environment ends.
static Napi::Value OwnFd(const Napi::CallbackInfo& info) {
  auto owned = std::make_unique<OwnedFd>(DescriptorOf(info.Env(), info[0]));
  return Napi::Value(info.Env(), Handle<OwnedFd>::Give(info.Env(), std::move(owned)));
}

// closeOwned(owner): now, and once only.
static Napi::Value CloseOwnedFd(const Napi::CallbackInfo& info) {
  if (OwnedFd* owned = Handle<OwnedFd>::Of(info.Env(), info[0])) owned->Close();
  return info.Env().Undefined();
}

// openFd(path, write) -> fd | -errno.
static Napi::Value OpenFd(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) return Answer(info.Env(), -EINVAL);
  int mode = BooleanOf(info.Env(), info[1]) ? O_RDWR : O_RDONLY;
  std::string path = info[0].As<Napi::String>().Utf8Value();
  // The kernel reads up to the first zero.
  if (path.find('\0') != std::string::npos) return Answer(info.Env(), -EINVAL);
  int fd = open(path.c_str(), mode | O_CLOEXEC | O_NONBLOCK);
  return fd < 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), fd);
}

// mapFd(fd, offset, length, writable) -> ArrayBuffer | -errno: shared, unmapped when it is
// collected. For descriptors of devices, which have no size that could be looked at before.
static Napi::Value MapFd(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto offset = IntegerOf(env, info[1]), length = IntegerOf(env, info[2], 1);
  if (!offset || !length) return Answer(env, -EINVAL);
  int protection = BooleanOf(env, info[3]) ? PROT_READ | PROT_WRITE : PROT_READ;
  void* data = mmap(nullptr, static_cast<size_t>(*length), protection, MAP_SHARED | MAP_POPULATE,
                    DescriptorOf(env, info[0]), static_cast<off_t>(*offset));
  if (data == MAP_FAILED) return AnswerErrno(env);
  auto bytes = static_cast<size_t>(*length);
  return BufferOver(env, data, bytes, OwnerOfMapping(data, bytes));
}

// readFd(fd, buffer) -> bytes | -errno.
static Napi::Value ReadFd(const Napi::CallbackInfo& info) {
  Bytes bytes = BytesOf(info.Env(), info[1]);
  ssize_t count = read(DescriptorOf(info.Env(), info[0]), bytes.data, bytes.length);
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
