// SPDX-License-Identifier: MIT
// The preloaded heap of this process (heap/heap.h), if it was started with it. dlsym(3).
#include <dlfcn.h>

#include "heap/heap.h"
#include "util.h"

namespace dreg {

// sharedHeap() -> {fd, base, bytes, inode, used, dirty, refused} | why there is no region | null
// where this process was started without the library.
static Napi::Value SharedHeap(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto* look = reinterpret_cast<dreg_heap_look_function*>(dlsym(RTLD_DEFAULT, "dreg_heap_look"));
  if (!look) return env.Null();
  dreg_heap heap;
  look(&heap);
  if (heap.version != DREG_HEAP_VERSION)
    return Napi::String::New(env, "the library is of another version of dreg-mpi");
  if (heap.fd < 0) return Napi::String::New(env, heap.absent);
  auto result = Napi::Object::New(env);
  result.Set("fd", Answer(env, heap.fd));
  result.Set("base", Answer(env, reinterpret_cast<intptr_t>(heap.base)));
  result.Set("bytes", Answer(env, static_cast<int64_t>(heap.bytes)));
  result.Set("inode", Answer(env, static_cast<int64_t>(heap.inode)));
  result.Set("used", Answer(env, static_cast<int64_t>(heap.used)));
  result.Set("dirty", Answer(env, static_cast<int64_t>(heap.dirty)));
  result.Set("refused", Answer(env, static_cast<int64_t>(heap.refused)));
  return result;
}

void InitSharedHeap(Napi::Env env, Napi::Object exports) {
  exports.Set("sharedHeap", Napi::Function::New(env, SharedHeap));
}

}  // namespace dreg
