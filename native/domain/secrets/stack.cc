// SPDX-License-Identifier: Apache-2.0
#include "stack.h"

#include <string.h>

namespace tlshub {

// A frame of its own, below the caller's.
__attribute__((noinline)) void wipeStack() {
  unsigned char below[64 << 10];
  explicit_bzero(below, sizeof(below));
}

}  // namespace tlshub
