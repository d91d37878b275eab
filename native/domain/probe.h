// What this kernel can do of what the agent needs; each answer is tried, not looked up by version.
#pragma once

#include <string>
#include <vector>

namespace tlshub {

struct ProbeResult {
  std::string name;
  bool ok;
  std::string detail;
  std::string remedy;  // "" when ok
};

std::vector<ProbeResult> probe();

}  // namespace tlshub
