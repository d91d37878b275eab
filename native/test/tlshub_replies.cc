// SPDX-License-Identifier: Apache-2.0
// The reading of replies: each kind, each truncation, each wrong field, random ones.
#include "tlshub_replies.h"

#include <linux/netlink.h>

#include <memory>
#include <random>

#include "reply.h"

using namespace tlshub::module;
using Kind = Reply::Kind;

namespace {

// Copied to memory that ends where the reply does, so that a read beyond it is seen.
Reply parse(const Bytes& bytes, Opcode asked) {
  const auto exact = std::make_unique<uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), exact.get());
  return parseReply(exact.get(), bytes.size(), asked);
}

void expectKind(const Bytes& bytes, Opcode asked, Kind kind, const std::string& what) {
  const Reply reply = parse(bytes, asked);
  expect(reply.kind == kind,
         what + ": kind " + std::to_string(static_cast<int>(reply.kind)) + " " + reply.text);
}

}  // namespace

void goodReplies() {
  const Bytes words = textOf("words");
  expectKind(replyBytes(0x07, words), Opcode::kInit, Kind::kInitialised, "init");
  expectKind(replyBytes(0x01, words), Opcode::kStart, Kind::kHandshakeFirst, "first");
  expectKind(replyBytes(0x02, {}), Opcode::kStart, Kind::kHandshakeDone, "done, no text");
  expectKind(replyBytes(0x05, words), Opcode::kStart, Kind::kAlreadyConnected, "already");
  const Reply failed = parse(replyBytes(0x03, Bytes{'n', 'o', 0, 'x'}), Opcode::kStart);
  expect(failed.kind == Kind::kHandshakeFailed && failed.text == "no", "failed, text up to its NUL");
  for (const Opcode asked : {Opcode::kInit, Opcode::kStart, Opcode::kFetch}) {
    const Reply log = parse(replyBytes(0x04, Bytes(125, 'l'), 7), asked);
    expect(log.kind == Kind::kLog && log.text == std::string(125, 'l') && log.sequence == 7,
           "log line without NUL");
  }
  const Reply key = parse(replyBytes(0, keyText(0, 0xa5)), Opcode::kFetch);
  expect(key.kind == Kind::kKey, "key");
  for (const uint8_t byte : key.key->bytes) expect(byte == 0xa5, "key bytes");
  expectKind(replyBytes(6, keyText(-1)), Opcode::kFetch, Kind::kKeyNone, "no key, whatever the type");
  expectKind(replyBytes(0, keyText(-2)), Opcode::kFetch, Kind::kKeyExpired, "expired");
  Bytes padded = replyBytes(2, words);
  padded.resize((padded.size() + 3) & ~size_t{3});
  expectKind(padded, Opcode::kStart, Kind::kHandshakeDone, "padding after the end");
}

void eachTruncation() {
  const Bytes whole = replyBytes(0, keyText(0));
  for (size_t size = 0; size < whole.size(); size++) {
    Bytes cut(whole.begin(), whole.begin() + static_cast<long>(size));
    expectKind(cut, Opcode::kFetch, Kind::kMalformed, "cut to " + std::to_string(size));
    if (size < 16) continue;
    // The header knows it: then only what is missing counts.
    const auto length = static_cast<uint32_t>(size);
    memcpy(&cut[0], &length, 4);
    expectKind(cut, Opcode::kFetch, size < 53 ? Kind::kMalformed : Kind::kKey,
               "short by " + std::to_string(size));
  }
}

void eachField() {
  for (const uint32_t length : {0u, 1u, 15u, 16u, 100u, 1000u, 0x7fffffffu, 0xffffffffu, 0xfffffffdu}) {
    Bytes bytes = replyBytes(2, textOf("a text of some length"));
    memcpy(&bytes[0], &length, 4);
    expectKind(bytes, Opcode::kStart, Kind::kMalformed, "length " + std::to_string(length));
  }
  for (int type = 0; type < 256; type++) {
    const bool start = type == 1 || type == 2 || type == 3 || type == 5;
    const auto what = "type " + std::to_string(type);
    if (type == 4) continue;
    const Bytes bytes = replyBytes(static_cast<uint8_t>(type), keyText(-1));
    expect((parse(bytes, Opcode::kStart).kind != Kind::kMalformed) == start, what + " to START");
    expect((parse(bytes, Opcode::kInit).kind != Kind::kMalformed) == (type == 7), what + " to INIT");
    expect((parse(bytes, Opcode::kFetch).kind != Kind::kMalformed) == (!start && type != 7),
           what + " to FETCH");
  }
  for (const int32_t status : {1, 2, -3, 256, INT32_MAX, INT32_MIN})
    expectKind(replyBytes(0, keyText(status)), Opcode::kFetch, Kind::kMalformed,
               "status " + std::to_string(status));
  expectKind(replyBytes(0, keyText(0, 0)), Opcode::kFetch, Kind::kMalformed, "a key of zeros");
  expectKind(replyBytes(2, Bytes(144, 'x')), Opcode::kStart, Kind::kMalformed, "too long");
  Bytes trailing = replyBytes(2, textOf("abc"));
  trailing.resize(trailing.size() + 4);
  expectKind(trailing, Opcode::kStart, Kind::kMalformed, "bytes after the end");
  // NLMSG_ERROR: -EPERM, no error, a positive one, cut
  for (const auto& [error, kind] : {std::pair<int32_t, Kind>{-1, Kind::kRefused},
                                    {0, Kind::kMalformed},
                                    {5, Kind::kMalformed},
                                    {INT32_MIN, Kind::kMalformed}}) {
    Bytes bytes = replyBytes(0, Bytes(19, 0), 0, NLMSG_ERROR);
    memcpy(&bytes[16], &error, 4);
    expectKind(bytes, Opcode::kStart, kind, "netlink error " + std::to_string(error));
  }
  expectKind(replyBytes(0, {}, 0, NLMSG_ERROR), Opcode::kStart, Kind::kMalformed, "netlink error, cut");
}

// Wholly random bytes, and good replies with random damage. What is no reply must be an error; what still is one may pass.
void randomReplies() {
  std::mt19937 random(20240611);
  const auto below = [&](uint32_t limit) { return static_cast<uint32_t>(random() % limit); };
  int malformed = 0;
  for (int i = 0; i < 10000; i++) {
    Bytes bytes(below(200));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    const Reply reply = parse(bytes, static_cast<Opcode>(below(3)));
    expect(reply.kind == Kind::kMalformed && !reply.text.empty(), "random bytes read as a reply");
    malformed += reply.kind == Kind::kMalformed;
  }
  expect(malformed == 10000, "10000 errors");
  for (int i = 0; i < 50000; i++) {
    Bytes bytes = replyBytes(static_cast<uint8_t>(below(8)), keyText(static_cast<int32_t>(below(4)) - 2));
    for (uint32_t damage = below(4); damage > 0; damage--)
      bytes[below(static_cast<uint32_t>(bytes.size()))] = static_cast<uint8_t>(random());
    if (below(3) == 0) bytes.resize(below(static_cast<uint32_t>(bytes.size()) + 1));
    const Reply reply = parse(bytes, static_cast<Opcode>(below(3)));
    expect(reply.kind != Kind::kMalformed || !reply.text.empty(), "an error without words");
  }
}
