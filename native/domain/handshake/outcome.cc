// SPDX-License-Identifier: Apache-2.0
#include "outcome.h"

#include <openssl/crypto.h>

namespace tlshub::handshake {

const char* failureCode(Failure failure) {
  switch (failure) {
    case Failure::kTimeout:
      return "TLSHUB_HANDSHAKE_TIMEOUT";
    case Failure::kCancelled:
      return "TLSHUB_HANDSHAKE_CANCELLED";
    case Failure::kPeerClosed:
      return "TLSHUB_PEER_CLOSED";
    case Failure::kPeerReset:
      return "TLSHUB_PEER_RESET";
    case Failure::kPeerCertificate:
      return "TLSHUB_PEER_CERTIFICATE";
    case Failure::kPeerRefusedUs:
      return "TLSHUB_PEER_REFUSED_US";
    case Failure::kPeerProtocol:
      return "TLSHUB_PEER_PROTOCOL";
    case Failure::kHelperLost:
      return "TLSHUB_HELPER_LOST";
    case Failure::kOwnerStuck:
      return "TLSHUB_OWNER_STUCK";
    case Failure::kFailed:
      return "TLSHUB_HANDSHAKE_FAILED";
  }
  return "TLSHUB_HANDSHAKE_FAILED";
}

namespace {

int nibble(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

bool Secret::assignHex(const char* digits, size_t count) {
  wipe();
  if (count == 0 || count % 2 != 0 || count / 2 > kCapacity) return false;
  for (size_t i = 0; i < count / 2; i++) {
    const int high = nibble(digits[2 * i]);
    const int low = nibble(digits[2 * i + 1]);
    if (high < 0 || low < 0) {
      OPENSSL_cleanse(bytes_.data(), bytes_.size());
      return false;
    }
    bytes_[i] = static_cast<uint8_t>(high << 4 | low);
  }
  size_ = count / 2;
  return true;
}

void Secret::wipe() {
  OPENSSL_cleanse(bytes_.data(), bytes_.size());
  size_ = 0;
}

void Secret::take(Secret& other) {
  bytes_ = other.bytes_;
  size_ = other.size_;
  other.wipe();
}

Outcome::~Outcome() {
  for (std::string& line : keyLog) OPENSSL_cleanse(line.data(), line.size());
}

}  // namespace tlshub::handshake
