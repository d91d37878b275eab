/* SPDX-License-Identifier: Apache-2.0 */
// When something happened last, for the last few to which it happened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "table.h"

namespace tlshub::holder {

class Recent {
 public:
  // The oldest of more than `most` is forgotten.
  Recent(size_t most, uint64_t seed) : times_(most, seed), ring_(most) {}

  void happened(uint64_t key, uint64_t nowNs) {
    Event& oldest = ring_[next_];
    next_ = (next_ + 1) % ring_.size();
    // It may have happened to the same one again since.
    const uint64_t* last = times_.find(oldest.key);
    if (last && *last == oldest.ns) times_.erase(oldest.key);
    oldest = {key, nowNs};
    *times_.put(key) = nowNs;
  }

  // 0: not known
  uint64_t when(uint64_t key) {
    const uint64_t* last = times_.find(key);
    return last ? *last : 0;
  }

 private:
  struct Event {
    uint64_t key = 0;
    uint64_t ns = 0;
  };
  Table<uint64_t> times_;
  std::vector<Event> ring_;
  size_t next_ = 0;
};

}  // namespace tlshub::holder
