/* SPDX-License-Identifier: Apache-2.0 */
// What a handshake is asked for and what comes out of it. Plain data: no TLS library, no event loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../secrets/traffic.h"

namespace tlshub::handshake {

// The active side made the TCP connection and is the TLS client; the passive side accepted it and is the server.
enum class Role { kActive, kPassive };

enum class Failure {
  kTimeout,
  kCancelled,
  kPeerClosed,
  kPeerReset,
  kPeerCertificate,
  kPeerRefusedUs,
  kPeerProtocol,
  kHelperLost,  // helper/helpers.h, as the next
  kOwnerStuck,
  kFailed,
};

// The stable code that leaves the native boundary, e.g. "TLSHUB_PEER_CERTIFICATE".
const char* failureCode(Failure failure);

struct Request {
  int fd = -1;  // borrowed: must stay open until the outcome is delivered
  Role role = Role::kActive;
  std::vector<std::string>
      peerNames;  // any of which must be a DNS SAN of the peer; empty: the handshake fails
  std::chrono::milliseconds timeout{0};
  bool keyLog = false;
  uint64_t charge = 0;  // of helpers, where there are any
};

struct Outcome {
  Outcome() = default;
  ~Outcome();  // wipes keyLog too: its lines hold the same secrets
  Outcome(const Outcome&) = delete;
  Outcome& operator=(const Outcome&) = delete;
  Outcome(Outcome&&) = default;
  Outcome& operator=(Outcome&&) = default;

  bool ok = false;
  uint64_t bytesSent = 0;  // on the socket, plaintext and encrypted handshake records alike
  uint64_t bytesReceived = 0;
  std::chrono::nanoseconds duration{0};

  // if ok
  std::string cipher;  // IANA name
  Secret<TrafficSecrets> secrets;
  bool wiped = true;        // the library has left nothing of them
  uint64_t txSequence = 0;  // records already protected by the application traffic keys, own direction
  uint64_t rxSequence = 0;
  bool resumed = false;  // without certificates, from an earlier handshake's session
  std::string peerName;  // the one of Request::peerNames that matched
  std::vector<std::string> keyLog;

  // if not ok
  Failure failure = Failure::kFailed;
  std::string reason;                  // a sentence for the operator
  std::vector<std::string> peerNames;  // of the peer's certificate, if one was seen
  bool handshakeOnly = false;          // all that the peer can have sent is its part of the handshake
};

}  // namespace tlshub::handshake
