/* SPDX-License-Identifier: Apache-2.0 */
// An earlier agent's gate, for as long as threads sleep in front of it.
//
// A thread that sleeps in a hook goes on through the programs that were attached when it came, also when they are attached no more. The kernel
// keeps the one that sleeps, and the code that calls them all, but not those that come behind: these it frees after a moment in which nobody
// runs in them (bpf_tramp_image_put() of kernel/bpf/trampoline.c). What the thread then calls is memory of something else: seen is that the
// gate is left out, and worse can be. So somebody must have a reference to them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "fd.h"

namespace tlshub {

class Earlier {
 public:
  // Takes hold of the programs of pinned links. Before these links go. What is not pinned is left out. Throws SysError.
  void hold(const std::string& pinDir, const std::vector<std::string>& links);
  // Pins them too if somebody sleeps: this process may be killed before they wake. Throws SysError.
  void pin(int sleepersFd);
  // From time to time: lets them go once all who slept when it was called first have woken. It must not be called first before those are
  // noted as asleep who were on their way when the links went: a second later is late enough.
  void look(int sleepersFd);

 private:
  std::string folder_;
  std::vector<Fd> programs_;
  bool counted_ = false;
  std::map<uint32_t, uint64_t> asleep_;  // thread -> the flow that it sleeps for
};

// Of pins.h's folder: those that were pinned.
constexpr char kEarlier[] = "/earlier";

// Waits until nobody sleeps, for a time that is enough for all who were told to wake.
void awaitSleepers(int sleepersFd);

}  // namespace tlshub
