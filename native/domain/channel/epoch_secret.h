/* SPDX-License-Identifier: Apache-2.0 */
// What a channel's session is for: the secret of its epoch, of which the keys of flows are made (key_schedule.h).
#pragma once

#include <cstdint>

#include "../../../bpf/channel.h"

namespace tlshub::channel {

// What the TLS library exports under this label, with no context (RFC 8446, 7.5).
struct EpochSecret {
  static constexpr uint32_t kKind = 5;
  uint8_t bytes[CHANNEL_SECRET_BYTES];
};
constexpr char kExporterLabel[] = "EXPORTER-tlshub-ebpf-flow";

}  // namespace tlshub::channel
