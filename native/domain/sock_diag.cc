// SPDX-License-Identifier: Apache-2.0
#include "sock_diag.h"

#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstring>

#include "error.h"
#include "fd.h"
#include "remote_socket.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace tlshub {
namespace {

constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool isMapped(const uint8_t address[16]) {
  return !std::memcmp(address, kMappedPrefix, sizeof(kMappedPrefix));
}

// A dual-stack socket that speaks IPv4 is found under AF_INET as well: the kernel hashes it by its IPv4 addresses.
int destroyAs(int family, const Tuple& tuple, uint64_t cookie) {
  Fd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) throw SysError("socket", "cannot open NETLINK_SOCK_DIAG");
  struct {
    nlmsghdr header;
    inet_diag_req_v2 request;
  } message = {};
  message.header.nlmsg_len = sizeof(message);
  message.header.nlmsg_type = SOCK_DESTROY;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  message.request.sdiag_family = static_cast<uint8_t>(family);
  message.request.sdiag_protocol = IPPROTO_TCP;
  message.request.idiag_states = ~0u;
  inet_diag_sockid& id = message.request.id;
  id.idiag_sport = htons(tuple.localPort);
  id.idiag_dport = htons(tuple.remotePort);
  size_t offset = family == AF_INET ? 12 : 0;
  std::memcpy(id.idiag_src, tuple.local + offset, 16 - offset);
  std::memcpy(id.idiag_dst, tuple.remote + offset, 16 - offset);
  id.idiag_cookie[0] = cookie ? static_cast<uint32_t>(cookie) : INET_DIAG_NOCOOKIE;
  id.idiag_cookie[1] = cookie ? static_cast<uint32_t>(cookie >> 32) : INET_DIAG_NOCOOKIE;
  if (send(netlink.get(), &message, sizeof(message), 0) < 0)
    throw SysError("send", "cannot ask for SOCK_DESTROY");
  struct {
    nlmsghdr header;
    nlmsgerr error;
    char rest[512];
  } reply = {};
  ssize_t n = recv(netlink.get(), &reply, sizeof(reply), 0);
  if (n < static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(int)) || reply.header.nlmsg_type != NLMSG_ERROR)
    throw SysError("recv", "SOCK_DESTROY was not answered", EPROTO);
  return -reply.error.error;
}

void readAddress(const sockaddr_storage& from, uint8_t address[16], uint16_t* port) {
  if (from.ss_family == AF_INET) {
    auto* v4 = reinterpret_cast<const sockaddr_in*>(&from);
    std::memcpy(address, kMappedPrefix, sizeof(kMappedPrefix));
    std::memcpy(address + 12, &v4->sin_addr, 4);
    *port = ntohs(v4->sin_port);
  } else {
    auto* v6 = reinterpret_cast<const sockaddr_in6*>(&from);
    std::memcpy(address, &v6->sin6_addr, 16);
    *port = ntohs(v6->sin6_port);
  }
}

uint64_t netnsCookie(int fd) {
  uint64_t cookie = 0;
  socklen_t length = sizeof(cookie);
  getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length);
  return cookie;
}

// Is that process alive and in another network namespace?
bool isElsewhere(uint32_t tgid) {
  struct stat own = {}, other = {};
  return !stat("/proc/thread-self/ns/net", &own) &&
         !stat(("/proc/" + std::to_string(tgid) + "/ns/net").c_str(), &other) && own.st_ino != other.st_ino;
}

// Lends the calling thread another process's network namespace.
class NetnsVisit {
 public:
  explicit NetnsVisit(uint32_t tgid) {
    home_ = Fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, tgid, 0)));
    if (!home_ || !pidfd || setns(pidfd.get(), CLONE_NEWNET))
      throw SysError("setns", "cannot enter the program's network namespace");
  }
  ~NetnsVisit() {
    if (setns(home_.get(), CLONE_NEWNET)) std::terminate();  // a thread in the wrong namespace must not go on
  }

 private:
  Fd home_;
};

}  // namespace

namespace {

bool destroyHere(const Tuple& tuple, uint64_t cookie) {
  int err = destroyAs(isMapped(tuple.remote) ? AF_INET : AF_INET6, tuple, cookie);
  if (err == 0) return true;
  if (err == ENOENT) return false;
  throw SysError("SOCK_DESTROY",
                 err == EOPNOTSUPP ? "cannot end the connection (is the module loaded? modprobe tcp_diag)"
                                   : "cannot end the connection",
                 err);
}

}  // namespace

bool destroySocket(const Tuple& tuple, uint64_t cookie, uint32_t tgid) {
  if (!tgid || !isElsewhere(tgid)) return destroyHere(tuple, cookie);
  NetnsVisit visit(tgid);
  return destroyHere(tuple, cookie);
}

bool destroySocket(int fd, uint32_t tgid) {
  sockaddr_storage local = {}, remote = {};
  socklen_t localLength = sizeof(local), remoteLength = sizeof(remote);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &localLength))
    throw SysError("getsockname", "cannot end the connection");
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&remote), &remoteLength))
    return false;  // ENOTCONN: it has ended
  Tuple tuple = {};
  readAddress(local, tuple.local, &tuple.localPort);
  readAddress(remote, tuple.remote, &tuple.remotePort);
  Fd own(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!tgid || netnsCookie(own.get()) == netnsCookie(fd)) return destroyHere(tuple, cookieOf(fd));
  NetnsVisit visit(tgid);
  return destroyHere(tuple, cookieOf(fd));
}

}  // namespace tlshub
