// SPDX-License-Identifier: Apache-2.0
// tlshub-holder: the process on which held threads sleep.
//
//   tlshub-holder --pin-dir DIR --lease-ms N --wakes-fd N
//
// A thread that must wait until its connection is secured is put to sleep by BPF: it asks for an attribute of a file of the holder's own
// file system (FUSE), and sleeps until the holder answers. That file is executed by a child, the anchor, so that BPF finds it by a process's
// number. Whatever is answered, BPF looks at the flow again: an answer opens nothing. A signal comes as FUSE_INTERRUPT and is answered with
// EINTR, so the thread can be interrupted and killed as in any other wait.
//
// It depends on nobody: static, raw bpf(2) calls on pinned maps, one loop that never waits for a program. When it ends, however it does, the
// kernel answers all requests with ECONNABORTED, and BPF looks again. It outlives its agent, and ends when a later holder has taken over, or
// agent and guardian have been gone for a while and nobody sleeps. SIGTERM ends it at once.
// Exit status 0, 1 on a failed system call, 64 on bad arguments, 69 where it cannot be.
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "../domain/error.h"
#include "anchor.h"
#include "holder.h"
#include "host.h"

using namespace tlshub;
using namespace tlshub::holder;

namespace {

constexpr int kUsage = 64, kUnavailable = 69;

struct Options {
  const char* pinDir = nullptr;
  uint64_t leaseMs = 0;
  int wakesFd = -1;
};

bool readNumber(const char* text, uint64_t most, uint64_t* to) {
  char* end;
  errno = 0;
  *to = std::strtoull(text, &end, 10);
  if (!errno && end != text && !*end && *text != '-' && *to <= most) return true;
  std::fprintf(stderr, "tlshub-holder: not a number that can be: %s\n", text);
  return false;
}

bool readOptions(int argc, char** argv, Options* to) {
  static const option kOptions[] = {{"pin-dir", required_argument, nullptr, 'p'},
                                    {"lease-ms", required_argument, nullptr, 'l'},
                                    {"wakes-fd", required_argument, nullptr, 'w'},
                                    {nullptr, 0, nullptr, 0}};
  constexpr uint64_t kMostLeaseMs = 3600000;
  for (int c; (c = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    uint64_t number;
    if (c == 'p')
      to->pinDir = optarg;
    else if (c == 'l' && readNumber(optarg, kMostLeaseMs, &number))
      to->leaseMs = number;
    else if (c == 'w' && readNumber(optarg, INT32_MAX, &number))
      to->wakesFd = static_cast<int>(number);
    else
      return false;
  }
  if (to->pinDir && to->leaseMs && to->wakesFd >= 0 && optind == argc) return true;
  std::fprintf(stderr, "usage: tlshub-holder --pin-dir DIR --lease-ms N --wakes-fd N\n");
  return false;
}

// Read as a whole: an upgrade may put another one in its place.
std::string ownProgram() {
  const Fd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  struct stat about;
  if (fstat(file.get(), &about)) throw SysError("fstat", "/proc/self/exe");
  std::string program(static_cast<size_t>(about.st_size), 0);
  size_t have = 0;
  while (have < program.size()) {
    const ssize_t bytes = read(file.get(), &program[have], program.size() - have);
    if (bytes <= 0) throw SysError("read", "/proc/self/exe", bytes ? errno : EIO);
    have += static_cast<size_t>(bytes);
  }
  return program;
}

Fd takeWakesFd(int fd) {
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
    throw SysError("fcntl", "--wakes-fd");
  return Fd(fd);
}

Fd termination() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  Fd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) throw SysError("signalfd", "cannot wait for signals");
  return fd;
}

uint64_t randomNumber() {
  uint64_t number;
  if (getrandom(&number, sizeof(number), 0) != sizeof(number)) throw SysError("getrandom", "cannot begin");
  return number;
}

void hold(const Options& options) {
  requireHostPids();
  Fd wakes = takeWakesFd(options.wakesFd);
  Maps maps(options.pinDir);
  Fd device = openFuse();
  Fd root = mountFuse(device.get());
  Parts parts = {std::move(maps),
                 std::move(device),
                 std::move(root),
                 std::move(wakes),
                 termination(),
                 ownProgram(),
                 options.leaseMs * 1000000ull,
                 randomNumber()};
  Holder holder(std::move(parts));
  keepOwnMemory();
  holder.run();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && !std::strcmp(argv[1], kAnchorOption)) return beAnchor(std::atoi(argv[2]));
  Options options;
  if (!readOptions(argc, argv, &options)) return kUsage;
  signal(SIGPIPE, SIG_IGN);
  try {
    hold(options);
    return 0;
  } catch (const NotHere& reason) {
    std::fprintf(stderr, "tlshub-holder: %s\n", reason.what());
    return kUnavailable;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tlshub-holder: %s\n", error.what());
    return 1;
  }
}
