/* SPDX-License-Identifier: Apache-2.0 */
// What a handshake is asked for and what comes out of it. Plain data: no TLS library, no event loop.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

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

// A traffic secret (RFC 8446 section 7.1): 32 or 48 bytes. Its memory is wiped when it goes away or is moved from.
class Secret {
 public:
  static constexpr size_t kCapacity = 64;

  Secret() = default;
  ~Secret() { wipe(); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  Secret(Secret&& other) noexcept { take(other); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) take(other);
    return *this;
  }

  // Decodes hexadecimal digits; false (and empty) if they are none, odd in number or too many.
  bool assignHex(const char* digits, size_t count);
  void wipe();
  bool empty() const { return size_ == 0; }
  const uint8_t* data() const { return bytes_.data(); }
  size_t size() const { return size_; }

 private:
  void take(Secret& other);

  std::array<uint8_t, kCapacity> bytes_{};
  size_t size_ = 0;
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
  Secret clientSecret;
  Secret serverSecret;
  uint64_t txSequence = 0;  // records already protected by the application traffic keys, own direction
  uint64_t rxSequence = 0;
  bool resumed = false;  // without certificates, from an earlier handshake's session
  std::string peerName;  // the one of Request::peerNames that matched
  std::vector<std::string> keyLog;

  // if not ok
  Failure failure = Failure::kFailed;
  std::string reason;                  // a sentence for the operator
  std::vector<std::string> peerNames;  // of the peer's certificate, if one was seen
};

}  // namespace tlshub::handshake
