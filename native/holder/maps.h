/* SPDX-License-Identifier: Apache-2.0 */
// The pinned maps that the holder works with, by raw bpf(2) calls.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "../../bpf/tlshub.h"
#include "../domain/fd.h"

namespace tlshub::holder {

class Maps {
 public:
  // Throws SysError, std::runtime_error (pins of another version).
  explicit Maps(const std::string& pinDir);

  // What a thread is to sleep for, if there is such a thread.
  std::optional<tlshub_sleeper> sleeper(uint32_t tid) const;
  // Mapped for good.
  tlshub_leases* leases() const { return leases_; }

 private:
  Fd sleepers_;
  tlshub_leases* leases_;
};

}  // namespace tlshub::holder
