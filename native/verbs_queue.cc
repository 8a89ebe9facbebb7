// SPDX-License-Identifier: MIT
// Queue pairs of an RDMA device: made, moved through their states, posted to, and their
// completions. verbsPost and verbsPoll are on the path of each packet: both take their arguments
// from mapped memory, and make no system call but what the device's doorbell may be.
#include "verbs.h"

#ifdef DREG_MPI_VERBS

#include <algorithm>

namespace dreg {

// Whether a cast to a 32-bit word, or to an address, has a meaning; not so of what is no number.
static bool IsWord(double number) {
  return number >= INT32_MIN && number <= UINT32_MAX;
}
static bool IsAddress(double number) {
  return number >= 0 && number <= static_cast<double>(kExact);
}

// verbsReceiveQueue(device, area, slotBytes, slots) -> 0 | -errno.
static napi_value MakeReceiveQueue(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  VerbsArea* area = call.device ? call.device->areas.Get(call.Number(1)) : nullptr;
  if (!area) return call.Answer(-EBADF);
  auto slot_bytes = call.Whole(2, 1, UINT32_MAX), slots = call.Whole(3, 1, UINT32_MAX);
  if (call.device->srq || !slot_bytes || !slots ||
      static_cast<uint64_t>(*slots) > area->memory->length / static_cast<uint64_t>(*slot_bytes))
    return call.Answer(-EINVAL);
  ibv_srq_init_attr attributes = {};
  attributes.attr.max_wr = static_cast<uint32_t>(*slots);
  attributes.attr.max_sge = 1;
  call.device->srq = verbs_library.create_srq(call.device->pd, &attributes);
  if (!call.device->srq) return call.AnswerError(-1);
  call.device->slots = area;
  call.device->slot_bytes = static_cast<double>(*slot_bytes);
  return call.Answer(0);
}

int PostVerbsReceives(VerbsDevice* device) {
  VerbsMailbox* mailbox = MailboxOf(device);
  constexpr int kMost = sizeof mailbox->receives / sizeof *mailbox->receives;
  int count = std::min(mailbox->receive_count, kMost);
  int done = 0, error = 0;
  for (; done < count && error == 0; done++) {
    double offset = mailbox->receives[done] * device->slot_bytes;
    const ibv_mr* mr = device->slots ? device->slots->Find(offset, device->slot_bytes) : nullptr;
    // What names no slot is forgotten.
    if (!mr) continue;
    ibv_sge piece = {
        reinterpret_cast<uintptr_t>(device->slots->memory->data) + static_cast<uint64_t>(offset),
        static_cast<uint32_t>(device->slot_bytes), mr->lkey};
    ibv_recv_wr request = {};
    request.wr_id = static_cast<uint32_t>(mailbox->receives[done]);
    request.sg_list = &piece;
    request.num_sge = 1;
    ibv_recv_wr* bad = nullptr;
    error = ibv_post_srq_recv(device->srq, &request, &bad);
    if (error != 0) break;
  }
  if (done > 0)
    memmove(mailbox->receives, mailbox->receives + done,
            static_cast<size_t>(count - done) * sizeof *mailbox->receives);
  mailbox->receive_count = count - done;
  return error;
}

// verbsPostReceives(device) -> 0 | -errno.
static napi_value PostReceives(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  if (!call.device || !call.device->srq) return call.Answer(-EBADF);
  return call.AnswerError(PostVerbsReceives(call.device));
}

// verbsQueue(device, kind, sendDepth, receiveDepth, inlineBytes, tag, got) -> queue | -errno.
static napi_value MakeQueue(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  auto* got = ArrayOf<int32_t>(env, call.arguments[6], 3);
  if (!call.device || !got) return call.Answer(-EBADF);
  for (size_t i = 1; i <= 5; i++)
    if (!call.Whole(i, 0, INT32_MAX)) return call.Answer(-EINVAL);
  bool datagram = call.Number(1) != 0;
  if (!datagram && !call.device->srq) return call.Answer(-EINVAL);
  ibv_qp_init_attr attributes = {};
  attributes.qp_context = reinterpret_cast<void*>(static_cast<uintptr_t>(call.Number(5)));
  attributes.send_cq = call.device->cq;
  attributes.recv_cq = call.device->cq;
  attributes.srq = datagram ? nullptr : call.device->srq;
  attributes.qp_type = datagram ? IBV_QPT_UD : IBV_QPT_RC;
  attributes.cap.max_send_wr = static_cast<uint32_t>(call.Number(2));
  attributes.cap.max_recv_wr = static_cast<uint32_t>(call.Number(3));
  attributes.cap.max_inline_data = static_cast<uint32_t>(call.Number(4));
  attributes.cap.max_send_sge = 1;
  attributes.cap.max_recv_sge = 1;
  auto queue = std::make_unique<VerbsQueue>();
  queue->datagram = datagram;
  errno = EINVAL;
  queue->qp = verbs_library.create_qp(call.device->pd, &attributes);
  if (!queue->qp) return call.AnswerError(-1);
  got[0] = static_cast<int32_t>(queue->qp->qp_num);
  got[1] = static_cast<int32_t>(attributes.cap.max_send_wr);
  got[2] = static_cast<int32_t>(attributes.cap.max_inline_data);
  return call.Answer(call.device->queues.Add(std::move(queue)));
}

// verbsQueueClose(device, queue) -> 0 | -errno.
static napi_value CloseQueue(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  auto queue = call.device ? call.device->queues.Take(call.Number(1)) : nullptr;
  if (!queue) return call.Answer(-EBADF);
  ibv_qp* qp = queue->qp;
  queue->qp = nullptr;
  return call.AnswerError(verbs_library.destroy_qp(qp));
}

// The order of ATTRIBUTE in verbs.ts.
struct Attributes {
  int32_t state, access, port, qkey, mtu, timeout, retries, rnr_retries, receive_psn, send_psn,
      reads_out, reads_in, rnr_timer, remote_queue, lid, global, gid_index, hop_limit,
      service_level, traffic_class;
};

static ibv_ah_attr PathOf(const Attributes& from, const uint8_t* gid) {
  ibv_ah_attr path = {};
  path.dlid = static_cast<uint16_t>(from.lid);
  path.sl = static_cast<uint8_t>(from.service_level);
  path.port_num = static_cast<uint8_t>(from.port);
  path.is_global = from.global ? 1 : 0;
  path.grh.sgid_index = static_cast<uint8_t>(from.gid_index);
  path.grh.hop_limit = static_cast<uint8_t>(from.hop_limit);
  path.grh.traffic_class = static_cast<uint8_t>(from.traffic_class);
  memcpy(path.grh.dgid.raw, gid, sizeof path.grh.dgid.raw);
  return path;
}

// verbsModify(device, queue, mask, attributes, gid) -> 0 | -errno.
static napi_value Modify(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  VerbsQueue* queue = call.device ? call.device->queues.Get(call.Number(1)) : nullptr;
  if (!queue) return call.Answer(-EBADF);
  auto mask = call.Whole(2, 0, INT_MAX);
  auto* from = ArrayOf<Attributes>(env, call.arguments[3], 1);
  uint8_t* gid = RangeOf(env, call.arguments[4], 0, sizeof(ibv_gid));
  if (!from || !gid || !mask) return call.Answer(-EINVAL);
  ibv_qp_attr to = {};
  to.qp_state = static_cast<ibv_qp_state>(from->state);
  to.qp_access_flags = static_cast<unsigned>(from->access);
  to.port_num = static_cast<uint8_t>(from->port);
  to.qkey = static_cast<uint32_t>(from->qkey);
  to.path_mtu = static_cast<ibv_mtu>(from->mtu);
  to.timeout = static_cast<uint8_t>(from->timeout);
  to.retry_cnt = static_cast<uint8_t>(from->retries);
  to.rnr_retry = static_cast<uint8_t>(from->rnr_retries);
  to.rq_psn = static_cast<uint32_t>(from->receive_psn);
  to.sq_psn = static_cast<uint32_t>(from->send_psn);
  to.max_rd_atomic = static_cast<uint8_t>(from->reads_out);
  to.max_dest_rd_atomic = static_cast<uint8_t>(from->reads_in);
  to.min_rnr_timer = static_cast<uint8_t>(from->rnr_timer);
  to.dest_qp_num = static_cast<uint32_t>(from->remote_queue);
  to.ah_attr = PathOf(*from, gid);
  return call.AnswerError(verbs_library.modify_qp(queue->qp, &to, static_cast<int>(*mask)));
}

// verbsAddress(device, attributes, gid) -> address | -errno.
static napi_value MakeAddress(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  auto* from = ArrayOf<Attributes>(env, call.arguments[1], 1);
  uint8_t* gid = RangeOf(env, call.arguments[2], 0, sizeof(ibv_gid));
  if (!call.device || !from || !gid) return call.Answer(-EBADF);
  ibv_ah_attr path = PathOf(*from, gid);
  auto address = std::make_unique<VerbsAddress>();
  errno = EINVAL;
  address->ah = verbs_library.create_ah(call.device->pd, &path);
  if (!address->ah) return call.AnswerError(-1);
  return call.Answer(call.device->addresses.Add(std::move(address)));
}

static napi_value CloseAddress(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  if (!call.device) return call.Answer(-EBADF);
  return call.Answer(call.device->addresses.Take(call.Number(1)) ? 0 : -EBADF);
}

static uint64_t IdOf(double low, double high) {
  return static_cast<uint64_t>(static_cast<uint32_t>(static_cast<int64_t>(high))) << 32 |
         static_cast<uint32_t>(static_cast<int64_t>(low));
}

// verbsPostDatagramReceive(device, queue, area, offset, length, idLow, idHigh) -> 0 | -errno.
static napi_value PostDatagramReceive(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  VerbsQueue* queue = call.device ? call.device->queues.Get(call.Number(1)) : nullptr;
  VerbsArea* area = call.device ? call.device->areas.Get(call.Number(2)) : nullptr;
  if (!queue || !queue->datagram || !area) return call.Answer(-EBADF);
  double offset = call.Number(3), length = call.Number(4);
  const ibv_mr* mr = area->Find(offset, length);
  if (!mr || !IsWord(length) || !IsWord(call.Number(5)) || !IsWord(call.Number(6)))
    return call.Answer(-EINVAL);
  ibv_sge piece = {reinterpret_cast<uintptr_t>(area->memory->data) + static_cast<uint64_t>(offset),
                   static_cast<uint32_t>(length), mr->lkey};
  ibv_recv_wr request = {};
  request.wr_id = IdOf(call.Number(5), call.Number(6));
  request.sg_list = &piece;
  request.num_sge = 1;
  ibv_recv_wr* bad = nullptr;
  return call.AnswerError(ibv_post_recv(queue->qp, &request, &bad));
}

// The order of REQUEST in verbs.ts.
struct Request {
  double opcode, flags, id_low, id_high, area, region, offset, length, remote, remote_key, address,
      remote_queue, remote_qkey;
};

// The memory of a request: 0 or an errno. Every pointer is checked against what is registered.
static int MemoryOf(const VerbsDevice* device, const Request& from, ibv_sge* piece) {
  if (!(from.length >= 0 && from.length <= INT32_MAX)) return EINVAL;
  piece->length = static_cast<uint32_t>(from.length);
  if (from.area >= 0) {
    const VerbsArea* area = device->areas.Get(from.area);
    const ibv_mr* mr = area ? area->Find(from.offset, from.length) : nullptr;
    if (!mr) return EFAULT;
    piece->addr =
        reinterpret_cast<uintptr_t>(area->memory->data) + static_cast<uint64_t>(from.offset);
    piece->lkey = mr->lkey;
    return 0;
  }
  if (from.region < 0) return from.length == 0 ? 0 : EFAULT;
  const VerbsRegion* region = device->regions.Get(from.region);
  if (!region || !IsAddress(from.offset)) return EFAULT;
  auto start = static_cast<uint64_t>(from.offset);
  auto first = reinterpret_cast<uintptr_t>(region->mr->addr);
  if (start < first || start + piece->length > first + region->mr->length) return EFAULT;
  piece->addr = start;
  piece->lkey = region->mr->lkey;
  return 0;
}

static int PostOn(const VerbsDevice* device, const VerbsQueue* queue, const Request& from) {
  ibv_sge piece = {};
  ibv_send_wr request = {};
  int error = MemoryOf(device, from, &piece);
  if (error != 0) return error;
  for (double word : {from.opcode, from.flags, from.id_low, from.id_high, from.remote_key,
                      from.remote_queue, from.remote_qkey})
    if (!IsWord(word)) return EINVAL;
  request.wr_id = IdOf(from.id_low, from.id_high);
  request.sg_list = &piece;
  auto opcode = static_cast<int>(from.opcode);
  request.num_sge = piece.length == 0 ? 0 : 1;
  request.send_flags = static_cast<unsigned>(from.flags) & 0xf;
  if (queue->datagram) {
    const VerbsAddress* address = device->addresses.Get(from.address);
    if (opcode != IBV_WR_SEND || !address) return EINVAL;
    request.wr.ud.ah = address->ah;
    request.wr.ud.remote_qpn = static_cast<uint32_t>(from.remote_queue);
    request.wr.ud.remote_qkey = static_cast<uint32_t>(from.remote_qkey);
  } else if (opcode == IBV_WR_RDMA_READ || opcode == IBV_WR_RDMA_WRITE) {
    if (!IsAddress(from.remote)) return EFAULT;
    request.wr.rdma.remote_addr = static_cast<uint64_t>(from.remote);
    request.wr.rdma.rkey = static_cast<uint32_t>(from.remote_key);
  } else if (opcode != IBV_WR_SEND) {
    return EINVAL;
  }
  request.opcode = static_cast<ibv_wr_opcode>(opcode);
  ibv_send_wr* bad = nullptr;
  return ibv_post_send(queue->qp, &request, &bad);
}

// verbsPost(device, queue) -> 0 | -errno.
static napi_value Post(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  const VerbsQueue* queue = call.device ? call.device->queues.Get(call.Number(1)) : nullptr;
  if (!queue) return call.Answer(-EBADF);
  const auto* request = reinterpret_cast<const Request*>(MailboxOf(call.device)->request);
  return call.AnswerError(PostOn(call.device, queue, *request));
}

// verbsPoll(device, looks) -> completions | -errno. A call costs as much as some looks.
static napi_value Poll(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  if (!call.device) return call.Answer(-EBADF);
  VerbsMailbox* mailbox = MailboxOf(call.device);
  // A device that takes them no more is told of by what it completes.
  if (mailbox->receive_count > 0 && call.device->srq) PostVerbsReceives(call.device);
  constexpr int kMost = sizeof mailbox->completions / sizeof *mailbox->completions;
  ibv_wc completions[kMost];
  constexpr double kLooksMost = 1000;
  double looks = std::min(call.Number(1), kLooksMost);
  int count = 0;
  do count = ibv_poll_cq(call.device->cq, kMost, completions);
  while (count == 0 && --looks > 0);
  if (count < 0) return call.Answer(-EIO);
  for (int i = 0; i < count; i++) {
    const ibv_wc& from = completions[i];
    int32_t* to = mailbox->completions[i];
    to[0] = static_cast<int32_t>(from.wr_id);
    to[1] = static_cast<int32_t>(from.wr_id >> 32);
    to[2] = from.status;
    to[3] = from.opcode;
    to[4] = static_cast<int32_t>(from.byte_len);
    to[5] = static_cast<int32_t>(from.qp_num);
    to[6] = static_cast<int32_t>(from.src_qp);
    to[7] = static_cast<int32_t>(from.vendor_err);
  }
  return call.Answer(count);
}

void InitVerbsQueues(Napi::Env env, Napi::Object exports, VerbsEnvironment* environment) {
  static constexpr VerbsFunction kFunctions[] = {
      {"verbsReceiveQueue", MakeReceiveQueue},
      {"verbsPostReceives", PostReceives},
      {"verbsQueue", MakeQueue},
      {"verbsQueueClose", CloseQueue},
      {"verbsModify", Modify},
      {"verbsAddress", MakeAddress},
      {"verbsAddressClose", CloseAddress},
      {"verbsPostDatagramReceive", PostDatagramReceive},
      {"verbsPost", Post},
      {"verbsPoll", Poll},
  };
  SetVerbsFunctions(env, exports, environment, kFunctions);
}

}  // namespace dreg

#endif
