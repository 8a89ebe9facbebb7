// SPDX-License-Identifier: MIT
// The kernels' bodies, included once for each set of vector instructions: no include guard. Plain
// loops, which the compiler turns into vectors. All sets, and the loops of op/loops.ts, give the
// same bits: no contraction (-ffp-contract=off), one NaN, an order of zeros.
#include "reduce.h"

namespace dreg {
namespace {

template <typename To, typename From>
inline To BitCast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}

// ---- Types: how an element lies in memory, and what is computed with

// Whole numbers are computed without a sign, where overflow wraps.
template <typename T, typename U>
struct Whole {
  static constexpr bool kIsFloat = false;
  using Stored = T;
  using Value = T;
  using Wrapping = U;
  static Value Get(Stored stored) {
    return stored;
  }
  static Stored Put(Value value) {
    return value;
  }
  static Value Sum(Value a, Value b) {
    return static_cast<Value>(static_cast<Wrapping>(a) + static_cast<Wrapping>(b));
  }
  static Value Prod(Value a, Value b) {
    return static_cast<Value>(static_cast<Wrapping>(a) * static_cast<Wrapping>(b));
  }
};

// A Uint8ClampedArray stops at 255.
struct Clamped {
  static constexpr bool kIsFloat = false;
  using Stored = unsigned char;
  using Value = unsigned char;
  static Value Get(Stored stored) {
    return stored;
  }
  static Stored Put(Value value) {
    return value;
  }
  static Value Sum(Value a, Value b) {
    Value sum = static_cast<Value>(a + b);
    return sum < a ? Value{255} : sum;
  }
  static Value Prod(Value a, Value b) {
    unsigned short product = static_cast<unsigned short>(a * b);
    return product > 255 ? Value{255} : static_cast<Value>(product);
  }
};

// What a number is computed in, and the whole number of its width.
struct Single {
  using Value = float;
  using Bits = unsigned;
  static Value Nan() {
    return __builtin_nanf("");
  }
};
struct Double {
  using Value = double;
  using Bits = unsigned long;
  static Value Nan() {
    return __builtin_nan("");
  }
};

// Every NaN that is computed is the same one: which operand's NaN a processor passes on differs.
template <typename Format>
struct Floating {
  static constexpr bool kIsFloat = true;
  using Value = typename Format::Value;
  using Bits = typename Format::Bits;
  static Value Nan() {
    return Format::Nan();
  }
  static Value One(Value value) {
    return value == value ? value : Nan();
  }
  static Value Sum(Value a, Value b) {
    return One(a + b);
  }
  static Value Prod(Value a, Value b) {
    return One(a * b);
  }
};

template <typename Format>
struct Plain : Floating<Format> {
  using Stored = typename Format::Value;
  static Stored Get(Stored stored) {
    return stored;
  }
  static Stored Put(Stored value) {
    return value;
  }
};

// The upper half of a float; rounded to nearest, ties to even. NaN has passed One().
struct Bfloat16 : Floating<Single> {
  using Stored = unsigned short;
  static float Get(Stored stored) {
    return BitCast<float>(static_cast<unsigned>(stored) << 16);
  }
  static Stored Put(float value) {
    unsigned bits = BitCast<unsigned>(value);
    return static_cast<Stored>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  }
};

// IEEE 754's binary16, without branches. A float's arithmetic, rounded once more, is exact enough
// to be that of binary16: 24 bits are twice 11 and two.
struct Float16 : Floating<Single> {
  using Stored = unsigned short;
#if defined(__aarch64__)
  static float Get(Stored stored) {
    return BitCast<__fp16>(stored);
  }
  static Stored Put(float value) {
    return BitCast<Stored>(static_cast<__fp16>(value));
  }
#else
  static float Get(Stored stored) {
    unsigned sign = (stored & 0x8000u) << 16;
    unsigned magnitude = stored & 0x7fffu;
    unsigned moved = magnitude << 13;
    // Never through a subnormal float, which is slow.
    unsigned subnormal = BitCast<unsigned>(BitCast<float>(moved | 0x38800000u) - 0x1p-14f);
    unsigned finite = magnitude < 0x400u ? subnormal : moved + 0x38000000u;
    return BitCast<float>(sign | (magnitude >= 0x7c00u ? moved | 0x7f800000u : finite));
  }
  static Stored Put(float value) {
    unsigned bits = BitCast<unsigned>(value);
    unsigned sign = (bits >> 16) & 0x8000u;
    unsigned magnitude = bits & 0x7fffffffu;
    // Where the result is subnormal: a sum whose last place is the result's rounds it.
    unsigned subnormal = BitCast<unsigned>(BitCast<float>(magnitude) + 0.5f) - 0x3f000000u;
    unsigned normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1)) >> 13;
    unsigned finite = magnitude < 0x38800000u ? subnormal : normal;
    // 65520 and above.
    unsigned large = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
    return static_cast<Stored>(sign | (magnitude >= 0x477ff000u ? large : finite));
  }
