// SPDX-License-Identifier: Apache-2.0
#include "plan.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tlshub::bootgate {
namespace {

bool isCgroup(const std::string& path) {
  struct statfs status = {};
  return !statfs(path.c_str(), &status) && status.f_type == CGROUP2_SUPER_MAGIC;
}

std::string parentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Makes it if need be. Returns the folder that is there then: it, or the next one above it.
std::string makeCgroup(const std::string& path) {
  if (path == "/" || isCgroup(path)) return path;
  const std::string parent = makeCgroup(parentOf(path));
  if (parent != parentOf(path) || !isCgroup(parent)) return parent;
  return mkdir(path.c_str(), 0755) && errno != EEXIST ? parent : path;
}

bool isInside(const std::string& path, const std::string& folder) {
  return path != folder && (folder == "/" || path.rfind(folder + "/", 0) == 0);
}

bool sameNetwork(const PolicyRule& one, const PolicyRule& other) {
  const uint32_t bits = std::min(one.prefix, other.prefix), whole = bits / 8;
  if (std::memcmp(one.addr, other.addr, whole) != 0) return false;
  const uint8_t mask = static_cast<uint8_t>(0xff00u >> (bits % 8));
  return bits % 8 == 0 || ((one.addr[whole] ^ other.addr[whole]) & mask) == 0;
}

bool isRequirement(const PolicyRule& rule) {
  return rule.rank & RANK_REQUIRE;
}

// Does it decide on connections that the exclusion would let go?
bool outranks(const PolicyRule& requirement, const PolicyRule& exclusion) {
  const bool samePort = requirement.port == exclusion.port || !requirement.port || !exclusion.port;
  return requirement.rank > exclusion.rank && samePort && sameNetwork(requirement, exclusion);
}

}  // namespace

Policy bootPolicy(const Policy& kept, bool wide) {
  Policy policy = kept;
  policy.permissive = true;
  if (!wide) return policy;
  // An exclusion that a requirement limits would let go more without it: it goes too.
  const auto goes = [&](const PolicyRule& rule) {
    return isRequirement(rule) ||
           std::any_of(kept.rules.begin(), kept.rules.end(), [&](const PolicyRule& other) {
             return isRequirement(other) && outranks(other, rule);
           });
  };
  policy.rules.erase(std::remove_if(policy.rules.begin(), policy.rules.end(), goes), policy.rules.end());
  return policy;
}

Plan makePlan(const BootState& state) {
  Plan plan;
  bool wide = false;
  std::vector<std::string> there;
  for (const BootScope& scope : state.scopes) {
    const bool was = isCgroup(scope.path);
    const std::string path = makeCgroup(scope.path);
    if (!isCgroup(path)) {
      plan.missed.push_back(scope.path + " is not of the cgroup2 hierarchy, or that is not mounted");
      continue;
    }
    if (path != scope.path)
      plan.notes.push_back(scope.path + " is not there yet and cannot be made (" + std::strerror(errno) +
                           "): until an agent is there, " + path + " is captured with all below it");
    else if (!was)
      plan.notes.push_back(path + " was not there yet, and was made");
    wide = wide || scope.pattern || path != scope.path;
    there.push_back(path);
  }
  for (const std::string& path : there) {
    const auto covers = [&](const std::string& other) { return isInside(path, other); };
    std::vector<std::string>& cgroups = plan.options.cgroups;
    if (std::none_of(there.begin(), there.end(), covers) &&
        std::find(cgroups.begin(), cgroups.end(), path) == cgroups.end())
      cgroups.push_back(path);
  }
  plan.options.settings = state.settings;
  plan.options.settings.policy = bootPolicy(state.settings.policy, wide);
  plan.options.mesh = state.mesh;
  return plan;
}

}  // namespace tlshub::bootgate
