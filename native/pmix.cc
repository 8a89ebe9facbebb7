// SPDX-License-Identifier: MIT
// PMIx by libpmix.so.2, loaded at run time: how a rank of Open MPI's mpirun, prterun or
// srun --mpi=pmix learns who it is. A process is one client, whatever threads it has, so the state
// below is the process's. Calls answer PMIx's own status where they fail, which is negative.
//
// The few declarations here are the library's binary interface as it has been since version 3;
// TypeScript checks the version before the first of these structures is passed.
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <mutex>
#include <new>
#include <string>

#include "library.h"

namespace dreg {

constexpr size_t kNamespaceBytes = 256;
constexpr size_t kKeyBytes = 512;
// A rank that stands for the whole job.
constexpr uint32_t kWholeJob = UINT32_MAX - 1;
constexpr uint8_t kGlobalScope = 3;
constexpr uint16_t kTypeBool = 1, kTypeUint32 = 14, kTypeProc = 22, kTypeBytes = 27;
constexpr int kSuccess = 0, kTypeMismatch = -18, kBadParameter = -27, kNoMemory = -32;
constexpr int kLostConnection = -61, kLostServer = -101, kNoActionTaken = -331;
// Of a process: aborted, abort asked for, ended without PMIx_Finalize; killed by command, not
// started, by a signal, beyond a bound, with a status. Then of the connection, by the names of
// versions 4 and 3.
constexpr int kLossCodes[] = {-7,         -8, -200, -400, -401, -402, -403, -404, kLostConnection,
                              kLostServer};
// Told for the rank of the launcher itself.
constexpr int64_t kLauncher = -1;

struct PmixProc {
  char nspace[kNamespaceBytes];
  uint32_t rank;
};

struct PmixValue {
  uint16_t type;
  union {
    bool flag;
    uint32_t number;
    PmixProc* proc;
    struct {
      char* data;
      size_t length;
    } bytes;
    // As long as the longest of those that are not asked for here.
    uint64_t room[3];
  };
};

struct PmixInfo {
  char key[kKeyBytes];
  uint32_t flags;
  PmixValue value;
};

static_assert(sizeof(PmixProc) == 260 && sizeof(PmixValue) == 32 && sizeof(PmixInfo) == 552);

using PmixDone = void (*)(int status, void* data);
using PmixRegistered = void (*)(int status, size_t id, void* data);
using PmixHandled = void (*)(int status, PmixInfo* results, size_t count, PmixDone done, void* data,
                             void* chain);
using PmixHandler = void (*)(size_t id, int status, const PmixProc* source, PmixInfo* infos,
                             size_t count, PmixInfo* results, size_t result_count,
                             PmixHandled handled, void* chain);

struct PmixLibrary {
  const char* (*get_version)() = nullptr;
  const char* (*error_string)(int status) = nullptr;
  int (*init)(PmixProc* self, PmixInfo* infos, size_t count) = nullptr;
  int (*finalize)(const PmixInfo* infos, size_t count) = nullptr;
  int (*abort)(int status, const char* message, PmixProc* procs, size_t count) = nullptr;
  int (*put)(uint8_t scope, const char* key, PmixValue* value) = nullptr;
  int (*commit)() = nullptr;
  int (*fence)(const PmixProc* procs, size_t proc_count, const PmixInfo* infos,
               size_t count) = nullptr;
  int (*get)(const PmixProc* proc, const char* key, const PmixInfo* infos, size_t count,
             PmixValue** value) = nullptr;
  int (*register_event_handler)(int* codes, size_t code_count, PmixInfo* infos, size_t count,
                                PmixHandler handler, PmixRegistered registered,
                                void* data) = nullptr;
};

static PmixLibrary library;

// What is missing, or ''.
static std::string LoadPmix(const std::string& file) {
  Library loaded(file.c_str(),
                 "install libpmix2 (Debian) or pmix (elsewhere), or name the file by "
                 "DREG_PMIX_LIBRARY");
  loaded.Need(&library.get_version, "PMIx_Get_version");
  loaded.Need(&library.error_string, "PMIx_Error_string");
  loaded.Need(&library.init, "PMIx_Init");
  loaded.Need(&library.finalize, "PMIx_Finalize");
  loaded.Need(&library.abort, "PMIx_Abort");
  loaded.Need(&library.put, "PMIx_Put");
  loaded.Need(&library.commit, "PMIx_Commit");
  loaded.Need(&library.fence, "PMIx_Fence");
  loaded.Need(&library.get, "PMIx_Get");
  loaded.Need(&library.register_event_handler, "PMIx_Register_event_handler");
  return loaded.missing();
}

// A process that is lost, and by which status PMIx says so.
struct LostProcess {
  int64_t rank;
  int status;
  LostProcess* next;
};

// Of the process: between Init and Finalize, in the thread that has joined. `lost` and `bell` are
// shared with the library's own thread.
static PmixProc self;
static bool joined = false;
static std::mutex lock;
static LostProcess* lost = nullptr;
static LostProcess** last_lost = &lost;
static int bell = -1;

static void Tell(int64_t rank, int status) {
  LostProcess* process = new (std::nothrow) LostProcess{rank, status, nullptr};
  std::lock_guard<std::mutex> guard(lock);
  if (process) {
    *last_lost = process;
    last_lost = &process->next;
  }
  // A full counter wakes as well.
  uint64_t one = 1;
  if (bell >= 0 && write(bell, &one, sizeof one) < 0) return;
}

static bool IsOurs(const PmixProc& proc) {
  return strncmp(proc.nspace, self.nspace, kNamespaceBytes) == 0;
}

// Called by the library's thread, whatever has happened: it notes a loss, and enters no JavaScript.
static void OnEvent(size_t, int status, const PmixProc*, PmixInfo* infos, size_t count, PmixInfo*,
                    size_t, PmixHandled handled, void* chain) {
  const PmixProc* affected = nullptr;
  for (size_t i = 0; i < count; i++)
    if (strncmp(infos[i].key, "pmix.evproc", kKeyBytes) == 0 && infos[i].value.type == kTypeProc)
      affected = infos[i].value.proc;
  if (affected && IsOurs(*affected) && affected->rank != self.rank && affected->rank < kWholeJob)
    Tell(affected->rank, status);
  else if (status == kLostConnection || status == kLostServer)
    Tell(kLauncher, status);
  if (handled) handled(kNoActionTaken, nullptr, 0, nullptr, nullptr, chain);
}

static void OnRegistered(int, size_t, void*) {}

static PmixInfo Flag(const char* key) {
  PmixInfo info = {};
  strncpy(info.key, key, kKeyBytes - 1);
  info.value.type = kTypeBool;
  info.value.flag = true;
  return info;
}

// pmixLoad(file) -> '' | what is missing. The first file that loads stays.
static Napi::Value Load(const Napi::CallbackInfo& info) {
  static std::mutex loading;
  static bool loaded = false;
  std::string missing;
  std::lock_guard<std::mutex> guard(loading);
  if (!info[0].IsString()) return Napi::String::New(info.Env(), "no name of a library");
  if (!loaded) missing = LoadPmix(info[0].As<Napi::String>().Utf8Value());
  loaded = missing.empty();
  return Napi::String::New(info.Env(), missing);
}

static Napi::Value Version(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), library.get_version ? library.get_version() : "");
}

