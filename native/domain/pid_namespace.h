/* SPDX-License-Identifier: Apache-2.0 */
// What the gate says of processes is numbers of the host's PID namespace.
#pragma once

#include <sys/stat.h>

namespace tlshub {

// False too where /proc is not mounted.
inline bool inHostPidNamespace() {
  constexpr ino_t kHostPids = 0xEFFFFFFC;  // PROC_PID_INIT_INO of include/linux/proc_ns.h
  struct stat status = {};
  return !stat("/proc/self/ns/pid", &status) && status.st_ino == kHostPids;
}

}  // namespace tlshub
