// SPDX-License-Identifier: Apache-2.0
#include "loop.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "../domain/clock.h"
#include "../domain/error.h"

namespace tlshub::helper {
namespace {

template <size_t n>
void copy(char (&to)[n], const std::string& from) {
  std::snprintf(to, n, "%s", from.c_str());
}

// Returns when the agent's descriptor is closed, if it had one; with that word come the keys. False: the agent is gone.
bool waitForGo(int channel, Received& task) {
  char go;
  size_t bytes = 0;
  if (hasKeys(task.request.task)) task.keys = SecretStore::tryMake<TrafficKeys>();
  if (task.keys) bytes = sizeof(TrafficKeys);
  Fd none;
  const ssize_t got = receiveMessage(channel, &go, 1, bytes ? &*task.keys : nullptr, bytes, &none, 0);
  if (got < 1) return false;
  if (static_cast<size_t>(got) != 1 + bytes) task.keys.reset();
  return true;
}

// The keys are wiped when it returns: before the answer.
Served served(const Serve& serve, Received task, Fd& socket) {
  try {
    return serve(task, socket);
  } catch (const CodedError& error) {
    return failed(error);
  }
}

}  // namespace

Served failed(const CodedError& error) {
  Served served;
  served.answer.failed = 1;
  copy(served.answer.code, error.code());
  copy(served.answer.message, error.what());
  if (const auto* sys = dynamic_cast<const SysError*>(&error)) {
    served.answer.err = sys->err();
    copy(served.answer.syscall, sys->syscall());
  }
  return served;
}

void answerTasks(int channel, const Serve& serve) {
  Fd process(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  if (!process || !sendMessage(channel, &kHello, 1, nullptr, 0, process.get(), 0)) return;
  process.reset();
  std::string buffer(kMostBytes, 0);
  for (;;) {
    Received task;
    Fd socket;
    const ssize_t got =
        receiveMessage(channel, &task.request, sizeof(Request), buffer.data(), buffer.size(), &socket, 0);
    if (got < static_cast<ssize_t>(sizeof(Request))) {
      socket.release();  // kClosing: an ending process does not linger
      return;
    }
    task.bytes = buffer.substr(0, static_cast<size_t>(got) - sizeof(Request));
    if (waitsForGo(task.request.task) && !waitForGo(channel, task)) return;
    const uint64_t begunNs = threadCpuNs();
    Served done = served(serve, std::move(task), socket);
    done.answer.cpuUs = static_cast<uint32_t>((threadCpuNs() - begunNs) / 1000);
    done.answer.bytes = static_cast<uint32_t>(done.bytes.size());
    if (!sendMessage(channel, &done.answer, sizeof(Answer), done.bytes.data(), done.bytes.size(),
                     socket.get(), 0))
      return;
  }
}

}  // namespace tlshub::helper
