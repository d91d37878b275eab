/* SPDX-License-Identifier: Apache-2.0 */
// The clock that all durations and deadlines are of.
#pragma once

#include <time.h>

#include <cstdint>

namespace tlshub {

// CLOCK_MONOTONIC, as bpf_ktime_get_ns() has it.
inline uint64_t monotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000ull + static_cast<uint64_t>(now.tv_nsec);
}

// CLOCK_THREAD_CPUTIME_ID: what the calling thread has had of a processor.
inline uint64_t threadCpuNs() {
  timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<uint64_t>(used.tv_sec) * 1000000000ull + static_cast<uint64_t>(used.tv_nsec);
}

}  // namespace tlshub
