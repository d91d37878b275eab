// SPDX-License-Identifier: Apache-2.0
// How many half-open handshakes there may be.
#include <random>

#include "../domain/channel/half_open.h"
#include "handshake_kit.h"

using namespace kit;
using tlshub::channel::HalfOpen;
using tlshub::channel::HalfOpenLimits;
using tlshub::channel::Source;
using Verdict = HalfOpen::Verdict;

namespace {

using Time = HalfOpen::Time;
constexpr std::chrono::milliseconds kMs{1};

Source ipv4(uint32_t address) {
  Source source{};
  source[10] = source[11] = 0xff;
  for (int i = 0; i < 4; i++) source[12 + i] = static_cast<uint8_t>(address >> (24 - 8 * i));
  return source;
}

Source ipv6(uint16_t net, uint16_t host) {
  Source source{};
  source[0] = 0xfd;
  source[6] = static_cast<uint8_t>(net >> 8);
  source[7] = static_cast<uint8_t>(net);
  source[14] = static_cast<uint8_t>(host >> 8);
  source[15] = static_cast<uint8_t>(host);
  return source;
}

}  // namespace

TEST("half open: so many of a source, and others go on") {
  HalfOpen half;
  const Time now{};
  for (int i = 0; i < 8; i++) EXPECT(half.admit(ipv4(1), true, now).verdict == Verdict::kAdmitted);
  const HalfOpen::Admission ninth = half.admit(ipv4(1), true, now);
  EXPECT(ninth.verdict == Verdict::kSourceFull && ninth.id == 0);
  EXPECT(half.admit(ipv4(2), true, now).verdict == Verdict::kAdmitted);
  EXPECT_EQ(half.taken(now), 9u);
  EXPECT_EQ(half.turnedAway(), 1u);
}

TEST("half open: a host with a whole /64 is one source, one with an IPv4 address another") {
  HalfOpen half;
  const Time now{};
  for (uint16_t i = 0; i < 8; i++) EXPECT(half.admit(ipv6(7, i), false, now).verdict == Verdict::kAdmitted);
  EXPECT(half.admit(ipv6(7, 1000), false, now).verdict == Verdict::kSourceFull);
  EXPECT(half.admit(ipv6(8, 1000), false, now).verdict == Verdict::kAdmitted);
  EXPECT(half.admit(ipv4(7), false, now).verdict == Verdict::kAdmitted);
  EXPECT(half.admit(ipv4(8), false, now).verdict == Verdict::kAdmitted);
}

TEST("half open: a flood from many addresses leaves room for nodes") {
  HalfOpen half;
  const Time now{};
  for (uint32_t i = 0; i < 100000; i++) half.admit(ipv4(i), false, now);
  EXPECT_EQ(half.taken(now), 128u);
  EXPECT(half.admit(ipv4(1 << 30), false, now).verdict == Verdict::kStrangersFull);
  for (uint32_t i = 0; i < 128; i++) {
    EXPECT(half.admit(ipv4((1u << 30) + 1 + i), true, now).verdict == Verdict::kAdmitted);
  }
  EXPECT(half.admit(ipv4(2u << 30), true, now).verdict == Verdict::kFull);
  EXPECT_EQ(half.taken(now), 256u);
}

TEST("half open: a good handshake gives its place back at once, a failed one after the penalty") {
  HalfOpen half;
  Time now{};
  std::vector<uint64_t> ids;
  for (int i = 0; i < 8; i++) ids.push_back(half.admit(ipv4(1), true, now).id);
  half.ended(ids[0], true, now);
  EXPECT_EQ(half.taken(now), 7u);
  half.ended(ids[1], false, now);
  half.ended(ids[1], true, now);  // once is enough
  half.ended(ids[0], true, now);
  half.ended(4711, false, now);
  EXPECT_EQ(half.taken(now), 7u);
  EXPECT(half.admit(ipv4(1), true, now).verdict == Verdict::kAdmitted);
  EXPECT(half.admit(ipv4(1), true, now).verdict == Verdict::kSourceFull);
  now += 999 * kMs;
  EXPECT_EQ(half.taken(now), 8u);
  now += kMs;
  EXPECT_EQ(half.taken(now), 7u);
  EXPECT(half.admit(ipv4(1), true, now).verdict == Verdict::kAdmitted);
}

TEST("half open: what a source makes us work in a second is bounded") {
  HalfOpen half;
  const Time begin{};
  size_t admitted = 0;
  for (int ms = 0; ms < 10000; ms++) {
    const Time now = begin + ms * kMs;
    const HalfOpen::Admission admission = half.admit(ipv4(1), false, now);
    if (admission.verdict != Verdict::kAdmitted) continue;
    admitted++;
    half.ended(admission.id, false, now);
  }
  EXPECT_EQ(admitted, 80u);
}

TEST("half open: whatever comes, the bounds hold and all places come back") {
  HalfOpenLimits limits;
  limits.inAll = 20;
  limits.fromStrangers = 10;
  limits.perSource = 3;
  HalfOpen half(limits);
  std::mt19937 random(3);
  Time now{};
  std::vector<std::pair<uint64_t, uint32_t>> open;
  std::vector<size_t> of(8);
  for (int i = 0; i < 20000; i++) {
    now += std::chrono::milliseconds(random() % 50);
    if (random() % 2 == 0) {
      const uint32_t source = random() % 8;
      const HalfOpen::Admission admission = half.admit(ipv4(source), source < 4, now);
      if (admission.verdict == Verdict::kAdmitted) {
        open.emplace_back(admission.id, source);
        EXPECT(++of[source] <= 3);
      }
    } else if (!open.empty()) {
      const size_t at = random() % open.size();
      half.ended(open[at].first, random() % 2 == 0, now);
      of[open[at].second]--;
      open.erase(open.begin() + static_cast<long>(at));
    }
    EXPECT(half.taken(now) <= 20 && half.taken(now) >= open.size());
  }
  for (const auto& [id, source] : open) half.ended(id, false, now);
  EXPECT_EQ(half.taken(now + std::chrono::seconds(2)), 0u);
}
