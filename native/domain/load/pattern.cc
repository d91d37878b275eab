// SPDX-License-Identifier: Apache-2.0
#include "pattern.h"

#include <vector>

namespace tlshub::load {

namespace {

// A prime above 2^16: no buffer size of a program or kernel divides it.
constexpr size_t kPeriod = 65537;

// splitmix64 (Steele, Lea, Flood 2014): cheap, and without a short period in any byte.
uint64_t mixed(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

std::vector<uint8_t> make() {
  std::vector<uint8_t> bytes(kPeriod + kPieceBytes);
  for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<uint8_t>(mixed(i % kPeriod));
  return bytes;
}

}  // namespace

const uint8_t* bytesAt(uint64_t id, uint64_t offset) {
  static const std::vector<uint8_t> bytes = make();
  return bytes.data() + (mixed(id) % kPeriod + offset % kPeriod) % kPeriod;
}

}  // namespace tlshub::load
