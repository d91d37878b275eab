/* SPDX-License-Identifier: Apache-2.0 */
// A node's credentials as its channels use them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "../handshake/context.h"

namespace tlshub::channel {

// By ALPN, so that a channel and an in-band handshake, which show the same certificates, are never taken for each other: an opener that
// somebody on the way leads to a program's port says nothing that the program would read.
constexpr char kProtocol[] = "tlshub-channel";

// tls.groups where nobody has set it: first the hybrid that a quantum computer does not open, which a library without it leaves out.
inline const std::vector<std::string> kDefaultGroups = {"X25519MLKEM768", "X25519"};

// No tickets, so no resumption and no early data. Throws handshake::CredentialsError.
inline std::shared_ptr<const handshake::Context> createContext(
    const handshake::Credentials& credentials, const std::vector<std::string>& groups = kDefaultGroups) {
  handshake::Purpose purpose;
  purpose.tickets = 0;
  purpose.groups = groups;
  purpose.protocol = kProtocol;
  purpose.lasting = true;
  return handshake::Context::create(credentials, purpose);
}

}  // namespace tlshub::channel
