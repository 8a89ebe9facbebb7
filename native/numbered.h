// SPDX-License-Identifier: MIT
// What an environment (the main thread's or a worker's) has open, named by small numbers, and calls
// that name it so.
#ifndef DREG_MPI_NATIVE_NUMBERED_H_
#define DREG_MPI_NATIVE_NUMBERED_H_

#include <algorithm>
#include <memory>
#include <vector>

#include "util.h"

namespace dreg {

// Things named by small numbers. A number that names nothing gives null.
template <typename T>
class Numbered {
 public:
  int Add(std::unique_ptr<T> thing) {
    for (size_t i = first_free_; i < things_.size(); i++) {
      if (things_[i]) continue;
      things_[i] = std::move(thing);
      first_free_ = i + 1;
      return static_cast<int>(i);
    }
    things_.push_back(std::move(thing));
    first_free_ = things_.size();
    return static_cast<int>(things_.size() - 1);
  }
  T* Get(double number) const {
    // Also false for what is no number.
    if (!(number >= 0 && number < static_cast<double>(things_.size()))) return nullptr;
    return things_[static_cast<size_t>(number)].get();
  }
  std::unique_ptr<T> Take(double number) {
    if (!Get(number)) return nullptr;
    auto index = static_cast<size_t>(number);
    if (index < first_free_) first_free_ = index;
    return std::move(things_[index]);
  }
  void Clear() {
    things_.clear();
    first_free_ = 0;
  }

 private:
  std::vector<std::unique_ptr<T>> things_;
  size_t first_free_ = 0;
};

// A call's arguments. Raw Node-API: calls are on the path of each packet.
template <typename Environment>
struct NumberedCall {
  NumberedCall(napi_env the_env, napi_callback_info info) : env(the_env) {
    void* data = nullptr;
    napi_get_cb_info(env, info, &count, arguments, nullptr, &data);
    count = std::min(count, kMost);
    environment = static_cast<Environment*>(data);
  }
  double Number(size_t index) const {
    return index < count ? NumberOf(env, arguments[index], -1) : -1;
  }
  std::optional<int64_t> Whole(size_t index, int64_t least = 0, int64_t most = kExact) const {
    return index < count ? IntegerOf(env, arguments[index], least, most) : std::nullopt;
  }
  napi_value Answer(double value) const {
    napi_value result = nullptr;
    napi_create_double(env, value, &result);
    return result;
  }
  // 0, an errno, or -1 and errno: libibverbs tells errors in the one way, librdmacm in the other.
  napi_value AnswerError(int error) const {
    if (error == 0) return Answer(0);
    int reason = error > 0 ? error : errno;
    return Answer(-(reason != 0 ? reason : EIO));
  }

  static constexpr size_t kMost = 8;
  napi_env env;
  size_t count = kMost;
  napi_value arguments[kMost] = {};
  Environment* environment = nullptr;
};

}  // namespace dreg

#endif  // DREG_MPI_NATIVE_NUMBERED_H_
