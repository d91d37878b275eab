/* SPDX-License-Identifier: Apache-2.0 */
// TLS alerts (RFC 8446 section 6): their names, and what the peer means by one.
#pragma once

#include <string>

#include "outcome.h"

namespace tlshub::handshake {

// The name in the RFC, e.g. "unknown_ca"; "alert 200" for a number without one.
std::string alertName(int description);

struct AlertMeaning {
  Failure failure;
  std::string reason;
};

// What it means to us that the peer sent this alert instead of going on.
AlertMeaning alertMeaning(int description);

}  // namespace tlshub::handshake
