// SPDX-License-Identifier: MIT
// Descriptors from process to process: SCM_RIGHTS over datagram sockets in the abstract name space
// (unix(7)), which leaves nothing in any file system.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "util.h"

namespace dreg {

static constexpr size_t kMaxFds = 253;  // SCM_MAX_FD
static constexpr size_t kMaxPayload = 256;

static socklen_t AbstractAddress(const std::string& name, sockaddr_un* address) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (name.empty() || name.size() + 1 > sizeof address->sun_path) return 0;
  memcpy(address->sun_path + 1, name.data(), name.size());
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
}

// fdSocketBind(name) -> fd | -errno.
static Napi::Value FdSocketBind(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsString()) return Answer(env, -EINVAL);
  sockaddr_un address;
  socklen_t length = AbstractAddress(info[0].As<Napi::String>().Utf8Value(), &address);
  if (!length) return Answer(env, -ENAMETOOLONG);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return AnswerErrno(env);
  int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 ||
      bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0) {
    int error = errno;
    close(fd);
    return Answer(env, -error);
  }
  return Answer(env, fd);
}

// fdSocketSend(fd, name, payload, fds) -> 0 | -errno.
static Napi::Value FdSocketSend(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[1].IsString() || !info[2].IsString() || !info[3].IsArray()) return Answer(env, -EINVAL);
  std::string payload = info[2].As<Napi::String>().Utf8Value();
  auto list = info[3].As<Napi::Array>();
  size_t count = list.Length();
  if (count == 0 || count > kMaxFds || payload.empty() || payload.size() > kMaxPayload)
    return Answer(env, -EINVAL);
  std::vector<int> fds(count);
  for (uint32_t i = 0; i < count; i++)
    fds[i] = DescriptorOf(env, static_cast<Napi::Value>(list[i]));

  sockaddr_un address;
  socklen_t length = AbstractAddress(info[1].As<Napi::String>().Utf8Value(), &address);
  if (!length) return Answer(env, -ENAMETOOLONG);
  iovec vector = {payload.data(), payload.size()};
  std::vector<char> control(CMSG_SPACE(count * sizeof(int)));
  msghdr message = {};
  message.msg_name = &address;
  message.msg_namelen = length;
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(header), fds.data(), count * sizeof(int));
  int fd = DescriptorOf(env, info[0]);
  return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? AnswerErrno(env) : Answer(env, 0);
}

// fdSocketReceive(fd, milliseconds) -> { payload, fds, uid, pid } | -errno (-ETIMEDOUT).
static Napi::Value FdSocketReceive(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = DescriptorOf(env, info[0]);
  double milliseconds = MillisecondsOf(env, info[1]);
  if (fd < 0) return Answer(env, -EBADF);
  if (milliseconds < 0) return Answer(env, -EINVAL);
  pollfd waiting = {fd, POLLIN, 0};
  int ready;
  do ready = poll(&waiting, 1, static_cast<int>(milliseconds));
  while (ready < 0 && errno == EINTR);
  if (ready <= 0) return Answer(env, ready == 0 ? -ETIMEDOUT : -errno);

  char payload[kMaxPayload];
  iovec vector = {payload, sizeof payload};
  std::vector<char> control(CMSG_SPACE(kMaxFds * sizeof(int)) + CMSG_SPACE(sizeof(ucred)));
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (count < 0) return AnswerErrno(env);
  auto fds = Napi::Array::New(env);
  ucred peer = {-1, static_cast<uid_t>(-1), static_cast<gid_t>(-1)};
  for (cmsghdr* h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h)) {
    if (h->cmsg_level != SOL_SOCKET) continue;
    if (h->cmsg_type == SCM_CREDENTIALS) memcpy(&peer, CMSG_DATA(h), sizeof peer);
    if (h->cmsg_type != SCM_RIGHTS) continue;
    size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n; i++) {
      int received;
      memcpy(&received, CMSG_DATA(h) + i * sizeof(int), sizeof received);
      fds.Set(fds.Length(), Answer(env, received));
    }
  }
  auto result = Napi::Object::New(env);
  result.Set("payload", Napi::String::New(env, payload, static_cast<size_t>(count)));
  result.Set("fds", fds);
  result.Set("uid", Answer(env, static_cast<int64_t>(static_cast<int32_t>(peer.uid))));
  result.Set("pid", Answer(env, peer.pid));
  return result;
}

void InitFdpass(Napi::Env env, Napi::Object exports) {
  exports.Set("fdSocketBind", Napi::Function::New(env, FdSocketBind));
  exports.Set("fdSocketSend", Napi::Function::New(env, FdSocketSend));
  exports.Set("fdSocketReceive", Napi::Function::New(env, FdSocketReceive));
}

}  // namespace dreg
