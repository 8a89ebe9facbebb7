// SPDX-License-Identifier: MIT
// What the files of the verbs facility share: libibverbs as it was loaded, and what an environment
// has opened through it. Everything of an environment is closed when the environment ends.
#ifndef DREG_MPI_NATIVE_VERBS_H_
#define DREG_MPI_NATIVE_VERBS_H_

#include "util.h"

#if __has_include(<infiniband/verbs.h>)
#define DREG_MPI_VERBS 1
#include <infiniband/verbs.h>

#include <atomic>
#include <memory>
#include <vector>

#include "buffer.h"
#include "numbered.h"

namespace dreg {

// The library's functions that its header does not inline. It is not linked, so that the addon
// loads without it. clang-format does not come to rest on such a list.
// clang-format off
#define DREG_VERBS_FUNCTIONS(F) \
  F(get_device_list) F(free_device_list) F(get_device_name) F(open_device) F(close_device) \
  F(query_device) F(query_port) F(alloc_pd) F(dealloc_pd) F(create_comp_channel) \
  F(destroy_comp_channel) F(create_cq) F(resize_cq) F(destroy_cq) F(get_cq_event) \
  F(ack_cq_events) F(create_srq) F(destroy_srq) F(create_qp) F(modify_qp) F(destroy_qp) \
  F(reg_mr) F(dereg_mr) F(create_ah) F(destroy_ah) F(get_async_event) F(ack_async_event) \
  F(fork_init)
// clang-format on

struct VerbsLibrary {
#define DREG_VERBS_MEMBER(name) decltype(&ibv_##name) name = nullptr;
  DREG_VERBS_FUNCTIONS(DREG_VERBS_MEMBER)
#undef DREG_VERBS_MEMBER
  // Of younger libraries; null where it is not there.
  decltype(&ibv_reg_mr_iova2) reg_mr_iova2 = nullptr;
  int (*is_fork_initialized)() = nullptr;
  // Whether verbsLoad has answered ''; nothing else is valid before.
  std::atomic<bool> loaded{false};
};

extern VerbsLibrary verbs_library;

struct VerbsRegion {
  ibv_mr* mr = nullptr;
  ~VerbsRegion() {
    if (mr) verbs_library.dereg_mr(mr);
  }
};

struct VerbsArea {
  std::shared_ptr<AnonymousMemory> memory;
  std::vector<std::unique_ptr<VerbsRegion>> parts;
  // The registration of [offset, offset + length), or null.
  const ibv_mr* Find(double offset, double length) const;
};

struct VerbsQueue {
  ibv_qp* qp = nullptr;
  bool datagram = false;
  ~VerbsQueue() {
    if (qp) verbs_library.destroy_qp(qp);
  }
};

struct VerbsAddress {
  ibv_ah* ah = nullptr;
  ~VerbsAddress() {
    if (ah) verbs_library.destroy_ah(ah);
  }
};

struct VerbsDevice {
  ibv_context* context = nullptr;
  ibv_pd* pd = nullptr;
  ibv_comp_channel* channel = nullptr;
  ibv_cq* cq = nullptr;
  ibv_srq* srq = nullptr;
  std::shared_ptr<AnonymousMemory> mailbox;
  const VerbsArea* slots = nullptr;
  double slot_bytes = 0;
  Numbered<VerbsQueue> queues;
  Numbered<VerbsAddress> addresses;
  Numbered<VerbsArea> areas;
  Numbered<VerbsRegion> regions;
  ~VerbsDevice();
};

// What one environment (the main thread's or a worker's) has open.
struct VerbsEnvironment {
  Numbered<VerbsDevice> devices;
};

// The first argument names the device.
struct VerbsCall : NumberedCall<VerbsEnvironment> {
  VerbsCall(napi_env env, napi_callback_info info) : NumberedCall(env, info) {
    device = environment->devices.Get(Number(0));
  }

  VerbsDevice* device = nullptr;
};

// Layout of the mailbox, as in verbs.ts.
struct VerbsMailbox {
  double request[16];
  uint8_t unused[128];
  int32_t completions[64][8];
  uint8_t unused_too[1792];
  int32_t receive_count;
  int32_t receives[512];
};
static_assert(offsetof(VerbsMailbox, completions) == 256, "MAILBOX.completions");
static_assert(offsetof(VerbsMailbox, receive_count) == 4096, "MAILBOX.receiveCount");
constexpr size_t kMailboxBytes = 8192;
static_assert(sizeof(VerbsMailbox) <= kMailboxBytes, "MAILBOX.bytes");

inline VerbsMailbox* MailboxOf(VerbsDevice* device) {
  return reinterpret_cast<VerbsMailbox*>(device->mailbox->data);
}

// Posts the receives that the mailbox names: 0 or an errno; what was not posted stays named.
int PostVerbsReceives(VerbsDevice* device);

struct VerbsFunction {
  const char* name;
  napi_value (*call)(napi_env, napi_callback_info);
};

// Gives functions their names, and the environment as their data.
template <size_t kCount>
void SetVerbsFunctions(Napi::Env env, Napi::Object exports, VerbsEnvironment* environment,
                       const VerbsFunction (&functions)[kCount]) {
  for (const auto& [name, call] : functions) {
    napi_value function = nullptr;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, call, environment, &function) == napi_ok)
      exports.Set(name, Napi::Value(env, function));
  }
}

void InitVerbsMemory(Napi::Env env, Napi::Object exports, VerbsEnvironment* environment);
void InitVerbsQueues(Napi::Env env, Napi::Object exports, VerbsEnvironment* environment);

}  // namespace dreg
#endif

#endif  // DREG_MPI_NATIVE_VERBS_H_
