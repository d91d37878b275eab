/* SPDX-License-Identifier: Apache-2.0 */
// The TLSHub module's netlink messages. Byte order is the machine's, except where a field says network order; structs have
// C padding. docs/TLSHUB_API.md describes them for people.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>

namespace tlshub::module {

enum class Opcode : int8_t { kInit = 0, kStart = 1, kFetch = 2 };

// msg_type of a reply. The public API names no type for the answer to FETCH, and its client looks at none.
enum MessageType : uint8_t {
  kHandshakeFirst = 0x01,  // done, and it was the first between these two nodes
  kHandshakeDone = 0x02,
  kHandshakeFailed = 0x03,
  kLog = 0x04,
  kAlreadyConnected = 0x05,
  kInitComplete = 0x07,
};

struct RequestBody {
  uint32_t clientAddress;  // network order
  uint32_t serverAddress;  // network order
  uint16_t clientPort;     // network order
  uint16_t serverPort;     // network order
  int8_t opcode;
  uint8_t server;  // 1: asked on the server's side
};

struct RequestMessage {
  nlmsghdr header;
  RequestBody body;
};

static_assert(sizeof(nlmsghdr) == 16);
static_assert(offsetof(RequestBody, clientAddress) == 0);
static_assert(offsetof(RequestBody, serverAddress) == 4);
static_assert(offsetof(RequestBody, clientPort) == 8);
static_assert(offsetof(RequestBody, serverPort) == 10);
static_assert(offsetof(RequestBody, opcode) == 12);
static_assert(offsetof(RequestBody, server) == 13);
static_assert(sizeof(RequestBody) == 16);
static_assert(sizeof(RequestMessage) == 32);

constexpr size_t kMessageText = 125;

struct ReplyMessage {
  nlmsghdr header;
  uint8_t type;
  char text[kMessageText];  // a text, or for FETCH a KeyBack without alignment
};

constexpr size_t kMasterKey = 32;

struct KeyBack {
  int32_t status;
  uint8_t masterKey[kMasterKey];
};

enum KeyStatus : int32_t { kKeyOk = 0, kKeyNone = -1, kKeyExpired = -2 };

static_assert(offsetof(ReplyMessage, type) == 16);
static_assert(offsetof(ReplyMessage, text) == 17);
static_assert(sizeof(ReplyMessage) == 144);
static_assert(offsetof(KeyBack, masterKey) == 4);
static_assert(sizeof(KeyBack) == 36);
static_assert(sizeof(KeyBack) <= kMessageText);

}  // namespace tlshub::module
