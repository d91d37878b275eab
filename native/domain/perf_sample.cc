// SPDX-License-Identifier: Apache-2.0
#include "perf_sample.h"

#include <algorithm>
#include <cstring>

#include "../../bpf/records.h"

namespace tlshub {

size_t mostSampleBytes() {
  return std::max(sizeof(tlshub_event), sizeof(tlshub_secured));
}

SampledEvent readSample(const void* data, size_t size) {
  tlshub_walk walk = {data, size};
  tlshub_head head;
  const void* record = tlshub_next_record(&walk, &head);
  if (!record || (head.type != RECORD_EVENT && head.type != RECORD_LAST_EVENT)) return {};
  SampledEvent event = {record, head.bytes, head.type, 0};
  // Both kinds begin with the event.
  std::memcpy(&event.timeNs, static_cast<const char*>(record) + offsetof(tlshub_event, time_ns),
              sizeof(event.timeNs));
  return event;
}

}  // namespace tlshub