#endif
};

// ---- Operations

struct SumOf {
  template <typename Type, typename Value>
  static Value Of(Value a, Value b) {
    return Type::Sum(a, b);
  }
};
struct ProdOf {
  template <typename Type, typename Value>
  static Value Of(Value a, Value b) {
    return Type::Prod(a, b);
  }
};

// As Math.min and Math.max: NaN comes through, and -0 is less than 0.
template <bool kLess>
struct ExtremeOf {
  template <typename Type, typename Value>
  static Value Of(Value a, Value b) {
    if constexpr (Type::kIsFloat) {
      using Bits = typename Type::Bits;
      // The same value twice, unless they are equal (or zeros: then -0 is what has more bits).
      Bits one = BitCast<Bits>((kLess ? a < b : a > b) ? a : b);
      Bits other = BitCast<Bits>((kLess ? b < a : b > a) ? b : a);
      Value extreme = BitCast<Value>(kLess ? one | other : one & other);
      return (a != a) | (b != b) ? Type::Nan() : extreme;
    } else {
      return (kLess ? a < b : a > b) ? a : b;
    }
  }
};

enum class Bitwise { kAnd, kOr, kXor };
template <Bitwise kOf>
struct BitsOf {
  template <typename Type, typename Value>
  static Value Of(Value a, Value b) {
    if constexpr (kOf == Bitwise::kAnd) return static_cast<Value>(a & b);
    if constexpr (kOf == Bitwise::kOr) return static_cast<Value>(a | b);
    return static_cast<Value>(a ^ b);
  }
};

// True is what JavaScript takes for true: not 0, not -0, not NaN. The result is 1 or 0.
template <Bitwise kOf>
struct TruthOf {
  template <typename Value>
  static bool Is(Value value) {
    return (value < 0) | (value > 0);
  }
  template <typename Type, typename Value>
  static Value Of(Value a, Value b) {
    bool x = Is(a), y = Is(b);
    bool both = kOf == Bitwise::kAnd ? x & y : kOf == Bitwise::kOr ? x | y : x ^ y;
    return both ? Value{1} : Value{0};
  }
};

// ---- Loops

template <typename Type, typename Of>
void Combine(void* out, const void* a, const void* b, size_t count) {
  using Stored = typename Type::Stored;
  auto* to = static_cast<Stored*>(out);
  auto* x = static_cast<const Stored*>(a);
  auto* y = static_cast<const Stored*>(b);
  // `out` is one of the others, or apart from them.
#pragma GCC ivdep
  for (size_t i = 0; i < count; i++)
    to[i] =
        Type::Put(Of::template Of<Type, typename Type::Value>(Type::Get(x[i]), Type::Get(y[i])));
}

// Elements of binary16 are made floats by instructions of their own, where the processor has them:
// a block of them at once.
constexpr size_t kBlock = 256;

