// SPDX-License-Identifier: MIT
// userfaultfd(2) as a source of "this mapping has changed". A thread of its own reads the events
// and writes flags, ring and user_delta in the layout of kernel/dreg.h.
//
// A thread that unmaps memory sleeps until its event has been read, perhaps with malloc's locks
// held. So the reading thread must never allocate, free, or take a lock: all its memory is there
// before it starts, and it calls nothing but system calls.
//
// The registered mappings are in write-protect mode and nothing is ever write-protected: no access
// to the memory makes a fault event, whether its page was touched before or not.
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <memory>
#include <new>

#include "../kernel/dreg.h"
#include "buffer.h"
#include "handle.h"

namespace dreg {

// Words of struct dreg_shared that the kernel reserves and this monitor uses.
static constexpr int kBusyWord = 6;     // not 0 from before a read until its flags are set
static constexpr int kReasonsWord = 8;  // [kReasonsWord + reason]: how many slots fired by it
#ifdef DREG_TEST
static constexpr int kParkedWord = 7;  // where the reader is held now
static constexpr int kHoldWord = 15;   // where a test wants it held
#endif
static const size_t kPage = static_cast<size_t>(sysconf(_SC_PAGESIZE));
static constexpr size_t kStackBytes = 256 * 1024;
static constexpr int kMessagesMax = 16;

using Word = std::atomic<uint32_t>;
using Address = std::atomic<uint64_t>;

// An anonymous mapping, its pages present.
struct Area {
  explicit Area(size_t bytes) : length((bytes + kPage - 1) / kPage * kPage) {
    void* mapped = mmap(nullptr, length, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    data = mapped == MAP_FAILED ? nullptr : static_cast<uint8_t*>(mapped);
  }
  ~Area() {
    if (data) munmap(data, length);
  }
  Area(const Area&) = delete;
  Area& operator=(const Area&) = delete;
  size_t length;
  uint8_t* data;
};

// A slot's state: phase in the two low bits, above them how often it was armed. The latter lets the
// reader notice that the range it looked at is not the slot's range any more.
static constexpr uint32_t kFree = 0, kArmed = 1, kFiring = 2, kFired = 3, kPhase = 3, kOnce = 4;

class Reader {
 public:
  static constexpr napi_type_tag kTag = {0x6f1d5a2c9b3e4870, 0xb5c2e94d17a6f803};

  Reader(int fd, uint32_t slots)
      : fd_(fd),
        slots_(slots),
        shared_(std::make_shared<Area>(kPage + (slots + 3) / 4 * 4 + slots * sizeof(uint32_t))),
        table_(slots * (2 * sizeof(uint64_t) + sizeof(uint32_t))),
        stack_(kStackBytes),
        anchor_(kPage) {}
  ~Reader() {
    Stop();
  }

  // 0 or -errno. Takes the descriptor in any case.
  int Start();
  void Stop();

  int Register(uint64_t start, uint64_t length);
  int Unregister(uint64_t start, uint64_t length);
  int Arm(uint32_t slot, uint64_t start, uint64_t length);
  int Disarm(uint32_t slot);
  int Fence();

  std::shared_ptr<Area> shared() {
    return shared_;
  }
  int wake_fd() const {
    return wake_;
  }

 private:
  static void* Main(void* self);
  void Loop();
  void Take(const uffd_msg& message);
  void Fire(uint64_t start, uint64_t end, uint32_t reason);
  void Hold(uint32_t where);
  Word* Header(int word) {
    return reinterpret_cast<Word*>(shared_->data) + word;
  }

