// SPDX-License-Identifier: Apache-2.0
#include "ring.h"

#include <cstring>

#include "error.h"

namespace tlshub {
namespace {

constexpr int32_t kMagic = 0x544c5352;
constexpr size_t kHeaderBytes = 256;
constexpr uint32_t kSkip = 0xffffffff;
enum Word { kMagicWord = 0, kCapacity = 1, kWrite = 16, kRead = 32, kHighWater = 51 };

constexpr uint32_t recordBytes(uint32_t length) {
  return (8 + length + 7) & ~7u;
}

}  // namespace

RingProducer::RingProducer(void* memory, size_t bytes)
    : words_(static_cast<int32_t*>(memory)),
      data_(static_cast<uint8_t*>(memory) + kHeaderBytes),
      capacity_(0) {
  if (bytes < kHeaderBytes + 8 || words_[kMagicWord] != kMagic) {
    throw CodedError("TLSHUB_RING", "the buffer is no ring: it was not made by createRing()");
  }
  capacity_ = static_cast<uint32_t>(words_[kCapacity]);
  if (capacity_ == 0 || (capacity_ & (capacity_ - 1)) != 0 || bytes - kHeaderBytes < capacity_) {
    throw CodedError("TLSHUB_RING", "the ring's capacity is no power of two, or larger than its buffer");
  }
}

uint32_t RingProducer::used() const {
  uint32_t read = static_cast<uint32_t>(__atomic_load_n(&words_[kRead], __ATOMIC_ACQUIRE));
  return static_cast<uint32_t>(words_[kWrite]) - read;
}

bool RingProducer::hasRoom(uint32_t length) const {
  uint32_t record = recordBytes(length);
  uint32_t toEnd = capacity_ - (static_cast<uint32_t>(words_[kWrite]) & (capacity_ - 1));
  uint32_t needed = record <= toEnd ? record : toEnd + record;
  return capacity_ - used() >= needed;
}

bool RingProducer::push(uint32_t tag, const void* payload, uint32_t length) {
  if (!hasRoom(length)) return false;
  uint32_t write = static_cast<uint32_t>(words_[kWrite]);
  uint32_t record = recordBytes(length);
  uint32_t at = write & (capacity_ - 1);
  if (record > capacity_ - at) {
    std::memcpy(data_ + at, &kSkip, sizeof(kSkip));
    write += capacity_ - at;
    at = 0;
  }
  std::memcpy(data_ + at, &length, 4);
  std::memcpy(data_ + at + 4, &tag, 4);
  std::memcpy(data_ + at + 8, payload, length);
  __atomic_store_n(&words_[kWrite], static_cast<int32_t>(write + record), __ATOMIC_SEQ_CST);
  uint32_t now = used();
  if (now > static_cast<uint32_t>(words_[kHighWater])) words_[kHighWater] = static_cast<int32_t>(now);
  return true;
}

}  // namespace tlshub
