/* SPDX-License-Identifier: Apache-2.0 */
// The key exchanges of TLS 1.3 ("supported groups") that an agent may be told to use, by their names in tls.groups.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tlshub::handshake {

// Of `wanted`, in its order, what the library has. Changes the groups of `ctx`.
std::vector<std::string> knownGroups(SSL_CTX* ctx, const std::vector<std::string>& wanted);

// False: the library takes none of them, or not this list.
bool setGroups(SSL_CTX* ctx, const std::vector<std::string>& names);

// The name of a group by its number (IANA's registry of TLS Supported Groups).
std::string groupName(uint16_t group);

}  // namespace tlshub::handshake
