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

Outcome::~Outcome() {
  for (std::string& line : keyLog) OPENSSL_cleanse(line.data(), line.size());
}

}  // namespace tlshub::handshake
