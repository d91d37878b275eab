// SPDX-License-Identifier: Apache-2.0
#include "alert.h"

#include <array>

namespace tlshub::handshake {

namespace {

enum class Kind { kProtocol, kCertificate, kPolicy, kClosed };

struct Alert {
  int description;
  const char* name;
  Kind kind;
};

// RFC 8446 section 6, AlertDescription. decrypt_error is also how a signature of a CA that shares only its name with the
// peer's is refused.
constexpr std::array<Alert, 27> kAlerts = {{
    {0, "close_notify", Kind::kClosed},
    {10, "unexpected_message", Kind::kProtocol},
    {20, "bad_record_mac", Kind::kProtocol},
    {22, "record_overflow", Kind::kProtocol},
    {40, "handshake_failure", Kind::kPolicy},
    {42, "bad_certificate", Kind::kCertificate},
    {43, "unsupported_certificate", Kind::kCertificate},
    {44, "certificate_revoked", Kind::kCertificate},
    {45, "certificate_expired", Kind::kCertificate},
    {46, "certificate_unknown", Kind::kCertificate},
    {47, "illegal_parameter", Kind::kProtocol},
    {48, "unknown_ca", Kind::kCertificate},
    {49, "access_denied", Kind::kPolicy},
    {50, "decode_error", Kind::kProtocol},
    {51, "decrypt_error", Kind::kCertificate},
    {70, "protocol_version", Kind::kProtocol},
    {71, "insufficient_security", Kind::kPolicy},
    {80, "internal_error", Kind::kProtocol},
    {86, "inappropriate_fallback", Kind::kProtocol},
    {90, "user_canceled", Kind::kClosed},
    {109, "missing_extension", Kind::kProtocol},
    {110, "unsupported_extension", Kind::kProtocol},
    {112, "unrecognized_name", Kind::kPolicy},
    {113, "bad_certificate_status_response", Kind::kCertificate},
    {115, "unknown_psk_identity", Kind::kPolicy},
    {116, "certificate_required", Kind::kCertificate},
    {120, "no_application_protocol", Kind::kPolicy},
}};

const Alert* find(int description) {
  for (const Alert& alert : kAlerts) {
    if (alert.description == description) return &alert;
  }
  return nullptr;
}

}  // namespace

std::string alertName(int description) {
  const Alert* alert = find(description);
  return alert == nullptr ? "alert " + std::to_string(description) : alert->name;
}

AlertMeaning alertMeaning(int description) {
  const Alert* alert = find(description);
  const std::string name = alertName(description);
  switch (alert == nullptr ? Kind::kProtocol : alert->kind) {
    case Kind::kCertificate:
      return {Failure::kPeerRefusedUs,
              "the peer refused our certificate: alert " + name + "; its own log says why"};
    case Kind::kPolicy:
      return {Failure::kPeerRefusedUs,
              "the peer refused the handshake: alert " + name + "; its own log says why"};
    case Kind::kClosed:
      return {Failure::kPeerClosed, "the peer ended the handshake: alert " + name};
    case Kind::kProtocol:
      break;
  }
  return {Failure::kPeerProtocol, "the peer could not go on with our handshake: alert " + name};
}

}  // namespace tlshub::handshake
