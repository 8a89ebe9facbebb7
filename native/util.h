// SPDX-License-Identifier: MIT
// Shared by the addon's file pairs: how arguments are read and how a failing system call is told.
#ifndef DREG_MPI_NATIVE_UTIL_H_
#define DREG_MPI_NATIVE_UTIL_H_

#define NODE_ADDON_API_ENABLE_MAYBE_UNUSED
#include <napi.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <ctime>
#include <optional>

namespace dreg {

// A view's bytes. `data` is null when the argument is no buffer, is detached, or is too short.
struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;
};

// The bytes of a typed array, DataView or ArrayBuffer. Every pointer that goes to the kernel comes
// through here, so that it is checked against its buffer's length as it is now.
Bytes BytesOf(napi_env env, napi_value value);

// [offset, offset + length) of `value`, or null when it does not lie inside.
uint8_t* RangeOf(napi_env env, napi_value value, double offset, double length);

// A number argument, or `fallback` where it is missing or no number.
double NumberOf(napi_env env, napi_value value, double fallback);

// Doubles name each whole number up to here: addresses and lengths go no further.
constexpr int64_t kExact = 9007199254740991;

// A whole number from `least` to `most`; nothing where it is missing or anything else. What is cast
// to an integer comes through here: of NaN, infinity and what does not fit, a cast is undefined.
std::optional<int64_t> IntegerOf(napi_env env, napi_value value, int64_t least = 0,
                                 int64_t most = kExact);

// A descriptor, or -1, to which every system call answers EBADF.
inline int DescriptorOf(napi_env env, napi_value value) {
  return static_cast<int>(IntegerOf(env, value, 0, INT_MAX).value_or(-1));
}

// Milliseconds to wait, from 0 to kWaitMost; -1 where it is anything else.
constexpr double kWaitMost = 1e9;
double MillisecondsOf(napi_env env, napi_value value);
timespec TimeOf(double milliseconds);

// The first `count` elements of a buffer, or null where it is shorter or not aligned for them.
template <typename T>
T* ArrayOf(napi_env env, napi_value value, double count) {
  uint8_t* data = RangeOf(env, value, 0, count * sizeof(T));
  return reinterpret_cast<uintptr_t>(data) % alignof(T) ? nullptr : reinterpret_cast<T*>(data);
}

// A boolean argument; false where it is missing or no boolean. No conversion: Node-API refuses
// those in a thread that is being terminated, and node-addon-api aborts the process over the empty
// answer.
bool BooleanOf(napi_env env, napi_value value);

// System calls answer as in the kernel: a value >= 0, or a negative errno. TypeScript makes the
// MpiError, because it knows the rank and what was tried.
inline Napi::Value Answer(Napi::Env env, int64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}
inline Napi::Value AnswerErrno(Napi::Env env) {
  return Answer(env, -errno);
}

void InitSegment(Napi::Env env, Napi::Object exports);
void InitHeap(Napi::Env env, Napi::Object exports);
void InitSharedHeap(Napi::Env env, Napi::Object exports);
void InitMemory(Napi::Env env, Napi::Object exports);
void InitReduce(Napi::Env env, Napi::Object exports);
void InitExactSum(Napi::Env env, Napi::Object exports);
void InitPages(Napi::Env env, Napi::Object exports);
void InitDoorbell(Napi::Env env, Napi::Object exports);
void InitWake(Napi::Env env, Napi::Object exports);
void InitFdpass(Napi::Env env, Napi::Object exports);
void InitProcess(Napi::Env env, Napi::Object exports);
void InitSpawn(Napi::Env env, Napi::Object exports);
void InitMapping(Napi::Env env, Napi::Object exports);
void InitVma(Napi::Env env, Napi::Object exports);
void InitDreg(Napi::Env env, Napi::Object exports);
void InitUserfaultfd(Napi::Env env, Napi::Object exports);
void InitUring(Napi::Env env, Napi::Object exports);
void InitVerbs(Napi::Env env, Napi::Object exports);
void InitRdmacm(Napi::Env env, Napi::Object exports);
void InitOfi(Napi::Env env, Napi::Object exports);
void InitPmix(Napi::Env env, Napi::Object exports);

}  // namespace dreg

#endif  // DREG_MPI_NATIVE_UTIL_H_
