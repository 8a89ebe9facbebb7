// SPDX-License-Identifier: MIT
// Sleeping until somebody wakes those who wait for a word of memory, in whichever process.
// futex(2), futex_waitv(2).
#ifndef DREG_MPI_NATIVE_FUTEX_H_
#define DREG_MPI_NATIVE_FUTEX_H_

#include <atomic>
#include <cstdint>
#include <ctime>

namespace dreg {

// A word of 32 bits, or of 64, of which the lower half is what is waited on.
struct Target {
  uint32_t* word = nullptr;
  bool wide = false;
  uint64_t expected = 0;
};

timespec Now();
timespec Later(timespec from, int64_t seconds, int64_t nanoseconds);
bool IsBefore(const timespec& a, const timespec& b);

// When so many milliseconds have passed; `forever` where that is beyond all clocks.
struct Deadline {
  timespec at = {};
  bool forever = true;

  explicit Deadline(double milliseconds) {
    // The clock counts seconds in 63 bits.
    if (!(milliseconds < 1e15)) return;
    auto seconds = static_cast<int64_t>(milliseconds / 1e3);
    auto rest = static_cast<int64_t>((milliseconds - static_cast<double>(seconds) * 1e3) * 1e6);
    at = Later(Now(), seconds, rest);
    forever = false;
  }
  const timespec* Pointer() const {
    return forever ? nullptr : &at;
  }
};

// How many of those who wait for the word were woken, or -errno. `flags`: FUTEX_PRIVATE_FLAG, or
// none.
int64_t Wake(uint32_t* word, int count, int flags = 0);

// 0: woken; -EAGAIN: the word is another one; -ETIMEDOUT; -ECANCELED: `cancel` is not 0 any more,
// and was woken; -ENOSYS: the kernel cannot wait for 64 bits; -EFAULT.
int WaitFor(const Target& target, const Deadline& deadline, std::atomic<uint32_t>* cancel);

}  // namespace dreg

#endif  // DREG_MPI_NATIVE_FUTEX_H_
