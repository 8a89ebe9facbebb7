// SPDX-License-Identifier: MIT
#include "buffer.h"

#include <dlfcn.h>
#include <sys/mman.h>

// The few names of V8's own interface that are needed, as every Node since 20 exports them.
// Node-API has no call for this: it puts off the end of external memory until a turn of the event
// loop. Declared here and not by v8.h, whose inline code would tie the addon to one version of
// Node. A name that some Node no longer has is null, since the declarations are weak.
namespace v8 {

template <typename T>
class Local {
 public:
  T* slot;
};

class Isolate {
 public:
  [[gnu::weak]] static Isolate* GetCurrent();
};

class BackingStore {
 public:
  [[gnu::weak]] ~BackingStore();
};

class ArrayBuffer {
 public:
  using Deleter = void (*)(void* data, size_t length, void* hint);
  [[gnu::weak]] static std::unique_ptr<BackingStore> NewBackingStore(void* data, size_t length,
                                                                     Deleter deleter, void* hint);
  [[gnu::weak]] static Local<ArrayBuffer> New(Isolate* isolate,
                                              std::shared_ptr<BackingStore> store);
};

}  // namespace v8

namespace dreg {

Owner OwnerOfMapping(void* data, size_t length) {
  return Owner(data, [length](void* mapped) { munmap(mapped, length); });
}

AnonymousMemory::AnonymousMemory(size_t bytes, int flags) : length(bytes) {
  void* mapped =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  data = mapped == MAP_FAILED ? nullptr : static_cast<uint8_t*>(mapped);
}

AnonymousMemory::~AnonymousMemory() {
  if (data) munmap(data, length);
}

// What Node-API's finalizer and the caller both hold. Where no ArrayBuffer can be made, Node-API
// has called the finalizer already, will call it, or never does: it differs by the reason.
struct Shares {
  Owner owner;
  int holders;

  void Leave() {
    if (--holders == 0) delete this;
  }
};

Napi::Value BufferOver(Napi::Env env, void* data, size_t length, Owner owner) {
  auto* shares = new Shares{std::move(owner), 2};
  auto finalize = [](napi_env, void*, void* hint) {
    auto* mine = static_cast<Shares*>(hint);
    mine->owner.reset();
    mine->Leave();
  };
  napi_value buffer = nullptr;
  napi_status status =
      napi_create_external_arraybuffer(env, data, length, finalize, shares, &buffer);
  bool made = status == napi_ok && buffer != nullptr;
  if (!made) shares->owner.reset();
  shares->Leave();
  if (made) return Napi::Value(env, buffer);
  // Told by the answer, as all that fails.
  bool pending = false;
  napi_value exception;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending)
    napi_get_and_clear_last_exception(env, &exception);
  return Answer(env, -ENOMEM);
}

static bool HasPromptBuffers() {
  // The weak names' addresses; the compiler would take them for never null.
  void* volatile names[] = {
      reinterpret_cast<void*>(&v8::Isolate::GetCurrent),
      reinterpret_cast<void*>(&v8::ArrayBuffer::NewBackingStore),
      reinterpret_cast<void*>(&v8::ArrayBuffer::New),
  };
  for (void* volatile& name : names)
    if (!name) return false;
  return true;
}

Napi::Value PromptBufferOver(Napi::Env env, void* data, size_t length, Owner owner) {
  static const bool has = HasPromptBuffers();
  if (!has) return BufferOver(env, data, length, std::move(owner));
  auto* share = new Owner(std::move(owner));
  auto drop = [](void*, size_t, void* hint) { delete static_cast<Owner*>(hint); };
  std::shared_ptr<v8::BackingStore> store =
      v8::ArrayBuffer::NewBackingStore(data, length, drop, share);
  auto buffer = v8::ArrayBuffer::New(v8::Isolate::GetCurrent(), std::move(store));
  // A napi_value is a Local, as Node-API itself converts them.
  return Napi::Value(env, reinterpret_cast<napi_value>(buffer.slot));
}

Napi::Value SharedBufferOver(Napi::Env env, void* data, size_t length, Owner owner) {
  using Create =
      napi_status (*)(napi_env, void*, size_t, void (*)(void*, void*), void*, napi_value*);
  // Headers have it for experimental addons only.
  static const auto create =
      reinterpret_cast<Create>(dlsym(RTLD_DEFAULT, "node_api_create_external_sharedarraybuffer"));
  if (!create) return Answer(env, -ENOSYS);
  auto share = std::make_unique<Owner>(std::move(owner));
  auto drop = [](void*, void* hint) { delete static_cast<Owner*>(hint); };
  napi_value buffer = nullptr;
  if (create(env, data, length, drop, share.get(), &buffer) != napi_ok || !buffer)
    return Answer(env, -ENOMEM);
  share.release();
  return Napi::Value(env, buffer);
}

}  // namespace dreg