static Napi::Value ErrorString(const Napi::CallbackInfo& info) {
  auto status = IntegerOf(info.Env(), info[0], INT_MIN, INT_MAX);
  const char* text =
      library.error_string && status ? library.error_string(static_cast<int>(*status)) : nullptr;
  return Napi::String::New(info.Env(), text ? text : "");
}

// pmixInit() -> [namespace, rank, a descriptor that is readable while pmixLostProcesses has some] |
// a status.
static Napi::Value Init(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!library.init || joined) return Answer(env, kBadParameter);
  int status = library.init(&self, nullptr, 0);
  if (status != kSuccess) return Answer(env, status);
  joined = true;
  {
    std::lock_guard<std::mutex> guard(lock);
    bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  }
  // Servers of version 4 send nothing to a handler without codes.
  int codes[std::size(kLossCodes)];
  std::copy(std::begin(kLossCodes), std::end(kLossCodes), codes);
  library.register_event_handler(codes, std::size(codes), nullptr, 0, OnEvent, OnRegistered,
                                 nullptr);
  auto answer = Napi::Array::New(env, 3);
  self.nspace[kNamespaceBytes - 1] = '\0';
  answer.Set(0u, Napi::String::New(env, self.nspace));
  answer.Set(1u, Answer(env, self.rank));
  answer.Set(2u, Answer(env, bell));
  return answer;
}

// A key, or '' where the argument is none.
static std::string KeyOf(const Napi::Value& value) {
  if (!value.IsString()) return "";
  std::string key = value.As<Napi::String>().Utf8Value();
  return key.size() < kKeyBytes ? key : "";
}

