/* SPDX-License-Identifier: Apache-2.0 */
// Which numbers of an epoch have been taken: each names one flow's keys, and is good for one flow.
#pragma once

#include <array>
#include <cstdint>

#include "../../../bpf/channel.h"

namespace tlshub::channel {

// A bit for each number there is, and not a window that slides: anybody on the way could move that by one forged number, and shut out all
// that follow. It belongs to the thread that derives the keys.
class Numbers {
 public:
  // False: it has been taken before, and no keys may be made of it.
  bool take(uint16_t number) {
    uint8_t& byte = taken_[number / 8];
    const uint8_t bit = static_cast<uint8_t>(1u << number % 8);
    if (byte & bit) return false;
    byte |= bit;
    count_++;
    return true;
  }

  uint32_t count() const { return count_; }

 private:
  std::array<uint8_t, CHANNEL_NUMBERS_BYTES> taken_{};
  uint32_t count_ = 0;
};
static_assert(CHANNEL_NUMBERS_BYTES * 8 == CHANNEL_EPOCH_FLOWS);

}  // namespace tlshub::channel
