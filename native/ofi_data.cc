// SPDX-License-Identifier: MIT
// Packets over a libfabric endpoint, operations on memory, and their completions.
#include "ofi.h"

#ifdef DREG_MPI_OFI

#include <sys/mman.h>

namespace dreg {

static bool Fits(const OfiArea* area, double offset, double length) {
  return offset >= 0 && length >= 0 && offset + length <= static_cast<double>(area->memory->length);
}

static bool NeedsRegistration(const OfiEndpoint* endpoint) {
  return (endpoint->info->domain_attr->mr_mode & FI_MR_LOCAL) != 0;
}

// 0 or -errno. The key is the provider's own where it chooses keys.
static int RegisterMemory(OfiEndpoint* endpoint, OfiRegion* region, void* start, size_t length,
                          uint64_t access, uint64_t key) {
  int error = fi_mr_reg(endpoint->domain, start, length, access, 0, key, 0, &region->mr, nullptr);
  if (error != 0 || !(endpoint->info->domain_attr->mr_mode & FI_MR_ENDPOINT)) return error;
  error = fi_mr_bind(region->mr, &endpoint->ep->fid, 0);
  return error != 0 ? error : fi_mr_enable(region->mr);
}

static void* DescriptorOf(const OfiRegion& region) {
  return region.mr ? fi_mr_desc(region.mr) : nullptr;
}

// ofiArea(endpoint, bytes) -> [area, ArrayBuffer] | -errno.
static napi_value MakeArea(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  auto bytes = call.Whole(1, 1);
  if (!call.endpoint) return call.Answer(-EBADF);
  if (!bytes) return call.Answer(-EINVAL);
  auto area = std::make_unique<OfiArea>();
  area->memory = std::make_shared<AnonymousMemory>(static_cast<size_t>(*bytes), MAP_NORESERVE);
  if (!area->memory->data) return call.Answer(-ENOMEM);
  if (NeedsRegistration(call.endpoint)) {
    int error = RegisterMemory(call.endpoint, &area->region, area->memory->data,
                               area->memory->length, FI_SEND | FI_RECV, 0);
    if (error != 0) return call.AnswerOf(error);
  }
  Napi::Value buffer = BufferOver(env, area->memory->data, area->memory->length, area->memory);
  if (!buffer.IsArrayBuffer()) return buffer;
  Napi::Array answer = Napi::Array::New(env, 2);
  answer[0u] = Napi::Number::New(env, call.endpoint->areas.Add(std::move(area)));
  answer[1u] = buffer;
  return answer;
}

// ofiReceives(endpoint, area, bytes of a buffer) -> 0 | -errno: where packets arrive.
static napi_value SetReceives(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  OfiArea* area = call.endpoint ? call.endpoint->areas.Get(call.Number(1)) : nullptr;
  auto bytes = call.Whole(2, 1, INT_MAX);
  if (!area || call.endpoint->receives) return call.Answer(-EBADF);
  if (!bytes || area->memory->length / static_cast<size_t>(*bytes) > kOfiBuffers)
    return call.Answer(-EINVAL);
  call.endpoint->receives = area;
  call.endpoint->buffer_bytes = static_cast<size_t>(*bytes);
  return call.Answer(0);
}

// ofiPostBuffer(endpoint, buffer) -> 0 | -errno.
static napi_value PostBuffer(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  if (!call.endpoint || !call.endpoint->receives) return call.Answer(-EBADF);
  const OfiArea& area = *call.endpoint->receives;
  size_t bytes = call.endpoint->buffer_bytes;
  auto buffer = call.Whole(1, 0, kOfiBuffers - 1);
  if (!buffer || static_cast<size_t>(*buffer + 1) * bytes > area.memory->length)
    return call.Answer(-EINVAL);
  iovec place = {area.memory->data + static_cast<size_t>(*buffer) * bytes, bytes};
  void* descriptor = DescriptorOf(area.region);
  fi_msg message = {};
  message.msg_iov = &place;
  message.desc = &descriptor;
  message.iov_count = 1;
  message.addr = FI_ADDR_UNSPEC;
  message.context = &call.endpoint->buffers[static_cast<size_t>(*buffer)];
  return call.AnswerOf(fi_recvmsg(call.endpoint->ep, &message, FI_MULTI_RECV));
}

// ofiSend(endpoint, peer, area, offset, length, operation; -1: the memory is free at once,
// whether its end is told when the peer has it) -> 0 | -errno.
static napi_value Send(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  OfiArea* area = call.endpoint ? call.endpoint->areas.Get(call.Number(2)) : nullptr;
  if (!area) return call.Answer(-EBADF);
  double peer = call.Number(1), offset = call.Number(3), length = call.Number(4);
  auto operation = call.Whole(5, -1, kOfiOperations - 1);
  bool known = peer >= 0 && peer < static_cast<double>(call.endpoint->peers.size());
  if (!known || !operation || !Fits(area, offset, length)) return call.Answer(-EINVAL);
  fi_addr_t address = call.endpoint->peers[static_cast<size_t>(peer)];
  const uint8_t* from = area->memory->data + static_cast<size_t>(offset);
  auto bytes = static_cast<size_t>(length);
  if (*operation < 0) {
    if (bytes > call.endpoint->info->tx_attr->inject_size) return call.Answer(-EMSGSIZE);
    return call.AnswerOf(fi_inject(call.endpoint->ep, from, bytes, address));
  }
  void* context = &call.endpoint->operations[static_cast<size_t>(*operation)];
  void* descriptor = DescriptorOf(area->region);
  if (call.Number(6) <= 0)
    return call.AnswerOf(fi_send(call.endpoint->ep, from, bytes, descriptor, address, context));
  iovec place = {const_cast<uint8_t*>(from), bytes};
  fi_msg message = {&place, &descriptor, 1, address, context, 0};
  return call.AnswerOf(
      fi_sendmsg(call.endpoint->ep, &message, FI_DELIVERY_COMPLETE | FI_COMPLETION));
}

// ofiRegister(endpoint, address, length, access: 1 writable by us, 2 and 4 by and for peers,
// low and high half of the key) -> region | -errno.
static napi_value Register(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  auto address = call.Whole(1, 1), length = call.Whole(2, 1), access = call.Whole(3, 0, 7);
  auto low = call.Whole(4, 0, UINT32_MAX), high = call.Whole(5, 0, UINT32_MAX);
  if (!call.endpoint) return call.Answer(-EBADF);
  if (!address || !length || !access || !low || !high) return call.Answer(-EINVAL);
  auto region = std::make_unique<OfiRegion>();
  region->start = static_cast<uint64_t>(*address);
  region->length = static_cast<uint64_t>(*length);
  uint64_t rights = FI_SEND | FI_WRITE | (*access & 1 ? FI_RECV | FI_READ : 0) |
                    (*access & 2 ? FI_REMOTE_WRITE : 0) | (*access & 4 ? FI_REMOTE_READ : 0);
  bool remote = (*access & 6) != 0;
  if (remote || NeedsRegistration(call.endpoint)) {
    int error = RegisterMemory(call.endpoint, region.get(), reinterpret_cast<void*>(*address),
                               region->length, rights,
                               static_cast<uint64_t>(*high) << 32 | static_cast<uint64_t>(*low));
    if (error != 0) return call.AnswerOf(error);
  }
  return call.Answer(call.endpoint->regions.Add(std::move(region)));
}

static napi_value Deregister(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  auto region = call.endpoint ? call.endpoint->regions.Take(call.Number(1)) : nullptr;
  return call.Answer(region ? 0 : -EBADF);
}

// ofiKey(endpoint, region, halves) -> 0 | -errno: under which key peers reach it.
static napi_value Key(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  OfiRegion* region = call.endpoint ? call.endpoint->regions.Get(call.Number(1)) : nullptr;
  auto* halves = ArrayOf<uint32_t>(env, call.arguments[2], 2);
  if (!region || !region->mr || !halves) return call.Answer(-EBADF);
  uint64_t key = fi_mr_key(region->mr);
  halves[0] = static_cast<uint32_t>(key);
  halves[1] = static_cast<uint32_t>(key >> 32);
  return call.Answer(0);
}

// The order of REQUEST in ofi.ts.
struct Request {
  double write, peer, region, address, length, remote, key_low, key_high, operation;
};

// ofiRma(endpoint, request) -> 0 | -errno: fi_read, or fi_write that ends when its bytes are
// there.
static napi_value Rma(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  auto* from = ArrayOf<Request>(env, call.arguments[1], 1);
  if (!call.endpoint || !from) return call.Answer(-EBADF);
  OfiEndpoint& endpoint = *call.endpoint;
  const OfiRegion* region = endpoint.regions.Get(from->region);
  auto within = [](double value, double most) { return value >= 0 && value <= most; };
  constexpr double kMost = static_cast<double>(kExact);
  bool sane = region && within(from->peer, static_cast<double>(endpoint.peers.size()) - 1) &&
              within(from->address, kMost) && within(from->length, kMost) &&
              within(from->remote, kMost) && within(from->key_low, UINT32_MAX) &&
              within(from->key_high, UINT32_MAX) &&
              within(from->operation, static_cast<double>(kOfiOperations) - 1);
  if (!sane) return call.Answer(-EINVAL);
  auto start = static_cast<uint64_t>(from->address), length = static_cast<uint64_t>(from->length);
  if (start < region->start || start + length > region->start + region->length)
    return call.Answer(-EFAULT);
  iovec place = {reinterpret_cast<void*>(start), length};
  void* descriptor = DescriptorOf(*region);
  fi_rma_iov remote = {
      static_cast<uint64_t>(from->remote), length,
      static_cast<uint64_t>(from->key_high) << 32 | static_cast<uint64_t>(from->key_low)};
  fi_msg_rma message = {};
  message.msg_iov = &place;
  message.desc = &descriptor;
  message.iov_count = 1;
  message.addr = endpoint.peers[static_cast<size_t>(from->peer)];
  message.rma_iov = &remote;
  message.rma_iov_count = 1;
  message.context = &endpoint.operations[static_cast<size_t>(from->operation)];
  return call.AnswerOf(
      from->write != 0 ? fi_writemsg(endpoint.ep, &message, FI_DELIVERY_COMPLETE | FI_COMPLETION)
                       : fi_readmsg(endpoint.ep, &message, FI_COMPLETION));
}

// Which operation or buffer a context is of: its number, and in `buffer` of which kind it is.
static int32_t NumberOfContext(const OfiEndpoint& endpoint, const void* context, bool* buffer) {
  auto* of = static_cast<const OfiContext*>(context);
  *buffer = of >= endpoint.buffers.get() && of < endpoint.buffers.get() + kOfiBuffers;
  if (*buffer) return static_cast<int32_t>(of - endpoint.buffers.get());
  if (of >= endpoint.operations.get() && of < endpoint.operations.get() + kOfiOperations)
    return static_cast<int32_t>(of - endpoint.operations.get());
  return -1;
}

static void Tell(const OfiEndpoint& endpoint, int32_t* to, const fi_cq_data_entry& from) {
  bool buffer = false;
  to[0] = NumberOfContext(endpoint, from.op_context, &buffer);
  to[1] = buffer;
  to[2] = 0;
  to[3] = (from.flags & FI_MULTI_RECV) != 0;
  to[4] = 0;
  to[5] = 0;
  // Some providers tell the end of a buffer by a completion of its own.
  if (!buffer || !(from.flags & FI_RECV)) return;
  to[4] = static_cast<int32_t>(from.len);
  to[5] = static_cast<int32_t>(static_cast<uint8_t*>(from.buf) - endpoint.receives->memory->data);
}

// One failed operation: 1, or -errno.
static int TellError(const OfiEndpoint& endpoint, int32_t* to) {
  fi_cq_err_entry error = {};
  ssize_t answer = fi_cq_readerr(endpoint.cq, &error, 0);
  if (answer < 0) return answer == -FI_EAGAIN ? 0 : static_cast<int>(answer);
  bool buffer = false;
  to[0] = NumberOfContext(endpoint, error.op_context, &buffer);
  to[1] = buffer;
  to[2] = error.err > 0 ? error.err : EIO;
  to[3] = buffer;
  to[4] = 0;
  to[5] = 0;
  return 1;
}

// ofiPoll(endpoint, looks) -> completions in the mailbox | -errno.
static napi_value Poll(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  if (!call.endpoint) return call.Answer(-EBADF);
  const OfiEndpoint& endpoint = *call.endpoint;
  auto* mailbox = reinterpret_cast<OfiMailbox*>(endpoint.mailbox->data);
  constexpr int kMost = sizeof mailbox->completions / sizeof *mailbox->completions;
  fi_cq_data_entry entries[kMost];
  constexpr double kLooksMost = 1000;
  double looks = std::min(call.Number(1), kLooksMost);
  ssize_t count = 0;
  do count = fi_cq_read(endpoint.cq, entries, kMost);
  while (count == -FI_EAGAIN && --looks > 0);
  if (count == -FI_EAVAIL) return call.AnswerOf(TellError(endpoint, mailbox->completions[0]));
  if (count == -FI_EAGAIN) return call.Answer(0);
  for (ssize_t i = 0; i < count; i++) Tell(endpoint, mailbox->completions[i], entries[i]);
  return call.AnswerOf(count);
}

void InitOfiData(Napi::Env env, Napi::Object exports, OfiEnvironment* environment) {
  static constexpr OfiFunction kFunctions[] = {
      {"ofiArea", MakeArea},
      {"ofiReceives", SetReceives},
      {"ofiPostBuffer", PostBuffer},
      {"ofiSend", Send},
      {"ofiRegister", Register},
      {"ofiDeregister", Deregister},
      {"ofiKey", Key},
      {"ofiRma", Rma},
      {"ofiPoll", Poll},
  };
  SetOfiFunctions(env, exports, environment, kFunctions);
}

}  // namespace dreg

#endif
