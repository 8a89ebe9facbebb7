// SPDX-License-Identifier: MIT
// Libraries of the machine that not every machine has: loaded at run time, never linked, so that
// the addon works without them.
#ifndef DREG_MPI_NATIVE_LIBRARY_H_
#define DREG_MPI_NATIVE_LIBRARY_H_

#include <dlfcn.h>

#include <mutex>
#include <string>

#include "util.h"

namespace dreg {

class Library {
 public:
  // `fix` says what it is needed for, if that is not plain, and what to install.
  Library(const char* file, const char* fix)
      : file_(file), handle_(dlopen(file, RTLD_NOW | RTLD_LOCAL)) {
    if (handle_) return;
    const char* reason = dlerror();
    missing_ = file_ + " does not load (" + (reason ? reason : "unknown") + "); " + fix;
  }

  // A function that there must be.
  template <typename Function>
  void Need(Function* function, const char* name) {
    if (!Find(function, name) && missing_.empty())
      missing_ = file_ + " has no " + name + "; install a younger one";
  }

  // A function of younger versions; null where it is not there.
  template <typename Function>
  bool Find(Function* function, const char* name) {
    *function = handle_ ? reinterpret_cast<Function>(dlsym(handle_, name)) : nullptr;
    return *function != nullptr;
  }

  // The first thing that is missing, or ''.
  const std::string& missing() const {
    return missing_;
  }

 private:
  std::string file_;
  void* handle_;
  std::string missing_;
};

// () -> '' | what is missing. Loads when it is called first, in whichever thread.
template <std::string (*Load)()>
napi_value LoadOnce(napi_env env, napi_callback_info) {
  static std::once_flag once;
  static std::string missing;
  std::call_once(once, [] { missing = Load(); });
  return Napi::String::New(env, missing);
}

}  // namespace dreg

#endif  // DREG_MPI_NATIVE_LIBRARY_H_
