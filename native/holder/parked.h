/* SPDX-License-Identifier: Apache-2.0 */
// Who sleeps: the requests that are not answered yet. Pure: the time is given, and who is to be answered is returned or handed to a function.
//
// Every operation takes a time that does not depend on how many sleep, or the logarithm of it, and no memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "recent.h"
#include "table.h"
#include "timers.h"

namespace tlshub::holder {

struct Limits {
  size_t most;           // sleepers
  size_t mostOfCgroup;   // of them those of one cgroup
  size_t remembered;     // flows that were decided, and threads that were answered
  uint64_t rememberNs;   // how long a decision may come before the request of one who has not seen it
  uint64_t lookAgainNs;  // after which everybody is answered: a word that a flow has been decided may be lost
};

// A thread that is to be put to sleep.
struct Asking {
  uint64_t unique;  // of its request
  uint32_t tid;
  uint64_t cookie;
  uint64_t cgroup;
  uint64_t untilNs;
  uint32_t room;  // for the answer
};

enum class Parking { kParked, kAnswerNow, kNoRoom };

class Parked {
 public:
  // `seed`: see Table
  Parked(const Limits& limits, uint64_t seed);

  size_t size() const { return places_.size(); }
  // When due() has something to do; UINT64_MAX: never
  uint64_t nextNs() const { return timers_.empty() ? UINT64_MAX : timers_.firstNs(); }

  Parking park(const Asking& asking, uint64_t nowNs);

  // A signal has come for the thread. False: no such request, it has been answered.
  bool interrupt(uint64_t unique, uint64_t nowNs);

  // The flow was decided: hands each request that waited for it to `answer`.
  template <typename Answer>
  void wake(uint64_t cookie, uint64_t nowNs, Answer answer) {
    decided_.happened(cookie, nowNs);
    while (const uint32_t* first = flows_.find(cookie)) answer(take(*first, nowNs));
  }

  // Hands each request whose time has come to `answer`.
  template <typename Answer>
  void due(uint64_t nowNs, Answer answer) {
    while (!timers_.empty() && timers_.firstNs() <= nowNs) answer(take(timers_.first(), nowNs));
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Sleeper {
    Asking asking{};
    uint32_t before = kNone;  // of the same flow
    uint32_t behind = kNone;  // of the same flow; of those that are free
  };

  bool mayHaveMissedDecision(const Asking& asking, uint64_t nowNs);
  void insert(const Asking& asking, uint64_t dueNs);
  Asking take(uint32_t at, uint64_t nowNs);

  Limits limits_;
  std::vector<Sleeper> sleepers_;
  uint32_t free_ = 0;
  Timers timers_;
  Table<uint32_t> places_;  // unique -> its place in sleepers_
  Table<uint32_t> flows_;   // cookie -> the first that sleeps for it
  Table<uint32_t> shares_;  // cgroup -> how many of it sleep
  Recent decided_;          // cookies
  Recent answered_;         // tids
};

}  // namespace tlshub::holder
