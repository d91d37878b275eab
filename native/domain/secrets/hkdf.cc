// SPDX-License-Identifier: Apache-2.0
#include "hkdf.h"

#include <string.h>

#include <algorithm>
#include <stdexcept>

namespace tlshub {

void hkdfExtract(Hash hash, const uint8_t* salt, size_t saltSize, const uint8_t* keyMaterial, size_t size,
                 uint8_t* out) {
  Hmac hmac(hash, salt, saltSize);
  hmac.update(keyMaterial, size);
  hmac.finish(out);
}

void hkdfExpand(Hash hash, const uint8_t* secret, const std::string& info, uint8_t* out, size_t size) {
  std::array<uint8_t, kLongestHash> previous;
  size_t length = 0;  // of `previous`
  for (uint8_t counter = 1; size > 0; counter++) {
    Hmac hmac(hash, secret, hashBytes(hash));
    hmac.update(previous.data(), length);
    hmac.update(info.data(), info.size());
    hmac.update(&counter, 1);
    hmac.finish(previous.data());
    length = hashBytes(hash);
    const size_t part = std::min(size, length);
    memcpy(out, previous.data(), part);
    out += part;
    size -= part;
  }
  explicit_bzero(previous.data(), previous.size());
}

std::string hkdfInfo(const std::vector<std::string>& texts) {
  std::string info;
  for (const std::string& text : texts) {
    if (text.size() > 255) throw std::invalid_argument("a name of more than 255 bytes");
    info += static_cast<char>(text.size());
    info += text;
  }
  return info;
}

void hkdfExpandLabel(Hash hash, const uint8_t* secret, const std::string& label, uint8_t* out, size_t size,
                     const std::string& context) {
  const std::string full = "tls13 " + label;
  std::string info;
  info += static_cast<char>(size >> 8);
  info += static_cast<char>(size);
  info += static_cast<char>(full.size());
  info += full;
  info += static_cast<char>(context.size());
  info += context;
  hkdfExpand(hash, secret, info, out, size);
}

}  // namespace tlshub
