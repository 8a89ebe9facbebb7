// SPDX-License-Identifier: MIT
// What lies at an address: /proc/self/maps, by its PROCMAP_QUERY ioctl (Linux 6.11) or as text.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "util.h"

namespace dreg {

struct Vma {
  uint64_t start, end, shared, page_size, inode;
};

// struct procmap_query of linux/fs.h, which Debian 12's headers do not have yet.
struct ProcmapQuery {
  uint64_t size, query_flags, query_address;
  uint64_t start, end, flags, page_size, offset, inode;
  uint32_t device_major, device_minor, name_size, build_id_size;
  uint64_t name_address, build_id_address;
};
static constexpr unsigned long kProcmapQuery = _IOWR('f', 17, ProcmapQuery);
static constexpr uint64_t kVmaShared = 0x08, kCoveringOrNext = 0x10;

static int QueryByIoctl(int maps, uint64_t address, Vma* vma) {
  ProcmapQuery query = {};
  query.size = sizeof query;
  query.query_flags = kCoveringOrNext;
  query.query_address = address;
  if (ioctl(maps, kProcmapQuery, &query) != 0) return -errno;
  *vma = {query.start, query.end, query.flags & kVmaShared ? 1u : 0u, query.page_size, query.inode};
  return 0;
}

// One line of /proc/self/maps: start-end perms offset major:minor inode name.
static bool ParseLine(const char* line, Vma* vma) {
  unsigned long start, end, offset, inode;
  unsigned major, minor;
  char permissions[8];
  if (sscanf(line, "%lx-%lx %7s %lx %x:%x %lu", &start, &end, permissions, &offset, &major, &minor,
             &inode) < 7)
    return false;
  // The text does not tell the page size; 0 stands for "not known".
  *vma = {start, end, permissions[3] == 's' ? 1u : 0u, 0, inode};
  return true;
}

static int QueryByText(int maps, uint64_t address, Vma* vma) {
  std::string line;
  char piece[16384];
  if (lseek(maps, 0, SEEK_SET) != 0) return -errno;
  for (;;) {
    ssize_t count = read(maps, piece, sizeof piece);
    if (count < 0) return -errno;
    if (count == 0) return -ENOENT;
    for (ssize_t i = 0; i < count; i++) {
      if (piece[i] != '\n') {
        line += piece[i];
        continue;
      }
      if (strtoul(line.c_str() + line.find('-') + 1, nullptr, 16) > address)
        return ParseLine(line.c_str(), vma) ? 0 : -EPROTO;
      line.clear();
    }
  }
}

// vmaQuery(maps, address, answer: Float64Array(5), byText) -> 0 | -errno: the mapping that covers
// the address, or the next above it; ENOENT where there is none.
// answer = [start, end, shared, page size (0: not known), inode].
static Napi::Value VmaQuery(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int maps = DescriptorOf(env, info[0]);
  double address = NumberOf(env, info[1], -1);
  auto* answer = ArrayOf<double>(env, info[2], 5);
  if (!answer || !(address >= 0 && address <= kExact)) return Answer(env, -EINVAL);
  auto at = static_cast<uint64_t>(address);
  Vma vma;
  int error = -ENOTTY;
  if (!BooleanOf(env, info[3])) error = QueryByIoctl(maps, at, &vma);
  if (error == -ENOTTY) error = QueryByText(maps, at, &vma);
  if (error != 0) return Answer(env, error);
  const uint64_t fields[] = {vma.start, vma.end, vma.shared, vma.page_size, vma.inode};
  for (int i = 0; i < 5; i++) answer[i] = static_cast<double>(fields[i]);
  return Answer(env, 0);
}

void InitVma(Napi::Env env, Napi::Object exports) {
  exports.Set("vmaQuery", Napi::Function::New(env, VmaQuery));
}

}  // namespace dreg
