/* SPDX-License-Identifier: Apache-2.0 */
// Options of the application's socket that stand in the way of a handshake. What is changed is put back.
#pragma once

namespace tlshub::handshake {

// If the program corked its socket, takes the cork out and puts it back in: that sends the segment which was waiting.
void pushCorked(int fd);

// Makes the kernel acknowledge at once, now and for the next segments: a peer under Nagle's algorithm waits for it.
// Not a setting that lasts (tcp(7)), so nothing is to be put back.
void acknowledgeNow(int fd);

// SO_RCVLOWAT above 1 hides a short TLS record from epoll. Sets it to 1; returns what it was, 1 if there is nothing to be put back.
int lendLowWater(int fd);
// Puts it back, unless the program changed it meanwhile.
void restoreLowWater(int fd, int saved);

class LowWaterMark {
 public:
  explicit LowWaterMark(int fd) : fd_(fd), saved_(lendLowWater(fd)) {}
  ~LowWaterMark() { restore(); }
  LowWaterMark(const LowWaterMark&) = delete;
  LowWaterMark& operator=(const LowWaterMark&) = delete;
  void restore();

 private:
  const int fd_;
  int saved_;
};

// From Linux 6.9 on TCP heeds SO_PEEK_OFF: with it each MSG_PEEK begins where the last one ended. Off while this lives.
class PeekOffset {
 public:
  explicit PeekOffset(int fd);
  ~PeekOffset() { restore(); }
  PeekOffset(const PeekOffset&) = delete;
  PeekOffset& operator=(const PeekOffset&) = delete;
  void restore();

 private:
  const int fd_;
  int saved_ = -1;
};

}  // namespace tlshub::handshake