inline void Widen(float* to, const unsigned short* from, size_t count) {
  size_t i = 0;
#if defined(DREG_HAS_F16C)
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(to + i,
                     _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
#endif
  for (; i < count; i++) to[i] = Float16::Get(from[i]);
}

inline void Narrow(unsigned short* to, const float* from, size_t count) {
  size_t i = 0;
#if defined(DREG_HAS_F16C)
  for (; i + 8 <= count; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
#endif
  for (; i < count; i++) to[i] = Float16::Put(from[i]);
}

template <typename Of>
void CombineHalves(void* out, const void* a, const void* b, size_t count) {
  auto* to = static_cast<unsigned short*>(out);
  auto* x = static_cast<const unsigned short*>(a);
  auto* y = static_cast<const unsigned short*>(b);
  float left[kBlock], right[kBlock];
  for (size_t i = 0; i < count; i += kBlock) {
    size_t some = count - i < kBlock ? count - i : kBlock;
    Widen(left, x + i, some);
    Widen(right, y + i, some);
    for (size_t j = 0; j < some; j++) left[j] = Of::template Of<Float16, float>(left[j], right[j]);
    Narrow(to + i, left, some);
  }
}

// Pairs of a value and its index. Of equal values the lower index counts; NaN as in ExtremeOf.
template <typename Type, bool kLess>
void CombinePairs(void* out, const void* a, const void* b, size_t count) {
  using Value = typename Type::Value;
  using Extreme = ExtremeOf<kLess>;
  auto* to = static_cast<Value*>(out);
  auto* x = static_cast<const Value*>(a);
  auto* y = static_cast<const Value*>(b);
  for (size_t i = 0; i < 2 * count; i += 2) {
    Value extreme = Extreme::template Of<Type, Value>(x[i], y[i]);
    Value lower = ExtremeOf<true>::template Of<Type, Value>(x[i + 1], y[i + 1]);
    bool isA, isB;
    if constexpr (Type::kIsFloat) {
      using Bits = typename Type::Bits;
      Bits bits = BitCast<Bits>(extreme);
      isA = bits == BitCast<Bits>(Type::One(x[i]));
      isB = bits == BitCast<Bits>(Type::One(y[i]));
    } else {
      isA = extreme == x[i];
      isB = extreme == y[i];
    }
    Value index = isA && isB ? lower : isA ? x[i + 1] : y[i + 1];
    if constexpr (Type::kIsFloat) index = Type::One(index);
    to[i] = extreme;
    to[i + 1] = index;
  }
}

template <typename Type>
void Divide(void* out, size_t count, double divisor) {
  auto* to = static_cast<typename Type::Stored*>(out);
  auto by = static_cast<typename Type::Value>(divisor);
  for (size_t i = 0; i < count; i++) to[i] = Type::Put(Type::One(Type::Get(to[i]) / by));
}

inline void DivideHalves(void* out, size_t count, double divisor) {
  auto* to = static_cast<unsigned short*>(out);
  auto by = static_cast<float>(divisor);
  float block[kBlock];
  for (size_t i = 0; i < count; i += kBlock) {
    size_t some = count - i < kBlock ? count - i : kBlock;
    Widen(block, to + i, some);
    for (size_t j = 0; j < some; j++) block[j] = Float16::One(block[j] / by);
    Narrow(to + i, block, some);
  }
}

// ---- The table

template <typename Type, typename Of>
constexpr CombineKernel LoopOf() {
  if constexpr (std::is_same_v<Type, Float16>)
    return CombineHalves<Of>;
  else
    return Combine<Type, Of>;
}

template <typename Type>
constexpr void FillCommon(CombineKernel (&kernels)[kOperations]) {
  kernels[kSum] = LoopOf<Type, SumOf>();
  kernels[kProd] = LoopOf<Type, ProdOf>();
  kernels[kMin] = LoopOf<Type, ExtremeOf<true>>();
  kernels[kMax] = LoopOf<Type, ExtremeOf<false>>();
  kernels[kLogicalAnd] = LoopOf<Type, TruthOf<Bitwise::kAnd>>();
  kernels[kLogicalOr] = LoopOf<Type, TruthOf<Bitwise::kOr>>();
  kernels[kLogicalXor] = LoopOf<Type, TruthOf<Bitwise::kXor>>();
}

template <typename Type>
constexpr void FillWhole(CombineKernel (&kernels)[kOperations]) {
  FillCommon<Type>(kernels);
  kernels[kBitAnd] = Combine<Type, BitsOf<Bitwise::kAnd>>;
  kernels[kBitOr] = Combine<Type, BitsOf<Bitwise::kOr>>;
  kernels[kBitXor] = Combine<Type, BitsOf<Bitwise::kXor>>;
}

template <typename Type>
constexpr void FillPairs(CombineKernel (&kernels)[kOperations]) {
  kernels[kMinLoc] = CombinePairs<Type, true>;
  kernels[kMaxLoc] = CombinePairs<Type, false>;
}

constexpr ReduceKernels MakeKernels(const char* name) {
  ReduceKernels made{name, {}, {}};
  auto& combine = made.combine;
  FillWhole<Whole<signed char, unsigned char>>(combine[kInt8]);
  FillWhole<Whole<unsigned char, unsigned char>>(combine[kUint8]);
  FillWhole<Clamped>(combine[kUint8Clamped]);
  FillWhole<Whole<short, unsigned>>(combine[kInt16]);
  FillWhole<Whole<unsigned short, unsigned>>(combine[kUint16]);
  FillWhole<Whole<int, unsigned>>(combine[kInt32]);
  FillPairs<Whole<int, unsigned>>(combine[kInt32]);
  FillWhole<Whole<unsigned, unsigned>>(combine[kUint32]);
  FillWhole<Whole<long, unsigned long>>(combine[kInt64]);
  FillWhole<Whole<unsigned long, unsigned long>>(combine[kUint64]);
  FillCommon<Plain<Single>>(combine[kFloat32]);
  FillCommon<Plain<Double>>(combine[kFloat64]);
  FillPairs<Plain<Double>>(combine[kFloat64]);
  FillCommon<Float16>(combine[kFloat16]);
  FillCommon<Bfloat16>(combine[kBfloat16]);
  made.divide[kFloat32] = Divide<Plain<Single>>;
  made.divide[kFloat64] = Divide<Plain<Double>>;
  made.divide[kFloat16] = DivideHalves;
  made.divide[kBfloat16] = Divide<Bfloat16>;
  return made;
}

}  // namespace
}  // namespace dreg