  int fd_;
  uint32_t slots_;
  int stop_ = -1;
  int wake_ = -1;
  bool running_ = false;
  pthread_t thread_ = {};
  std::shared_ptr<Area> shared_;  // struct dreg_shared, flags, ring; TypeScript sees it
  Area table_;                    // start_, end_, state_
  Area stack_;
  Area anchor_;  // a page of our own under this userfaultfd: what Fence asks about
  uint8_t* flags_ = nullptr;
  uint32_t* ring_ = nullptr;
  Address* start_ = nullptr;
  Address* end_ = nullptr;
  Word* state_ = nullptr;
  std::atomic<uint64_t>* user_delta_ = nullptr;
  Word slots_used_{0};  // slots at and above this were never armed
  uint32_t round_ = 0;
  bool fired_ = false;  // since the last write to wake_
  uffd_msg messages_[kMessagesMax];
};

int Reader::Start() {
  if (!shared_->data || !table_.data || !stack_.data || !anchor_.data) return -ENOMEM;
  auto* header = reinterpret_cast<dreg_shared*>(shared_->data);
  header->abi = DREG_ABI;
  header->slots = slots_;
  header->ring_offset = kPage;
  header->flag_offset = kPage + slots_ * sizeof(uint32_t);
  user_delta_ = reinterpret_cast<std::atomic<uint64_t>*>(&header->user_delta);
  ring_ = reinterpret_cast<uint32_t*>(shared_->data + header->ring_offset);
  flags_ = shared_->data + header->flag_offset;
  start_ = reinterpret_cast<Address*>(table_.data);
  end_ = start_ + slots_;
  state_ = reinterpret_cast<Word*>(end_ + slots_);

  stop_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_ < 0 || wake_ < 0) return -errno;
  int error = Register(reinterpret_cast<uintptr_t>(anchor_.data), kPage);
  if (error != 0) return error;

