/* SPDX-License-Identifier: Apache-2.0 */
// From TLSHub's master key to the traffic secrets of one connection. docs/TLSHUB_API.md has it with test vectors;
// src/tlshub/key-schedule.ts is the same for programs that use the package.
#pragma once

#include <cstdint>
#include <string>

#include "../cipher.h"
#include "../secrets/traffic.h"
#include "wire.h"

namespace tlshub::module {

struct MasterKey {
  static constexpr uint32_t kKind = 3;
  uint8_t bytes[kMasterKey];
};

// What both ends know of a connection.
struct ConnectionNames {
  uint32_t clientAddress, serverAddress;  // network order
  uint16_t clientPort, serverPort;
  uint32_t clientIsn, serverIsn;  // of the SYN and of the SYN-ACK (RFC 9293, 3.4.1)
  std::string cipher;             // RFC 8446, B.4
  std::string clientNode, serverNode;
};

// Throws CodedError TLSHUB_SECRETS: no memory; std::invalid_argument: an unknown cipher, or a name of more than 255 bytes.
Secret<TrafficSecrets> deriveTrafficSecrets(const MasterKey& key, const ConnectionNames& names);

}  // namespace tlshub::module
