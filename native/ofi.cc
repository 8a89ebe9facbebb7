// SPDX-License-Identifier: MIT
// Networks by libfabric: the library, loaded at run time, what its providers have, and an endpoint
// with its completion queue and its peers' addresses. Packets and memory: ofi_data.cc.
#include "ofi.h"

#ifndef DREG_MPI_OFI

namespace dreg {

void InitOfi(Napi::Env env, Napi::Object exports) {
  exports.Set("ofiLoad", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return Napi::String::New(info.Env(),
                                         "the addon was built without libfabric; install "
                                         "libfabric-dev, then run \"npm run build:native\"");
              }));
}

}  // namespace dreg

#else

#include <dirent.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <set>
#include <string>

#include "library.h"

namespace dreg {

OfiLibrary ofi_library;

// What is missing, or ''.
static std::string LoadOfi() {
  OfiLibrary& functions = ofi_library;
  // Registrations are cached by the pinned-memory manager, and by nobody else.
  setenv("FI_MR_CACHE_MAX_COUNT", "0", 0);
  setenv("FI_MR_CACHE_MONITOR", "disabled", 0);
  setenv("FI_EFA_MR_CACHE_ENABLE", "0", 0);
  Library library("libfabric.so.1", "install libfabric1 (Debian) or libfabric (elsewhere)");
  library.Need(&functions.getinfo, "fi_getinfo");
  library.Need(&functions.freeinfo, "fi_freeinfo");
  library.Need(&functions.dupinfo, "fi_dupinfo");
  library.Need(&functions.fabric, "fi_fabric");
  library.Need(&functions.version, "fi_version");
  if (!library.missing().empty()) return library.missing();
  functions.loaded = true;
  return "";
}

// What uses other things ends before them.
OfiEndpoint::~OfiEndpoint() {
  if (ep) fi_close(&ep->fid);
  regions.Clear();
  areas.Clear();
  if (cq) fi_close(&cq->fid);
  if (av) fi_close(&av->fid);
  if (domain) fi_close(&domain->fid);
  if (fabric) fi_close(&fabric->fid);
  if (info) ofi_library.freeinfo(info);
}

static fi_info* HintsFor(const std::string& provider, bool rma) {
  fi_info* hints = ofi_library.dupinfo(nullptr);
  if (!hints) return nullptr;
  hints->caps = FI_MSG | FI_MULTI_RECV | (rma ? FI_RMA : 0);
  hints->mode = FI_CONTEXT | FI_CONTEXT2;
  hints->ep_attr->type = FI_EP_RDM;
  hints->tx_attr->msg_order = FI_ORDER_SAS;
  hints->rx_attr->msg_order = FI_ORDER_SAS;
  hints->domain_attr->mr_mode =
      FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT;
  hints->domain_attr->threading = FI_THREAD_DOMAIN;
  hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
  hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
  hints->domain_attr->resource_mgmt = FI_RM_ENABLED;
  // fi_freeinfo frees it.
  if (!provider.empty()) hints->fabric_attr->prov_name = strdup(provider.c_str());
  return hints;
}

static const char* TextOr(const char* text) {
  return text ? text : "";
}

static Napi::Object Describe(Napi::Env env, const fi_info* info) {
  Napi::Object entry = Napi::Object::New(env);
  entry.Set("provider", TextOr(info->fabric_attr->prov_name));
  entry.Set("domain", TextOr(info->domain_attr->name));
  entry.Set("format", static_cast<double>(info->addr_format));
  entry.Set("source", info->src_addr
                          ? Napi::Buffer<uint8_t>::Copy(env, static_cast<uint8_t*>(info->src_addr),
                                                        info->src_addrlen)
                          : Napi::Buffer<uint8_t>::New(env, 0));
  entry.Set("registration", static_cast<double>(info->domain_attr->mr_mode));
  entry.Set("keyBytes", static_cast<double>(info->domain_attr->mr_key_size));
  entry.Set("injectBytes", static_cast<double>(info->tx_attr->inject_size));
  entry.Set("messageBytes",
            static_cast<double>(std::min<uint64_t>(info->ep_attr->max_msg_size, INT32_MAX)));
  entry.Set("rma", Napi::Boolean::New(env, (info->caps & FI_RMA) != 0));
  return entry;
}

// ofiSurvey(provider, rma) -> what there is, in the library's order | -errno.
static napi_value Survey(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  Napi::Value provider(env, call.arguments[0]);
  if (!ofi_library.loaded) return call.Answer(-ENOSYS);
  if (!provider.IsString()) return call.Answer(-EINVAL);
  fi_info* hints =
      HintsFor(provider.As<Napi::String>().Utf8Value(), BooleanOf(env, call.arguments[1]));
  if (!hints) return call.Answer(-ENOMEM);
  fi_info* found = nullptr;
  int answer = ofi_library.getinfo(FI_VERSION(1, 15), nullptr, nullptr, 0, hints, &found);
  ofi_library.freeinfo(hints);
  if (answer != 0) return call.AnswerOf(answer);
  if (call.environment->found) ofi_library.freeinfo(call.environment->found);
  call.environment->found = found;
  Napi::Array list = Napi::Array::New(env);
  for (fi_info* entry = found; entry; entry = entry->next)
    list.Set(list.Length(), Describe(env, entry));
  return list;
}

static napi_value Version(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  return call.Answer(ofi_library.loaded ? ofi_library.version() : -ENOSYS);
}

// Descriptors of epoll(7) that this process has.
static std::set<int> EventPolls() {
  std::set<int> found;
  DIR* folder = opendir("/proc/self/fd");
  if (!folder) return found;
  while (const dirent* entry = readdir(folder)) {
    char target[32] = {};
    ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
    if (length > 0 && strcmp(target, "anon_inode:[eventpoll]") == 0)
      found.insert(atoi(entry->d_name));
  }
  closedir(folder);
  return found;
}

static int OpenQueue(OfiEndpoint* endpoint, bool quiet) {
  fi_cq_attr completions = {};
  completions.size = 8192;
  completions.format = FI_CQ_FORMAT_DATA;
  completions.wait_obj = quiet ? FI_WAIT_NONE : FI_WAIT_FD;
  int error = fi_cq_open(endpoint->domain, &completions, &endpoint->cq, nullptr);
  if (error != 0 || quiet) return error;
  int fd = -1;
  error = fi_control(&endpoint->cq->fid, FI_GETWAIT, &fd);
  if (error == 0) endpoint->wake_fds.push_back(fd);
  return error;
}

static int Open(OfiEndpoint* endpoint, bool quiet) {
  fi_info* info = endpoint->info;
  std::set<int> before;
  if (quiet) before = EventPolls();
  int error = ofi_library.fabric(info->fabric_attr, &endpoint->fabric, nullptr);
  if (error != 0) return error;
  error = fi_domain(endpoint->fabric, info, &endpoint->domain, nullptr);
  if (error != 0) return error;
  if (quiet) {
    std::set<int> after = EventPolls();
    std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                        std::back_inserter(endpoint->wake_fds));
    if (endpoint->wake_fds.empty()) return -FI_ENODATA;
  }
  fi_av_attr addresses = {};
  addresses.type = FI_AV_UNSPEC;
  error = fi_av_open(endpoint->domain, &addresses, &endpoint->av, nullptr);
  if (error != 0) return error;
  error = OpenQueue(endpoint, quiet);
  if (error != 0) return error;
  error = fi_endpoint(endpoint->domain, info, &endpoint->ep, nullptr);
  if (error != 0) return error;
  error = fi_ep_bind(endpoint->ep, &endpoint->av->fid, 0);
  if (error == 0) error = fi_ep_bind(endpoint->ep, &endpoint->cq->fid, FI_TRANSMIT | FI_RECV);
  return error == 0 ? fi_enable(endpoint->ep) : error;
}