  // Signals are for the program's own threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  error = pthread_attr_setstack(&attributes, stack_.data, stack_.length);
  if (error == 0) error = pthread_create(&thread_, &attributes, Main, this);
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  running_ = error == 0;
  return -error;
}

void Reader::Stop() {
  if (running_) {
    uint64_t one = 1;
    while (write(stop_, &one, sizeof one) < 0 && errno == EINTR) continue;
    pthread_join(thread_, nullptr);
    running_ = false;
  } else if (fd_ >= 0) {
    close(fd_);
  }
  fd_ = -1;
  if (stop_ >= 0) close(stop_);
  if (wake_ >= 0) close(wake_);
  stop_ = wake_ = -1;
}

int Reader::Register(uint64_t start, uint64_t length) {
  uffdio_register argument = {{start, length}, UFFDIO_REGISTER_MODE_WP, 0};
  return ioctl(fd_, UFFDIO_REGISTER, &argument) == 0 ? 0 : -errno;
}

int Reader::Unregister(uint64_t start, uint64_t length) {
  uffdio_range range = {start, length};
  return ioctl(fd_, UFFDIO_UNREGISTER, &range) == 0 ? 0 : -errno;
}

int Reader::Arm(uint32_t slot, uint64_t start, uint64_t length) {
  if (slot >= slots_) return -ERANGE;
  uint32_t state = state_[slot].load(std::memory_order_relaxed);
  if ((state & kPhase) != kFree) return -EBUSY;
  __atomic_store_n(&flags_[slot], 0, __ATOMIC_RELAXED);
  start_[slot].store(start, std::memory_order_relaxed);
  end_[slot].store(start + length, std::memory_order_relaxed);
  state_[slot].store((state & ~kPhase) + kOnce + kArmed);
  if (slots_used_.load() <= slot) slots_used_.store(slot + 1);
  return 0;
}

// 1 where the slot had fired, 0 where it had not.
int Reader::Disarm(uint32_t slot) {
  if (slot >= slots_) return -ERANGE;
  uint32_t state = state_[slot].load();
  if ((state & kPhase) == kFree) return -ENOENT;
  if ((state & kPhase) == kArmed &&
      state_[slot].compare_exchange_strong(state, (state & ~kPhase) + kFree))
    return 0;
  while (((state = state_[slot].load()) & kPhase) == kFiring) sched_yield();
  state_[slot].store((state & ~kPhase) + kFree);
  return 1;
}

// The kernel refuses to un-protect the anchor from before it unmaps anything under this userfaultfd
// until the event has been read; and who reads is busy from before the read until the flags are
// set.
int Reader::Fence() {
  if (!running_) return -EBADF;
  uffdio_writeprotect argument = {{reinterpret_cast<uintptr_t>(anchor_.data), kPage}, 0};
  while (ioctl(fd_, UFFDIO_WRITEPROTECT, &argument) != 0) {
    if (errno != EAGAIN && errno != EINTR) return -errno;
    sched_yield();
  }
  uint32_t round = Header(kBusyWord)->load();
  while (round != 0 && Header(kBusyWord)->load() == round) sched_yield();
  return 0;
}

void* Reader::Main(void* self) {
  static_cast<Reader*>(self)->Loop();
  return nullptr;
}

void Reader::Loop() {
  syscall(SYS_prctl, PR_SET_NAME, "dreg-uffd", 0, 0, 0);
  for (;;) {
    pollfd waiting[] = {{fd_, POLLIN, 0}, {stop_, POLLIN, 0}};
    syscall(SYS_ppoll, waiting, 2, nullptr, nullptr, 0);
    if (waiting[1].revents) break;
    Hold(1);
    round_ = round_ + 1 ? round_ + 1 : 1;
    Header(kBusyWord)->store(round_);
    long bytes = syscall(SYS_read, fd_, messages_, sizeof messages_);
    Hold(2);
    for (long i = 0; i < bytes / static_cast<long>(sizeof *messages_); i++) Take(messages_[i]);
    Header(kBusyWord)->store(0);
    if (!fired_) continue;
    fired_ = false;
    uint64_t one = 1;
    syscall(SYS_write, wake_, &one, sizeof one);
  }
  // Whoever waits for an event of his to be read is released by this.
  syscall(SYS_close, fd_);
}

void Reader::Take(const uffd_msg& message) {
  switch (message.event) {
    case UFFD_EVENT_UNMAP:
      Fire(message.arg.remove.start, message.arg.remove.end, DREG_REASON_UNMAP);
      break;
    case UFFD_EVENT_REMOVE:
      Fire(message.arg.remove.start, message.arg.remove.end, DREG_REASON_CLEAR);
      break;
    case UFFD_EVENT_REMAP:
      // The mapping stays under this userfaultfd at its new address, where nobody asked for it:
      // its events touch no slot.
      Fire(message.arg.remap.from, message.arg.remap.from + message.arg.remap.len,
           DREG_REASON_UNMAP);
      break;
    default:
      break;
  }
}

void Reader::Fire(uint64_t start, uint64_t end, uint32_t reason) {
  uint32_t used = slots_used_.load();
  for (uint32_t slot = 0; slot < used; slot++) {
    uint32_t state = state_[slot].load(std::memory_order_acquire);
    if ((state & kPhase) != kArmed) continue;
    if (start_[slot].load(std::memory_order_relaxed) >= end) continue;
    if (end_[slot].load(std::memory_order_relaxed) <= start) continue;
    Hold(3);
    if (!state_[slot].compare_exchange_strong(state, state - kArmed + kFiring)) continue;
    Hold(4);
    uint64_t delta = user_delta_->load(std::memory_order_relaxed);
    __atomic_store_n(&flags_[slot], 1, __ATOMIC_RELAXED);
    __atomic_store_n(&ring_[delta & (slots_ - 1)], slot, __ATOMIC_RELAXED);
    user_delta_->store(delta + 1, std::memory_order_release);
    Header(kReasonsWord + static_cast<int>(reason))->fetch_add(1, std::memory_order_relaxed);
    state_[slot].store(state - kArmed + kFired);
    fired_ = true;
  }
}

// Test builds stop the reader before it reads (1), between its read and the flags (2), and before
// (3) and after (4) it has claimed a slot.
void Reader::Hold(uint32_t where) {
#ifdef DREG_TEST
  Header(kParkedWord)->store(where);
  while (Header(kHoldWord)->load() == where) syscall(SYS_sched_yield);
  Header(kParkedWord)->store(0);
#else
  (void)where;
#endif
}

// userfaultfdOpen(flags) -> fd | -errno. Non-blocking, closed by exec.
static Napi::Value Open(const Napi::CallbackInfo& info) {
  auto flags = IntegerOf(info.Env(), info[0], 0, INT_MAX);
  if (!flags) return Answer(info.Env(), -EINVAL);
  long fd = syscall(SYS_userfaultfd, *flags | O_CLOEXEC | O_NONBLOCK);
  return fd < 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), fd);
}

// userfaultfdApi(fd, features) -> 0 | -errno.
static Napi::Value Api(const Napi::CallbackInfo& info) {
  auto features = IntegerOf(info.Env(), info[1]);
  if (!features) return Answer(info.Env(), -EINVAL);
  uffdio_api api = {};
  api.api = UFFD_API;
  api.features = static_cast<uint64_t>(*features);
  int result = ioctl(DescriptorOf(info.Env(), info[0]), UFFDIO_API, &api);
  return result != 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), 0);
}

