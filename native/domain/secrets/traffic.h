/* SPDX-License-Identifier: Apache-2.0 */
// The secrets of one connection, and the keys of kernel TLS that are made of them.
#pragma once

#include <cstdint>

#include "../cipher.h"
#include "secret.h"
#include "sha2.h"

namespace tlshub {

// client_application_traffic_secret_0 and server_application_traffic_secret_0 (RFC 8446, 7.1), or what stands in their place.
struct TrafficSecrets {
  static constexpr uint32_t kKind = 1;
  uint32_t length;  // of each, in bytes
  uint8_t client[kLongestHash];
  uint8_t server[kLongestHash];
};

// RFC 8446, 7.3. A key has keyBytes(cipher), an iv 12.
struct TrafficKeys {
  static constexpr uint32_t kKind = 2;
  uint8_t clientKey[32], clientIv[kIvBytes];
  uint8_t serverKey[32], serverIv[kIvBytes];
};

// Throws CodedError TLSHUB_SECRETS: the secrets are of another length than the cipher's hash, or there is no memory.
Secret<TrafficKeys> trafficKeys(Cipher cipher, const TrafficSecrets& secrets);

}  // namespace tlshub
