/* SPDX-License-Identifier: Apache-2.0 */
// HKDF (RFC 5869) and TLS 1.3's form of it (RFC 8446, 7.1). Nothing of a secret is left on the stack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sha2.h"

namespace tlshub {

// RFC 5869, 2.2: hashBytes() of them.
void hkdfExtract(Hash hash, const uint8_t* salt, size_t saltSize, const uint8_t* keyMaterial, size_t size,
                 uint8_t* out);

// RFC 5869, 2.3. `secret` has hashBytes(), and at most 255 times as many are wanted.
void hkdfExpand(Hash hash, const uint8_t* secret, const std::string& info, uint8_t* out, size_t size);

// An `info` of texts, each with its length in front (one byte), so that no two lists give the same bytes. Throws std::invalid_argument if one has
// more than 255.
std::string hkdfInfo(const std::vector<std::string>& texts);

// RFC 8446, 7.1. `label` without the "tls13 " that the RFC puts in front.
void hkdfExpandLabel(Hash hash, const uint8_t* secret, const std::string& label, uint8_t* out, size_t size,
                     const std::string& context = {});

}  // namespace tlshub
