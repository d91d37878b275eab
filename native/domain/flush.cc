// SPDX-License-Identifier: Apache-2.0
#include "flush.h"

#include <bpf/bpf.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>

#include <cerrno>
#include <climits>

#include "clock.h"
#include "error.h"
#include "fd.h"
#include "open_record.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef SO_BUF_LOCK  // from 5.14; not in glibc 2.36
#define SO_BUF_LOCK 72
#endif

namespace tlshub {
namespace {

// More than the largest record costs the send buffer. The kernel doubles what it is given.
constexpr int kRoom = 64 * 1024;
// A worker of the kernel hands the records on: it needs a processor and the socket's lock, but not the peer.
constexpr uint64_t kMostNs = 500'000'000;
constexpr long kLookNs = 200'000;

int get(int fd, int level, int option) {
  int value = 0;
  socklen_t length = sizeof(value);
  if (getsockopt(fd, level, option, &value, &length)) throw SysError("getsockopt", "cannot read an option");
  return value;
}

void set(int fd, int level, int option, int value) {
  if (setsockopt(fd, level, option, &value, sizeof(value)))
    throw SysError("setsockopt", "cannot make room in the send buffer");
}

bool hasUnsent(int fd) {
  int value = 0;
  socklen_t length = sizeof(value);
  return getsockopt(fd, SOL_TLS, TLSHUB_ASK_UNSENT, &value, &length) && errno == EAGAIN;
}

// The buffer as the program has it. Whether its size is fixed (SO_BUF_LOCK) is part of that: setting it fixes it.
class Buffer {
 public:
  explicit Buffer(int fd)
      : fd_(fd),
        size_(get(fd, SOL_SOCKET, SO_SNDBUF)),
        lock_(get(fd, SOL_SOCKET, SO_BUF_LOCK)),
        lowat_(get(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT)) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    const int half = size_ / 2;
    setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &half, sizeof(half));
    setsockopt(fd_, SOL_SOCKET, SO_BUF_LOCK, &lock_, sizeof(lock_));
    setsockopt(fd_, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat_, sizeof(lowat_));
  }

  // Each time the kernel looks again whether TLS has something to send.
  void makeRoom() const {
    set(fd_, SOL_SOCKET, SO_SNDBUFFORCE, size_ + kRoom);
    set(fd_, IPPROTO_TCP, TCP_NOTSENT_LOWAT, INT_MAX);
  }

 private:
  const int fd_;
  const int size_, lock_, lowat_;
};

void pushOut(int fd) {
  if (!hasUnsent(fd)) return;
  const Buffer buffer(fd);
  const uint64_t until = monotonicNs() + kMostNs;
  do {
    buffer.makeRoom();
    closeOpenRecord(fd);
    const timespec pause = {0, kLookNs};
    nanosleep(&pause, nullptr);
  } while (hasUnsent(fd) && monotonicNs() < until);
}

}  // namespace

int flush(const FlowMaps& maps, const SocketOwner& owner) {
  Fd fd;
  auto end = [&] {
    const int continued = release(maps, fd.release(), owner.cookie);
    return continued + continueStopped(maps, owner.cookie);
  };
  try {
    tlshub_dup nobody = {};
    if (bpf_map_update_elem(maps.dups, &owner.cookie, &nobody, BPF_ANY))
      throw SysError("bpf", "cannot tell the gate of a descriptor");
    fd = duplicate(owner);
    pushOut(fd.get());
  } catch (...) {
    end();
    throw;
  }
  return end();
}

}  // namespace tlshub
