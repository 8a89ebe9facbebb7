// SPDX-License-Identifier: MIT
#include "futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace dreg {

namespace {

// Linux 5.16; older headers have no name for it, and every processor has the same number.
constexpr long kFutexWaitv = 449;
constexpr uint32_t kFutex32 = 2;
struct Waited {
  uint64_t value;
  uint64_t address;
  uint32_t flags;
  uint32_t reserved;
};

// Without futex_waitv nothing but time ends a wait that is cancelled.
constexpr int64_t kSliceNanoseconds = 20'000'000;

bool HasVectors() {
  // An empty list is refused, where the call is not.
  static const bool has =
      syscall(kFutexWaitv, nullptr, 0, 0, nullptr, CLOCK_MONOTONIC) != 0 && errno == EINVAL;
  return has;
}

// One round; 0: woken. The kernel compares and lies down in one step.
int WaitPlain(const Target& target, const timespec* until) {
  auto expected = static_cast<uint32_t>(target.expected);
  long result = syscall(SYS_futex, target.word, FUTEX_WAIT_BITSET, expected, until, nullptr,
                        FUTEX_BITSET_MATCH_ANY);
  return result == 0 ? 0 : -errno;
}

// One round; 0: woken; -ECANCELED: `cancel` is not 0 any more. Both halves of a wide word are
// compared, so that it does not matter which of them a store has changed; who notifies wakes those
// of the lower half.
int WaitVector(const Target& target, const timespec* until, std::atomic<uint32_t>* cancel) {
  Waited list[3] = {};
  unsigned count = 0;
  auto add = [&](const void* word, uint64_t value, uint32_t flags) {
    list[count++] = {value, reinterpret_cast<uint64_t>(word), kFutex32 | flags, 0};
  };
  add(target.word, static_cast<uint32_t>(target.expected), 0);
  if (target.wide) add(target.word + 1, target.expected >> 32, 0);
  if (cancel) add(cancel, 0, FUTEX_PRIVATE_FLAG);
  long index = syscall(kFutexWaitv, list, count, 0, until, CLOCK_MONOTONIC);
  int answer = index >= 0 ? 0 : -errno;
  if (cancel && cancel->load()) return -ECANCELED;
  // Also where somebody has notified a word of 32 bits that lies in the upper half: the kernel
  // names the last of those that were woken, so the lower half may have been, too.
  return answer;
}

}  // namespace

timespec Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now;
}

timespec Later(timespec from, int64_t seconds, int64_t nanoseconds) {
  from.tv_sec += seconds;
  from.tv_nsec += nanoseconds;
  if (from.tv_nsec >= 1'000'000'000) {
    from.tv_sec++;
    from.tv_nsec -= 1'000'000'000;
  }
  return from;
}

bool IsBefore(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

int64_t Wake(uint32_t* word, int count, int flags) {
  long woken = syscall(SYS_futex, word, FUTEX_WAKE | flags, count, nullptr, nullptr, 0);
  return woken < 0 ? -errno : woken;
}

int WaitFor(const Target& target, const Deadline& deadline, std::atomic<uint32_t>* cancel) {
  bool vectors = HasVectors();
  if (target.wide && !vectors) return -ENOSYS;
  for (bool again = false;; again = true) {
    int answer;
    if ((target.wide || cancel) && vectors) {
      answer = WaitVector(target, deadline.Pointer(), cancel);
    } else if (cancel) {
      timespec slice = Later(Now(), 0, kSliceNanoseconds);
      bool last = !deadline.forever && IsBefore(deadline.at, slice);
      answer = WaitPlain(target, last ? &deadline.at : &slice);
      if (cancel->load()) return -ECANCELED;
      if (answer == -ETIMEDOUT && !last) continue;
    } else {
      answer = WaitPlain(target, deadline.Pointer());
    }
    // A signal: it has waited already, so a word that has changed meanwhile ends the wait.
    if (answer == -EINTR) continue;
    return answer == -EAGAIN && again ? 0 : answer;
  }
}

}  // namespace dreg
