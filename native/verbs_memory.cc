// SPDX-License-Identifier: MIT
// Memory that an RDMA device reaches: areas of the addon's own, in which packets lie, and
// registrations of the program's memory.
#include "verbs.h"

#ifdef DREG_MPI_VERBS

#include <sys/mman.h>

namespace dreg {

const ibv_mr* VerbsArea::Find(double offset, double length) const {
  if (!(offset >= 0) || !(length >= 0)) return nullptr;
  for (const auto& part : parts) {
    double start = static_cast<double>(static_cast<uint8_t*>(part->mr->addr) - memory->data);
    if (offset >= start && offset + length <= start + static_cast<double>(part->mr->length))
      return part->mr;
  }
  return nullptr;
}

// verbsArea(device, bytes) -> [area, ArrayBuffer] | -errno.
static napi_value MakeArea(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  auto bytes = call.Whole(1, 1);
  if (!call.device) return call.Answer(-EBADF);
  if (!bytes) return call.Answer(-EINVAL);
  auto area = std::make_unique<VerbsArea>();
  area->memory = std::make_shared<AnonymousMemory>(static_cast<size_t>(*bytes), MAP_NORESERVE);
  if (!area->memory->data) return call.Answer(-ENOMEM);
  Napi::Value buffer = BufferOver(env, area->memory->data, area->memory->length, area->memory);
  if (!buffer.IsArrayBuffer()) return buffer;
  Napi::Array answer = Napi::Array::New(env, 2);
  answer[0u] = Napi::Number::New(env, call.device->areas.Add(std::move(area)));
  answer[1u] = buffer;
  return answer;
}

// verbsAreaRegister(device, area, offset, length) -> 0 | -errno.
static napi_value RegisterArea(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  VerbsArea* area = call.device ? call.device->areas.Get(call.Number(1)) : nullptr;
  if (!area) return call.Answer(-EBADF);
  double offset = call.Number(2), length = call.Number(3);
  bool inside =
      offset >= 0 && length > 0 && offset + length <= static_cast<double>(area->memory->length);
  if (!inside) return call.Answer(-EINVAL);
  auto part = std::make_unique<VerbsRegion>();
  part->mr = verbs_library.reg_mr(call.device->pd, area->memory->data + static_cast<size_t>(offset),
                                  static_cast<size_t>(length), IBV_ACCESS_LOCAL_WRITE);
  if (!part->mr) return call.AnswerError(-1);
  area->parts.push_back(std::move(part));
  return call.Answer(0);
}

// verbsAreaClose(device, area) -> 0 | -EBADF. Not that of the receive queue.
static napi_value CloseArea(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  VerbsArea* area = call.device ? call.device->areas.Get(call.Number(1)) : nullptr;
  if (!area) return call.Answer(-EBADF);
  if (area == call.device->slots) return call.Answer(-EBUSY);
  call.device->areas.Take(call.Number(1));
  return call.Answer(0);
}

// verbsRegister(device, address, length, access) -> region | -errno.
static napi_value Register(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  auto address = call.Whole(1, 1), length = call.Whole(2, 1), access = call.Whole(3, 0, UINT32_MAX);
  if (!call.device) return call.Answer(-EBADF);
  if (!address || !length || !access) return call.Answer(-EINVAL);
  constexpr unsigned kAllowed = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
                                IBV_ACCESS_REMOTE_READ | IBV_ACCESS_RELAXED_ORDERING;
  unsigned flags = static_cast<unsigned>(*access) & kAllowed;
  auto start = static_cast<uint64_t>(*address);
  auto bytes = static_cast<size_t>(*length);
  auto region = std::make_unique<VerbsRegion>();
  errno = EINVAL;
  region->mr = flags & IBV_ACCESS_OPTIONAL_RANGE && verbs_library.reg_mr_iova2
                   ? verbs_library.reg_mr_iova2(call.device->pd, reinterpret_cast<void*>(start),
                                                bytes, start, flags)
                   : verbs_library.reg_mr(call.device->pd, reinterpret_cast<void*>(start), bytes,
                                          static_cast<int>(flags & ~IBV_ACCESS_OPTIONAL_RANGE));
  if (!region->mr) return call.AnswerError(-1);
  return call.Answer(call.device->regions.Add(std::move(region)));
}

// verbsDeregister(device, region) -> 0 | -errno.
static napi_value Deregister(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  auto region = call.device ? call.device->regions.Take(call.Number(1)) : nullptr;
  if (!region) return call.Answer(-EBADF);
  ibv_mr* mr = region->mr;
  region->mr = nullptr;
  return call.AnswerError(verbs_library.dereg_mr(mr));
}

// verbsRemoteKey(device, region) -> rkey | -EBADF.
static napi_value RemoteKey(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  VerbsRegion* region = call.device ? call.device->regions.Get(call.Number(1)) : nullptr;
  return call.Answer(region ? static_cast<double>(region->mr->rkey) : -EBADF);
}

void InitVerbsMemory(Napi::Env env, Napi::Object exports, VerbsEnvironment* environment) {
  static constexpr VerbsFunction kFunctions[] = {
      {"verbsArea", MakeArea},         {"verbsAreaRegister", RegisterArea},
      {"verbsAreaClose", CloseArea},   {"verbsRegister", Register},
      {"verbsDeregister", Deregister}, {"verbsRemoteKey", RemoteKey},
  };
  SetVerbsFunctions(env, exports, environment, kFunctions);
}

}  // namespace dreg

#endif
