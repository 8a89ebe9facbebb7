// SPDX-License-Identifier: MIT
#include "util.h"

#include <algorithm>

namespace dreg {

Bytes BytesOf(napi_env env, napi_value value) {
  Bytes bytes;
  bool is = false;
  void* data = nullptr;
  size_t count = 0;
  // Of a type that Node-API does not know it may say nothing.
  auto type = static_cast<napi_typedarray_type>(-1);
  // The usual case, asked for at once; the call refuses what is no typed array.
  if (napi_get_typedarray_info(env, value, &type, &count, &data, nullptr, nullptr) == napi_ok) {
    static constexpr size_t kWidth[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
    if (static_cast<size_t>(type) >= sizeof kWidth / sizeof *kWidth) return bytes;
    bytes.length = count * kWidth[type];
  } else if (napi_is_arraybuffer(env, value, &is) == napi_ok && is) {
    if (napi_get_arraybuffer_info(env, value, &data, &bytes.length) != napi_ok) return Bytes();
  } else if (napi_is_dataview(env, value, &is) == napi_ok && is) {
    napi_value buffer;
    size_t offset;
    if (napi_get_dataview_info(env, value, &bytes.length, &data, &buffer, &offset) != napi_ok)
      return Bytes();
  } else {
    return bytes;
  }
  bytes.data = static_cast<uint8_t*>(data);
  return bytes;
}

uint8_t* RangeOf(napi_env env, napi_value value, double offset, double length) {
  Bytes bytes = BytesOf(env, value);
  if (!bytes.data || !(offset >= 0) || !(length >= 0)) return nullptr;
  if (offset + length > static_cast<double>(bytes.length)) return nullptr;
  return bytes.data + static_cast<size_t>(offset);
}

double NumberOf(napi_env env, napi_value value, double fallback) {
  double number = fallback;
  if (napi_get_value_double(env, value, &number) != napi_ok) return fallback;
  return number;
}

std::optional<int64_t> IntegerOf(napi_env env, napi_value value, int64_t least, int64_t most) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) return std::nullopt;
  // Also false for what is no number.
  if (!(number >= static_cast<double>(least) && number <= static_cast<double>(most)))
    return std::nullopt;
  auto whole = static_cast<int64_t>(number);
  if (static_cast<double>(whole) != number) return std::nullopt;
  return whole;
}

double MillisecondsOf(napi_env env, napi_value value) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) return -1;
  // Negative is a deadline that has passed. Also false for what is no number:
  return number <= kWaitMost ? std::max(number, 0.0) : -1;
}

timespec TimeOf(double milliseconds) {
  timespec time;
  time.tv_sec = static_cast<time_t>(milliseconds / 1e3);
  time.tv_nsec = static_cast<long>((milliseconds - static_cast<double>(time.tv_sec) * 1e3) * 1e6);
  return time;
}

bool BooleanOf(napi_env env, napi_value value) {
  bool is = false;
  return napi_get_value_bool(env, value, &is) == napi_ok && is;
}

}  // namespace dreg