// userfaultfdGuards() -> 1 where the kernel has guard pages (Linux 6.13), else 0. An advice that it
// does not know is refused, be there nothing to advise on.
static Napi::Value Guards(const Napi::CallbackInfo& info) {
  constexpr int kGuardInstall = 102;
  return Answer(info.Env(), madvise(nullptr, 0, kGuardInstall) == 0 ? 1 : 0);
}

// Each event is compared with every slot: more would be no use.
static constexpr int64_t kSlotsMost = 1 << 20;

// userfaultfdStart(fd, slots) -> {reader, area, wakeFd} | -errno. Takes the descriptor. The reader
// stops when it is collected or its environment ends.
static Napi::Value Start(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = DescriptorOf(env, info[0]);
  int64_t slots = IntegerOf(env, info[1], 1, kSlotsMost).value_or(0);
  if (slots == 0 || (slots & (slots - 1))) {
    if (fd >= 0) close(fd);
    return Answer(env, -EINVAL);
  }
  auto reader = std::make_unique<Reader>(fd, static_cast<uint32_t>(slots));
  int error = reader->Start();
  if (error != 0) return Answer(env, error);
  // The area outlives the reader and the ArrayBuffer, whichever is released first.
  std::shared_ptr<Area> area = reader->shared();
  auto result = Napi::Object::New(env);
  result.Set("area", BufferOver(env, area->data, area->length, area));
  result.Set("wakeFd", Answer(env, reader->wake_fd()));
  result.Set("reader", Napi::Value(env, Handle<Reader>::Give(env, std::move(reader))));
  return result;
}

// One call of the reader with up to three whole numbers behind it -> its answer.
template <typename Call>
static Napi::Value With(const Napi::CallbackInfo& info, size_t count, Call call) {
  Napi::Env env = info.Env();
  Reader* reader = Handle<Reader>::Of(env, info[0]);
  uint64_t numbers[3] = {};
  for (size_t i = 0; i < count; i++) {
    auto number = IntegerOf(env, info[i + 1]);
    if (!number) return Answer(env, -EINVAL);
    numbers[i] = static_cast<uint64_t>(*number);
  }
  return Answer(env, reader ? call(reader, numbers) : -EINVAL);
}

static uint32_t SlotOf(uint64_t number) {
  return static_cast<uint32_t>(std::min<uint64_t>(number, UINT32_MAX));
}

static Napi::Value Stop(const Napi::CallbackInfo& info) {
  if (Reader* reader = Handle<Reader>::Of(info.Env(), info[0])) reader->Stop();
  return info.Env().Undefined();
}
static Napi::Value Register(const Napi::CallbackInfo& info) {
  return With(info, 2, [](Reader* reader, uint64_t* at) { return reader->Register(at[0], at[1]); });
}
static Napi::Value Unregister(const Napi::CallbackInfo& info) {
  return With(info, 2,
              [](Reader* reader, uint64_t* at) { return reader->Unregister(at[0], at[1]); });
}
static Napi::Value Arm(const Napi::CallbackInfo& info) {
  return With(info, 3, [](Reader* reader, uint64_t* at) {
    return reader->Arm(SlotOf(at[0]), at[1], at[2]);
  });
}
static Napi::Value Disarm(const Napi::CallbackInfo& info) {
  return With(info, 1, [](Reader* reader, uint64_t* at) { return reader->Disarm(SlotOf(at[0])); });
}
static Napi::Value Fence(const Napi::CallbackInfo& info) {
  return With(info, 0, [](Reader* reader, uint64_t*) { return reader->Fence(); });
}

void InitUserfaultfd(Napi::Env env, Napi::Object exports) {
  exports.Set("userfaultfdOpen", Napi::Function::New(env, Open));
  exports.Set("userfaultfdApi", Napi::Function::New(env, Api));
  exports.Set("userfaultfdGuards", Napi::Function::New(env, Guards));
  exports.Set("userfaultfdStart", Napi::Function::New(env, Start));
  exports.Set("userfaultfdStop", Napi::Function::New(env, Stop));
  exports.Set("userfaultfdRegister", Napi::Function::New(env, Register));
  exports.Set("userfaultfdUnregister", Napi::Function::New(env, Unregister));
  exports.Set("userfaultfdArm", Napi::Function::New(env, Arm));
  exports.Set("userfaultfdDisarm", Napi::Function::New(env, Disarm));
  exports.Set("userfaultfdFence", Napi::Function::New(env, Fence));
}

}  // namespace dreg
