// SPDX-License-Identifier: Apache-2.0
// Who sleeps, and for how long: the tables by themselves against what the standard library has, then what is made of them.
#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "../holder/parked.h"
#include "holder_kit.h"

namespace tlshub::holder::test {
namespace {

constexpr uint64_t kSeed = 0x5eed, kFar = 1000000;
constexpr Limits kFew = {8, 3, 4, 100, 50};

Asking asking(uint64_t unique, uint64_t cookie, uint64_t cgroup = 1, uint64_t untilNs = kFar) {
  return {unique, static_cast<uint32_t>(unique + 1000), cookie, cgroup, untilNs, 8};
}

std::vector<uint64_t> woken(Parked& parked, uint64_t cookie, uint64_t nowNs) {
  std::vector<uint64_t> uniques;
  parked.wake(cookie, nowNs, [&](const Asking& one) { uniques.push_back(one.unique); });
  std::sort(uniques.begin(), uniques.end());
  return uniques;
}

std::vector<uint64_t> due(Parked& parked, uint64_t nowNs) {
  std::vector<uint64_t> uniques;
  parked.due(nowNs, [&](const Asking& one) { uniques.push_back(one.unique); });
  return uniques;
}

void tables() {
  constexpr size_t kMost = 50;
  Table<uint64_t> table(kMost, kSeed);
  std::map<uint64_t, uint64_t> model;
  std::mt19937_64 random(1);
  for (int i = 0; i < 100000; i++) {
    const uint64_t key = random() % 100;
    if (random() % 2) {
      uint64_t* value = table.put(key);
      const bool room = model.count(key) || model.size() < kMost;
      check((value != nullptr) == room, "room for one more");
      if (value) *value = model[key] = random();
    } else {
      table.erase(key);
      model.erase(key);
    }
    const uint64_t other = random() % 100;
    const uint64_t* found = table.find(other);
    check(found ? model.count(other) && model[other] == *found : !model.count(other), "another value");
    check(table.size() == model.size(), "another size");
  }
}

void timers() {
  constexpr uint32_t kMost = 40;
  Timers heap(kMost);
  std::map<uint32_t, uint64_t> model;
  std::mt19937_64 random(2);
  for (int i = 0; i < 100000; i++) {
    const uint32_t thing = random() % kMost;
    if (model.erase(thing))
      heap.remove(thing);
    else
      heap.add(thing, model[thing] = random() % 1000);
    check(heap.empty() == model.empty(), "empty or not");
    if (model.empty()) continue;
    const auto first =
        std::min_element(model.begin(), model.end(), [](auto& a, auto& b) { return a.second < b.second; });
    check(heap.firstNs() == first->second && model[heap.first()] == first->second, "another one is first");
  }
}

void recent() {
  Recent recent(3, kSeed);
  for (uint64_t key = 1; key <= 3; key++) recent.happened(key, 10 * key);
  recent.happened(1, 40);
  recent.happened(4, 50);
  check(recent.when(1) == 40, "it happened again, and is forgotten");
  check(recent.when(2) == 0 && recent.when(3) == 30 && recent.when(4) == 50, "not the oldest is forgotten");
}

void decisions() {
  Parked parked(kFew, kSeed);
  for (uint64_t unique = 1; unique <= 3; unique++)
    check(parked.park(asking(unique, 7), 10) == Parking::kParked, "it does not sleep");
  check(parked.park(asking(4, 8, 2), 10) == Parking::kParked, "it does not sleep");
  check(woken(parked, 9, 11).empty(), "one is woken for a flow of nobody's");
  check(woken(parked, 7, 12) == std::vector<uint64_t>({1, 2, 3}), "not those of the flow are woken");
  check(parked.size() == 1 && woken(parked, 7, 13).empty(), "they are woken twice");
  check(!parked.interrupt(1, 14) && parked.interrupt(4, 14) && !parked.interrupt(4, 14),
        "a signal wakes another one");
  check(parked.size() == 0 && parked.nextNs() == UINT64_MAX, "somebody is left");
}

// The thread has looked, the flow is decided, and only then comes its request.
void decisionsBeforeRequests() {
  Parked parked(kFew, kSeed);
  woken(parked, 7, 10);
  check(parked.park(asking(1, 7), 11) == Parking::kAnswerNow, "it sleeps through");
  check(parked.park(asking(1, 7), 12) == Parking::kParked, "it has looked since, and runs in circles");
  check(parked.park(asking(2, 7), 13) == Parking::kAnswerNow, "another thread sleeps through");
  check(parked.park(asking(3, 8), 13) == Parking::kParked, "it is another flow that was decided");
  check(parked.interrupt(3, 14) && parked.interrupt(1, 14), "they do not sleep");
  woken(parked, 7, 15);
  check(parked.park(asking(3, 7), 16) == Parking::kAnswerNow,
        "answered before the decision: it sleeps through");
  check(parked.park(asking(4, 7), 15 + kFew.rememberNs) == Parking::kParked, "a decision of long ago");
}

void deadlines() {
  Parked parked(kFew, kSeed);
  check(parked.park(asking(1, 7, 1, 10), 10) == Parking::kAnswerNow, "its time is over");
  parked.park(asking(1, 7), 20);
  parked.park(asking(2, 7, 1, 40), 21);
  parked.park(asking(3, 8, 1, 40 + kFar), 22);
  check(parked.nextNs() == 40 && due(parked, 39).empty(), "too early");
  check(due(parked, 40) == std::vector<uint64_t>({2}), "it sleeps longer than it wants");
  check(parked.nextNs() == 20 + kFew.lookAgainNs, "it does not look again");
  check(due(parked, 22 + kFew.lookAgainNs) == std::vector<uint64_t>({1, 3}),
        "not both look again, or not in order");
  check(parked.nextNs() == UINT64_MAX, "somebody is left");
}

void shares() {
  Parked parked(kFew, kSeed);
  for (uint64_t unique = 1; unique <= 3; unique++) parked.park(asking(unique, unique), 1);
  check(parked.park(asking(4, 4), 2) == Parking::kNoRoom, "a cgroup has more than its share");
  for (uint64_t unique = 5; unique <= 9; unique++)
    check(parked.park(asking(unique, 5, unique), 2) == Parking::kParked, "another cgroup has no room");
  check(parked.park(asking(10, 5, 10), 3) == Parking::kNoRoom, "more than there is room for");
  check(parked.park(asking(5, 5, 10), 3) == Parking::kAnswerNow, "the same request twice");
  parked.interrupt(2, 4);
  check(parked.park(asking(4, 4), 5) == Parking::kParked, "what was given back is not to be had");
}

// Against a list that is looked through: the same requests are answered, whatever happens.
void everything() {
  constexpr Limits kSome = {64, 20, 16, 300, 200};
  Parked parked(kSome, kSeed);
  std::map<uint64_t, Asking> model;  // untilNs: when it is due
  std::mt19937_64 random(3);
  uint64_t unique = 0;
  for (uint64_t nowNs = 1; nowNs < 50000; nowNs++) {
    std::vector<uint64_t> expected, seen;
    const auto see = [&](const Asking& one) { seen.push_back(one.unique); };
    const uint64_t cookie = random() % 12;
    const auto expect = [&](auto is) {
      for (auto& [key, one] : model)
        if (is(one)) expected.push_back(key);
      for (uint64_t key : expected) model.erase(key);
    };
    switch (random() % 8) {
      case 0:
        parked.wake(cookie, nowNs, see);
        expect([&](const Asking& one) { return one.cookie == cookie; });
        break;
      case 1: {
        const uint64_t one = unique - random() % 40;
        check(parked.interrupt(one, nowNs) == (model.erase(one) != 0), "interrupted or not");
        break;
      }
      default: {
        Asking one = asking(++unique, cookie, random() % 5, nowNs + random() % 400);
        const auto cgroup = [&](const auto& other) { return other.second.cgroup == one.cgroup; };
        const bool room =
            model.size() < kSome.most &&
            static_cast<size_t>(std::count_if(model.begin(), model.end(), cgroup)) < kSome.mostOfCgroup;
        const Parking parking = parked.park(one, nowNs);
        check(parking == Parking::kAnswerNow || (parking == Parking::kParked) == room, "room or not");
        one.untilNs = std::min(one.untilNs, nowNs + kSome.lookAgainNs);
        if (parking == Parking::kParked) model[unique] = one;
      }
    }
    parked.due(nowNs, see);
    expect([&](const Asking& one) { return one.untilNs <= nowNs; });
    std::sort(seen.begin(), seen.end());
    std::sort(expected.begin(), expected.end());
    check(seen == expected, "others are answered");
    check(parked.size() == model.size(), "another number sleeps");
  }
  check(unique > 30000, "hardly anybody asked");
}

}  // namespace

const Case kParkedCases[8] = {
    {"a table is one, however full", tables},
    {"of all timers the first is known", timers},
    {"of what happened the oldest is forgotten", recent},
    {"a decision wakes those who sleep for the flow, and a signal the one that it came for", decisions},
    {"a decision that comes before the request wakes once", decisionsBeforeRequests},
    {"nobody sleeps longer than it wants, or without looking again", deadlines},
    {"one cgroup does not take all room", shares},
    {"all of that at once", everything},
};

}  // namespace tlshub::holder::test
