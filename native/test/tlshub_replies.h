/* SPDX-License-Identifier: Apache-2.0 */
// Replies as bytes, and the cases of reading them (tlshub_replies.cc).
#pragma once

#include <string.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

// What was not as expected in the case that runs.
extern int problems;

void expect(bool good, const std::string& what);

using Bytes = std::vector<uint8_t>;

// A reply by offsets, as docs/TLSHUB_API.md has them, and not by the structs that are tested.
inline Bytes replyBytes(uint8_t type, const Bytes& text, uint32_t sequence = 0, uint16_t netlinkType = 0) {
  Bytes bytes(17 + text.size());
  const auto length = static_cast<uint32_t>(bytes.size());
  memcpy(&bytes[0], &length, 4);
  memcpy(&bytes[4], &netlinkType, 2);
  memcpy(&bytes[8], &sequence, 4);
  bytes[16] = type;
  std::copy(text.begin(), text.end(), bytes.begin() + 17);
  return bytes;
}

inline Bytes keyText(int32_t status, uint8_t fill = 0x5a) {
  Bytes text(125, 0);
  memcpy(&text[0], &status, 4);
  std::fill(text.begin() + 4, text.begin() + 36, fill);
  return text;
}

inline Bytes textOf(const std::string& words) {
  return Bytes(words.begin(), words.end());
}

void goodReplies();
void eachTruncation();
void eachField();
void randomReplies();