// pmixPut(key, bytes) -> a status: every rank can get it after the next fence.
static Napi::Value Put(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string key = KeyOf(info[0]);
  Bytes bytes = BytesOf(env, info[1]);
  if (!joined || key.empty() || !bytes.data) return Answer(env, kBadParameter);
  PmixValue value = {};
  value.type = kTypeBytes;
  value.bytes.data = reinterpret_cast<char*>(bytes.data);
  value.bytes.length = bytes.length;
  int status = library.put(kGlobalScope, key.c_str(), &value);
  return Answer(env, status == kSuccess ? library.commit() : status);
}

// pmixFence() -> a status, once every rank is in it; what they have put is then here.
static Napi::Value Fence(const Napi::CallbackInfo& info) {
  if (!joined) return Answer(info.Env(), kBadParameter);
  PmixInfo collect = Flag("pmix.collect");
  return Answer(info.Env(), library.fence(nullptr, 0, &collect, 1));
}

// pmixGet(rank, key) -> the bytes that a rank has put | a status.
// pmixGet(-1, key) -> a number that the launcher says of the whole job | a status.
static Napi::Value Get(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto rank = IntegerOf(env, info[0], -1, kWholeJob - 1);
  std::string key = KeyOf(info[1]);
  if (!joined || !rank || key.empty()) return Answer(env, kBadParameter);
  PmixProc of = self;
  of.rank = *rank < 0 ? kWholeJob : static_cast<uint32_t>(*rank);
  // What is not there is not waited for.
  PmixInfo immediate = Flag("pmix.immediate");
  PmixValue* value = nullptr;
  int status = library.get(&of, key.c_str(), &immediate, 1, &value);
  if (status != kSuccess) return Answer(env, status);
  if (!value) return Answer(env, kNoMemory);
  Napi::Value answer = Answer(env, kTypeMismatch);
  if (value->type == kTypeUint32) {
    answer = Answer(env, value->number);
  } else if (value->type == kTypeBytes) {
    answer = Napi::Buffer<char>::Copy(env, value->bytes.data, value->bytes.length);
    free(value->bytes.data);
  }
  free(value);
  return answer;
}

// pmixLostProcesses() -> of each process that was lost since the last call, its rank (-1: the
// launcher) and PMIx's status.
static Napi::Value LostProcesses(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  LostProcess* told = nullptr;
  {
    std::lock_guard<std::mutex> guard(lock);
    told = lost;
    lost = nullptr;
    last_lost = &lost;
  }
  auto answer = Napi::Array::New(env);
  while (told) {
    answer.Set(answer.Length(), Answer(env, told->rank));
    answer.Set(answer.Length(), Answer(env, told->status));
    LostProcess* next = told->next;
    delete told;
    told = next;
  }
  return answer;
}

// pmixAbort(code, message) -> a status: the launcher ends the job.
static Napi::Value Abort(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto code = IntegerOf(env, info[0], INT_MIN, INT_MAX);
  if (!joined || !code || !info[1].IsString()) return Answer(env, kBadParameter);
  std::string message = info[1].As<Napi::String>().Utf8Value();
  return Answer(env, library.abort(static_cast<int>(*code), message.c_str(), nullptr, 0));
}

// pmixFinalize() -> a status. No loss is told any more, and the descriptor is closed.
static Napi::Value Finalize(const Napi::CallbackInfo& info) {
  if (!joined) return Answer(info.Env(), kBadParameter);
  int status = library.finalize(nullptr, 0);
  joined = false;
  std::lock_guard<std::mutex> guard(lock);
  if (bell >= 0) close(bell);
  bell = -1;
  return Answer(info.Env(), status);
}

void InitPmix(Napi::Env env, Napi::Object exports) {
  exports.Set("pmixLoad", Napi::Function::New(env, Load));
  exports.Set("pmixVersion", Napi::Function::New(env, Version));
  exports.Set("pmixErrorString", Napi::Function::New(env, ErrorString));
  exports.Set("pmixInit", Napi::Function::New(env, Init));
  exports.Set("pmixPut", Napi::Function::New(env, Put));
  exports.Set("pmixFence", Napi::Function::New(env, Fence));
  exports.Set("pmixGet", Napi::Function::New(env, Get));
  exports.Set("pmixLostProcesses", Napi::Function::New(env, LostProcesses));
  exports.Set("pmixAbort", Napi::Function::New(env, Abort));
  exports.Set("pmixFinalize", Napi::Function::New(env, Finalize));
}

}  // namespace dreg
