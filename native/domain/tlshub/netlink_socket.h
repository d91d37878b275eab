/* SPDX-License-Identifier: Apache-2.0 */
// One netlink socket to the module, non-blocking, with a port id of its own that is not used again in this process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "../fd.h"
#include "wire.h"

namespace tlshub::module {

struct Address {
  int protocol;         // netlink family number
  uint32_t peerPortId;  // 0: the kernel. Anything else is a user-space stand-in, for tests.
};

class NetlinkSocket {
 public:
  // Larger than any reply, so that one that is too long is seen to be.
  using Buffer = std::array<uint8_t, 512>;
  enum class Got { kMessage, kNothing, kLost, kForeign };

  // Throws CodedError TLSHUB_MODULE_MISSING when nobody serves the protocol, SysError for the rest.
  explicit NetlinkSocket(const Address& address);

  int fd() const { return fd_.get(); }
  uint32_t portId() const { return portId_; }

  // False: the peer's queue is full just now. Throws as the constructor.
  bool send(const RequestMessage& message);

  // One datagram, without waiting. kForeign: it was not the peer's, and is gone. kLost: the kernel had to drop some of ours.
  // `size` may exceed the buffer: the datagram was cut. Throws SysError.
  Got receive(Buffer& buffer, size_t& size);

 private:
  void bindSomewhere();

  Address address_;
  Fd fd_;
  uint32_t portId_ = 0;
};

}  // namespace tlshub::module
