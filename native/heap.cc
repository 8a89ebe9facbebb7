// SPDX-License-Identifier: MIT
// Allocations in a segment that give their pages back with the last reference to them: the
// ArrayBuffer's memory, wherever that went, and the holds of messages under way. mmap(2),
// madvise(2).
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "buffer.h"

namespace dreg {

namespace {

// A word for each allocation, which TypeScript sees, too: how many messages hold it, and whether
// its ArrayBuffer's memory has ended.
using Word = std::atomic<int32_t>;
constexpr int32_t kSlots = 1 << 20;  // HEAP_ALLOCATIONS_MAX
constexpr int32_t kEnded = 1 << 30;

class Allocation;

struct Registry {
  Word* words = nullptr;
  std::mutex lock;
  int64_t last_heap = 0;
  int32_t next_slot = 0;
  std::vector<int32_t> free_slots;
  // By heap that is open: slots of what has ended and was not told yet.
  std::unordered_map<int64_t, std::vector<int32_t>> freed;
  // What has ended while messages hold it, by slot.
  std::unordered_map<int32_t, Allocation*> held;
};

// Never destroyed: memory may end after the destructors of a process that exits.
Registry& TheRegistry() {
  static Registry* registry = [] {
    auto* made = new Registry;
    void* words = mmap(nullptr, kSlots * sizeof(Word), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (words != MAP_FAILED) made->words = static_cast<Word*>(words);
    return made;
  }();
  return *registry;
}

class Allocation {
 public:
  Allocation(void* data, size_t length, int64_t heap, int32_t slot)
      : data_(data), length_(length), heap_(heap), slot_(slot), owner_(getpid()) {}

  // Nobody holds an ArrayBuffer of it any more. In whichever thread.
  void Unused() {
    Registry& registry = TheRegistry();
    Word& word = registry.words[slot_];
    int32_t nothing = 0;
    if (!word.compare_exchange_strong(nothing, kEnded)) {
      {
        std::lock_guard<std::mutex> guard(registry.lock);
        registry.held[slot_] = this;
      }
      // Whoever drops the last hold from here on ends it.
      if (word.fetch_or(kEnded) != 0) return;
      std::lock_guard<std::mutex> guard(registry.lock);
      registry.held.erase(slot_);
    }
    End();
  }

  void End() {
    // To a forked child the pages are its parent's.
    bool own = getpid() == owner_;
    if (own) GiveBack();
    munmap(data_, length_);
    if (own) Tell();
    delete this;
  }

 private:
  // Through the mapping: a descriptor's number may be somebody else's by now.
  void GiveBack() {
    // Refused only where the program has locked its memory.
    if (madvise(data_, length_, MADV_REMOVE) != 0 && munlock(data_, length_) == 0)
      madvise(data_, length_, MADV_REMOVE);
  }

  // The slot is used again only when the heap knows: TypeScript may have its number until then.
  void Tell() {
    Registry& registry = TheRegistry();
    std::lock_guard<std::mutex> guard(registry.lock);
    auto freed = registry.freed.find(heap_);
    if (freed != registry.freed.end()) freed->second.push_back(slot_);
  }

  void* data_;
  size_t length_;
  int64_t heap_;
  int32_t slot_;
  pid_t owner_;
};

int64_t HeapOf(const Napi::CallbackInfo& info) {
  return static_cast<int64_t>(NumberOf(info.Env(), info[0], 0));
}

// A free slot, or -1.
int32_t TakeSlot(Registry& registry) {
  std::lock_guard<std::mutex> guard(registry.lock);
  if (registry.free_slots.empty()) return registry.next_slot < kSlots ? registry.next_slot++ : -1;
  int32_t slot = registry.free_slots.back();
  registry.free_slots.pop_back();
  return slot;
}

}  // namespace

// heapOpen() -> heap | -errno.
static Napi::Value HeapOpen(const Napi::CallbackInfo& info) {
  Registry& registry = TheRegistry();
  if (!registry.words) return Answer(info.Env(), -ENOMEM);
  std::lock_guard<std::mutex> guard(registry.lock);
  int64_t heap = ++registry.last_heap;
  registry.freed[heap];
  return Answer(info.Env(), heap);
}

// heapWords() -> ArrayBuffer of an Int32 for each slot | -ENOMEM.
static Napi::Value HeapWords(const Napi::CallbackInfo& info) {
  void* words = TheRegistry().words;
  if (!words) return Answer(info.Env(), -ENOMEM);
  return BufferOver(info.Env(), words, kSlots * sizeof(Word), nullptr);
}

// heapClose(heap): its allocations live on, and nobody is told of their end.
static Napi::Value HeapClose(const Napi::CallbackInfo& info) {
  Registry& registry = TheRegistry();
  std::lock_guard<std::mutex> guard(registry.lock);
  registry.freed.erase(HeapOf(info));
  return info.Env().Undefined();
}

// heapMap(heap, fd, offset, length, slot[1], shared) -> ArrayBuffer, or SharedArrayBuffer (-ENOSYS
// where Node has none for such memory) | -errno; -ENOSPC: there are too many. The range's pages
// must be there; the allocation's slot is stored.
static Napi::Value HeapMap(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = static_cast<int>(NumberOf(env, info[1], -1));
  double offset = NumberOf(env, info[2], -1);
  double length = NumberOf(env, info[3], -1);
  auto* answer = reinterpret_cast<int32_t*>(RangeOf(env, info[4], 0, sizeof(int32_t)));
  Registry& registry = TheRegistry();
  if (fd < 0 || !(offset >= 0) || !(length > 0) || !answer || !registry.words)
    return Answer(env, -EINVAL);
  auto bytes = static_cast<size_t>(length);
  void* data =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (data == MAP_FAILED) return AnswerErrno(env);
  int32_t slot = TakeSlot(registry);
  if (slot < 0) {
    munmap(data, bytes);
    return Answer(env, -ENOSPC);
  }
  registry.words[slot].store(0);
  *answer = slot;
  Owner owner(new Allocation(data, bytes, HeapOf(info), slot),
              [](Allocation* unused) { unused->Unused(); });
  if (BooleanOf(env, info[5])) return SharedBufferOver(env, data, bytes, std::move(owner));
  return PromptBufferOver(env, data, bytes, std::move(owner));
}

// heapEnd(slot): the last hold of what has ended was dropped.
static Napi::Value HeapEnd(const Napi::CallbackInfo& info) {
  Registry& registry = TheRegistry();
  Allocation* ended = nullptr;
  {
    std::lock_guard<std::mutex> guard(registry.lock);
    auto held = registry.held.find(static_cast<int32_t>(NumberOf(info.Env(), info[0], -1)));
    if (held != registry.held.end()) {
      ended = held->second;
      registry.held.erase(held);
    }
  }
  if (ended) ended->End();
  return info.Env().Undefined();
}

// heapFreed(heap) -> the slots of what has ended since the last call; they are free now.
static Napi::Value HeapFreed(const Napi::CallbackInfo& info) {
  std::vector<int32_t> slots;
  {
    Registry& registry = TheRegistry();
    std::lock_guard<std::mutex> guard(registry.lock);
    auto freed = registry.freed.find(HeapOf(info));
    if (freed != registry.freed.end()) slots.swap(freed->second);
    registry.free_slots.insert(registry.free_slots.end(), slots.begin(), slots.end());
  }
  auto result = Napi::Array::New(info.Env(), slots.size());
  for (uint32_t i = 0; i < slots.size(); i++) result.Set(i, Answer(info.Env(), slots[i]));
  return result;
}

// detach(buffer) -> 0 | -EINVAL: takes an ArrayBuffer's memory from it.
static Napi::Value Detach(const Napi::CallbackInfo& info) {
  napi_status status = napi_detach_arraybuffer(info.Env(), info[0]);
  return Answer(info.Env(), status == napi_ok ? 0 : -EINVAL);
}

// collectGarbage(): now, and all of it. V8 does so where it is told of more memory than a process
// may have. Twice: a collection that was under way already spares what has died since it began.
static Napi::Value CollectGarbage(const Napi::CallbackInfo& info) {
  constexpr int64_t kMore = int64_t{1} << 50;
  int64_t total;
  for (int i = 0; i < 2; i++)
    if (napi_adjust_external_memory(info.Env(), kMore, &total) == napi_ok)
      napi_adjust_external_memory(info.Env(), -kMore, &total);
  return info.Env().Undefined();
}

void InitHeap(Napi::Env env, Napi::Object exports) {
  exports.Set("heapOpen", Napi::Function::New(env, HeapOpen));
  exports.Set("heapClose", Napi::Function::New(env, HeapClose));
  exports.Set("heapMap", Napi::Function::New(env, HeapMap));
  exports.Set("heapWords", Napi::Function::New(env, HeapWords));
  exports.Set("heapEnd", Napi::Function::New(env, HeapEnd));
  exports.Set("heapFreed", Napi::Function::New(env, HeapFreed));
  exports.Set("detach", Napi::Function::New(env, Detach));
  exports.Set("collectGarbage", Napi::Function::New(env, CollectGarbage));
}

}  // namespace dreg
