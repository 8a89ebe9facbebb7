// SPDX-License-Identifier: MIT
// The addon's entry: context-aware, no state of its own.
#include "util.h"

namespace dreg {

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  InitSegment(env, exports);
  InitHeap(env, exports);
  InitSharedHeap(env, exports);
  InitMemory(env, exports);
  InitReduce(env, exports);
  InitExactSum(env, exports);
  InitPages(env, exports);
  InitDoorbell(env, exports);
  InitWake(env, exports);
  InitFdpass(env, exports);
  InitProcess(env, exports);
  InitSpawn(env, exports);
  InitMapping(env, exports);
  InitVma(env, exports);
  InitDreg(env, exports);
  InitUserfaultfd(env, exports);
  InitUring(env, exports);
  InitPmix(env, exports);
  // What is made last is closed first: queue pairs before the ends that connect them.
  InitRdmacm(env, exports);
  InitVerbs(env, exports);
  InitOfi(env, exports);
  return exports;
}

}  // namespace dreg

static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) {
  return dreg::Init(env, exports);
}
NODE_API_MODULE(dreg_mpi, InitAddon)
