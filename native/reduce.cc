// SPDX-License-Identifier: MIT
// Reductions of arrays: finds memory and kernel, and calls it. reduce_kernels.h has the arithmetic.
#include "reduce.h"

#include <atomic>
#include <cstring>

#include "util.h"

namespace dreg {

static constexpr size_t kWidth[kElementTypes] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 2, 2};

// Those that this processor can run, the widest last.
struct Variants {
  const ReduceKernels* list[3];
  size_t count = 0;
  Variants() {
    list[count++] = &kBaselineKernels;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c"))
      list[count++] = &kAvx2Kernels;
    if (count == 2 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
      list[count++] = &kAvx512Kernels;
#endif
  }
};

static const Variants& AllVariants() {
  static const Variants variants;
  return variants;
}

// All give the same bits, so that threads of the process may share the choice.
static std::atomic<const ReduceKernels*> chosen{nullptr};

// What a call names by `kernel`: type * kOperations + operation.
struct Kernel {
  CombineKernel combine;
  DivideKernel divide;
  size_t width;
  size_t item;
};

static bool KernelOf(napi_env env, napi_value value, Kernel* kernel) {
  uint32_t number;
  if (napi_get_value_uint32(env, value, &number) != napi_ok) return false;
  size_t type = number / kOperations, operation = number % kOperations;
  if (type >= kElementTypes) return false;
  const ReduceKernels* kernels = chosen.load(std::memory_order_relaxed);
  kernel->combine = kernels->combine[type][operation];
  kernel->divide = kernels->divide[type];
  kernel->width = kWidth[type];
  kernel->item = operation >= kMinLoc ? 2 * kWidth[type] : kWidth[type];
  return kernel->combine != nullptr;
}

// `length` bytes from `offset` on, or null where they are not there, or not aligned.
static uint8_t* SpanOf(napi_env env, napi_value view, napi_value offset, double length,
                       size_t width) {
  uint8_t* data = RangeOf(env, view, NumberOf(env, offset, -1), length);
  return reinterpret_cast<uintptr_t>(data) % width ? nullptr : data;
}

static napi_value Number(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

// A count of items, so that their bytes are exact; -1 where it is none.
static double CountOf(napi_env env, napi_value value) {
  return static_cast<double>(IntegerOf(env, value, 0, kExact / 32).value_or(-1));
}

// combine(kernel, count, out, outOffset, a, aOffset, b, bOffset) -> 0 | -EINVAL; offsets in bytes.
// Raw Node-API: it is called for each piece of a message.
static napi_value CombineSpans(napi_env env, napi_callback_info info) {
  napi_value argument[8];
  size_t given = 8;
  napi_get_cb_info(env, info, &given, argument, nullptr, nullptr);
  Kernel kernel;
  if (given != 8 || !KernelOf(env, argument[0], &kernel)) return Number(env, -EINVAL);
  double count = CountOf(env, argument[1]);
  double length = count * static_cast<double>(kernel.item);
  uint8_t* out = SpanOf(env, argument[2], argument[3], length, kernel.width);
  uint8_t* a = SpanOf(env, argument[4], argument[5], length, kernel.width);
  uint8_t* b = SpanOf(env, argument[6], argument[7], length, kernel.width);
  if (!out || !a || !b) return Number(env, -EINVAL);
  kernel.combine(out, a, b, static_cast<size_t>(count));
  return Number(env, 0);
}

// Bytes that one step of a fold covers. They stay in the first-level cache.
constexpr size_t kFoldBytes = 8192;
// Sources of one call; native/reduce.ts has the same.
constexpr size_t kFoldSources = 32;

// The first two, then what came of them with the third, and so on. The last step writes `out`,
// which may be one of the sources.
static void Fold(const Kernel& kernel, uint8_t* out, uint8_t* const* sources, size_t number,
                 size_t count) {
  alignas(64) uint8_t between[kFoldBytes];
  const size_t step = kFoldBytes / kernel.item;
  for (size_t i = 0; i < count; i += step) {
    size_t some = count - i < step ? count - i : step;
    size_t at = i * kernel.item;
    const uint8_t* so_far = sources[0] + at;
    for (size_t k = 1; k < number; k++) {
      uint8_t* to = k + 1 == number ? out + at : between;
      kernel.combine(to, so_far, sources[k] + at, some);
      so_far = to;
    }
  }
}

// fold(kernel, count, out, outOffset, source, sourceOffset, ...) -> 0 | -EINVAL: 2 to kFoldSources
// sources, from the left to the right, in one pass over their memory; offsets in bytes.
static napi_value FoldSpans(napi_env env, napi_callback_info info) {
  constexpr size_t kMost = 4 + 2 * kFoldSources;
  napi_value argument[kMost];
  size_t given = kMost;
  napi_get_cb_info(env, info, &given, argument, nullptr, nullptr);
  Kernel kernel;
  if (given < 8 || given > kMost || given % 2 || !KernelOf(env, argument[0], &kernel))
    return Number(env, -EINVAL);
  double count = CountOf(env, argument[1]);
  double length = count * static_cast<double>(kernel.item);
  uint8_t* out = SpanOf(env, argument[2], argument[3], length, kernel.width);
  if (!out) return Number(env, -EINVAL);
  uint8_t* sources[kFoldSources];
  size_t number = 0;
  for (size_t i = 4; i < given; i += 2) {
    uint8_t* source = SpanOf(env, argument[i], argument[i + 1], length, kernel.width);
    if (!source) return Number(env, -EINVAL);
    sources[number++] = source;
  }
  Fold(kernel, out, sources, number, static_cast<size_t>(count));
  return Number(env, 0);
}

// divide(kernel, count, out, outOffset, divisor) -> 0 | -EINVAL
static napi_value DivideSpan(napi_env env, napi_callback_info info) {
  napi_value argument[5];
  size_t given = 5;
  napi_get_cb_info(env, info, &given, argument, nullptr, nullptr);
  Kernel kernel;
  if (given != 5 || !KernelOf(env, argument[0], &kernel) || !kernel.divide)
    return Number(env, -EINVAL);
  double count = CountOf(env, argument[1]);
  uint8_t* out = SpanOf(env, argument[2], argument[3], count * static_cast<double>(kernel.width),
                        kernel.width);
  if (!out) return Number(env, -EINVAL);
  kernel.divide(out, static_cast<size_t>(count), NumberOf(env, argument[4], 1));
  return Number(env, 0);
}

// reduceVariants() -> names of the sets of kernels that this processor can run, the one in use last
static Napi::Value VariantNames(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const Variants& variants = AllVariants();
  Napi::Array names = Napi::Array::New(env, variants.count);
  for (size_t i = 0; i < variants.count; i++)
    names.Set(static_cast<uint32_t>(i), Napi::String::New(env, variants.list[i]->name));
  return names;
}

// reduceVariant(index) -> 0 | -EINVAL: for tests; -1: the widest
static Napi::Value ChooseVariant(const Napi::CallbackInfo& info) {
  const Variants& variants = AllVariants();
  auto last = static_cast<int64_t>(variants.count) - 1;
  auto index = IntegerOf(info.Env(), info[0], -1, last);
  if (!index) return Answer(info.Env(), -EINVAL);
  chosen = variants.list[*index < 0 ? last : *index];
  return Answer(info.Env(), 0);
}

void InitReduce(Napi::Env env, Napi::Object exports) {
  const Variants& variants = AllVariants();
  const ReduceKernels* none = nullptr;
  chosen.compare_exchange_strong(none, variants.list[variants.count - 1]);
  napi_value function;
  napi_create_function(env, "combine", NAPI_AUTO_LENGTH, CombineSpans, nullptr, &function);
  exports.Set("combine", Napi::Value(env, function));
  napi_create_function(env, "fold", NAPI_AUTO_LENGTH, FoldSpans, nullptr, &function);
  exports.Set("fold", Napi::Value(env, function));
  napi_create_function(env, "divide", NAPI_AUTO_LENGTH, DivideSpan, nullptr, &function);
  exports.Set("divide", Napi::Value(env, function));
  exports.Set("reduceVariants", Napi::Function::New(env, VariantNames));
  exports.Set("reduceVariant", Napi::Function::New(env, ChooseVariant));
}

}  // namespace dreg
