// SPDX-License-Identifier: Apache-2.0
#include "loop.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

#include "../domain/clock.h"
#include "../domain/error.h"

namespace tlshub::helper {
namespace {

template <size_t n>
void copy(char (&to)[n], const std::string& from) {
  std::snprintf(to, n, "%s", from.c_str());
}

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

}  // namespace

void answerTasks(int channel, const Serve& serve) {
  Fd process(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  if (!process || !sendMessage(channel, &kHello, 1, nullptr, 0, process.get(), 0)) return;
  process.reset();
  std::string buffer(kMostBytes, 0);
  for (;;) {
    Request request;
    Fd socket;
    const ssize_t got =
        receiveMessage(channel, &request, sizeof(request), buffer.data(), buffer.size(), &socket, 0);
    if (got < static_cast<ssize_t>(sizeof(request))) return;
    char go;
    if (isLast(request.task) && recv(channel, &go, 1, 0) != 1) return;
    Served served;
    const uint64_t begunNs = threadCpuNs();
    try {
      served = serve(request, buffer.substr(0, static_cast<size_t>(got) - sizeof(request)), socket);
    } catch (const CodedError& error) {
      served = failed(error);
    }
    served.answer.cpuUs = static_cast<uint32_t>((threadCpuNs() - begunNs) / 1000);
    wipe(&request, sizeof(request));
    served.answer.bytes = static_cast<uint32_t>(served.bytes.size());
    if (!sendMessage(channel, &served.answer, sizeof(Answer), served.bytes.data(), served.bytes.size(),
                     socket.get(), 0))
      return;
  }
}

}  // namespace tlshub::helper
