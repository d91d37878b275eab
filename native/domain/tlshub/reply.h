/* SPDX-License-Identifier: Apache-2.0 */
// What a reply of the module says. Reads untrusted bytes: everything is checked before it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "key_schedule.h"

namespace tlshub::module {

struct Reply {
  enum class Kind {
    kMalformed,  // `text` says what is wrong
    kRefused,    // netlink's own error message (NLMSG_ERROR): `text` has the errno in words
    kLog,        // `text` is a line of the module's log
    kInitialised,
    kHandshakeFirst,
    kHandshakeDone,
    kAlreadyConnected,
    kHandshakeFailed,  // `text`: what the module says about it, perhaps nothing
    kKey,
    kKeyNone,
    kKeyExpired,
  };
  Kind kind = Kind::kMalformed;
  uint32_t sequence = 0;  // as in the header; 0: the module does not say which request it answers
  std::string text;
  Secret<MasterKey> key;  // kKey
};

// Reads one datagram as the answer to `asked`. Never throws, never reads outside of [data, data + size).
Reply parseReply(const uint8_t* data, size_t size, Opcode asked);

}  // namespace tlshub::module
