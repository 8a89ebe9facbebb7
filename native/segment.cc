// SPDX-License-Identifier: MIT
// Shared segments: memfd_create(2), ftruncate(2), fallocate(2), mmap(2).
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

namespace dreg {

// segmentCreate(name, bytes) -> fd. The file has no name in any file system: the kernel takes it
// back with the last descriptor, however a process ends.
static Napi::Value SegmentCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsString() || !info[1].IsNumber()) return Answer(env, -EINVAL);
  std::string name = info[0].As<Napi::String>().Utf8Value();
  auto bytes = IntegerOf(env, info[1], 1);
  if (!bytes) return Answer(env, -EINVAL);
  int fd = memfd_create(name.c_str(), MFD_CLOEXEC);
  if (fd < 0) return AnswerErrno(env);
  if (fchmod(fd, 0600) != 0 || ftruncate(fd, static_cast<off_t>(*bytes)) != 0) {
    int error = errno;
    close(fd);
    return Answer(env, -error);
  }
  return Answer(env, fd);
}

struct Mapping {
  size_t length;
};

static void Unmap(Napi::Env, void* data, Mapping* mapping) {
  munmap(data, mapping->length);
  delete mapping;
}

// segmentMap(fd, offset, length) -> ArrayBuffer | -errno. Unmapped when the ArrayBuffer is
// collected.
static Napi::Value SegmentMap(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = DescriptorOf(env, info[0]);
  auto offset = IntegerOf(env, info[1]), length = IntegerOf(env, info[2], 1);
  if (fd < 0 || !offset || !length) return Answer(env, -EINVAL);
  // A mapping beyond the file's end would raise SIGBUS at its first touch.
  struct stat status;
  if (fstat(fd, &status) != 0) return AnswerErrno(env);
  if (*offset > status.st_size || *length > status.st_size - *offset)
    return Answer(env, -EOVERFLOW);
  void* data = mmap(nullptr, static_cast<size_t>(*length), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                    static_cast<off_t>(*offset));
  if (data == MAP_FAILED) return AnswerErrno(env);
  auto* mapping = new Mapping{static_cast<size_t>(*length)};
  auto buffer = Napi::ArrayBuffer::New(env, data, mapping->length, Unmap, mapping);
  if (buffer.IsEmpty()) {
    Unmap(env, data, mapping);
    return env.Undefined();
  }
  return buffer;
}

// segmentReserve(fd, offset, length) -> 0 | -errno: the pages exist afterwards, so that touching
// them cannot raise SIGBUS where memory is short.
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

// segmentStat(fd) -> [size, bytes in use, mode] | -errno.
static Napi::Value SegmentStat(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct stat status;
  if (fstat(DescriptorOf(env, info[0]), &status) != 0) return AnswerErrno(env);
  auto result = Napi::Array::New(env, 3);
  result.Set(0u, Answer(env, status.st_size));
  result.Set(1u, Answer(env, status.st_blocks * 512));
  result.Set(2u, Answer(env, status.st_mode & 07777));
  return result;
}

void InitSegment(Napi::Env env, Napi::Object exports) {
  exports.Set("segmentCreate", Napi::Function::New(env, SegmentCreate));
  exports.Set("segmentMap", Napi::Function::New(env, SegmentMap));
  exports.Set("segmentReserve", Napi::Function::New(env, SegmentReserve));
  exports.Set("segmentRelease", Napi::Function::New(env, SegmentRelease));
  exports.Set("segmentStat", Napi::Function::New(env, SegmentStat));
}

}  // namespace dreg
