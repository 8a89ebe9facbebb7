// SPDX-License-Identifier: MIT
// Sums of floating-point numbers that are exact and rounded once: they do not depend on the order
// of the terms. After R. Neal, "Fast exact summation using small and large superaccumulators".
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "reduce_kernels.h"
#include "util.h"

namespace dreg {

using Wide = unsigned __int128;

// A number of so many significant bits, whose last place is at least 2^least.
struct Precision {
  int bits;
  int least;
};

// A fixed-point number that has a place for each bit of a double: digits of 32 bits in words of 64,
// so that carries can wait.
class Accumulator {
 public:
  void Add(double term) {
    auto bits = BitCast<uint64_t>(term);
    int exponent = static_cast<int>(bits >> 52) & 0x7ff;
    uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
    bool negative = bits >> 63;
    only_negative_zeros_ = only_negative_zeros_ && bits == uint64_t{1} << 63;
    if (exponent == 0x7ff) {
      special_ += term;
      is_special_ = true;
      return;
    }
    if (exponent == 0)
      exponent = 1;
    else
      fraction |= uint64_t{1} << 52;
    int at = exponent >> 5, shift = exponent & 31;
    auto low = static_cast<int64_t>((fraction << shift) & kMask);
    auto high = static_cast<int64_t>(fraction >> (32 - shift));
    digits_[at] += negative ? -low : low;
    digits_[at + 1] += negative ? -high : high;
    first_ = std::min(first_, at);
    last_ = std::max(last_, at + 1);
    // A term adds less than 2^53 to a digit.
    if (++terms_ % 512 == 0) Carry();
  }

  // The sum, rounded to nearest, ties to even; begins anew.
  double Take(Precision precision) {
    double sum = is_special_ ? special_ : only_negative_zeros_ ? -0.0 : Round(precision);
    if (first_ <= last_) std::fill(digits_ + first_, digits_ + last_ + 1, 0);
    first_ = kDigits;
    last_ = 0;
    terms_ = 0;
    special_ = 0;
    is_special_ = false;
    only_negative_zeros_ = true;
    return sum;
  }

 private:
  static constexpr int kDigits = 72;
  static constexpr int64_t kMask = 0xffffffff;

  // All digits but the last become ones of 0..2^32-1.
  void Carry() {
    if (first_ > last_) return;
    last_ = std::min(last_ + 1, kDigits - 1);
    for (int i = first_; i < last_; i++) {
      digits_[i + 1] += digits_[i] >> 32;
      digits_[i] &= kMask;
    }
  }

  double Round(Precision precision) {
    Carry();
    bool negative = digits_[last_] < 0;
    if (negative) {
      for (int i = first_; i <= last_; i++) digits_[i] = -digits_[i];
      Carry();
    }
    int top = last_;
    while (top > first_ && digits_[top] == 0) top--;
    if (digits_[top] == 0) return 0;
    // The four highest digits, whose last place is 2^place; and whether there is anything below.
    Wide value = 0;
    for (int i = top; i > top - 4; i--)
      value = value << 32 | (i >= first_ ? static_cast<uint64_t>(digits_[i]) : 0);
    bool below = false;
    for (int i = first_; i <= top - 4; i++) below = below || digits_[i] != 0;
    int place = 32 * (top - 3) - 1075;
    int length = 128 - __builtin_clzll(static_cast<uint64_t>(value >> 64));
    int dropped = std::max(length - precision.bits, precision.least - place);
    // Less than half of the last place.
    if (dropped > 128) return negative ? -0.0 : 0;
    Wide half = Wide{1} << (dropped - 1);
    Wide rest = value & (half | (half - 1));
    auto kept = dropped == 128 ? 0 : static_cast<uint64_t>(value >> dropped);
    if (rest > half || (rest == half && (below || kept & 1))) kept++;
    double size = std::ldexp(static_cast<double>(kept), place + dropped);
    return negative ? -size : size;
  }

  int64_t digits_[kDigits] = {};
  int first_ = kDigits;
  int last_ = 0;
  int terms_ = 0;
  double special_ = 0;
  bool is_special_ = false;
  bool only_negative_zeros_ = true;
};

template <typename Type>
static void SumExactly(void* out, const std::vector<const uint8_t*>& sources, size_t count,
                       Precision precision) {
  auto* to = static_cast<typename Type::Stored*>(out);
  Accumulator sum;
  for (size_t i = 0; i < count; i++) {
    for (const uint8_t* source : sources)
      sum.Add(Type::Get(reinterpret_cast<const typename Type::Stored*>(source)[i]));
    auto rounded = static_cast<typename Type::Value>(sum.Take(precision));
    to[i] = Type::Put(Type::One(rounded));
  }
}

static void SumExactly(size_t type, void* out, const std::vector<const uint8_t*>& sources,
                       size_t count) {
  if (type == kFloat64) SumExactly<Plain<Double>>(out, sources, count, {53, -1074});
  if (type == kFloat32) SumExactly<Plain<Single>>(out, sources, count, {24, -149});
  if (type == kFloat16) SumExactly<Float16>(out, sources, count, {11, -24});
  if (type == kBfloat16) SumExactly<Bfloat16>(out, sources, count, {8, -133});
}

// exactSum(type, count, out, outOffset, sources, offsets) -> 0 | -EINVAL: the sums of what lies in
// the views at the offsets, which are a Float64Array of bytes. `out` may be one of the sources.
static Napi::Value ExactSum(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto type = IntegerOf(env, info[0], kFloat32, kBfloat16);
  auto count = IntegerOf(env, info[1], 0, kExact / 32);
  if (!type || !count || !info[4].IsArray()) return Answer(env, -EINVAL);
  size_t width = *type == kFloat64 ? 8 : *type == kFloat32 ? 4 : 2;
  double length = static_cast<double>(*count) * static_cast<double>(width);
  auto at = [&](napi_value view, double offset) {
    uint8_t* data = RangeOf(env, view, offset, length);
    return reinterpret_cast<uintptr_t>(data) % width ? nullptr : data;
  };
  uint8_t* out = at(info[2], NumberOf(env, info[3], -1));
  uint32_t number = 0;
  if (!out || napi_get_array_length(env, info[4], &number) != napi_ok || number == 0)
    return Answer(env, -EINVAL);
  const double* offsets = ArrayOf<double>(env, info[5], number);
  if (!offsets) return Answer(env, -EINVAL);
  std::vector<const uint8_t*> sources;
  for (uint32_t i = 0; i < number; i++) {
    napi_value view;
    bool is = napi_get_element(env, info[4], i, &view) == napi_ok;
    const uint8_t* source = is ? at(view, offsets[i]) : nullptr;
    if (!source) return Answer(env, -EINVAL);
    sources.push_back(source);
  }
  SumExactly(static_cast<size_t>(*type), out, sources, static_cast<size_t>(*count));
  return Answer(env, 0);
}

void InitExactSum(Napi::Env env, Napi::Object exports) {
  exports.Set("exactSum", Napi::Function::New(env, ExactSum));
}

}  // namespace dreg
