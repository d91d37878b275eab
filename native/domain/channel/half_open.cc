// SPDX-License-Identifier: Apache-2.0
#include "half_open.h"

#include <algorithm>
#include <utility>

namespace tlshub::channel {

namespace {

// A host has a whole /64 of IPv6 addresses to come from (RFC 4291, 2.5.1); of IPv4 each counts by itself.
Source counted(Source source) {
  constexpr std::array<uint8_t, 12> kIpv4 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (!std::equal(kIpv4.begin(), kIpv4.end(), source.begin())) std::fill(source.begin() + 8, source.end(), 0);
  return source;
}

}  // namespace

HalfOpen::Admission HalfOpen::admit(const Source& source, bool isNode, Time now) {
  freeUntil(now);
  const Source key = counted(source);
  const auto its = bySource_.find(key);
  Verdict verdict = Verdict::kAdmitted;
  if (its != bySource_.end() && its->second >= limits_.perSource) {
    verdict = Verdict::kSourceFull;
  } else if (!isNode && strangers_ >= limits_.fromStrangers) {
    verdict = Verdict::kStrangersFull;
  } else if (places_.size() >= limits_.inAll) {
    verdict = Verdict::kFull;
  }
  if (verdict != Verdict::kAdmitted) {
    turnedAway_++;
    return {verdict, 0};
  }
  places_.emplace(++lastId_, Place{key, isNode});
  bySource_[key]++;
  if (!isNode) strangers_++;
  return {verdict, lastId_};
}

void HalfOpen::ended(uint64_t id, bool good, Time now) {
  const auto at = places_.find(id);
  if (at == places_.end() || at->second.ended) return;
  if (good) return free(at);
  at->second.ended = true;
  penalties_.emplace(now + limits_.penalty, id);
}

size_t HalfOpen::taken(Time now) {
  freeUntil(now);
  return places_.size();
}

void HalfOpen::freeUntil(Time now) {
  while (!penalties_.empty() && penalties_.begin()->first <= now) {
    free(places_.find(penalties_.begin()->second));
    penalties_.erase(penalties_.begin());
  }
}

void HalfOpen::free(std::unordered_map<uint64_t, Place>::iterator at) {
  const auto its = bySource_.find(at->second.source);
  if (--its->second == 0) bySource_.erase(its);
  if (!at->second.isNode) strangers_--;
  places_.erase(at);
}

}  // namespace tlshub::channel
