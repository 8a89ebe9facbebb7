// SPDX-License-Identifier: MIT
// Kernels with AVX2.
#if defined(__x86_64__)
#include <immintrin.h>

#include <type_traits>

#define DREG_HAS_F16C
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,f16c")
#endif
#include "reduce_kernels.h"

namespace dreg {

constexpr ReduceKernels kMade = MakeKernels("avx2");
const ReduceKernels kAvx2Kernels = kMade;

}  // namespace dreg
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
