// SPDX-License-Identifier: Apache-2.0
#include "netlink_socket.h"

#include <sys/random.h>
#include <sys/socket.h>

#include <string>

#include "../error.h"

namespace tlshub::module {

namespace {

constexpr int kBindTries = 16;

sockaddr_nl addressOf(uint32_t portId) {
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  address.nl_pid = portId;
  return address;
}

CodedError missing(const Address& address) {
  const std::string protocol = "protocol " + std::to_string(address.protocol) + " not served: ";
  return CodedError("TLSHUB_MODULE_MISSING",
                    address.peerPortId == 0
                        ? protocol + "is the TLSHub module loaded?"
                        : protocol + "no peer has port id " + std::to_string(address.peerPortId));
}

}  // namespace

NetlinkSocket::NetlinkSocket(const Address& address) : address_(address) {
  fd_.reset(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, address.protocol));
  if (!fd_) {
    if (errno == EPROTONOSUPPORT) throw missing(address);
    throw SysError("socket", "cannot make a netlink socket");
  }
  bindSomewhere();
  // The kernel then takes nobody else's messages for this socket (netlink_getsockbyportid), so that strangers cannot fill its queue.
  const sockaddr_nl peer = addressOf(address.peerPortId);
  if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)))
    throw SysError("connect", "cannot connect the netlink socket");
}

// Port ids above those that the kernel gives to processes by itself. A number must not come back soon: a late reply to a request that
// was given up would go to whoever has it then.
void NetlinkSocket::bindSomewhere() {
  for (int tries = 0; tries < kBindTries; tries++) {
    uint32_t number = 0;
    if (getrandom(&number, sizeof(number), 0) != sizeof(number)) throw SysError("getrandom", "no port id");
    portId_ = number | 0x80000000u;
    const sockaddr_nl own = addressOf(portId_);
    if (!bind(fd_.get(), reinterpret_cast<const sockaddr*>(&own), sizeof(own))) return;
    if (errno != EADDRINUSE) throw SysError("bind", "cannot bind the netlink socket");
  }
  throw SysError("bind", "no free netlink port id", EADDRINUSE);
}

bool NetlinkSocket::send(const RequestMessage& message) {
  ssize_t sent;
  do {
    sent = ::send(fd_.get(), &message, sizeof(message), MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent == static_cast<ssize_t>(sizeof(message))) return true;
  if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)) return false;
  if (sent < 0 && errno == ECONNREFUSED) throw missing(address_);
  throw SysError("send", "cannot ask the TLSHub module", sent < 0 ? errno : EMSGSIZE);
}

NetlinkSocket::Got NetlinkSocket::receive(Buffer& buffer, size_t& size) {
  sockaddr_nl from = {};
  socklen_t length = sizeof(from);
  ssize_t got;
  do {
    length = sizeof(from);
    got = recvfrom(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC,
                   reinterpret_cast<sockaddr*>(&from), &length);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    if (errno == EAGAIN) return Got::kNothing;
    if (errno == ENOBUFS) return Got::kLost;
    throw SysError("recvfrom", "cannot read the TLSHub module's reply");
  }
  size = static_cast<size_t>(got);
  const bool peer = length == sizeof(from) && from.nl_family == AF_NETLINK &&
                    from.nl_pid == address_.peerPortId && from.nl_groups == 0;
  return peer ? Got::kMessage : Got::kForeign;
}

}  // namespace tlshub::module
