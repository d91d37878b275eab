// SPDX-License-Identifier: Apache-2.0
#include "stack.h"

#include <string.h>

namespace tlshub {

// A frame of its own, below the caller's. The vector registers, too: what was computed last may still be in one, and the dynamic linker saves
// them on the stack when it looks up a function for the first time.
__attribute__((noinline, zero_call_used_regs("all"))) void wipeStack() {
  unsigned char below[64 << 10];
  explicit_bzero(below, sizeof(below));
}

}  // namespace tlshub
