/* SPDX-License-Identifier: Apache-2.0 */
// The TLS 1.3 suites that the kernel has keys for, by their names in RFC 8446, B.4.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "secrets/sha2.h"

namespace tlshub {

enum class Cipher { kAes128Gcm, kAes256Gcm, kChaCha20Poly1305 };

// All three have an iv of so many bytes (RFC 8446, 5.3).
constexpr size_t kIvBytes = 12;

// Bytes of the key: RFC 5116, RFC 8439.
constexpr size_t keyBytes(Cipher cipher) {
  return cipher == Cipher::kAes128Gcm ? 16 : 32;
}

constexpr Hash cipherHash(Cipher cipher) {
  return cipher == Cipher::kAes256Gcm ? Hash::kSha384 : Hash::kSha256;
}

constexpr const char* cipherName(Cipher cipher) {
  switch (cipher) {
    case Cipher::kAes128Gcm:
      return "TLS_AES_128_GCM_SHA256";
    case Cipher::kAes256Gcm:
      return "TLS_AES_256_GCM_SHA384";
    case Cipher::kChaCha20Poly1305:
      return "TLS_CHACHA20_POLY1305_SHA256";
  }
  return "";
}

inline std::optional<Cipher> cipherNamed(const std::string& name) {
  if (name == "TLS_AES_128_GCM_SHA256") return Cipher::kAes128Gcm;
  if (name == "TLS_AES_256_GCM_SHA384") return Cipher::kAes256Gcm;
  if (name == "TLS_CHACHA20_POLY1305_SHA256") return Cipher::kChaCha20Poly1305;
  return std::nullopt;
}

}  // namespace tlshub
