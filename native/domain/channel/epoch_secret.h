/* SPDX-License-Identifier: Apache-2.0 */
// What a channel's session is for: the secret of its epoch.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tlshub::channel {

constexpr size_t kEpochSecretBytes = 32;

// What the TLS library exports under this label, with no context (RFC 8446, 7.5). Lives in the memory for secrets (secrets/secret.h).
struct EpochSecret {
  static constexpr uint32_t kKind = 5;
  uint8_t bytes[kEpochSecretBytes];
};
constexpr char kExporterLabel[] = "EXPORTER-tlshub-ebpf-flow";

}  // namespace tlshub::channel
