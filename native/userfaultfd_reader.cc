// SPDX-License-Identifier: MIT
// A thread that unmaps memory sleeps until its event has been read, perhaps with malloc's locks
// held. So the reading thread must never allocate, free, or take a lock: all its memory is there
// before it starts, and it calls nothing but system calls.
#include "userfaultfd_reader.h"

#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "../kernel/dreg.h"

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

// A slot's state: phase in the two low bits, above them how often it was armed. The latter lets the
// reader notice that the range it looked at is not the slot's range any more.
static constexpr uint32_t kFree = 0, kArmed = 1, kFiring = 2, kFired = 3, kPhase = 3, kOnce = 4;

UserfaultfdReader::UserfaultfdReader(int fd, uint32_t slots)
    : fd_(fd),
      slots_(slots),
      shared_(std::make_shared<AnonymousMemory>(
          kPage + (slots + 3) / 4 * 4 + slots * sizeof(uint32_t), MAP_POPULATE)),
      table_(slots * (2 * sizeof(uint64_t) + sizeof(uint32_t)), MAP_POPULATE),
      stack_(kStackBytes, MAP_POPULATE),
      anchor_(kPage, MAP_POPULATE) {}

int UserfaultfdReader::Start() {
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

void UserfaultfdReader::Stop() {
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

int UserfaultfdReader::Register(uint64_t start, uint64_t length) {
  uffdio_register argument = {{start, length}, UFFDIO_REGISTER_MODE_WP, 0};
  return ioctl(fd_, UFFDIO_REGISTER, &argument) == 0 ? 0 : -errno;
}

int UserfaultfdReader::Unregister(uint64_t start, uint64_t length) {
  uffdio_range range = {start, length};
  return ioctl(fd_, UFFDIO_UNREGISTER, &range) == 0 ? 0 : -errno;
}

int UserfaultfdReader::Arm(uint32_t slot, uint64_t start, uint64_t length) {
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

int UserfaultfdReader::Disarm(uint32_t slot) {
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
int UserfaultfdReader::Fence() {
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

void* UserfaultfdReader::Main(void* self) {
  static_cast<UserfaultfdReader*>(self)->Loop();
  return nullptr;
}

void UserfaultfdReader::Loop() {
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

void UserfaultfdReader::Take(const uffd_msg& message) {
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

void UserfaultfdReader::Fire(uint64_t start, uint64_t end, uint32_t reason) {
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
void UserfaultfdReader::Hold(uint32_t where) {
#ifdef DREG_TEST
  Header(kParkedWord)->store(where);
  while (Header(kHoldWord)->load() == where) syscall(SYS_sched_yield);
  Header(kParkedWord)->store(0);
#else
  (void)where;
#endif
}

}  // namespace dreg
