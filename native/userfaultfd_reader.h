// SPDX-License-Identifier: MIT
// The thread that reads the events of a userfaultfd, and the slots that it fires.
#ifndef DREG_MPI_NATIVE_USERFAULTFD_READER_H_
#define DREG_MPI_NATIVE_USERFAULTFD_READER_H_

#include <linux/userfaultfd.h>
#include <pthread.h>

#include <atomic>
#include <memory>

#include "buffer.h"
#include "handle.h"

namespace dreg {

class UserfaultfdReader {
  using Word = std::atomic<uint32_t>;
  using Address = std::atomic<uint64_t>;

 public:
  static constexpr napi_type_tag kTag = {0x6f1d5a2c9b3e4870, 0xb5c2e94d17a6f803};

  UserfaultfdReader(int fd, uint32_t slots);
  ~UserfaultfdReader() {
    Stop();
  }

  // 0 or -errno. Takes the descriptor in any case.
  int Start();
  void Stop();

  int Register(uint64_t start, uint64_t length);
  int Unregister(uint64_t start, uint64_t length);
  int Arm(uint32_t slot, uint64_t start, uint64_t length);
  // 1 where the slot had fired, 0 where it had not.
  int Disarm(uint32_t slot);
  // Returns when every event that the kernel has raised has set its flags.
  int Fence();

  std::shared_ptr<AnonymousMemory> shared() {
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
  std::shared_ptr<AnonymousMemory> shared_;  // struct dreg_shared, flags, ring; TypeScript sees it
  AnonymousMemory table_;                    // start_, end_, state_
  AnonymousMemory stack_;
  AnonymousMemory anchor_;  // a page of our own under this userfaultfd: what Fence asks about
  uint8_t* flags_ = nullptr;
  uint32_t* ring_ = nullptr;
  Address* start_ = nullptr;
  Address* end_ = nullptr;
  Word* state_ = nullptr;
  std::atomic<uint64_t>* user_delta_ = nullptr;
  Word slots_used_{0};  // slots at and above this were never armed
  uint32_t round_ = 0;
  bool fired_ = false;  // since the last write to wake_
  static constexpr int kMessagesMax = 16;
  uffd_msg messages_[kMessagesMax];
};

}  // namespace dreg

#endif  // DREG_MPI_NATIVE_USERFAULTFD_READER_H_
