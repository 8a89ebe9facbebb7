// SPDX-License-Identifier: MIT
// Allocations in a segment that give their pages back with the last reference to them: the
// ArrayBuffer's memory, wherever that went, and the holds of messages under way. mmap(2),
// madvise(2).
#include <sys/mman.h>
#include <unistd.h>

#include <mutex>
#include <unordered_map>
#include <vector>

#include "buffer.h"

namespace dreg {

namespace {

using Id = int64_t;

class Allocation;

// Ids are never used twice, so that a stale one names nothing.
struct Entry {
  Id heap = 0;
  std::weak_ptr<Allocation> allocation;
  // What messages under way hold.
  std::shared_ptr<Allocation> held;
  int holds = 0;
};

struct Registry {
  std::mutex lock;
  Id last = 0;
  std::unordered_map<Id, Entry> entries;
  // By heap that is open: what was given back and not been told yet.
  std::unordered_map<Id, std::vector<Id>> freed;
};

// Never destroyed: memory may end after the destructors of a process that exits.
Registry& TheRegistry() {
  static auto* registry = new Registry;
  return *registry;
}

class Allocation {
 public:
  Allocation(void* data, size_t length, Id id)
      : data_(data), length_(length), id_(id), owner_(getpid()) {}
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;

  ~Allocation() {
    // To a forked child the pages are its parent's.
    bool own = getpid() == owner_;
    if (own) GiveBack();
    munmap(data_, length_);
    if (own) Tell();
  }

 private:
  // Through the mapping: a descriptor's number may be somebody else's by now.
  void GiveBack() {
    // Refused only where the program has locked its memory.
    if (madvise(data_, length_, MADV_REMOVE) != 0 && munlock(data_, length_) == 0)
      madvise(data_, length_, MADV_REMOVE);
  }

  void Tell() {
    Registry& registry = TheRegistry();
    std::lock_guard<std::mutex> guard(registry.lock);
    auto entry = registry.entries.find(id_);
    if (entry == registry.entries.end()) return;
    auto freed = registry.freed.find(entry->second.heap);
    if (freed != registry.freed.end()) freed->second.push_back(id_);
    registry.entries.erase(entry);
  }

  void* data_;
  size_t length_;
  Id id_;
  pid_t owner_;
};

Id IdOf(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<Id>(NumberOf(info.Env(), info[index], 0));
}

}  // namespace

// heapOpen() -> heap.
static Napi::Value HeapOpen(const Napi::CallbackInfo& info) {
  Registry& registry = TheRegistry();
  std::lock_guard<std::mutex> guard(registry.lock);
  Id heap = ++registry.last;
  registry.freed[heap];
  return Answer(info.Env(), heap);
}

// heapClose(heap): its allocations live on, and nobody is told of their end.
static Napi::Value HeapClose(const Napi::CallbackInfo& info) {
  Registry& registry = TheRegistry();
  std::lock_guard<std::mutex> guard(registry.lock);
  registry.freed.erase(IdOf(info, 0));
  return info.Env().Undefined();
}

// heapMap(heap, fd, offset, length, id[1]) -> ArrayBuffer | -errno. The range's pages must be
// there; the allocation's id is stored.
static Napi::Value HeapMap(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Id heap = IdOf(info, 0);
  int fd = static_cast<int>(NumberOf(env, info[1], -1));
  double offset = NumberOf(env, info[2], -1);
  double length = NumberOf(env, info[3], -1);
  auto* answer = reinterpret_cast<double*>(RangeOf(env, info[4], 0, sizeof(double)));
  if (fd < 0 || !(offset >= 0) || !(length > 0) || !answer) return Answer(env, -EINVAL);
  void* data = mmap(nullptr, static_cast<size_t>(length), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                    static_cast<off_t>(offset));
  if (data == MAP_FAILED) return AnswerErrno(env);
  Registry& registry = TheRegistry();
  auto bytes = static_cast<size_t>(length);
  std::shared_ptr<Allocation> allocation;
  {
    std::lock_guard<std::mutex> guard(registry.lock);
    Id id = ++registry.last;
    allocation = std::make_shared<Allocation>(data, bytes, id);
    registry.entries[id] = {heap, allocation, nullptr, 0};
    *answer = static_cast<double>(id);
  }
  return PromptBufferOver(env, data, bytes, std::move(allocation));
}

// heapHold(id) -> 0 | -ENOENT: the allocation lives on until heapDrop(id), as often as it is held.
static Napi::Value HeapHold(const Napi::CallbackInfo& info) {
  Registry& registry = TheRegistry();
  std::lock_guard<std::mutex> guard(registry.lock);
  auto found = registry.entries.find(IdOf(info, 0));
  if (found == registry.entries.end()) return Answer(info.Env(), -ENOENT);
  Entry& entry = found->second;
  if (entry.holds == 0) entry.held = entry.allocation.lock();
  if (!entry.held) return Answer(info.Env(), -ENOENT);
  entry.holds++;
  return Answer(info.Env(), 0);
}

static Napi::Value HeapDrop(const Napi::CallbackInfo& info) {
  // Ends after the lock: it takes the lock itself.
  std::shared_ptr<Allocation> last;
  Registry& registry = TheRegistry();
  std::lock_guard<std::mutex> guard(registry.lock);
  auto found = registry.entries.find(IdOf(info, 0));
  if (found != registry.entries.end() && found->second.holds > 0 && --found->second.holds == 0)
    last.swap(found->second.held);
  return info.Env().Undefined();
}

// heapFreed(heap) -> the ids of allocations that have ended since the last call.
static Napi::Value HeapFreed(const Napi::CallbackInfo& info) {
  std::vector<Id> ids;
  {
    Registry& registry = TheRegistry();
    std::lock_guard<std::mutex> guard(registry.lock);
    auto freed = registry.freed.find(IdOf(info, 0));
    if (freed != registry.freed.end()) ids.swap(freed->second);
  }
  auto result = Napi::Array::New(info.Env(), ids.size());
  for (uint32_t i = 0; i < ids.size(); i++) result.Set(i, Answer(info.Env(), ids[i]));
  return result;
}

// detach(buffer) -> 0 | -EINVAL: takes an ArrayBuffer's memory from it.
static Napi::Value Detach(const Napi::CallbackInfo& info) {
  napi_status status = napi_detach_arraybuffer(info.Env(), info[0]);
  return Answer(info.Env(), status == napi_ok ? 0 : -EINVAL);
}

// collectGarbage(): now, and all of it. V8 does so where it is told of more memory than a process
// may have.
static Napi::Value CollectGarbage(const Napi::CallbackInfo& info) {
  constexpr int64_t kMore = int64_t{1} << 50;
  int64_t total;
  if (napi_adjust_external_memory(info.Env(), kMore, &total) == napi_ok)
    napi_adjust_external_memory(info.Env(), -kMore, &total);
  return info.Env().Undefined();
}

void InitHeap(Napi::Env env, Napi::Object exports) {
  exports.Set("heapOpen", Napi::Function::New(env, HeapOpen));
  exports.Set("heapClose", Napi::Function::New(env, HeapClose));
  exports.Set("heapMap", Napi::Function::New(env, HeapMap));
  exports.Set("heapHold", Napi::Function::New(env, HeapHold));
  exports.Set("heapDrop", Napi::Function::New(env, HeapDrop));
  exports.Set("heapFreed", Napi::Function::New(env, HeapFreed));
  exports.Set("detach", Napi::Function::New(env, Detach));
  exports.Set("collectGarbage", Napi::Function::New(env, CollectGarbage));
}

}  // namespace dreg
