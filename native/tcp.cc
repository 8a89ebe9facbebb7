// SPDX-License-Identifier: MIT
// This process's TCP connections, whoever opened them: where their ends are, whether the other end
// answers (TCP_INFO), and how they end.
#include <dirent.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>
#include <cstring>

#include "util.h"

namespace dreg {

// As in tcp.ts.
struct TcpConnection {
  int32_t fd;
  int32_t state;
  int32_t silent_ms;
  int32_t repeats;
  uint32_t acknowledged;
  uint32_t unused;
  uint8_t own[32];
  uint8_t peer[32];
};
static_assert(sizeof(TcpConnection) == 88, "CONNECTION.bytes");

template <typename Name>
static bool EndOf(int fd, Name name, uint8_t (&end)[32]) {
  sockaddr_storage address = {};
  socklen_t length = sizeof address;
  if (name(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return false;
  if (address.ss_family != AF_INET && address.ss_family != AF_INET6) return false;
  memcpy(end, &address, sizeof end);
  return true;
}

static bool Describe(int fd, TcpConnection* to) {
  tcp_info info = {};
  socklen_t length = sizeof info;
  if (!EndOf(fd, getpeername, to->peer) || !EndOf(fd, getsockname, to->own)) return false;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return false;
  to->fd = fd;
  to->state = info.tcpi_state;
  to->silent_ms = static_cast<int32_t>(std::min<uint32_t>(info.tcpi_last_ack_recv, INT32_MAX));
  to->repeats = info.tcpi_retransmits;
  to->acknowledged = static_cast<uint32_t>(info.tcpi_bytes_acked);
  return true;
}

// tcpConnections(into) -> how many there are | -errno. What does not fit is counted only.
static Napi::Value Connections(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Bytes into = BytesOf(env, info[0]);
  DIR* folder = opendir("/proc/self/fd");
  if (!folder) return AnswerErrno(env);
  int64_t count = 0;
  while (const dirent* entry = readdir(folder)) {
    char* end = nullptr;
    auto fd = static_cast<int>(strtol(entry->d_name, &end, 10));
    TcpConnection found = {};
    if (*end != '\0' || !Describe(fd, &found)) continue;
    size_t at = static_cast<size_t>(count++) * sizeof found;
    if (at + sizeof found <= into.length) memcpy(into.data + at, &found, sizeof found);
  }
  closedir(folder);
  return Answer(env, count);
}

// tcpKeepAlive(fd, seconds, probes) -> 0 | -errno: an idle connection asks the other end so often.
static Napi::Value KeepAlive(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = DescriptorOf(env, info[0]);
  auto seconds = static_cast<int>(IntegerOf(env, info[1], 1, INT16_MAX).value_or(1));
  auto probes = static_cast<int>(IntegerOf(env, info[2], 1, 127).value_or(1));
  int on = 1;
  auto set = [fd](int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
  };
  bool well = set(IPPROTO_TCP, TCP_KEEPIDLE, seconds) && set(IPPROTO_TCP, TCP_KEEPINTVL, seconds) &&
              set(IPPROTO_TCP, TCP_KEEPCNT, probes) && set(SOL_SOCKET, SO_KEEPALIVE, on);
  return well ? Answer(env, 0) : AnswerErrno(env);
}

// tcpShutdown(fd) -> 0 | -errno: nothing goes or comes any more; the descriptor stays its owner's.
static Napi::Value Shutdown(const Napi::CallbackInfo& info) {
  int fd = DescriptorOf(info.Env(), info[0]);
  return shutdown(fd, SHUT_RDWR) != 0 ? AnswerErrno(info.Env()) : Answer(info.Env(), 0);
}

void InitTcp(Napi::Env env, Napi::Object exports) {
  exports.Set("tcpConnections", Napi::Function::New(env, Connections));
  exports.Set("tcpKeepAlive", Napi::Function::New(env, KeepAlive));
  exports.Set("tcpShutdown", Napi::Function::New(env, Shutdown));
}

}  // namespace dreg
