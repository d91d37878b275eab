/* SPDX-License-Identifier: Apache-2.0 */
// The iterator over all sockets with flow state (bpf/sweep.bpf.c).
#pragma once

#include <cstddef>

#include "fd.h"

namespace tlshub {

// Throws SysError.
Fd openSweep(int sweepLinkFd);

// What it has next, at most `size` bytes: a piece that may begin and end within a record. 0: that was all. Throws SysError.
size_t readSweep(int sweepFd, void* into, size_t size);

}  // namespace tlshub
