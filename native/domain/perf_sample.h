/* SPDX-License-Identifier: Apache-2.0 */
// What a sample of the perf buffer holds: one record (bpf/tlshub.h), and behind it whatever perf rounds its size up with.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tlshub {

// The largest record that comes as a sample.
size_t mostSampleBytes();

struct SampledEvent {
  const void* record;  // nullptr: no event that this build knows
  uint32_t bytes;
  uint16_t type;
  uint64_t timeNs;  // when the gate made it
};

// `data`: at any address. perf has a size of 4 bytes in front of it, so the record's 64-bit fields lie across their alignment.
SampledEvent readSample(const void* data, size_t size);

}  // namespace tlshub
