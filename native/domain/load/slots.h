/* SPDX-License-Identifier: Apache-2.0 */
// Connections in places that are used again. A tag names one use of a place, so that an event that comes late finds nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

namespace tlshub::load {

template <class Connection>
class Slots {
 public:
  // A fresh connection; its address stays.
  std::pair<uint64_t, Connection*> add() {
    uint32_t index;
    if (free_.empty()) {
      index = static_cast<uint32_t>(places_.size());
      places_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    Place& place = places_[index];
    place.used = true;
    place.connection = Connection();
    used_++;
    return {tagOf(index), &place.connection};
  }

  // nullptr: gone.
  Connection* find(uint64_t tag) {
    Place& place = places_[static_cast<uint32_t>(tag)];
    return place.used && place.generation == static_cast<uint32_t>(tag >> 32) ? &place.connection : nullptr;
  }

  void remove(uint64_t tag) {
    Place& place = places_[static_cast<uint32_t>(tag)];
    place.connection = Connection();
    place.used = false;
    // The highest values are the engine's own tags.
    place.generation = (place.generation + 1) & 0x7fffffff;
    free_.push_back(static_cast<uint32_t>(tag));
    used_--;
  }

  size_t size() const { return used_; }

  // `visit` may remove the connection that it is given.
  template <class Visit>
  void forEach(Visit visit) {
    for (uint32_t index = 0; index < places_.size(); index++) {
      if (places_[index].used) visit(tagOf(index), places_[index].connection);
    }
  }

 private:
  struct Place {
    Connection connection;
    uint32_t generation = 0;
    bool used = false;
  };

  uint64_t tagOf(uint32_t index) const { return uint64_t{places_[index].generation} << 32 | index; }

  std::deque<Place> places_;
  std::vector<uint32_t> free_;
  size_t used_ = 0;
};

}  // namespace tlshub::load
