// SPDX-License-Identifier: Apache-2.0
#include "parked.h"

#include <algorithm>

namespace tlshub::holder {

Parked::Parked(const Limits& limits, uint64_t seed)
    : limits_(limits),
      sleepers_(limits.most),
      timers_(limits.most),
      places_(limits.most, seed),
      flows_(limits.most, seed),
      shares_(limits.most, seed),
      decided_(limits.remembered, seed),
      answered_(limits.remembered, seed) {
  for (uint32_t i = 0; i + 1 < sleepers_.size(); i++) sleepers_[i].behind = i + 1;
}

Parking Parked::park(const Asking& asking, uint64_t nowNs) {
  if (asking.untilNs <= nowNs || mayHaveMissedDecision(asking, nowNs) || places_.find(asking.unique)) {
    answered_.happened(asking.tid, nowNs);
    return Parking::kAnswerNow;
  }
  const uint32_t* share = shares_.find(asking.cgroup);
  if (size() == limits_.most || (share && *share >= limits_.mostOfCgroup)) return Parking::kNoRoom;
  insert(asking, std::min(asking.untilNs, nowNs + limits_.lookAgainNs));
  return Parking::kParked;
}

/*
 * The thread looked at its flow before it asked, and the decision may have come in between. But one that has been answered since then has
 * looked again: it is not answered at once a second time, or it would run in circles for as long as the decision is remembered.
 */
bool Parked::mayHaveMissedDecision(const Asking& asking, uint64_t nowNs) {
  const uint64_t decidedNs = decided_.when(asking.cookie);
  return decidedNs && nowNs - decidedNs < limits_.rememberNs && answered_.when(asking.tid) < decidedNs;
}

void Parked::insert(const Asking& asking, uint64_t dueNs) {
  const uint32_t at = free_;
  Sleeper& sleeper = sleepers_[at];
  free_ = sleeper.behind;
  sleeper = {asking, kNone, kNone};
  *places_.put(asking.unique) = at;
  ++*shares_.put(asking.cgroup);
  if (uint32_t* first = flows_.find(asking.cookie)) {
    sleeper.behind = *first;
    sleepers_[*first].before = at;
    *first = at;
  } else {
    *flows_.put(asking.cookie) = at;
  }
  timers_.add(at, dueNs);
}

Asking Parked::take(uint32_t at, uint64_t nowNs) {
  Sleeper& sleeper = sleepers_[at];
  const Asking asking = sleeper.asking;
  timers_.remove(at);
  if (sleeper.behind != kNone) sleepers_[sleeper.behind].before = sleeper.before;
  if (sleeper.before != kNone)
    sleepers_[sleeper.before].behind = sleeper.behind;
  else if (sleeper.behind != kNone)
    *flows_.find(asking.cookie) = sleeper.behind;
  else
    flows_.erase(asking.cookie);
  if (--*shares_.find(asking.cgroup) == 0) shares_.erase(asking.cgroup);
  places_.erase(asking.unique);
  sleeper.behind = free_;
  free_ = at;
  answered_.happened(asking.tid, nowNs);
  return asking;
}

bool Parked::interrupt(uint64_t unique, uint64_t nowNs) {
  const uint32_t* at = places_.find(unique);
  if (!at) return false;
  take(*at, nowNs);
  return true;
}

}  // namespace tlshub::holder
