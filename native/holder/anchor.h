/* SPDX-License-Identifier: Apache-2.0 */
// The anchor: a child that runs the file of our file system and does nothing. By its number BPF finds that file (bpf_get_task_exe_file).
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "../domain/fd.h"

namespace tlshub::holder {

// The argument that makes this program an anchor; the number of its parent follows.
constexpr const char* kAnchorOption = "--anchor";
int beAnchor(pid_t parent);

class Anchor {
 public:
  // No process.
  Anchor() = default;
  // Starts one that executes the file below `root`. While it does so, somebody must answer for the file system, and that cannot be itself:
  // `device` is closed in it. Throws SysError.
  Anchor(int root, int device);
  Anchor(Anchor&&) = default;
  Anchor& operator=(Anchor&&) = default;

  // 0: no process
  pid_t pid() const { return pid_; }
  bool runsFile() const { return runsFile_; }
  // To be polled for reading; -1: not now
  int process() const { return process_.get(); }
  int execution() const { return execution_.get(); }

  // execution() can be read: it runs the file now, or has ended. Throws SysError when it cannot.
  void seeExecution();
  // process() can be read: takes its number back, which nobody may use any more.
  void bury();

 private:
  pid_t pid_ = 0;
  bool runsFile_ = false;
  Fd process_;    // a pidfd
  Fd execution_;  // a pipe that is closed by exec; before that comes an errno, if that fails
};

}  // namespace tlshub::holder
