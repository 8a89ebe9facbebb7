// SPDX-License-Identifier: MIT
// ArrayBuffers over memory that is not V8's own, and how such memory ends.
#ifndef DREG_MPI_NATIVE_BUFFER_H_
#define DREG_MPI_NATIVE_BUFFER_H_

#include <cstdint>
#include <memory>

#include "util.h"

namespace dreg {

// What memory belongs to; the memory ends with the last reference, in whichever thread that goes.
using Owner = std::shared_ptr<void>;

// ArrayBuffer | -ENOMEM, over memory of that owner. The reference belongs to what the ArrayBuffer
// holds, not to the ArrayBuffer: transfer() and postMessage() carry it on. Node-API drops it in a
// turn of the event loop after the collection.
Napi::Value BufferOver(Napi::Env env, void* data, size_t length, Owner owner);

// The same; the reference is dropped by the collector itself, so that it goes in a program that
// never comes back to the event loop. Where Node does not offer that, as BufferOver.
Napi::Value PromptBufferOver(Napi::Env env, void* data, size_t length, Owner owner);

// A SharedArrayBuffer; -ENOSYS where this Node cannot make one over such memory. The reference is
// dropped in whichever thread has it last.
Napi::Value SharedBufferOver(Napi::Env env, void* data, size_t length, Owner owner);

// The owner of a mapping.
Owner OwnerOfMapping(void* data, size_t length);

// Anonymous memory of this process's own; `data` is null where there was none to have.
struct AnonymousMemory {
  // `flags` of mmap(2) beside the ones that make it so.
  AnonymousMemory(size_t bytes, int flags);
  ~AnonymousMemory();
  AnonymousMemory(const AnonymousMemory&) = delete;
  AnonymousMemory& operator=(const AnonymousMemory&) = delete;

  uint8_t* data;
  size_t length;
};

}  // namespace dreg

#endif  // DREG_MPI_NATIVE_BUFFER_H_
