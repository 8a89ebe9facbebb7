// SPDX-License-Identifier: MIT
// RDMA devices by libibverbs: the library, loaded at run time, and what a device has beside its
// queue pairs (verbs_queue.cc) and memory (verbs_memory.cc): port, completion channel, events.
#include "verbs.h"

#ifndef DREG_MPI_VERBS

namespace dreg {

void InitVerbs(Napi::Env env, Napi::Object exports) {
  exports.Set("verbsLoad", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return Napi::String::New(
                    info.Env(),
                    "the addon was built without RDMA verbs; install libibverbs-dev "
                    "(rdma-core-devel), then run \"npm run build:native\"");
              }));
}

}  // namespace dreg

#else

#include <fcntl.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "library.h"

namespace dreg {

VerbsLibrary verbs_library;

// What is missing, or ''.
static std::string LoadVerbs() {
  VerbsLibrary& functions = verbs_library;
  Library library("libibverbs.so.1", "install libibverbs1 and ibverbs-providers (rdma-core)");
#define DREG_VERBS_LOAD(name) library.Need(&functions.name, "ibv_" #name);
  DREG_VERBS_FUNCTIONS(DREG_VERBS_LOAD)
#undef DREG_VERBS_LOAD
  if (!library.missing().empty()) return library.missing();
  library.Find(&functions.reg_mr_iova2, "ibv_reg_mr_iova2");
  library.Find(&functions.is_fork_initialized, "ibv_is_fork_initialized");
  // Younger kernels copy pinned pages at fork; for the others the library has to keep them from
  // the child. That must be said before anything is registered.
  constexpr int kForkDisabled = 0;
  if (!functions.is_fork_initialized || functions.is_fork_initialized() == kForkDisabled) {
    setenv("RDMAV_HUGEPAGES_SAFE", "1", 0);
    functions.fork_init();
  }
  functions.loaded = true;
  return "";
}

// What names other things ends before them.
VerbsDevice::~VerbsDevice() {
  queues.Clear();
  addresses.Clear();
  if (srq) verbs_library.destroy_srq(srq);
  regions.Clear();
  areas.Clear();
  if (cq) verbs_library.destroy_cq(cq);
  if (channel) verbs_library.destroy_comp_channel(channel);
  if (pd) verbs_library.dealloc_pd(pd);
  if (context) verbs_library.close_device(context);
}

// verbsDevices() -> [{name, transport}] | -errno.
static napi_value Devices(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  if (!verbs_library.loaded) return call.Answer(-ENOSYS);
  int count = 0;
  ibv_device** list = verbs_library.get_device_list(&count);
  if (!list) return call.AnswerError(-1);
  Napi::Array answer = Napi::Array::New(env, count);
  for (int i = 0; i < count; i++) {
    Napi::Object device = Napi::Object::New(env);
    device.Set("name", verbs_library.get_device_name(list[i]));
    device.Set("transport", static_cast<double>(list[i]->transport_type));
    answer[i] = device;
  }
  verbs_library.free_device_list(list);
  return answer;
}

static int OpenByName(VerbsDevice* device, const std::string& name) {
  ibv_device** list = verbs_library.get_device_list(nullptr);
  if (!list) return -errno;
  int error = -ENODEV;
  for (ibv_device** entry = list; *entry; entry++) {
    if (name != verbs_library.get_device_name(*entry)) continue;
    errno = EIO;
    device->context = verbs_library.open_device(*entry);
    error = device->context ? 0 : -errno;
    break;
  }
  verbs_library.free_device_list(list);
  return error;
}

static int NonBlocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

// verbsOpen(name, entries) -> device | -errno.
static napi_value Open(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  auto entries = call.Whole(1, 1, INT_MAX);
  Napi::Value name(env, call.arguments[0]);
  if (!verbs_library.loaded) return call.Answer(-ENOSYS);
  if (!name.IsString() || !entries) return call.Answer(-EINVAL);
  auto device = std::make_unique<VerbsDevice>();
  int error = OpenByName(device.get(), name.As<Napi::String>().Utf8Value());
  if (error != 0) return call.Answer(error);
  errno = ENOMEM;
  device->mailbox = std::make_shared<AnonymousMemory>(kMailboxBytes, MAP_NORESERVE);
  bool made = device->mailbox->data && (device->pd = verbs_library.alloc_pd(device->context)) &&
              (device->channel = verbs_library.create_comp_channel(device->context)) &&
              (device->cq = verbs_library.create_cq(device->context, static_cast<int>(*entries),
                                                    nullptr, device->channel, 0)) &&
              NonBlocking(device->channel->fd) == 0 && NonBlocking(device->context->async_fd) == 0;
  if (!made) return call.Answer(-errno);
  return call.Answer(call.environment->devices.Add(std::move(device)));
}

// verbsClose(device) -> 0 | -EBADF.
static napi_value Close(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  return call.Answer(call.environment->devices.Take(call.Number(0)) ? 0 : -EBADF);
}

// verbsLimits(device, limits) -> 0 | -errno.
static napi_value Limits(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  double* limits = ArrayOf<double>(env, call.arguments[1], 10);
  if (!call.device || !limits) return call.Answer(-EBADF);
  ibv_device_attr attributes = {};
  int error = verbs_library.query_device(call.device->context, &attributes);
  if (error != 0) return call.AnswerError(error);
  limits[0] = attributes.max_mr;
  limits[1] = static_cast<double>(attributes.max_mr_size);
  limits[2] = attributes.max_qp;
  limits[3] = attributes.max_qp_wr;
  limits[4] = attributes.max_cqe;
  limits[5] = attributes.max_srq_wr;
  limits[6] = attributes.max_qp_init_rd_atom;
  limits[7] = attributes.max_qp_rd_atom;
  limits[8] = verbs_library.reg_mr_iova2 ? 1 : 0;
  limits[9] = attributes.phys_port_cnt;
  return call.Answer(0);
}

// The header's own way: it knows whether the library is younger than the device's provider.
static int QueryPort(ibv_context* context, uint8_t port, ibv_port_attr* attributes) {
  verbs_context* extended = verbs_get_ctx_op(context, query_port);
  if (extended) return extended->query_port(context, port, attributes, sizeof *attributes);
  return verbs_library.query_port(context, port,
                                  reinterpret_cast<_compat_ibv_port_attr*>(attributes));
}

// verbsPort(device, port, state) -> 0 | -errno.
static napi_value Port(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  auto port = call.Whole(1, 1, UINT8_MAX);
  int32_t* state = ArrayOf<int32_t>(env, call.arguments[2], 5);
  if (!call.device || !state) return call.Answer(-EBADF);
  if (!port) return call.Answer(-EINVAL);
  ibv_port_attr attributes = {};
  int error = QueryPort(call.device->context, static_cast<uint8_t>(*port), &attributes);
  if (error != 0) return call.AnswerError(error);
  state[0] = attributes.state;
  state[1] = 128 << attributes.active_mtu;
  state[2] = attributes.lid;
  state[3] = attributes.link_layer;
  state[4] = static_cast<int32_t>(std::min<uint32_t>(attributes.max_msg_sz, INT32_MAX));
  return call.Answer(0);
}

// verbsMailbox(device) -> ArrayBuffer | -errno.
static napi_value MailboxBuffer(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  if (!call.device) return call.Answer(-EBADF);
  const auto& mailbox = call.device->mailbox;
  return BufferOver(env, mailbox->data, mailbox->length, mailbox);
}

static napi_value WakeFd(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  return call.Answer(call.device ? call.device->channel->fd : -EBADF);
}

static napi_value AsyncFd(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  return call.Answer(call.device ? call.device->context->async_fd : -EBADF);
}

// verbsResize(device, entries) -> 0 | -errno.
static napi_value Resize(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  auto entries = call.Whole(1, 1, INT_MAX);
  if (!call.device) return call.Answer(-EBADF);
  if (!entries) return call.Answer(-EINVAL);
  return call.AnswerError(verbs_library.resize_cq(call.device->cq, static_cast<int>(*entries)));
}

// verbsArm(device) -> 0 | -errno.
static napi_value Arm(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  if (!call.device) return call.Answer(-EBADF);
  return call.AnswerError(ibv_req_notify_cq(call.device->cq, 0));
}

// verbsDisarm(device) -> events taken | -EBADF.
static napi_value Disarm(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  if (!call.device) return call.Answer(-EBADF);
  int count = 0;
  ibv_cq* cq = nullptr;
  void* context = nullptr;
  while (verbs_library.get_cq_event(call.device->channel, &cq, &context) == 0) {
    verbs_library.ack_cq_events(cq, 1);
    count++;
  }
  return call.Answer(count);
}

static bool IsOfQueue(ibv_event_type type) {
  switch (type) {
    case IBV_EVENT_QP_FATAL:
    case IBV_EVENT_QP_REQ_ERR:
    case IBV_EVENT_QP_ACCESS_ERR:
    case IBV_EVENT_COMM_EST:
    case IBV_EVENT_SQ_DRAINED:
    case IBV_EVENT_PATH_MIG:
    case IBV_EVENT_PATH_MIG_ERR:
    case IBV_EVENT_QP_LAST_WQE_REACHED:
      return true;
    default:
      return false;
  }
}

// verbsEvent(device, event) -> 1, 0 or -errno.
static napi_value Event(napi_env env, napi_callback_info info) {
  VerbsCall call(env, info);
  int32_t* words = ArrayOf<int32_t>(env, call.arguments[1], 2);
  if (!call.device || !words) return call.Answer(-EBADF);
  ibv_async_event event = {};
  errno = EAGAIN;
  if (verbs_library.get_async_event(call.device->context, &event) != 0)
    return errno == EAGAIN || errno == EINTR ? call.Answer(0) : call.AnswerError(-1);
  words[0] = event.event_type;
  words[1] = -1;
  if (IsOfQueue(event.event_type))
    words[1] = static_cast<int32_t>(reinterpret_cast<uintptr_t>(event.element.qp->qp_context));
  verbs_library.ack_async_event(&event);
  return call.Answer(1);
}

void InitVerbs(Napi::Env env, Napi::Object exports) {
  auto* environment = new VerbsEnvironment;
  napi_add_env_cleanup_hook(
      env, [](void* data) { delete static_cast<VerbsEnvironment*>(data); }, environment);
  static constexpr VerbsFunction kFunctions[] = {
      {"verbsLoad", LoadOnce<LoadVerbs>},
      {"verbsDevices", Devices},
      {"verbsOpen", Open},
      {"verbsClose", Close},
      {"verbsLimits", Limits},
      {"verbsPort", Port},
      {"verbsMailbox", MailboxBuffer},
      {"verbsWakeFd", WakeFd},
      {"verbsAsyncFd", AsyncFd},
      {"verbsResize", Resize},
      {"verbsArm", Arm},
      {"verbsDisarm", Disarm},
      {"verbsEvent", Event},
  };
  SetVerbsFunctions(env, exports, environment, kFunctions);
  InitVerbsMemory(env, exports, environment);
  InitVerbsQueues(env, exports, environment);
}

}  // namespace dreg

#endif
