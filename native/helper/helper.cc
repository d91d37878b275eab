// SPDX-License-Identifier: Apache-2.0
// tlshub-helper: the processes that make the agent's system calls on programs' sockets (domain/helper/wire.h says why).
//
//   tlshub-helper        descriptors 3: from the agent, 4 to 10: the gate's maps, 11: its map of agents, 12: the pipe to the holder, if there
//                        is one. Without 4 to 11 there is no gate: good for sockets that none is in front of
//
// This process is the parent of all helpers. It forks one for each pair of sockets that it is sent, touches nothing of any program, and ends
// with the agent; so do its helpers, when their own pairs end. One that is stuck in the kernel keeps no more than the one socket that it is
// at. Signals for the agent's group are none of theirs: the agent drains, and needs them for that.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "../domain/error.h"
#include "../domain/gate_maps.h"
#include "../domain/memory.h"
#include "serve.h"

using namespace tlshub;
using namespace tlshub::helper;

namespace {

constexpr int kControl = 3;
constexpr int kAgents = 11;
constexpr int kWakes = 12;
FlowMaps maps = {4, 5, 6, 7, 8, 9, 10, -1};

[[noreturn]] void live(Fd channel) {
  close(kControl);
  prctl(PR_SET_NAME, "tlshub-help");
  try {
    if (fcntl(kAgents, F_GETFD) >= 0) exemptSelf(kAgents);
    answerTasks(channel.get(), [](const Received& task, Fd& socket) { return serve(maps, task, socket); });
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tlshub-helper: %s\n", error.what());
    _exit(1);
  }
  _exit(0);
}

}  // namespace

int main() {
  for (int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGQUIT, SIGUSR1, SIGUSR2}) ::signal(number, SIG_IGN);
  // Nobody waits for a helper: the agent has a pidfd of each.
  ::signal(SIGCHLD, SIG_IGN);
  for (int fd = kControl; fd <= kWakes; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
  if (fcntl(kControl, F_GETFD) < 0) {
    std::fprintf(stderr, "tlshub-helper is started by the agent, with descriptors 3 to 12\n");
    return 64;
  }
  if (fcntl(kWakes, F_GETFD) >= 0) maps.wakes = kWakes;
  // Children have it from here.
  try {
    keepMemoryPrivate();
  } catch (const SysError& error) {
    std::fprintf(stderr, "tlshub-helper: %s\n", error.what());
    return 1;
  }
  for (;;) {
    char word;
    Fd channel;
    if (receiveMessage(kControl, &word, 1, nullptr, 0, &channel, 0) <= 0) return 0;
    if (!channel) continue;
    const pid_t child = fork();
    if (child == 0) live(std::move(channel));
    if (child < 0) std::fprintf(stderr, "tlshub-helper: cannot fork: %s\n", strerror(errno));
  }
}
