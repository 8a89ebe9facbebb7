// SPDX-License-Identifier: MIT
// What the files of the libfabric facility share: the library as it was loaded, and what an
// environment has opened through it. Everything of an environment is closed when it ends.
#ifndef DREG_MPI_NATIVE_OFI_H_
#define DREG_MPI_NATIVE_OFI_H_

#include "util.h"

#if __has_include(<rdma/fabric.h>)
#define DREG_MPI_OFI 1
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>

#include <atomic>
#include <memory>
#include <vector>

#include "buffer.h"
#include "numbered.h"

namespace dreg {

struct OfiLibrary {
  decltype(&fi_getinfo) getinfo = nullptr;
  decltype(&fi_freeinfo) freeinfo = nullptr;
  decltype(&fi_dupinfo) dupinfo = nullptr;
  decltype(&fi_fabric) fabric = nullptr;
  decltype(&fi_version) version = nullptr;
  // Whether ofiLoad has answered ''; nothing else is valid before.
  std::atomic<bool> loaded{false};
};

extern OfiLibrary ofi_library;

// Where an operation's provider keeps what it needs; also what names the operation.
struct OfiContext {
  fi_context2 room;
};
constexpr size_t kOfiOperations = 1024;
constexpr size_t kOfiBuffers = 4096;

struct OfiRegion {
  fid_mr* mr = nullptr;
  uint64_t start = 0;
  uint64_t length = 0;
  ~OfiRegion() {
    if (mr) fi_close(&mr->fid);
  }
};

struct OfiArea {
  std::shared_ptr<AnonymousMemory> memory;
  OfiRegion region;
};

struct OfiEndpoint {
  fi_info* info = nullptr;
  fid_fabric* fabric = nullptr;
  fid_domain* domain = nullptr;
  fid_av* av = nullptr;
  fid_cq* cq = nullptr;
  fid_ep* ep = nullptr;
  std::shared_ptr<AnonymousMemory> mailbox;
  std::vector<fi_addr_t> peers;
  // What a thread sleeps on.
  std::vector<int> wake_fds;
  Numbered<OfiRegion> regions;
  Numbered<OfiArea> areas;
  // The area of the receive buffers, and the bytes of each.
  OfiArea* receives = nullptr;
  size_t buffer_bytes = 0;
  // In memory of its own: the provider writes into it until the endpoint is closed.
  std::unique_ptr<OfiContext[]> operations{new OfiContext[kOfiOperations]};
  std::unique_ptr<OfiContext[]> buffers{new OfiContext[kOfiBuffers]};
  ~OfiEndpoint();
};

struct OfiEnvironment {
  // What the last survey found.
  fi_info* found = nullptr;
  Numbered<OfiEndpoint> endpoints;
  ~OfiEnvironment() {
    if (found) ofi_library.freeinfo(found);
  }
};

// The first argument names the endpoint.
struct OfiCall : NumberedCall<OfiEnvironment> {
  OfiCall(napi_env env, napi_callback_info info) : NumberedCall(env, info) {
    endpoint = environment->endpoints.Get(Number(0));
  }

  // libfabric's answers are negative errnos already.
  napi_value AnswerOf(ssize_t result) const {
    return Answer(static_cast<double>(result));
  }

  OfiEndpoint* endpoint = nullptr;
};

// Layout of the mailbox, as in ofi.ts.
struct OfiMailbox {
  int32_t completions[64][8];
};
constexpr size_t kOfiMailboxBytes = 4096;
static_assert(sizeof(OfiMailbox) <= kOfiMailboxBytes, "MAILBOX.bytes");

struct OfiFunction {
  const char* name;
  napi_value (*call)(napi_env, napi_callback_info);
};

template <size_t kCount>
void SetOfiFunctions(Napi::Env env, Napi::Object exports, OfiEnvironment* environment,
                     const OfiFunction (&functions)[kCount]) {
  for (const auto& [name, call] : functions) {
    napi_value function = nullptr;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, call, environment, &function) == napi_ok)
      exports.Set(name, Napi::Value(env, function));
  }
}

void InitOfiData(Napi::Env env, Napi::Object exports, OfiEnvironment* environment);

}  // namespace dreg
#endif

#endif  // DREG_MPI_NATIVE_OFI_H_
