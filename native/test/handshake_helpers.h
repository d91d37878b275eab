/* SPDX-License-Identifier: Apache-2.0 */
// What the tests of helper processes are written with.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "../domain/helper/helpers.h"
#include "../helper/loop.h"
#include "handshake_kit.h"

namespace kit {

using namespace tlshub::helper;
using tlshub::Fd;

// The parent of helpers, as a process of its own: this one has threads.
class Parent {
 public:
  // `serve` is what its helpers do with tasks. `channel`, if any: where each of them finds the number of its own.
  explicit Parent(const Serve& serve, int* channel = nullptr) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) std::abort();
    fd_.reset(pair[0]);
    Fd theirs(pair[1]);
    pid_ = fork();
    if (pid_) return;
    fd_.reset();
    ::signal(SIGCHLD, SIG_IGN);
    for (;;) {
      char word;
      Fd its;
      if (receiveMessage(theirs.get(), &word, 1, nullptr, 0, &its, 0) <= 0) _exit(0);
      if (fork() == 0) {
        theirs.reset();
        if (channel) *channel = its.get();
        answerTasks(its.get(), serve);
        _exit(0);
      }
    }
  }
  ~Parent() {
    fd_.reset();
    waitpid(pid_, nullptr, 0);
  }
  int fd() const { return fd_.get(); }
  // All that there are.
  void killHelpers() const {
    const std::string pid = std::to_string(pid_);
    std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
    for (pid_t child; children >> child;) {
      kill(child, SIGKILL);
      while (!kill(child, 0)) usleep(500);
    }
  }

 private:
  Fd fd_;
  pid_t pid_ = 0;
};

inline Limits quick() {
  Limits limits;
  limits.lostMs = 300;
  return limits;
}

inline Job job(uint64_t cookie, uint64_t charge, Task task = Task::kExchange) {
  Job made;
  made.request.task = task;
  made.request.cookie = cookie;
  made.charge = charge;
  return made;
}

inline void until(Helpers& helpers, const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!done()) {
    helpers.poll();
    usleep(500);
    if (std::chrono::steady_clock::now() > deadline) {
      const Figures now = helpers.figures();
      return report(__FILE__, __LINE__,
                    "not in 20 s: idle " + std::to_string(now.idle) + ", busy " + std::to_string(now.busy) +
                        ", slow " + std::to_string(now.slow) + ", lost " + std::to_string(now.lost));
    }
  }
}

inline bool isSocket(int fd) {
  struct stat about = {};
  return !fstat(fd, &about) && S_ISSOCK(about.st_mode);
}

}  // namespace kit
