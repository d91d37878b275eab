/* SPDX-License-Identifier: Apache-2.0 */
// Ends TCP connections through NETLINK_SOCK_DIAG (RFC-less; include/uapi/linux/inet_diag.h). Needs CONFIG_INET_DIAG_DESTROY.
#pragma once

#include <cstdint>

namespace tlshub {

// Addresses: 16 bytes, IPv4 mapped. Ports in host order.
struct Tuple {
  uint8_t local[16];
  uint8_t remote[16];
  uint16_t localPort;
  uint16_t remotePort;
};

// SOCK_DESTROY of the socket with this tuple and cookie in the network namespace of process `tgid`, or in the calling thread's if that is
// 0 or has ended. False: there is none. `cookie` 0 means any. Throws SysError.
bool destroySocket(const Tuple& tuple, uint64_t cookie, uint32_t tgid = 0);

// The same for a socket we have a descriptor of, in the network namespace of process `tgid` where that is another one.
bool destroySocket(int fd, uint32_t tgid);

}  // namespace tlshub
