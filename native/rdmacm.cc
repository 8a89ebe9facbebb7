// SPDX-License-Identifier: MIT
// Connections by librdmacm, loaded at run time: how queue pairs of iWARP find each other. A queue
// pair stays its device's (verbs.cc); here it has a number only, by which the kernel finds it.
#include "verbs.h"

#if defined(DREG_MPI_VERBS) && __has_include(<rdma/rdma_cma.h>)
#define DREG_MPI_RDMACM 1
#endif

#ifndef DREG_MPI_RDMACM

namespace dreg {

void InitRdmacm(Napi::Env env, Napi::Object exports) {
  exports.Set("rdmacmLoad", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return Napi::String::New(
                    info.Env(),
                    "the addon was built without librdmacm; install librdmacm-dev "
                    "(rdma-core-devel), then run \"npm run build:native\"");
              }));
}

}  // namespace dreg

#else

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <rdma/rdma_cma.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include "library.h"

namespace dreg {

// clang-format off
#define DREG_RDMACM_FUNCTIONS(F) \
  F(create_event_channel) F(destroy_event_channel) F(create_id) F(destroy_id) F(bind_addr) \
  F(listen) F(resolve_addr) F(resolve_route) F(connect) F(accept) F(reject) F(get_cm_event) \
  F(ack_cm_event)
// clang-format on

struct RdmacmLibrary {
#define DREG_RDMACM_MEMBER(name) decltype(&rdma_##name) name = nullptr;
  DREG_RDMACM_FUNCTIONS(DREG_RDMACM_MEMBER)
#undef DREG_RDMACM_MEMBER
  std::atomic<bool> loaded{false};
};

static RdmacmLibrary library;

// What is missing, or ''.
static std::string LoadRdmacm() {
  Library loaded("librdmacm.so.1", "iWARP needs it: install librdmacm1 (rdma-core)");
#define DREG_RDMACM_LOAD(name) loaded.Need(&library.name, "rdma_" #name);
  DREG_RDMACM_FUNCTIONS(DREG_RDMACM_LOAD)
#undef DREG_RDMACM_LOAD
  library.loaded = loaded.missing().empty();
  return loaded.missing();
}

// One end of a connection, or what listens for them.
struct RdmacmEnd {
  rdma_cm_id* id = nullptr;
  ~RdmacmEnd() {
    if (id) library.destroy_id(id);
  }
};

struct RdmacmChannel {
  rdma_event_channel* events = nullptr;
  Numbered<RdmacmEnd> ends;
  ~RdmacmChannel() {
    ends.Clear();
    if (events) library.destroy_event_channel(events);
  }
};

struct RdmacmEnvironment {
  Numbered<RdmacmChannel> channels;
};

// A call's arguments: the channel, then an end of it, are named by numbers.
struct RdmacmCall : NumberedCall<RdmacmEnvironment> {
  RdmacmCall(napi_env env, napi_callback_info info) : NumberedCall(env, info) {
    channel = environment->channels.Get(Number(0));
  }
  rdma_cm_id* Id() const {
    RdmacmEnd* end = channel ? channel->ends.Get(Number(1)) : nullptr;
    return end ? end->id : nullptr;
  }
  // An address and a port; false where the argument is no address.
  bool Address(size_t index, double port, sockaddr_storage* address) const {
    Napi::Value value(env, arguments[index]);
    if (index >= count || !value.IsString() || !(port >= 0 && port <= 65535)) return false;
    std::string text = value.As<Napi::String>().Utf8Value();
    *address = {};
    auto* four = reinterpret_cast<sockaddr_in*>(address);
    four->sin_port = htons(static_cast<uint16_t>(port));
    four->sin_family = AF_INET;
    if (inet_pton(AF_INET, text.c_str(), &four->sin_addr) == 1) return true;
    auto* six = reinterpret_cast<sockaddr_in6*>(address);
    *six = {};
    six->sin6_port = htons(static_cast<uint16_t>(port));
    six->sin6_family = AF_INET6;
    return inet_pton(AF_INET6, text.c_str(), &six->sin6_addr) == 1;
  }

