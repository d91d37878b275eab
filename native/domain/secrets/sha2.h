/* SPDX-License-Identifier: Apache-2.0 */
// SHA-256, SHA-384 (FIPS 180-4) and HMAC over them (RFC 2104).
//
// Of our own, though both TLS libraries have them: what those keep while they work lies in objects of theirs on the heap, and addons that have
// no TLS library need it too. Everything here is in the object, which wipes itself.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tlshub {

enum class Hash { kSha256, kSha384 };

// In bytes.
constexpr size_t hashBytes(Hash hash) {
  return hash == Hash::kSha256 ? 32 : 48;
}
constexpr size_t kLongestHash = 48;

class Sha2 {
 public:
  explicit Sha2(Hash hash);
  ~Sha2();
  Sha2(const Sha2&) = delete;
  Sha2& operator=(const Sha2&) = delete;

  void update(const void* data, size_t size);
  // hashBytes() of them. Once.
  void finish(uint8_t* out);

  size_t blockBytes() const { return hash_ == Hash::kSha256 ? 64 : 128; }

 private:
  void block();

  const Hash hash_;
  std::array<uint64_t, 8> state_{};  // words of 32 bits for SHA-256
  std::array<uint64_t, 80> words_{};
  std::array<uint8_t, 128> pending_{};
  size_t filled_ = 0;
  uint64_t total_ = 0;
};

class Hmac {
 public:
  Hmac(Hash hash, const uint8_t* key, size_t size);
  ~Hmac();

  void update(const void* data, size_t size) { inner_.update(data, size); }
  // hashBytes() of them. Once.
  void finish(uint8_t* out);

 private:
  const Hash hash_;
  Sha2 inner_, outer_;
};

}  // namespace tlshub
