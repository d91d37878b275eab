/* SPDX-License-Identifier: Apache-2.0 */
// How many handshakes a listener has under way before it knows who is at the other end: the one thing of ours that anybody on the network can
// ask for. Pure: addresses and times in, a decision out.
//
// Four rules. All together there are at most `inAll`; a source has at most `perSource` of them; sources that are no node's address have at
// most `fromStrangers` together, so that however many addresses a flood has, nodes get in; and one that failed keeps its place for `penalty`,
// so that what a source can make us work in a second is bounded, and not only what it can have at once. Every one has a deadline (session.h),
// so places come back.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>

namespace tlshub::channel {

// As in a sockaddr_in6; IPv4 as ::ffff:a.b.c.d.
using Source = std::array<uint8_t, 16>;

struct HalfOpenLimits {
  size_t inAll = 256;
  size_t fromStrangers = 128;
  size_t perSource = 8;
  std::chrono::milliseconds penalty{1000};
};

class HalfOpen {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit HalfOpen(const HalfOpenLimits& limits = {}) : limits_(limits) {}

  // What to do with a connection that has come. Not kAdmitted: close it at once, nothing was kept for it.
  enum class Verdict { kAdmitted, kSourceFull, kStrangersFull, kFull };
  struct Admission {
    Verdict verdict;
    uint64_t id;  // for ended(); never 0, unless it was not admitted
  };
  // `isNode`: the source is an address of a node, as far as anybody knows.
  Admission admit(const Source& source, bool isNode, Time now);

  // The handshake is over. Its place is free at once if it was good, else after the penalty. No matter if it is not known.
  void ended(uint64_t id, bool good, Time now);

  // Places taken, penalties included.
  size_t taken(Time now);
  // Since the start: connections that were not admitted.
  uint64_t turnedAway() const { return turnedAway_; }

 private:
  struct Place {
    Source source;
    bool isNode;
    bool ended = false;
  };
  void freeUntil(Time now);
  void free(std::unordered_map<uint64_t, Place>::iterator at);

  const HalfOpenLimits limits_;
  std::unordered_map<uint64_t, Place> places_;
  std::map<Source, size_t> bySource_;
  size_t strangers_ = 0;
  std::set<std::pair<Time, uint64_t>> penalties_;
  uint64_t lastId_ = 0, turnedAway_ = 0;
};

}  // namespace tlshub::channel
