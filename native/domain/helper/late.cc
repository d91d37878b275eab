// SPDX-License-Identifier: Apache-2.0
// Sockets that nobody waits for any more. Their close may wait for the program, so it is never the pool's own thread that makes it.
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "helpers.h"

namespace tlshub::helper {
namespace {

// How long the parent of all helpers may take to come to the requests that wait before ours: a socket has room for ten by default
// (net.unix.max_dgram_qlen).
constexpr int kParentsPatienceMs = 2000;

bool askForBirth(int parentFd, int channel) {
  const auto ask = [&] { return sendMessage(parentFd, &kBirth, 1, nullptr, 0, channel, MSG_DONTWAIT); };
  if (ask()) return true;
  pollfd room = {parentFd, POLLOUT, 0};
  return errno == EAGAIN && poll(&room, 1, kParentsPatienceMs) == 1 && ask();
}

}  // namespace

Fd lastOf(Job& job) {
  return Fd(isLast(job.request.task) ? std::exchange(job.fd, -1) : -1);
}

// From here on nothing can be said on it by the helper; what had been said already is read, since an answer that is thrown away with the
// channel would take its socket with it.
std::vector<Fd> Helpers::shut(Fd& channel) {
  std::vector<Fd> sockets;
  shutdown(channel.get(), SHUT_RD);
  for (;;) {
    Answer answer;
    Fd socket;
    const ssize_t got = receiveMessage(channel.get(), &answer, sizeof(answer), buffer_.get(), kMostBytes,
                                       &socket, MSG_DONTWAIT);
    if (socket) sockets.push_back(std::move(socket));
    if (got <= 0) break;
  }
  channel.reset();
  return sockets;
}

// As a task of its own. It has no cookie: whoever stood still for this descriptor goes on since its helper was given up.
void Helpers::closeByTask(Fd socket, uint64_t charge) {
  Job job;
  job.request.task = Task::kClose;
  job.fd = socket.release();
  job.charge = charge;
  submit(std::move(job), [](const Answer&, const std::string&, Fd) {});
}

// When there is no pool any more: by a helper that is born for that and finds, instead of tasks, what it has to close. Ours are closed before
// it is born, so that none of them is the last. If it cannot be born, they stay open: then this process is about to end.
void Helpers::closeElsewhere(std::vector<Fd> sockets) {
  for (size_t next = 0; next < sockets.size();) {
    if (!sockets[next]) {
      next++;
      continue;
    }
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) break;
    Fd ours(pair[0]), its(pair[1]);
    const size_t first = next;
    while (next < sockets.size() && (!sockets[next] || sendMessage(ours.get(), &kClosing, 1, nullptr, 0,
                                                                   sockets[next].get(), MSG_DONTWAIT)))
      sockets[next++].reset();
    if (next > first && askForBirth(parentFd_, its.get())) continue;
    // Taken back, and left to the end of the process.
    for (Fd& socket : shut(its)) socket.release();
    break;
  }
  for (Fd& socket : sockets) socket.release();
}

}  // namespace tlshub::helper
