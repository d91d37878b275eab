/* SPDX-License-Identifier: Apache-2.0 */
// How much has come on a TCP connection. Apart, since glibc's tcp_info ends before it.
#pragma once

#include <cstdint>

namespace tlshub {

// Bytes of the peer in order so far, whoever has read them; an end is none. 0 if that cannot be told.
uint64_t bytesReceived(int fd);

}  // namespace tlshub
