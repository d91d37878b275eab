/* SPDX-License-Identifier: Apache-2.0 */
// The programs that put callers to sleep in front of the gate (bpf/sleep.bpf.c), and the pipe by which the holder (native/holder) hears whom to wake.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bpf_owned.h"
#include "fd.h"

namespace tlshub {

// Why this kernel and this place cannot put callers to sleep; empty: they can.
std::string whyNoSleep();

class Sleeping {
 public:
  // Has the kernel take in the programs, over the gate's maps. If it does not, why() says so, and there is nothing to attach: callers are stopped
  // then. `log`: what libbpf said meanwhile. Throws SysError (no descriptors).
  void load(const std::string& path, bpf_object* gate, const std::string& log);

  bool loaded() const { return object_ != nullptr; }
  const std::string& why() const { return why_; }

  // Nobody is put to sleep yet. Throws CodedError TLSHUB_GATE.
  std::vector<std::pair<std::string, Link>> attach();

  // From now on callers are: no gate but the one over whose maps they are stands behind them. Throws SysError.
  void begin();

  // Lets go of what keeps the programs in the kernel, when they are attached nowhere any more.
  void unload() { object_.reset(); }

  // The pipe's ends, -1: callers do not sleep. Cookies of flows that are decided go into it.
  int wakes() const { return writeEnd_.get(); }
  int wakesRead() const { return readEnd_.get(); }

 private:
  Object object_;
  std::string why_;
  Fd readEnd_, writeEnd_;
};

}  // namespace tlshub
