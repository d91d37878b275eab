// SPDX-License-Identifier: Apache-2.0
#include "anchor.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "../domain/error.h"
#include "file_system.h"

namespace tlshub::holder {
namespace {

[[noreturn]] void execute(int root, int device, int failure, const char* parent) {
  // The kernel ends the requests of those that wait when nobody has the device any more. If we die while it executes the file, it is one of
  // those: with a descriptor of its own it would wait for ever.
  close(device);
  syscall(SYS_close_range, 0, ~0u, CLOSE_RANGE_CLOEXEC);
  // It keeps this mask: what is sent to the whole group ends us, not it.
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  const std::string_view name = kFileName;
  const char* const arguments[] = {name.data(), kAnchorOption, parent, nullptr};
  const char* const environment[] = {nullptr};
  syscall(SYS_execveat, root, name.data(), arguments, environment, 0);
  const int error = errno;
  (void)!write(failure, &error, sizeof(error));
  _exit(1);
}

}  // namespace

int beAnchor(pid_t parent) {
  // After exec, which may take it back.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (getppid() == parent) pause();
  return 0;
}

Anchor::Anchor(int root, int device) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) throw SysError("pipe2", "cannot start the anchor");
  execution_.reset(ends[0]);
  const Fd failure(ends[1]);
  const std::string parent = std::to_string(getpid());
  pid_ = fork();
  if (pid_ == 0) execute(root, device, failure.get(), parent.c_str());
  if (pid_ < 0) throw SysError("fork", "cannot start the anchor");
  process_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (!process_) throw SysError("pidfd_open", "cannot start the anchor");
}

void Anchor::seeExecution() {
  int error = 0;
  const ssize_t bytes = read(execution_.get(), &error, sizeof(error));
  if (bytes < 0 && errno == EINTR) return;
  if (bytes > 0) throw SysError("execveat", "the anchor cannot execute its file", error);
  execution_.reset();
  runsFile_ = true;
}

void Anchor::bury() {
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  *this = Anchor();
}

}  // namespace tlshub::holder
