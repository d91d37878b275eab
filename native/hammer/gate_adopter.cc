// SPDX-License-Identifier: Apache-2.0
// gate_adopter [--watch | --fail N | --kill N] BPF_OBJECT PIN_DIR POLICY PEER,ADDRESS... CGROUP...: an agent's gate comes up, under a microscope.
//
// The Gate and the BPF object are the real ones. The calls by which the gate changes the kernel go through this program (libbpf calls
// syscall(2) of whoever defines it first), which counts them from the exemption of the process on, and
//   --watch    asks after each of them a captured process whether the gate still holds: it must be refused a socket of MPTCP, and must not be
//              able to send anything to PEER (an IPv4 address of the mesh that listens on port 7950);
//   --fail N   lets the Nth fail with ENOMEM;
//   --kill N   ends with SIGKILL before the Nth.
// Prints `adopted` or `made`, then `N calls, N times open`; or `failed: ` and why, with status 3. The pins stay: it ends as a killed agent does.
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "../domain/gate.h"

namespace {

constexpr uint16_t kPort = 7950;

long failAt = -1, killAt = -1;
bool watching = false, armed = false;
long calls = 0, open_ = 0;
int questions[2], answers[2];

// Can the captured process do what the gate is there to prevent?
bool isOpen(const in_addr& peer) {
  const int mptcp = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
  if (mptcp >= 0) {
    close(mptcp);
    return true;
  }
  const int tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_addr = peer;
  to.sin_port = htons(kPort);
  if (connect(tcp, reinterpret_cast<sockaddr*>(&to), sizeof(to)) && errno != EINPROGRESS) {
    close(tcp);
    return false;
  }
  pollfd writable = {tcp, POLLOUT, 0};
  poll(&writable, 1, 2000);
  const bool sent = send(tcp, "plaintext", 9, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
  linger reset = {1, 0};
  setsockopt(tcp, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  close(tcp);
  return sent;
}

void startCaptured(const std::string& cgroup, const char* peer) {
  if (pipe(questions) || pipe(answers)) _exit(1);
  if (fork()) return;
  const int procs = open((cgroup + "/cgroup.procs").c_str(), O_WRONLY);
  in_addr address = {};
  if (procs < 0 || write(procs, "0", 1) != 1 || inet_pton(AF_INET, peer, &address) != 1) _exit(1);
  close(questions[1]);
  for (char c; read(questions[0], &c, 1) == 1;) {
    c = isOpen(address);
    if (write(answers[1], &c, 1) != 1) break;
  }
  _exit(0);
}

void look() {
  char c = 0;
  if (write(questions[1], &c, 1) != 1 || read(answers[0], &c, 1) != 1) _exit(1);
  open_ += c;
}

template <typename Call>
long counted(Call call) {
  const long n = armed ? ++calls : 0;
  if (n && n == killAt) raise(SIGKILL);
  if (n && n == failAt) {
    errno = ENOMEM;
    return -1;
  }
  const long result = call();
  const int error = errno;
  if (n && watching) look();
  errno = error;
  return result;
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" __attribute__((visibility("default"))) long syscall(long number, ...) noexcept {
  static auto* const real = next<long(long, ...)>("syscall");
  va_list list;
  va_start(list, number);
  long args[6];
  for (long& arg : args) arg = va_arg(list, long);
  va_end(list);
  auto call = [&] { return real(number, args[0], args[1], args[2], args[3], args[4], args[5]); };
  if (number == SYS_pidfd_open) armed = true;
  if (number != SYS_bpf) return call();
  switch (static_cast<int>(args[0])) {
    case BPF_MAP_UPDATE_ELEM:
    case BPF_MAP_DELETE_ELEM:
    case BPF_OBJ_PIN:
    case BPF_LINK_CREATE:
    case BPF_RAW_TRACEPOINT_OPEN:
      return counted(call);
    default:
      return call();
  }
}

extern "C" int renameat2(int from, const char* old, int to, const char* name, unsigned flags) noexcept {
  static auto* const real = next<int(int, const char*, int, const char*, unsigned)>("renameat2");
  return static_cast<int>(counted([&] { return real(from, old, to, name, flags); }));
}

extern "C" int unlink(const char* path) noexcept {
  static auto* const real = next<int(const char*)>("unlink");
  return static_cast<int>(counted([&] { return real(path); }));
}

int main(int argc, char** argv) {
  int at = 1;
  for (; at < argc && argv[at][0] == '-'; at++) {
    const std::string option = argv[at];
    if (option == "--watch")
      watching = true;
    else if (option == "--fail" && at + 1 < argc)
      failAt = std::atol(argv[++at]);
    else if (option == "--kill" && at + 1 < argc)
      killAt = std::atol(argv[++at]);
    else
      return 64;
  }
  if (argc - at < 5) return 64;
  tlshub::Gate::Options options;
  options.settings.holdMs = options.settings.silentPeerMs = 60'000;
  options.settings.nonblockingMs = 0;
  options.settings.emitConnect = false;
  options.settings.keyNetlink = 0;
  options.settings.policy.permissive = std::string(argv[at + 2]) == "permissive";
  char* rest = argv[at + 3];
  const char* peer = nullptr;
  for (char* address; (address = strsep(&rest, ","));) {
    if (!peer) peer = address;
    tlshub::MeshEntry entry = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 128, false, 0};
    if (inet_pton(AF_INET, address, entry.addr + 12) != 1) return 64;
    options.mesh.push_back(entry);
    // A rule each, so that a change of the rules is seen as well: for a port that nobody uses.
    tlshub::PolicyRule rule = {};
    std::memcpy(rule.addr, entry.addr, sizeof(rule.addr));
    rule.prefix = 128;
    rule.port = 1;
    rule.rank = RANK_REQUIRE | 1;
    options.settings.policy.rules.push_back(rule);
  }
  options.cgroups.assign(argv + at + 4, argv + argc);
  if (watching) {
    const int mptcp = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
    if (mptcp < 0) {
      std::printf("this kernel has no MPTCP: nothing would be seen\n");
      return 1;
    }
    close(mptcp);
    startCaptured(options.cgroups[0], peer);
  }
  try {
    tlshub::Gate gate(argv[at], argv[at + 1]);
    gate.open(options);
    std::printf("%s\n", gate.adopted() ? "adopted" : "made");
  } catch (const std::exception& error) {
    std::printf("failed: %s\n", error.what());
    return 3;
  }
  std::printf("%ld calls, %ld times open\n", calls, open_);
  return 0;
}