  RdmacmChannel* channel = nullptr;
};

// rdmacmOpen() -> channel | -errno.
static napi_value Open(napi_env env, napi_callback_info info) {
  RdmacmCall call(env, info);
  if (!library.loaded || !verbs_library.loaded) return call.Answer(-ENOSYS);
  auto channel = std::make_unique<RdmacmChannel>();
  errno = 0;
  channel->events = library.create_event_channel();
  if (!channel->events) return call.AnswerError(-1);
  int flags = fcntl(channel->events->fd, F_GETFL);
  if (flags < 0 || fcntl(channel->events->fd, F_SETFL, flags | O_NONBLOCK) < 0)
    return call.AnswerError(-1);
  return call.Answer(call.environment->channels.Add(std::move(channel)));
}

// rdmacmClose(channel) -> 0 | -EBADF.
static napi_value Close(napi_env env, napi_callback_info info) {
  RdmacmCall call(env, info);
  return call.Answer(call.environment->channels.Take(call.Number(0)) ? 0 : -EBADF);
}

// rdmacmFd(channel) -> fd | -EBADF.
static napi_value Fd(napi_env env, napi_callback_info info) {
  RdmacmCall call(env, info);
  return call.Answer(call.channel ? call.channel->events->fd : -EBADF);
}

// Its number is its context, by which events name it.
static int AddEnd(RdmacmChannel* channel, rdma_cm_id* id) {
  auto end = std::make_unique<RdmacmEnd>();
  end->id = id;
  int number = channel->ends.Add(std::move(end));
  id->context = reinterpret_cast<void*>(static_cast<uintptr_t>(number));
  return number;
}

// An end without an address, or -errno.
static int MakeEnd(RdmacmChannel* channel) {
  rdma_cm_id* id = nullptr;
  errno = 0;
  if (library.create_id(channel->events, &id, nullptr, RDMA_PS_TCP) != 0)
    return errno != 0 ? -errno : -EIO;
  return AddEnd(channel, id);
}

// rdmacmListen(channel, address, backlog) -> [end, port, device] | -errno.
static napi_value Listen(napi_env env, napi_callback_info info) {
  RdmacmCall call(env, info);
  sockaddr_storage address;
  if (!call.channel) return call.Answer(-EBADF);
  auto backlog = call.Whole(2, 1, INT_MAX);
  if (!call.Address(1, 0, &address) || !backlog) return call.Answer(-EINVAL);
  int end = MakeEnd(call.channel);
  if (end < 0) return call.Answer(end);
  rdma_cm_id* id = call.channel->ends.Get(end)->id;
  errno = 0;
  if (library.bind_addr(id, reinterpret_cast<sockaddr*>(&address)) != 0 ||
      library.listen(id, static_cast<int>(*backlog)) != 0 || !id->verbs) {
    int error = errno != 0 ? errno : ENODEV;
    call.channel->ends.Take(end);
    return call.Answer(-error);
  }
  Napi::Array answer = Napi::Array::New(env, 3);
  answer[0u] = Napi::Number::New(env, end);
  // Both families have the port in the same place.
  auto* own = reinterpret_cast<sockaddr_in*>(&id->route.addr.src_storage);
  answer[1u] = Napi::Number::New(env, ntohs(own->sin_port));
  answer[2u] = Napi::String::New(env, verbs_library.get_device_name(id->verbs->device));
  return answer;
}

// rdmacmResolve(channel, from, to, port, milliseconds) -> end | -errno.
static napi_value Resolve(napi_env env, napi_callback_info info) {
  RdmacmCall call(env, info);
  sockaddr_storage from, to;
  if (!call.channel) return call.Answer(-EBADF);
  auto milliseconds = call.Whole(4, 1, INT_MAX);
  if (!call.Address(1, 0, &from) || !call.Address(2, call.Number(3), &to) || !milliseconds)
    return call.Answer(-EINVAL);
  int end = MakeEnd(call.channel);
  if (end < 0) return call.Answer(end);
  errno = 0;
  if (library.resolve_addr(call.channel->ends.Get(end)->id, reinterpret_cast<sockaddr*>(&from),
                           reinterpret_cast<sockaddr*>(&to), static_cast<int>(*milliseconds)) == 0)
    return call.Answer(end);
  int error = errno != 0 ? errno : EIO;
  call.channel->ends.Take(end);
  return call.Answer(-error);
}

// rdmacmRoute(channel, end, milliseconds) -> 0 | -errno.
static napi_value Route(napi_env env, napi_callback_info info) {
  RdmacmCall call(env, info);
  if (!call.Id()) return call.Answer(-EBADF);
  auto milliseconds = call.Whole(2, 1, INT_MAX);
  if (!milliseconds) return call.Answer(-EINVAL);
  errno = 0;
  return call.AnswerError(library.resolve_route(call.Id(), static_cast<int>(*milliseconds)));
}

// (channel, end, queueNumber, readsOut, readsIn, data, bytes) of connect and accept.
static bool ParametersOf(const RdmacmCall& call, rdma_conn_param* parameters) {
  double bytes = call.Number(6);
  const void* data = RangeOf(call.env, call.arguments[5], 0, bytes);
  bool sane = data && bytes <= UINT8_MAX && call.Whole(2, 0, UINT32_MAX);
  for (size_t i = 3; i <= 4; i++) sane = sane && call.Whole(i, 0, UINT8_MAX - 1);
  if (!sane) return false;
  *parameters = {};
  parameters->private_data = data;
  parameters->private_data_len = static_cast<uint8_t>(bytes);
  parameters->qp_num = static_cast<uint32_t>(call.Number(2));
  parameters->initiator_depth = static_cast<uint8_t>(call.Number(3));
  parameters->responder_resources = static_cast<uint8_t>(call.Number(4));
  parameters->srq = 1;
  return true;
}

// rdmacmConnect(…) -> 0 | -errno.
static napi_value Connect(napi_env env, napi_callback_info info) {
  RdmacmCall call(env, info);
  rdma_conn_param parameters;
  if (!call.Id()) return call.Answer(-EBADF);
  if (!ParametersOf(call, &parameters)) return call.Answer(-EINVAL);
  errno = 0;
  return call.AnswerError(library.connect(call.Id(), &parameters));
}

// rdmacmAccept(…) -> 0 | -errno.
static napi_value Accept(napi_env env, napi_callback_info info) {
  RdmacmCall call(env, info);
  rdma_conn_param parameters;
  if (!call.Id()) return call.Answer(-EBADF);
  if (!ParametersOf(call, &parameters)) return call.Answer(-EINVAL);
  errno = 0;
  return call.AnswerError(library.accept(call.Id(), &parameters));
}

// rdmacmReject(channel, end) -> 0 | -errno. The end is there until rdmacmDestroy.
static napi_value Reject(napi_env env, napi_callback_info info) {
  RdmacmCall call(env, info);
  if (!call.Id()) return call.Answer(-EBADF);
  errno = 0;
  return call.AnswerError(library.reject(call.Id(), nullptr, 0));
}

// rdmacmDestroy(channel, end) -> 0 | -EBADF.
static napi_value Destroy(napi_env env, napi_callback_info info) {
  RdmacmCall call(env, info);
  auto end = call.channel ? call.channel->ends.Take(call.Number(1)) : nullptr;
  return call.Answer(end ? 0 : -EBADF);
}

static int NumberOfEnd(const rdma_cm_id* id) {
  return id ? static_cast<int>(reinterpret_cast<uintptr_t>(id->context)) : -1;
}

// rdmacmNext(channel, event, data) -> 1, 0 or -errno. A request's end is new.
static napi_value Next(napi_env env, napi_callback_info info) {
  RdmacmCall call(env, info);
  auto* words = ArrayOf<int32_t>(env, call.arguments[1], 5);
  auto* data = RangeOf(env, call.arguments[2], 0, UINT8_MAX);
  if (!call.channel || !words || !data) return call.Answer(-EBADF);
  rdma_cm_event* event = nullptr;
  errno = 0;
  if (library.get_cm_event(call.channel->events, &event) != 0)
    return errno == EAGAIN || errno == EINTR ? call.Answer(0) : call.AnswerError(-1);
  bool request = event->event == RDMA_CM_EVENT_CONNECT_REQUEST;
  const auto& conn = event->param.conn;
  size_t bytes = conn.private_data ? conn.private_data_len : 0;
  if (bytes > 0) memcpy(data, conn.private_data, bytes);
  words[0] = event->event;
  words[1] = request ? AddEnd(call.channel, event->id) : NumberOfEnd(event->id);
  words[2] = request ? NumberOfEnd(event->listen_id) : -1;
  words[3] = event->status;
  words[4] = static_cast<int32_t>(bytes);
  library.ack_cm_event(event);
  return call.Answer(1);
}

void InitRdmacm(Napi::Env env, Napi::Object exports) {
  auto* environment = new RdmacmEnvironment;
  napi_add_env_cleanup_hook(
      env, [](void* data) { delete static_cast<RdmacmEnvironment*>(data); }, environment);
  static constexpr struct {
    const char* name;
    napi_callback call;
  } kFunctions[] = {
      {"rdmacmLoad", LoadOnce<LoadRdmacm>},
      {"rdmacmOpen", Open},
      {"rdmacmClose", Close},
      {"rdmacmFd", Fd},
      {"rdmacmListen", Listen},
      {"rdmacmResolve", Resolve},
      {"rdmacmRoute", Route},
      {"rdmacmConnect", Connect},
      {"rdmacmAccept", Accept},
      {"rdmacmReject", Reject},
      {"rdmacmDestroy", Destroy},
      {"rdmacmNext", Next},
  };
  for (const auto& entry : kFunctions) {
    napi_value function = nullptr;
    if (napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.call, environment,
                             &function) == napi_ok)
      exports.Set(entry.name, Napi::Value(env, function));
  }
}

}  // namespace dreg

#endif
