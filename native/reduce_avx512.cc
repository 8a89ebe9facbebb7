// SPDX-License-Identifier: MIT
// Kernels with AVX-512.
#if defined(__x86_64__)
#include <immintrin.h>

#include <type_traits>

#define DREG_HAS_F16C
#if defined(__clang__)
#pragma clang attribute push(                                                                   \
    __attribute__((target("f16c,avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("f16c,avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
#endif
#include "reduce_kernels.h"

namespace dreg {

constexpr ReduceKernels kMade = MakeKernels("avx512");
const ReduceKernels kAvx512Kernels = kMade;

}  // namespace dreg
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
