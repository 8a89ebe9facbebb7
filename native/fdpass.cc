// SPDX-License-Identifier: MIT
// Descriptors from process to process: SCM_RIGHTS over datagram sockets in the abstract name space
// (unix(7)), which leaves nothing in any file system. Everybody sees those names, so each socket is
// shut to strangers before it has one: a sender takes nothing, a receiver only what its sender
// sends.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "util.h"

namespace dreg {

static constexpr size_t kMaxFds = 253;  // SCM_MAX_FD

struct AbstractAddress {
  explicit AbstractAddress(Napi::Value name) {
    if (!name.IsString()) return;
    std::string text = name.As<Napi::String>().Utf8Value();
    if (text.empty() || text.size() + 1 > sizeof address.sun_path) return;
    memcpy(address.sun_path + 1, text.data(), text.size());
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  }
  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&address);
  }

  sockaddr_un address = {AF_UNIX, {}};
  // 0: no name, or one that is too long.
  socklen_t length = 0;
};

// Closes the socket where a call failed.
static Napi::Value AnswerSocket(Napi::Env env, int fd, int result) {
  if (result == 0) return Answer(env, fd);
  int error = errno;
  close(fd);
  return Answer(env, -error);
}

// fdSenderBind(name) -> fd | -errno.
static Napi::Value FdSenderBind(const Napi::CallbackInfo& info) {
  AbstractAddress name(info[0]);
  if (!name.length) return Answer(info.Env(), -EINVAL);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return AnswerErrno(info.Env());
  int result = shutdown(fd, SHUT_RD);
  if (result == 0) result = bind(fd, name.get(), name.length);
  return AnswerSocket(info.Env(), fd, result);
}

// fdReceiverBind(name, sender) -> fd | -errno.
static Napi::Value FdReceiverBind(const Napi::CallbackInfo& info) {
  AbstractAddress name(info[0]), sender(info[1]);
  if (!name.length || !sender.length) return Answer(info.Env(), -EINVAL);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return AnswerErrno(info.Env());
  int result = connect(fd, sender.get(), sender.length);
  if (result == 0) result = bind(fd, name.get(), name.length);
  return AnswerSocket(info.Env(), fd, result);
}

// fdSocketSend(fd, receiver, fds) -> 0 | -errno.
static Napi::Value FdSocketSend(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  AbstractAddress receiver(info[1]);
  if (!receiver.length || !info[2].IsArray()) return Answer(env, -EINVAL);
  auto list = info[2].As<Napi::Array>();
  size_t count = list.Length();
  if (count == 0 || count > kMaxFds) return Answer(env, -EINVAL);
  std::vector<int> fds(count);
  for (uint32_t i = 0; i < count; i++)
    fds[i] = DescriptorOf(env, static_cast<Napi::Value>(list[i]));

  char payload = 0;
  iovec vector = {&payload, sizeof payload};
  std::vector<char> control(CMSG_SPACE(count * sizeof(int)));
  msghdr message = {};
  message.msg_name = const_cast<sockaddr*>(receiver.get());
  message.msg_namelen = receiver.length;
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
  ssize_t sent;
  do sent = sendmsg(fd, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? AnswerErrno(env) : Answer(env, 0);
}

static std::vector<int> DescriptorsOf(msghdr* message) {
  std::vector<int> fds;
  for (cmsghdr* h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    size_t before = fds.size();
    fds.resize(before + count);
    memcpy(fds.data() + before, CMSG_DATA(h), count * sizeof(int));
  }
  return fds;
}

// 1 when something is there, 0 when so many milliseconds are over, or -errno; signals lengthen
// nothing.
static int PollFor(int fd, double milliseconds) {
  using std::chrono::steady_clock;
  auto end = steady_clock::now() + std::chrono::duration<double, std::milli>(milliseconds);
  for (;;) {
    std::chrono::duration<double, std::milli> left = end - steady_clock::now();
    pollfd waiting = {fd, POLLIN, 0};
    int ready = poll(&waiting, 1, left.count() > 0 ? static_cast<int>(left.count()) + 1 : 0);
    if (ready >= 0) return ready;
    if (errno != EINTR) return -errno;
  }
}

// fdSocketReceive(fd, milliseconds) -> [fd, ...] | -errno: -ETIMEDOUT; -EMFILE where this process
// may not have so many, and then it has none of them.
static Napi::Value FdSocketReceive(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = DescriptorOf(env, info[0]);
  double milliseconds = MillisecondsOf(env, info[1]);
  if (fd < 0) return Answer(env, -EBADF);
  if (milliseconds < 0) return Answer(env, -EINVAL);
  int ready = PollFor(fd, milliseconds);
  if (ready <= 0) return Answer(env, ready == 0 ? -ETIMEDOUT : ready);

  char payload;
  iovec vector = {&payload, sizeof payload};
  std::vector<char> control(CMSG_SPACE(kMaxFds * sizeof(int)));
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t count;
  do count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  while (count < 0 && errno == EINTR);
  if (count < 0) return AnswerErrno(env);
  std::vector<int> fds = DescriptorsOf(&message);
  if (message.msg_flags & MSG_CTRUNC) {
    for (int one : fds) close(one);
    return Answer(env, -EMFILE);
  }
  auto result = Napi::Array::New(env, fds.size());
  for (uint32_t i = 0; i < fds.size(); i++) result.Set(i, Answer(env, fds[i]));
  return result;
}

// socketPeer(fd) -> pid | -errno: who made the other end; 0 where that cannot be told (another kind
// of socket, or a process of another pid namespace).
static Napi::Value SocketPeer(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  ucred peer = {0, 0, 0};
  socklen_t length = sizeof peer;
  int fd = DescriptorOf(env, info[0]);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return AnswerErrno(env);
  return Answer(env, peer.pid);
}

void InitFdpass(Napi::Env env, Napi::Object exports) {
  exports.Set("fdSenderBind", Napi::Function::New(env, FdSenderBind));
  exports.Set("fdReceiverBind", Napi::Function::New(env, FdReceiverBind));
  exports.Set("fdSocketSend", Napi::Function::New(env, FdSocketSend));
  exports.Set("fdSocketReceive", Napi::Function::New(env, FdSocketReceive));
  exports.Set("socketPeer", Napi::Function::New(env, SocketPeer));
}

}  // namespace dreg
