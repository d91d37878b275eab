/* SPDX-License-Identifier: Apache-2.0 */
// A hash table of numbers that takes all its memory when it is made: a request is answered even when the machine has no memory left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace tlshub::holder {

template <typename V>
class Table {
 public:
  // Room for `most`. Programs can choose among many cookies and thread numbers: a `seed` that nobody knows keeps them from finding ones
  // that all lie in the same place.
  Table(size_t most, uint64_t seed) : most_(most), seed_(seed) {
    size_t slots = 2;
    while (slots < 2 * most) slots *= 2;
    slots_.resize(slots);
  }

  size_t size() const { return size_; }

  V* find(uint64_t key) {
    const size_t at = seek(key);
    return slots_[at].used ? &slots_[at].value : nullptr;
  }

  // The value of this key, made if there is none. nullptr: no room.
  V* put(uint64_t key) {
    const size_t at = seek(key);
    if (!slots_[at].used) {
      if (size_ == most_) return nullptr;
      slots_[at] = {key, V{}, true};
      size_++;
    }
    return &slots_[at].value;
  }

  void erase(uint64_t key) {
    size_t hole = seek(key);
    if (!slots_[hole].used) return;
    // Those behind move up, unless they would come to lie before the place where the search for them begins.
    for (size_t at = next(hole); slots_[at].used; at = next(at)) {
      if (distance(home(slots_[at].key), at) < distance(hole, at)) continue;
      slots_[hole] = std::move(slots_[at]);
      hole = at;
    }
    slots_[hole].used = false;
    size_--;
  }

 private:
  struct Slot {
    uint64_t key = 0;
    V value{};
    bool used = false;
  };

  size_t next(size_t at) const { return (at + 1) & (slots_.size() - 1); }
  size_t distance(size_t from, size_t to) const { return (to - from) & (slots_.size() - 1); }

  // splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators)
  size_t home(uint64_t key) const {
    uint64_t mixed = key ^ seed_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return (mixed ^ (mixed >> 31)) & (slots_.size() - 1);
  }

  // Where the key is, or where it would be put. Half of the slots are free, so there is an end.
  size_t seek(uint64_t key) const {
    size_t at = home(key);
    while (slots_[at].used && slots_[at].key != key) at = next(at);
    return at;
  }

  size_t most_;
  size_t size_ = 0;
  uint64_t seed_;
  std::vector<Slot> slots_;
};

}  // namespace tlshub::holder
