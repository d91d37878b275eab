// SPDX-License-Identifier: Apache-2.0
#include "reply.h"

#include <string.h>

#include <algorithm>
#include <utility>

namespace tlshub::module {

namespace {

using Kind = Reply::Kind;

// The struct a reply is, and once more a header: a module may count that one twice.
constexpr size_t kLongest = sizeof(ReplyMessage) + sizeof(nlmsghdr);
constexpr size_t kShortest = offsetof(ReplyMessage, text);

Reply malformed(Reply reply, std::string what) {
  reply.kind = Kind::kMalformed;
  reply.text = std::move(what);
  return reply;
}

std::string hex(unsigned value) {
  constexpr char kDigits[] = "0123456789abcdef";
  return std::string("0x") + kDigits[value >> 4 & 15] + kDigits[value & 15];
}

std::string textOf(const uint8_t* from, size_t size) {
  const auto* text = reinterpret_cast<const char*>(from);
  return std::string(text, strnlen(text, std::min(size, kMessageText)));
}

Reply keyFrom(Reply reply, const uint8_t* body, size_t size) {
  int32_t status = 0;
  if (size < sizeof(status)) return malformed(std::move(reply), "it ends before the key's status");
  memcpy(&status, body, sizeof(status));
  switch (status) {
    case kKeyNone:
      reply.kind = Kind::kKeyNone;
      return reply;
    case kKeyExpired:
      reply.kind = Kind::kKeyExpired;
      return reply;
    case kKeyOk:
      break;
    default:
      return malformed(std::move(reply), "unknown key status " + std::to_string(status));
  }
  if (size < sizeof(KeyBack)) return malformed(std::move(reply), "it ends within the key");
  const uint8_t* const key = body + offsetof(KeyBack, masterKey);
  if (std::all_of(key, key + kMasterKey, [](uint8_t byte) { return byte == 0; }))
    return malformed(std::move(reply), "the key is all zeros");
  reply.key = SecretStore::tryMake<MasterKey>();
  if (!reply.key) return malformed(std::move(reply), "there is no protected memory for its key");
  memcpy(reply.key->bytes, key, kMasterKey);
  reply.kind = Kind::kKey;
  return reply;
}

// Netlink's own: the kernel did not take the request (struct nlmsgerr, whose first field is a negative errno).
Reply refusedFrom(Reply reply, const uint8_t* body, size_t size) {
  int32_t error = 0;
  if (size < sizeof(error)) return malformed(std::move(reply), "an error message without an error");
  memcpy(&error, body, sizeof(error));
  if (error >= 0 || error < -4095) return malformed(std::move(reply), "an error message without an errno");
  reply.kind = Kind::kRefused;
  reply.text = strerror(-error);
  return reply;
}

bool isAnswerTo(Opcode asked, uint8_t type) {
  switch (type) {
    case kHandshakeFirst:
    case kHandshakeDone:
    case kHandshakeFailed:
    case kAlreadyConnected:
      return asked == Opcode::kStart;
    case kInitComplete:
      return asked == Opcode::kInit;
    default:
      return asked == Opcode::kFetch;
  }
}

Kind kindOf(uint8_t type) {
  switch (type) {
    case kHandshakeFirst:
      return Kind::kHandshakeFirst;
    case kHandshakeDone:
      return Kind::kHandshakeDone;
    case kAlreadyConnected:
      return Kind::kAlreadyConnected;
    case kHandshakeFailed:
      return Kind::kHandshakeFailed;
    default:
      return Kind::kInitialised;
  }
}

}  // namespace

Reply parseReply(const uint8_t* data, size_t size, Opcode asked) {
  Reply reply;
  nlmsghdr header;
  if (size < sizeof(header)) return malformed(std::move(reply), "it is shorter than a netlink header");
  memcpy(&header, data, sizeof(header));
  reply.sequence = header.nlmsg_seq;
  if (header.nlmsg_len > size)
    return malformed(std::move(reply), "its header says " + std::to_string(header.nlmsg_len) +
                                           " bytes, and there are " + std::to_string(size));
  if (NLMSG_ALIGN(header.nlmsg_len) < size)
    return malformed(std::move(reply), "there are bytes after its end");
  const uint8_t* const body = data + sizeof(header);
  if (header.nlmsg_len < kShortest) return malformed(std::move(reply), "it carries nothing");
  if (header.nlmsg_type == NLMSG_ERROR)
    return refusedFrom(std::move(reply), body, header.nlmsg_len - sizeof(header));
  if (header.nlmsg_len > kLongest)
    return malformed(std::move(reply),
                     "it is longer than a reply can be: " + std::to_string(header.nlmsg_len));

  const uint8_t type = body[0];
  const uint8_t* const text = data + kShortest;
  const size_t length = header.nlmsg_len - kShortest;
  if (type == kLog) {
    reply.kind = Kind::kLog;
    reply.text = textOf(text, length);
    return reply;
  }
  if (!isAnswerTo(asked, type))
    return malformed(std::move(reply), "message type " + hex(type) + " does not answer the request");
  if (asked == Opcode::kFetch) return keyFrom(std::move(reply), text, length);
  reply.kind = kindOf(type);
  reply.text = textOf(text, length);
  return reply;
}

}  // namespace tlshub::module
