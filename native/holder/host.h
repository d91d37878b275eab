/* SPDX-License-Identifier: Apache-2.0 */
// What the holder needs of the machine: the host's process numbers, and a file system of its own.
#pragma once

#include <cstdint>
#include <stdexcept>

#include "../domain/fd.h"

namespace tlshub::holder {

// The holder cannot be here; what() says why and what helps.
struct NotHere : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws NotHere unless process numbers are the host's here, as those in the maps are.
void requireHostPids();

// /dev/fuse, not blocking. Has the module loaded if need be. Throws NotHere.
Fd openFuse();

// Mounts the file system that whoever has `device` answers for, and returns its root. It is attached nowhere: no mount namespace has it,
// nobody sees it. Throws SysError.
Fd mountFuse(int device);

// CLOCK_BOOTTIME, as /proc has it: in whole ticks. Throws SysError.
uint64_t ownStartBoottime();

// The machine's memory is others' matter: ours is there from the beginning, and it is not we who are killed for what they take. As far as
// that is permitted.
void keepOwnMemory();

}  // namespace tlshub::holder
