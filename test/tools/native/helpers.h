// SPDX-License-Identifier: MIT
#ifndef DREG_MPI_TEST_MEMORY_HELPERS_H_
#define DREG_MPI_TEST_MEMORY_HELPERS_H_

#include "util.h"

namespace dreg {

void InitFork(Napi::Env env, Napi::Object exports);
void InitThreads(Napi::Env env, Napi::Object exports);

}  // namespace dreg

#endif  // DREG_MPI_TEST_MEMORY_HELPERS_H_
