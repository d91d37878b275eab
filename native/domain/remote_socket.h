/* SPDX-License-Identifier: Apache-2.0 */
// Sockets of other processes.
#pragma once

#include <cstdint>

#include "fd.h"

namespace tlshub {

struct SocketOwner {
  uint32_t tgid;
  int fd;  // a hint, -1: none
  uint64_t inode;
  uint64_t cookie;
  bool search = true;  // where it is not at that number
};

// A descriptor of our own for the owner's socket. The number is only a hint: the socket's cookie must match, else it is looked for
// by inode in /proc/PID/fd, and then in the owner's youngest children: a server that forks for each connection closes its own descriptor
// at once, and it may be long before the child says a word. The search has 100 ms of processor time. Throws CodedError TLSHUB_SOCKET_GONE or SysError.
// What turns out to be another file is closed, and that may wait for whoever it belongs to.
Fd duplicate(const SocketOwner& owner);

// Whether duplicate() would find the socket. True too when that cannot be told.
bool hasSocket(const SocketOwner& owner);

// SO_COOKIE. Throws SysError.
uint64_t cookieOf(int fd);

// Attaches the "tls" ULP if there is none. False: the connection is not in ESTABLISHED any more, so it cannot be. Throws CodedError
// TLSHUB_SOCKET_FOREIGN_TLS if another ULP is there or keys are set already: a second key would reuse nonces.
bool attachTlsUlp(int fd);

// Is this process still the one that started then? start_boottime is in ns, /proc has ticks.
bool isProcess(uint32_t tgid, uint64_t startBoottimeNs);

}  // namespace tlshub
