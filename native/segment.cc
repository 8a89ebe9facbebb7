// SPDX-License-Identifier: MIT
// Shared segments: memfd_create(2), ftruncate(2), fallocate(2), mmap(2), fcntl(2) F_ADD_SEALS,
// flock(2).
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"

// Linux 6.3; older C libraries have no name for it.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace dreg {

// segmentCreate(name, bytes) -> fd. The file has no name in any file system: the kernel takes it
// back with the last descriptor, however a process ends. It grows as it is reserved.
static Napi::Value SegmentCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsString() || !info[1].IsNumber()) return Answer(env, -EINVAL);
  std::string name = info[0].As<Napi::String>().Utf8Value();
  auto bytes = IntegerOf(env, info[1]);
  if (!bytes) return Answer(env, -EINVAL);
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  // A system may demand that such a file is never executed, an older one does not know of it.
  int fd = memfd_create(name.c_str(), kFlags | MFD_NOEXEC_SEAL);
  if (fd < 0 && errno == EINVAL) fd = memfd_create(name.c_str(), kFlags);
  if (fd < 0) return AnswerErrno(env);
  bool sized = *bytes == 0 || ftruncate(fd, static_cast<off_t>(*bytes)) == 0;
  if (fchmod(fd, 0600) != 0 || !sized) {
    int error = errno;
    close(fd);
    return Answer(env, -error);
  }
  return Answer(env, fd);
}

// Nobody makes the file shorter: its pages beyond the end would raise SIGBUS in whoever has mapped
// them. And nobody adds a seal that would keep it from growing.
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_SEAL;

// segmentSeal(fd, fixed = false) -> 0 | -errno. A fixed file does not grow, either.
static Napi::Value SegmentSeal(const Napi::CallbackInfo& info) {
  int seals = kSeals | (BooleanOf(info.Env(), info[1]) ? F_SEAL_GROW : 0);
  int result = fcntl(DescriptorOf(info.Env(), info[0]), F_ADD_SEALS, seals);
  return result != 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), 0);
}

// segmentSealed(fd) -> 1 where it is sealed so and may grow, else 0 | -errno.
static Napi::Value SegmentSealed(const Napi::CallbackInfo& info) {
  int seals = fcntl(DescriptorOf(info.Env(), info[0]), F_GET_SEALS);
  if (seals < 0) return AnswerErrno(info.Env());
  constexpr int kForbidden = F_SEAL_GROW | F_SEAL_WRITE;
  return Answer(info.Env(), (seals & (kSeals | kForbidden)) == kSeals);
}

// segmentFixed(fd) -> 1 where it can become neither shorter nor longer, else 0 | -errno.
static Napi::Value SegmentFixed(const Napi::CallbackInfo& info) {
  int seals = fcntl(DescriptorOf(info.Env(), info[0]), F_GET_SEALS);
  if (seals < 0) return AnswerErrno(info.Env());
  constexpr int kFixed = kSeals | F_SEAL_GROW;
  return Answer(info.Env(), (seals & (kFixed | F_SEAL_WRITE)) == kFixed);
}

// segmentMap(fd, offset, length, writes = true, shared = false) -> ArrayBuffer, or
// SharedArrayBuffer
// (-ENOSYS where Node has none for such memory) | -errno. Unmapped when its memory is collected.
// The file may still have to grow before all of it may be touched.
static Napi::Value SegmentMap(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = DescriptorOf(env, info[0]);
  auto offset = IntegerOf(env, info[1]), length = IntegerOf(env, info[2], 1);
  if (fd < 0 || !offset || !length) return Answer(env, -EINVAL);
  auto bytes = static_cast<size_t>(*length);
  bool writes = info.Length() < 4 || BooleanOf(env, info[3]);
  int protection = writes ? PROT_READ | PROT_WRITE : PROT_READ;
  void* data = mmap(nullptr, bytes, protection, MAP_SHARED, fd, static_cast<off_t>(*offset));
  if (data == MAP_FAILED) return AnswerErrno(env);
  if (BooleanOf(env, info[4]))
    return SharedBufferOver(env, data, bytes, OwnerOfMapping(data, bytes));
  return PromptBufferOver(env, data, bytes, OwnerOfMapping(data, bytes));
}

// segmentReserve(fd, offset, length) -> 0 | -errno: the file reaches so far afterwards and the
// pages exist, so that touching them cannot raise SIGBUS where memory is short.
static Napi::Value SegmentReserve(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = DescriptorOf(env, info[0]);
  auto offset = IntegerOf(env, info[1]), length = IntegerOf(env, info[2]);
  if (!offset || !length) return Answer(env, -EINVAL);
  int result;
  do result = fallocate(fd, 0, *offset, *length);
  while (result != 0 && errno == EINTR);
  return result == 0 ? Answer(env, 0) : AnswerErrno(env);
}

// segmentRelease(fd, offset, length) -> 0 | -errno: gives the pages back; the range reads as zeros.
static Napi::Value SegmentRelease(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = DescriptorOf(env, info[0]);
  auto offset = IntegerOf(env, info[1]), length = IntegerOf(env, info[2]);
  if (!offset || !length) return Answer(env, -EINVAL);
  int result = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, *offset, *length);
  return result == 0 ? Answer(env, 0) : AnswerErrno(env);
}

// segmentStat(fd) -> [size, bytes in use, mode, inode] | -errno.
static Napi::Value SegmentStat(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct stat status;
  if (fstat(DescriptorOf(env, info[0]), &status) != 0) return AnswerErrno(env);
  auto result = Napi::Array::New(env, 4);
  result.Set(0u, Answer(env, status.st_size));
  result.Set(1u, Answer(env, status.st_blocks * 512));
  result.Set(2u, Answer(env, status.st_mode & 07777));
  result.Set(3u, Answer(env, static_cast<int64_t>(status.st_ino)));
  return result;
}

// fdDuplicate(fd) -> another descriptor of the same file | -errno.
static Napi::Value FdDuplicate(const Napi::CallbackInfo& info) {
  int fd = fcntl(DescriptorOf(info.Env(), info[0]), F_DUPFD_CLOEXEC, 0);
  return fd < 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), fd);
}

// fileLock(fd) -> 0 | -EAGAIN: another process has it | -errno. It ends with the descriptor.
static Napi::Value FileLock(const Napi::CallbackInfo& info) {
  int result = flock(DescriptorOf(info.Env(), info[0]), LOCK_EX | LOCK_NB);
  return result != 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), 0);
}

void InitSegment(Napi::Env env, Napi::Object exports) {
  exports.Set("segmentCreate", Napi::Function::New(env, SegmentCreate));
  exports.Set("segmentSeal", Napi::Function::New(env, SegmentSeal));
  exports.Set("segmentSealed", Napi::Function::New(env, SegmentSealed));
  exports.Set("segmentFixed", Napi::Function::New(env, SegmentFixed));
  exports.Set("segmentMap", Napi::Function::New(env, SegmentMap));
  exports.Set("segmentReserve", Napi::Function::New(env, SegmentReserve));
  exports.Set("segmentRelease", Napi::Function::New(env, SegmentRelease));
  exports.Set("segmentStat", Napi::Function::New(env, SegmentStat));
  exports.Set("fdDuplicate", Napi::Function::New(env, FdDuplicate));
  exports.Set("fileLock", Napi::Function::New(env, FileLock));
}

}  // namespace dreg