// ofiOpen(index of the last survey, bytes that a receive buffer must have left, whether to sleep on
// the provider's own epoll(7) descriptors) -> endpoint | -errno.
static napi_value OpenEndpoint(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  auto least = call.Whole(1, 1, INT_MAX);
  auto index = call.Whole(0);
  if (!index || !least) return call.Answer(-EINVAL);
  fi_info* entry = call.environment->found;
  for (int64_t i = 0; entry && i < *index; i++) entry = entry->next;
  if (!entry) return call.Answer(-ENODEV);
  auto endpoint = std::make_unique<OfiEndpoint>();
  endpoint->mailbox = std::make_shared<AnonymousMemory>(kOfiMailboxBytes, 0);
  endpoint->info = ofi_library.dupinfo(entry);
  if (!endpoint->info || !endpoint->mailbox->data) return call.Answer(-ENOMEM);
  int error = Open(endpoint.get(), BooleanOf(env, call.arguments[2]));
  if (error != 0) return call.AnswerOf(error);
  auto bytes = static_cast<size_t>(*least);
  error =
      fi_setopt(&endpoint->ep->fid, FI_OPT_ENDPOINT, FI_OPT_MIN_MULTI_RECV, &bytes, sizeof bytes);
  if (error != 0) return call.AnswerOf(error);
  return call.Answer(call.environment->endpoints.Add(std::move(endpoint)));
}

