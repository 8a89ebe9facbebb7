// SPDX-License-Identifier: MIT
// Kernels of reductions: what out[i] = a[i] op b[i] is for each type and operation, once for each
// set of vector instructions.
#ifndef DREG_MPI_NATIVE_REDUCE_H_
#define DREG_MPI_NATIVE_REDUCE_H_

#include <cstddef>

namespace dreg {

// The numbers are those of native/reduce.ts.
enum ElementType {
  kInt8,
  kUint8,
  kUint8Clamped,
  kInt16,
  kUint16,
  kInt32,
  kUint32,
  kInt64,
  kUint64,
  kFloat32,
  kFloat64,
  kFloat16,
  kBfloat16,
  kElementTypes,
};

enum Operation {
  kSum,
  kProd,
  kMin,
  kMax,
  kBitAnd,
  kBitOr,
  kBitXor,
  kLogicalAnd,
  kLogicalOr,
  kLogicalXor,
  kMinLoc,
  kMaxLoc,
  kOperations,
};

// Of `count` items; an item of kMinLoc and kMaxLoc is a pair of elements. `out` may be `a` or `b`.
using CombineKernel = void (*)(void* out, const void* a, const void* b, size_t count);
// out[i] /= divisor
using DivideKernel = void (*)(void* out, size_t count, double divisor);

struct ReduceKernels {
  const char* name;
  // Null where the operation is not for the type.
  CombineKernel combine[kElementTypes][kOperations];
  DivideKernel divide[kElementTypes];
};

extern const ReduceKernels kBaselineKernels;
#if defined(__x86_64__)
extern const ReduceKernels kAvx2Kernels;
extern const ReduceKernels kAvx512Kernels;
#endif

}  // namespace dreg

#endif  // DREG_MPI_NATIVE_REDUCE_H_
