/* SPDX-License-Identifier: Apache-2.0 */
// The elements of the map "scopes": which captured cgroup stands in which.
//
// The gate's global hooks look through the first settings.scopes of them, and so do the programs of an agent that is gone, until they are
// replaced. So what a successor finds stays where it is: a cgroup that stands somewhere already keeps its element, others get one that is
// free, and only when the old programs are gone do those go that nobody wants any more. User space cannot read a cgroup array, so the map
// "scope_ids" says who stands where.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "../../bpf/tlshub.h"

namespace tlshub {

class Undo;

class ScopeSlots {
 public:
  struct Maps {
    int scopes;
    int ids;
    int settings;
  };

  // Nothing is read or written yet.
  ScopeSlots() = default;
  // Reads what is there. Throws SysError.
  explicit ScopeSlots(const Maps& maps);

  // From now on the cgroup is in scope. Nothing, when no element is free: some may be after dropStale(). Throws SysError.
  std::optional<uint32_t> take(int cgroup, uint64_t id, Undo* undo = nullptr);
  // From now on it is not.
  void free(uint32_t slot) noexcept;
  // Lets those go that were there and that nobody has taken.
  void dropStale() noexcept;

 private:
  enum class State { kFree, kStale, kTaken };
  void writeId(uint32_t slot, uint64_t id);
  void writeCount();

  Maps maps_ = {-1, -1, -1};
  std::array<uint64_t, TLSHUB_MAX_SCOPES> ids_ = {};
  std::array<State, TLSHUB_MAX_SCOPES> states_ = {};
};

}  // namespace tlshub
