/* SPDX-License-Identifier: Apache-2.0 */
// The TCP sockets of channels: the agent's own, which nobody else has. None of them is inherited by a program that is started, none blocks.
#pragma once

#include <cstdint>
#include <string>

#include "../fd.h"
#include "half_open.h"

namespace tlshub::channel {

struct Address {
  std::string host;  // IPv4 or IPv6
  uint16_t port = 0;
};
// `10.0.0.1:9466`, `[fd00::1]:9466`
std::string addressText(const Address& address);

// Throws SysError. `::` takes IPv4 as well. Port 0: any; portOf() says which.
Fd listenAt(const Address& address);
uint16_t portOf(int fd);

// A connection that is on its way: it can be written to when it is there, or when connectError() says why not. Empty with errno: it cannot be
// tried at all.
Fd connectTo(const Address& address);
int connectError(int fd);

// The next connection that has come, and from where. Empty with errno: EAGAIN if there is none.
Fd acceptFrom(int listener, Source* source);

// accept() failed for want of something that time brings back: what has come stays there, and would be reported for ever.
bool isShortage(int error);

// The other end is told by a reset, and nothing stays of it here: no TIME_WAIT.
void dropConnection(Fd connection);

}  // namespace tlshub::channel
