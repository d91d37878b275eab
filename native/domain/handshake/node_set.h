/* SPDX-License-Identifier: Apache-2.0 */
// The names of many nodes, for who cannot know which of them a peer is: any of the mapping may open a connection to an agent.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

namespace tlshub::handshake {

class NodeSet {
 public:
  explicit NodeSet(const std::vector<std::string>& names) {
    for (const std::string& name : names) names_.insert(lower(name));
  }

  // Whole names, without regard to ASCII case, as in certificate.h.
  bool has(const std::string& name) const { return names_.count(lower(name)) != 0; }

  // Of `names` the first that is one of these. Empty: none.
  std::string firstOf(const std::vector<std::string>& names) const {
    for (const std::string& name : names) {
      if (has(name)) return name;
    }
    return std::string();
  }

 private:
  static std::string lower(std::string name) {
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return name;
  }

  std::unordered_set<std::string> names_;
};

}  // namespace tlshub::handshake
