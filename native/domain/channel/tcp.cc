// SPDX-License-Identifier: Apache-2.0
#include "tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include <cerrno>

#include "../error.h"

namespace tlshub::channel {

namespace {

// Connections that nobody has looked at yet: as many as a cluster's agents open when a node comes back.
constexpr int kBacklog = 1024;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  bool isAny6() const {
    return storage.ss_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr);
  }
};

bool parse(const Address& address, SocketAddress* out) {
  auto* const four = reinterpret_cast<sockaddr_in*>(&out->storage);
  if (inet_pton(AF_INET, address.host.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(address.port);
    out->size = sizeof *four;
    return true;
  }
  out->storage = {};
  auto* const six = reinterpret_cast<sockaddr_in6*>(&out->storage);
  if (inet_pton(AF_INET6, address.host.c_str(), &six->sin6_addr) != 1) return false;
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(address.port);
  out->size = sizeof *six;
  return true;
}

void set(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof value);
}

Fd newSocket(int family) {
  return Fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

Source sourceOf(const sockaddr_storage& from) {
  Source source{};
  if (from.ss_family == AF_INET6) {
    memcpy(source.data(), &reinterpret_cast<const sockaddr_in6*>(&from)->sin6_addr, source.size());
  } else {
    source[10] = source[11] = 0xff;
    memcpy(source.data() + 12, &reinterpret_cast<const sockaddr_in*>(&from)->sin_addr, 4);
  }
  return source;
}

}  // namespace

std::string addressText(const Address& address) {
  const bool six = address.host.find(':') != std::string::npos;
  return (six ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

Fd listenAt(const Address& address) {
  const std::string what = "no channel of another node can come in at " + addressText(address);
  SocketAddress to;
  if (!parse(address, &to)) throw SysError("inet_pton", what, EINVAL);
  Fd listener = newSocket(to.storage.ss_family);
  if (!listener) throw SysError("socket", what);
  // Connections of an earlier agent, or of earlier credentials, may still be about to end.
  set(listener.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (to.isAny6()) set(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (bind(listener.get(), to.get(), to.size) != 0) throw SysError("bind", what);
  if (listen(listener.get(), kBacklog) != 0) throw SysError("listen", what);
  return listener;
}

uint16_t portOf(int fd) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) return 0;
  return ntohs(own.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&own)->sin6_port
                                         : reinterpret_cast<sockaddr_in*>(&own)->sin_port);
}

Fd connectTo(const Address& address) {
  SocketAddress to;
  if (!parse(address, &to)) {
    errno = EINVAL;
    return Fd();
  }
  Fd connection = newSocket(to.storage.ss_family);
  if (!connection) return Fd();
  set(connection.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  if (connect(connection.get(), to.get(), to.size) == 0 || errno == EINPROGRESS) return connection;
  const int error = errno;
  connection.reset();
  errno = error;
  return Fd();
}

int connectError(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

Fd acceptFrom(int listener, Source* source) {
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  Fd connection(accept4(listener, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!connection) return Fd();
  *source = sourceOf(from);
  set(connection.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  return connection;
}

bool isShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void dropConnection(Fd connection) {
  const linger none{1, 0};
  setsockopt(connection.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

}  // namespace tlshub::channel
