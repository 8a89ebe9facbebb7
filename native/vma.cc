// SPDX-License-Identifier: MIT
// What lies at an address: /proc/self/maps, by its PROCMAP_QUERY ioctl (Linux 6.11) or as text.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "util.h"

namespace dreg {

struct Vma {
  uint64_t start, end, shared, page_size, inode, device_major;
  char name[64];  // its beginning; enough to tell the kernel's own names apart
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
  char name[4096];
  query.size = sizeof query;
  query.query_flags = kCoveringOrNext;
  query.query_address = address;
  query.name_size = sizeof name;
  query.name_address = reinterpret_cast<uintptr_t>(name);
  name[0] = 0;
  if (ioctl(maps, kProcmapQuery, &query) != 0) return -errno;
  *vma = {query.start,
          query.end,
          query.flags & kVmaShared ? 1u : 0u,
          query.page_size,
          query.inode,
          query.device_major,
          {}};
  snprintf(vma->name, sizeof vma->name, "%.63s", name);
  return 0;
}

// One line of /proc/self/maps: start-end perms offset major:minor inode name.
static bool ParseLine(const char* line, Vma* vma) {
  unsigned long start, end, offset, inode;
  unsigned major, minor;
  char permissions[8];
  int name = 0;
  if (sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %n", &start, &end, permissions, &offset, &major,
             &minor, &inode, &name) < 7)
    return false;
  // The text does not tell the page size; 0 stands for "not known".
  *vma = {start, end, permissions[3] == 's' ? 1u : 0u, 0, inode, major, {}};
  snprintf(vma->name, sizeof vma->name, "%.63s", line + name);
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

// vmaQuery(maps, address, answer: Float64Array(6), byText) -> name | -errno: the mapping that
// covers the address, or the next above it; ENOENT where there is none.
// answer = [start, end, shared, page size (0: not known), inode, device major].
static Napi::Value VmaQuery(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int maps = static_cast<int>(NumberOf(env, info[0], -1));
  auto address = static_cast<uint64_t>(NumberOf(env, info[1], 0));
  auto* answer = reinterpret_cast<double*>(RangeOf(env, info[2], 0, 6 * sizeof(double)));
  if (!answer) return Answer(env, -EINVAL);
  Vma vma;
  int error = -ENOTTY;
  if (!BooleanOf(env, info[3])) error = QueryByIoctl(maps, address, &vma);
  if (error == -ENOTTY) error = QueryByText(maps, address, &vma);
  if (error != 0) return Answer(env, error);
  const uint64_t fields[] = {vma.start,     vma.end,   vma.shared,
                             vma.page_size, vma.inode, vma.device_major};
  for (int i = 0; i < 6; i++) answer[i] = static_cast<double>(fields[i]);
  return Napi::String::New(env, vma.name);
}

void InitVma(Napi::Env env, Napi::Object exports) {
  exports.Set("vmaQuery", Napi::Function::New(env, VmaQuery));
}

}  // namespace dreg
