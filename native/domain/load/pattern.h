/* SPDX-License-Identifier: Apache-2.0 */
// The bytes that a client sends: every connection's are its own, so an echo of another's, a lost or a repeated block is seen.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tlshub::load {

// How many bytes are valid behind what bytesAt() returns.
constexpr size_t kPieceBytes = 256 << 10;

// Up to kPieceBytes bytes of the stream of connection `id` from `offset` on.
const uint8_t* bytesAt(uint64_t id, uint64_t offset);

}  // namespace tlshub::load
