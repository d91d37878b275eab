/* SPDX-License-Identifier: Apache-2.0 */
// The programs of an earlier agent's gate that put callers to sleep, for as long as somebody sleeps.
//
// While two agents' are attached a thread can sleep in the one's and then go on through the other's. The kernel keeps a program that somebody is in,
// but frees the other one of an agent that is gone as soon as nobody is in any (kernel/bpf/syscall.c, bpf_prog_put()), which can be the
// moment before the thread comes to it. What stands behind both is retired.h's.
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

}  // namespace tlshub
