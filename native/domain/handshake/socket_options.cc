// SPDX-License-Identifier: Apache-2.0
#include "socket_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace tlshub::handshake {

void pushCorked(int fd) {
  int corked = 0;
  socklen_t size = sizeof corked;
  if (getsockopt(fd, IPPROTO_TCP, TCP_CORK, &corked, &size) != 0 || corked == 0) return;
  const int off = 0;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
  setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

void acknowledgeNow(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

int lendLowWater(int fd) {
  int value = 1;
  socklen_t size = sizeof value;
  if (getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, &size) != 0 || value == 1) return 1;
  const int one = 1;
  return setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one) == 0 ? value : 1;
}

void restoreLowWater(int fd, int saved) {
  if (saved == 1) return;
  int value = 0;
  socklen_t size = sizeof value;
  if (getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, &size) == 0 && value == 1) {
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &saved, sizeof saved);
  }
}

void LowWaterMark::restore() {
  restoreLowWater(fd_, saved_);
  saved_ = 1;
}

PeekOffset::PeekOffset(int fd) : fd_(fd) {
  int value = -1;
  socklen_t size = sizeof value;
  if (getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &value, &size) != 0 || value < 0) return;
  const int off = -1;
  if (setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof off) == 0) saved_ = value;
}

void PeekOffset::restore() {
  if (saved_ < 0) return;
  setsockopt(fd_, SOL_SOCKET, SO_PEEK_OFF, &saved_, sizeof saved_);
  saved_ = -1;
}

}  // namespace tlshub::handshake
