// SPDX-License-Identifier: Apache-2.0
#include "sweep.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include "error.h"

namespace tlshub {

Fd openSweep(int sweepLinkFd) {
  Fd iterator(bpf_iter_create(sweepLinkFd));
  if (!iterator) throw SysError("bpf", "cannot start the sweep");
  return iterator;
}

size_t readSweep(int sweepFd, void* into, size_t size) {
  for (;;) {
    ssize_t n = read(sweepFd, into, size);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EAGAIN && errno != EINTR) throw SysError("read", "cannot read the sweep");
  }
}

}  // namespace tlshub
