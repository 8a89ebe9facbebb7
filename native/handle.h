// SPDX-License-Identifier: MIT
// What the addon gives out to be handed back: an object that owns a T, and by its type tag no
// other.
#ifndef DREG_MPI_NATIVE_HANDLE_H_
#define DREG_MPI_NATIVE_HANDLE_H_

#include <memory>

#include "util.h"

namespace dreg {

// `T::kTag` is T's own; `T` ends when the object is collected or its environment ends.
template <typename T>
struct Handle {
  // The object, or nothing where the thread is being terminated; T has ended then.
  static napi_value Give(napi_env env, std::unique_ptr<T> thing) {
    napi_value object = nullptr;
    auto release = [](napi_env, void* dead, void*) { delete static_cast<T*>(dead); };
    if (napi_create_object(env, &object) != napi_ok ||
        napi_type_tag_object(env, object, &T::kTag) != napi_ok ||
        napi_wrap(env, object, thing.get(), release, nullptr, nullptr) != napi_ok)
      return nullptr;
    thing.release();
    return object;
  }

  // What an argument owns; null where it is not one of these.
  static T* Of(napi_env env, napi_value value) {
    bool is = false;
    void* thing = nullptr;
    if (napi_check_object_type_tag(env, value, &T::kTag, &is) != napi_ok || !is) return nullptr;
    return napi_unwrap(env, value, &thing) == napi_ok ? static_cast<T*>(thing) : nullptr;
  }
};

}  // namespace dreg

#endif  // DREG_MPI_NATIVE_HANDLE_H_
