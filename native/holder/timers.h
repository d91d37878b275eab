/* SPDX-License-Identifier: Apache-2.0 */
// Which of some numbered things is due first: a heap that knows where each of them is, so that any can be taken out. Takes all its memory
// when it is made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace tlshub::holder {

class Timers {
 public:
  // For things 0 to most - 1.
  explicit Timers(size_t most) : heap_(most), places_(most) {}

  bool empty() const { return size_ == 0; }
  uint32_t first() const { return heap_[0].thing; }
  uint64_t firstNs() const { return heap_[0].dueNs; }

  // A thing that is not in it yet.
  void add(uint32_t thing, uint64_t dueNs) { up(size_++, {dueNs, thing}); }

  // A thing that is in it.
  void remove(uint32_t thing) {
    const size_t at = places_[thing];
    const Entry last = heap_[--size_];
    if (at == size_) return;
    if (last.dueNs < heap_[at].dueNs)
      up(at, last);
    else
      down(at, last);
  }

 private:
  struct Entry {
    uint64_t dueNs;
    uint32_t thing;
  };

  void put(size_t at, Entry entry) {
    heap_[at] = entry;
    places_[entry.thing] = static_cast<uint32_t>(at);
  }

  void up(size_t at, Entry entry) {
    for (; at && entry.dueNs < heap_[(at - 1) / 2].dueNs; at = (at - 1) / 2) put(at, heap_[(at - 1) / 2]);
    put(at, entry);
  }

  void down(size_t at, Entry entry) {
    for (size_t child; (child = 2 * at + 1) < size_; at = child) {
      if (child + 1 < size_ && heap_[child + 1].dueNs < heap_[child].dueNs) child++;
      if (entry.dueNs <= heap_[child].dueNs) break;
      put(at, heap_[child]);
    }
    put(at, entry);
  }

  std::vector<Entry> heap_;
  std::vector<uint32_t> places_;
  size_t size_ = 0;
};

}  // namespace tlshub::holder
