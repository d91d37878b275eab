/* SPDX-License-Identifier: Apache-2.0 */
// Who is at the other end of a Unix socket.
#pragma once

#include <cstdint>
#include <string>

namespace tlshub {

struct Peer {
  uint32_t uid, gid;  // in our user namespace; who has no id there has the overflow id
  int pid;            // in our PID namespace; 0: it has none there
  // Of the process that connected, as /proc/PID/cgroup has it for version 2; "": it cannot be told, also because the process has ended.
  std::string cgroup;
};

// Throws SysError if `fd` is no connected Unix socket.
Peer peerOf(int fd);

}  // namespace tlshub
