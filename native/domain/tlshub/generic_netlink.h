/* SPDX-License-Identifier: Apache-2.0 */
// A family of generic netlink (Documentation/userspace-api/netlink/intro.rst in the kernel's sources), asked one thing at a time, blocking: for
// commands that people type, not for the agent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../fd.h"

namespace tlshub::module {

class GenericNetlink {
 public:
  using Bytes = std::vector<uint8_t>;

  // Throws CodedError TLSHUB_MODULE_MISSING when the kernel has no such family, SysError for the rest.
  GenericNetlink(const std::string& family, uint8_t version);

  // The attributes of each message of the answer, in their order: none for a command that only does something. `dump`: all that there are.
  // Throws SysError with what the kernel answered, in its own words where it has some; CodedError TLSHUB_MODULE_PROTOCOL for what is no answer.
  std::vector<Bytes> ask(uint8_t command, bool dump, const uint8_t* attributes, size_t size);

 private:
  std::vector<Bytes> exchange(uint16_t type, uint8_t command, uint8_t version, bool dump,
                              const uint8_t* attributes, size_t size);

  Fd fd_;
  uint32_t sequence_ = 0;
  uint16_t family_ = 0;
  uint8_t version_;
};

}  // namespace tlshub::module
