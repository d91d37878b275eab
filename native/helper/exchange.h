/* SPDX-License-Identifier: Apache-2.0 */
// Bytes of a handshake, from and to a program's socket.
#pragma once

#include "loop.h"

namespace tlshub::helper {

// Throws SysError.
void exchange(int fd, const Exchange& what, const std::string& bytes, Served& served);

}  // namespace tlshub::helper
