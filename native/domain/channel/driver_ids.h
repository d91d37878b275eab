/* SPDX-License-Identifier: Apache-2.0 */
// What the parts of a driver (driver.h) have in common.
#pragma once

#include <atomic>
#include <cstdint>

namespace tlshub::channel {

// Taken at a time: a handshake's step costs up to a millisecond, and the event loop has other work.
constexpr int kBatch = 16;
constexpr uint64_t kTimerId = 0;
constexpr uint64_t kListenerId = 1;
// Of all drivers of the process: an owner that has replaced one by another may still hear of the first.
inline std::atomic<uint64_t> lastId{kListenerId};

}  // namespace tlshub::channel