static napi_value Close(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  return call.Answer(call.environment->endpoints.Take(call.Number(0)) ? 0 : -EBADF);
}

// ofiAddress(endpoint, into) -> bytes of the endpoint's address | -errno.
static napi_value Address(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  Bytes into = BytesOf(env, call.arguments[1]);
  if (!call.endpoint || !into.data) return call.Answer(-EBADF);
  size_t length = into.length;
  int error = fi_getname(&call.endpoint->ep->fid, into.data, &length);
  return error != 0 ? call.AnswerOf(error) : call.Answer(static_cast<double>(length));
}

// ofiPeer(endpoint, address) -> the peer's number | -errno. The address is as long as our own.
static napi_value AddPeer(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  Bytes address = BytesOf(env, call.arguments[1]);
  if (!call.endpoint || !address.data) return call.Answer(-EBADF);
  uint8_t own[256];
  size_t length = sizeof own;
  int error = fi_getname(&call.endpoint->ep->fid, own, &length);
  if (error != 0) return call.AnswerOf(error);
  if (address.length != length) return call.Answer(-EINVAL);
  fi_addr_t peer = FI_ADDR_UNSPEC;
  int inserted = fi_av_insert(call.endpoint->av, address.data, 1, &peer, 0, nullptr);
  if (inserted != 1) return call.Answer(inserted < 0 ? inserted : -EINVAL);
  call.endpoint->peers.push_back(peer);
  return call.Answer(static_cast<double>(call.endpoint->peers.size() - 1));
}

// ofiWakeFds(endpoint) -> descriptors one of which is readable when there is work | -errno.
static napi_value WakeFds(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  if (!call.endpoint) return call.Answer(-EBADF);
  Napi::Array fds = Napi::Array::New(env);
  for (int fd : call.endpoint->wake_fds) fds.Set(fds.Length(), fd);
  return fds;
}

// ofiTryWait(endpoint) -> 0: the descriptor may be slept on | -errno: not now.
static napi_value TryWait(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  if (!call.endpoint) return call.Answer(-EBADF);
  fid* queues[] = {&call.endpoint->cq->fid};
  return call.AnswerOf(fi_trywait(call.endpoint->fabric, queues, 1));
}

static napi_value MailboxBuffer(napi_env env, napi_callback_info info) {
  OfiCall call(env, info);
  if (!call.endpoint) return call.Answer(-EBADF);
  const auto& mailbox = call.endpoint->mailbox;
  return BufferOver(env, mailbox->data, mailbox->length, mailbox);
}

void InitOfi(Napi::Env env, Napi::Object exports) {
  auto* environment = new OfiEnvironment;
  napi_add_env_cleanup_hook(
      env, [](void* data) { delete static_cast<OfiEnvironment*>(data); }, environment);
  static constexpr OfiFunction kFunctions[] = {
      {"ofiLoad", LoadOnce<LoadOfi>}, {"ofiSurvey", Survey},   {"ofiVersion", Version},
      {"ofiOpen", OpenEndpoint},      {"ofiClose", Close},     {"ofiAddress", Address},
      {"ofiPeer", AddPeer},           {"ofiWakeFds", WakeFds}, {"ofiTryWait", TryWait},
      {"ofiMailbox", MailboxBuffer},
  };
  SetOfiFunctions(env, exports, environment, kFunctions);
  InitOfiData(env, exports, environment);
}

}  // namespace dreg

#endif
