// SPDX-License-Identifier: MIT
// Kernels for every processor of the architecture: SSE2, NEON.
#include <type_traits>

#include "reduce_kernels.h"

namespace dreg {

constexpr ReduceKernels kMade = MakeKernels("baseline");
const ReduceKernels kBaselineKernels = kMade;

}  // namespace dreg
