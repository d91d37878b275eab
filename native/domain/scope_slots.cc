// SPDX-License-Identifier: Apache-2.0
#include "scope_slots.h"

#include <bpf/bpf.h>

#include <algorithm>

#include "error.h"
#include "gate_maps.h"
#include "undo.h"

namespace tlshub {

ScopeSlots::ScopeSlots(const Maps& maps) : maps_(maps) {
  // An element within the count without a cgroup's number is of an agent that was killed as it wrote it: it may be in use.
  const uint32_t count = readScopes(maps_.settings);
  for (uint32_t slot = 0; slot < TLSHUB_MAX_SCOPES; slot++) {
    if (bpf_map_lookup_elem(maps_.ids, &slot, &ids_[slot]))
      throw SysError("bpf", "cannot read which cgroups are captured");
    states_[slot] = slot < count || ids_[slot] ? State::kStale : State::kFree;
  }
}

std::optional<uint32_t> ScopeSlots::take(int cgroup, uint64_t id, Undo* undo) {
  uint32_t slot = 0;
  auto find = [&](auto matches) {
    for (slot = 0; slot < TLSHUB_MAX_SCOPES; slot++)
      if (matches()) return true;
    return false;
  };
  const bool known = find([&] { return states_[slot] == State::kStale && ids_[slot] == id; });
  if (!known && !find([&] { return states_[slot] == State::kFree; })) return std::nullopt;
  if (undo && !known) undo->add([this, slot] { free(slot); });
  states_[slot] = State::kTaken;
  // The number last: whoever finds it may rely on the cgroup. One that stands there already is put in its own place.
  if (bpf_map_update_elem(maps_.scopes, &slot, &cgroup, BPF_ANY))
    throw SysError("bpf", "cannot note a captured cgroup");
  writeId(slot, id);
  writeCount();
  return slot;
}

void ScopeSlots::free(uint32_t slot) noexcept {
  states_[slot] = State::kFree;
  uint64_t none = 0;
  bpf_map_update_elem(maps_.ids, &slot, &none, BPF_ANY);
  bpf_map_delete_elem(maps_.scopes, &slot);
  ids_[slot] = 0;
  try {
    writeCount();
  } catch (const SysError&) {
    // It is one too many, and the element is empty: that matches nobody.
  }
}

void ScopeSlots::dropStale() noexcept {
  for (uint32_t slot = 0; slot < TLSHUB_MAX_SCOPES; slot++)
    if (states_[slot] == State::kStale) free(slot);
}

void ScopeSlots::writeId(uint32_t slot, uint64_t id) {
  ids_[slot] = id;
  if (bpf_map_update_elem(maps_.ids, &slot, &id, BPF_ANY))
    throw SysError("bpf", "cannot note a captured cgroup");
}

// How far the slots are to be looked through; holes among them are empty and match nobody.
void ScopeSlots::writeCount() {
  uint32_t count = 0;
  for (uint32_t slot = 0; slot < TLSHUB_MAX_SCOPES; slot++)
    if (states_[slot] != State::kFree) count = slot + 1;
  writeScopes(maps_.settings, count);
}

}  // namespace tlshub
