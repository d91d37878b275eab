// SPDX-License-Identifier: Apache-2.0
#include "peer.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>

#include "error.h"
#include "fd.h"

namespace tlshub {
namespace {

// Linux 6.5, include/uapi/asm-generic/socket.h (commit 7b26952a91cf).
constexpr int kPeerPidfd = 77;

// The process itself, not its number, which could be another's a moment later. Before 6.5 only the number is to be had: there a process
// that connects, hands the socket on and ends may be taken for its number's next bearer.
Fd pidfdOf(int fd, int pid) {
  int pidfd = -1;
  socklen_t length = sizeof pidfd;
  if (!getsockopt(fd, SOL_SOCKET, kPeerPidfd, &pidfd, &length)) return Fd(pidfd);
  if (errno != ENOPROTOOPT) return Fd();
  return Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

std::string cgroupOf(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cgroup");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("0::", 0) == 0) return line.substr(3);
  return "";
}

bool runs(int pidfd) {
  pollfd ended = {pidfd, POLLIN, 0};
  return poll(&ended, 1, 0) == 0;
}

}  // namespace

Peer peerOf(int fd) {
  ucred credentials = {};
  socklen_t length = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length))
    throw SysError("getsockopt(SO_PEERCRED)", "cannot tell who is at the other end");
  Peer peer = {credentials.uid, credentials.gid, credentials.pid, ""};
  if (peer.pid <= 0) return peer;
  Fd pidfd = pidfdOf(fd, peer.pid);
  if (!pidfd) return peer;
  std::string cgroup = cgroupOf(peer.pid);
  // Only if it still runs was the number its own while the file was read.
  if (runs(pidfd.get())) peer.cgroup = cgroup;
  return peer;
}

}  // namespace tlshub
