/* SPDX-License-Identifier: Apache-2.0 */
// The file in which an agent keeps what its gate was last told (src/supervisor/gate/boot-state.ts writes it, docs/BOOT_GATE.md has its layout):
// enough to shut a gate by, and nothing secret.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../domain/gate_maps.h"

namespace tlshub::bootgate {

enum class BootPolicy : uint32_t { kClosed = 1, kOpen = 2 };

// A cgroup to capture.
struct BootScope {
  std::string path;
  bool pattern;  // it is what stands in front of the wildcards of a pattern, and so more than was asked for
};

struct BootState {
  BootPolicy policy = BootPolicy::kClosed;
  uint64_t writtenMs = 0;       // since 1970
  GateSettings settings = {};   // policy_same_node is not kept
  std::vector<MeshEntry> mesh;  // none of them marked as this node's
  std::string pinDir;
  std::vector<BootScope> scopes;
};

constexpr size_t kMostStateBytes = 64u << 20;

// Throws CodedError TLSHUB_BOOT_STATE that says what is wrong, for any bytes that no agent has written.
BootState parseState(const std::vector<uint8_t>& bytes);

// Reads a file that nobody but its owner, who is this user, can have written: neither the file nor its folder. Throws CodedError
// TLSHUB_BOOT_STATE, also if it is empty or larger than kMostStateBytes; SysError (ENOENT: there is none).
std::vector<uint8_t> readState(const std::string& path);

}  // namespace tlshub::bootgate
