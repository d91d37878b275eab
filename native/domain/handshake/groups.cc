// SPDX-License-Identifier: Apache-2.0
#include "groups.h"

#include <openssl/err.h>

#include <algorithm>
#include <array>

namespace tlshub::handshake {

namespace {

struct Group {
  uint16_t number;
  const char* name;  // as both libraries take it
};

constexpr std::array<Group, 4> kGroups = {
    {{0x11ec, "X25519MLKEM768"}, {0x001d, "X25519"}, {0x0017, "P-256"}, {0x0018, "P-384"}}};

bool isGroup(const std::string& name) {
  return std::any_of(kGroups.begin(), kGroups.end(), [&](const Group& group) { return name == group.name; });
}

}  // namespace

std::vector<std::string> knownGroups(SSL_CTX* ctx, const std::vector<std::string>& wanted) {
  std::vector<std::string> known;
  for (const std::string& name : wanted) {
    // One by one: of a list with an unknown name the libraries take nothing.
    if (isGroup(name) && SSL_CTX_set1_curves_list(ctx, name.c_str()) == 1) known.push_back(name);
  }
  ERR_clear_error();
  return known;
}

bool setGroups(SSL_CTX* ctx, const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ":") + name;
  return !list.empty() && SSL_CTX_set1_curves_list(ctx, list.c_str()) == 1;
}

std::string groupName(uint16_t group) {
  const auto* at =
      std::find_if(kGroups.begin(), kGroups.end(), [&](const Group& each) { return each.number == group; });
  return at == kGroups.end() ? "group " + std::to_string(group) : at->name;
}

}  // namespace tlshub::handshake
