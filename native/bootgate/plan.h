/* SPDX-License-Identifier: Apache-2.0 */
// What the gate is to be until an agent is there, made of what the last one has kept.
#pragma once

#include <string>
#include <vector>

#include "../domain/gate.h"
#include "state.h"

namespace tlshub::bootgate {

struct Plan {
  Gate::Options options;
  std::vector<std::string> notes;   // for whoever looks after the node
  std::vector<std::string> missed;  // cgroups that cannot be captured, each with the reason
};

// Only addresses of the mesh are shut, so that the node itself comes up: what is not in the mapping is let go in plaintext, whatever the policy
// says. An address that was this node's may be another's by now: policy_same_node does not count. What policy_require says of addresses outside the mesh stays in force for captured programs, but not if more is captured than was asked
// for: kubelet and its like may be among it. `wide`: it is.
Policy bootPolicy(const Policy& kept, bool wide);

// A cgroup that is not there yet is made, so that whoever is put into it is captured from the first moment on; where it cannot be made, the
// folder above it is captured.
Plan makePlan(const BootState& state);

}  // namespace tlshub::bootgate
