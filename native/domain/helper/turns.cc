// SPDX-License-Identifier: Apache-2.0
// Whose turn it is, and who is charged with how many helpers.
#include <algorithm>
#include <cstdint>

#include "helpers.h"

namespace tlshub::helper {

bool Helpers::hasRoom(uint64_t charge, const Owner& owner) {
  if (charge == 0) return true;
  const auto group = groups_.find(groupOf(charge));
  return owner.use.below(limits_.perProcess) &&
         (group == groups_.end() || group->second.below(limits_.perGroup));
}

// All that it may have is lost.
bool Helpers::isStuck(uint64_t charge, const Owner& owner) {
  if (charge == 0) return false;
  const auto group = groups_.find(groupOf(charge));
  return owner.use.lost >= limits_.perProcess ||
         (group != groups_.end() && group->second.lost >= limits_.perGroup);
}

void Helpers::list(uint64_t charge, Owner& owner) {
  if (owner.listed || owner.queue.empty() || !hasRoom(charge, owner)) return;
  owner.listed = true;
  turn_.push_back(charge);
}

// Counts a helper to a process and its group, or off them: then whoever has waited for that is listed.
void Helpers::charge(uint64_t charge, int running, int lost) {
  const uint64_t first = groupOf(charge) << kChargeBits;
  Use& group = groups_[groupOf(charge)];
  const bool wasFull = charge != 0 && !group.below(limits_.perGroup);
  Owner& owner = owners_[charge];
  for (Use* use : {&group, &owner.use}) {
    use->running += static_cast<uint32_t>(running);
    use->lost += static_cast<uint32_t>(lost);
  }
  list(charge, owner);
  if (wasFull)
    for (auto at = owners_.lower_bound(first); at != owners_.end() && groupOf(at->first) == groupOf(charge);
         ++at)
      list(at->first, at->second);
  forget(charge);
}

// Of an owner with nothing to remember, nothing is.
void Helpers::forget(uint64_t charge) {
  const auto at = owners_.find(charge);
  if (at != owners_.end() && !at->second.listed && at->second.queue.empty() && at->second.use.none())
    owners_.erase(at);
  const auto group = groups_.find(groupOf(charge));
  if (group != groups_.end() && group->second.none()) groups_.erase(group);
}

}  // namespace tlshub::helper
