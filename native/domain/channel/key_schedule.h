/* SPDX-License-Identifier: Apache-2.0 */
// From an epoch's secret to the traffic secrets of one flow, which both agents work out alone. docs/CHANNEL.md has it with test vectors.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "../cipher.h"
#include "../secrets/traffic.h"
#include "epoch_secret.h"

namespace tlshub::channel {

// In network order; IPv4 is written as ::ffff:a.b.c.d.
using Address = std::array<uint8_t, 16>;

// What both ends know of a flow. Of one that was translated they do not know the server's address and port alike, which do not count then.
struct FlowNames {
  tlshub_channel_what what;
  Address clientAddress, serverAddress;
  uint16_t clientPort, serverPort;
  uint32_t clientIsn, serverIsn;  // of the SYN and of the SYN-ACK (RFC 9293, 3.4.1)
  uint32_t epoch;
  uint16_t number;
  Cipher cipher;
  std::string clientNode, serverNode;
};

// Throws CodedError TLSHUB_SECRETS: no memory; std::invalid_argument: the name of a node has more than 255 bytes.
Secret<TrafficSecrets> deriveTrafficSecrets(const EpochSecret& epoch, const FlowNames& names);

}  // namespace tlshub::channel
