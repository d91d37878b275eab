// SPDX-License-Identifier: Apache-2.0
// flip_hammer BPF_OBJECT PIN_DIR CGROUP ADDRESS ROUNDS: the race of the flip against a stop, over and over.
//
// It is the agent itself as far as the race goes: its own Gate, the real programs of the BPF object, and flow_ops' install(), refuse(),
// forbid() and continueStopped(); only the handshake is left out, and the keys are constants. A captured worker connects to ADDRESS (an
// address of this host that is in the mesh) and calls send() or recv() on it, blocking, while the flow is decided at a random moment about
// that call. Every call must come back; what went before it on the wire must be a TLS record or nothing. Ends with status 0 when in all
// rounds nobody was left standing and no record of a stop was left; else says where, with status 1.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>

#include "../domain/flow_ops.h"
#include "../domain/gate.h"
#include "../domain/remote_socket.h"

namespace {

constexpr int kSocket = 500;  // the worker's descriptor, always the same, and never the lowest that is free
constexpr int kPort = 7900;
constexpr auto kPatience = std::chrono::seconds(20);
// About as long as the worker takes from the end of connect() into the gate, and somewhat longer.
constexpr unsigned kMostDelayUs = 400;

enum class Call : int { kSend, kRecv };
enum class Fate : int { kInstall, kRefuse, kForbid, kContinueThenInstall, kCount };

struct Shared {
  std::atomic<int> round;    // that the worker may begin
  std::atomic<int> calling;  // that it is about to make its call in
  std::atomic<int> done;
  std::atomic<int> call;
  std::atomic<int> result, error;
};

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + (errno ? std::string(": ") + std::strerror(errno) : ""));
}

template <typename Condition>
bool waitFor(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    sched_yield();
  }
  return true;
}

sockaddr_in addressOf(const char* text) {
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(kPort);
  if (inet_pton(AF_INET, text, &to.sin_addr) != 1) fail(std::string("no address: ") + text);
  return to;
}

[[noreturn]] void work(Shared* shared, const std::string& cgroup, const sockaddr_in& to) {
  signal(SIGPIPE, SIG_IGN);
  const int procs = open((cgroup + "/cgroup.procs").c_str(), O_WRONLY);
  if (procs < 0 || write(procs, "0", 1) != 1) _exit(2);
  for (int round = 1;; round++) {
    while (shared->round < round) sched_yield();
    const int made = socket(AF_INET, SOCK_STREAM, 0);
    if (dup2(made, kSocket) < 0 || close(made)) _exit(3);
    if (connect(kSocket, reinterpret_cast<const sockaddr*>(&to), sizeof(to))) _exit(4);
    char byte = 'x';
    shared->calling = round;
    errno = 0;
    const ssize_t n = shared->call == static_cast<int>(Call::kSend) ? send(kSocket, &byte, 1, 0)
                                                                    : recv(kSocket, &byte, 1, 0);
    shared->error = n < 0 ? errno : 0;
    shared->result = static_cast<int>(n);
    close(kSocket);
    shared->done = round;
  }
}

void pause(unsigned us) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(us);
  while (std::chrono::steady_clock::now() < until) {
  }
}

// Of the worker's two directions.
const uint8_t kKeys[2][16] = {{1}, {2}}, kIv[12] = {};
tlshub::DirectionKeys keysOf(int direction) {
  return {tlshub::Cipher::kAes128Gcm, kKeys[direction], kIv, 0};
}

size_t countStops(int stops) {
  tlshub_stop_key key, next;
  size_t n = 0;
  for (void* from = nullptr; !bpf_map_get_next_key(stops, from, &next); from = &key, n++) key = next;
  return n;
}

char stateOf(pid_t pid) {
  char path[64], line[512] = {};
  std::snprintf(path, sizeof(path), "/proc/%d/stat", pid);
  FILE* file = std::fopen(path, "re");
  if (!file) return '?';
  const size_t n = std::fread(line, 1, sizeof(line) - 1, file);
  std::fclose(file);
  const char* at = std::strrchr(line, ')');
  return n && at ? at[2] : '?';
}

class Hammer {
 public:
  Hammer(tlshub::Gate& gate, Shared* shared, pid_t worker, int listener)
      : maps_{gate.fd("flows"),      gate.fd("verdicts"), gate.fd("stops"),
              gate.fd("user_stops"), gate.fd("dups"),     gate.fd("secured")},
        shared_(shared),
        worker_(worker),
        listener_(listener) {}

  void play(int round) {
    const Call call = random_() % 2 ? Call::kSend : Call::kRecv;
    const Fate fate = static_cast<Fate>(random_() % static_cast<unsigned>(Fate::kCount));
    shared_->call = static_cast<int>(call);
    shared_->round = round;
    int peer;
    errno = 0;
    if (!waitFor([&] { return (peer = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0; }))
      fail("round " + std::to_string(round) + ": no connection comes; the worker is in state " +
           stateOf(worker_));
    if (!waitFor([&] { return shared_->calling == round; })) fail("the worker does not come to its call");
    tlshub::Fd held = tlshub::duplicate({static_cast<uint32_t>(worker_), kSocket, 0, cookie()});
    const tlshub_flow flow = tlshub::readFlow(maps_.flows, held.get());
    if (!tlshub::claim(maps_, held.get(), flow.cookie, flow.generation)) fail("the flow is another one");
    if (!tlshub::attachTlsUlp(held.get()) || !tlshub::attachTlsUlp(peer)) fail("no ULP");
    pause(static_cast<unsigned>(random_() % kMostDelayUs));
    decide(fate, flow, held);
    if (call == Call::kRecv && isOpened(fate)) {
      tlshub::setTlsTx(peer, keysOf(1));
      if (send(peer, "y", 1, 0) != 1) fail("send");
    }
    if (!waitFor([&] { return shared_->done == round; }))
      fail("round " + std::to_string(round) + ": the worker is left in state " + stateOf(worker_) + ", " +
           std::to_string(countStops(maps_.stops)) + " records of stops");
    check(round, call, fate, peer);
    close(peer);
  }

 private:
  static bool isOpened(Fate fate) { return fate == Fate::kInstall || fate == Fate::kContinueThenInstall; }

  // The worker's socket is the only one that it has: its cookie is that of the one at its number.
  uint64_t cookie() {
    tlshub::Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, worker_, 0)));
    tlshub::Fd fd(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), kSocket, 0)));
    return tlshub::cookieOf(fd.get());
  }

  void decide(Fate fate, const tlshub_flow& flow, tlshub::Fd& held) {
    const tlshub::Installation keys = {flow.cookie, flow.generation, keysOf(0), keysOf(1), 0, 0};
    switch (fate) {
      case Fate::kContinueThenInstall:
        for (int i = 0; i < 3; i++) tlshub::continueStopped(maps_, flow.cookie);
        [[fallthrough]];
      case Fate::kInstall:
        tlshub::install(maps_, held.release(), keys);
        return;
      case Fate::kForbid:
        tlshub::forbid(maps_, held.get(), flow.cookie, flow.generation, 0);
        return;
      default:
        tlshub::refuse(maps_, held.get(), flow.cookie, flow.generation, 0);
    }
  }

  void check(int round, Call call, Fate fate, int peer) {
    const std::string where = "round " + std::to_string(round) + ": ";
    const int expected = isOpened(fate) ? 1 : -1;
    errno = 0;
    if (shared_->result != expected)
      fail(where + (call == Call::kSend ? "send" : "recv") + " returned " + std::to_string(shared_->result) +
           ", " + std::strerror(shared_->error) + ", fate " + std::to_string(static_cast<int>(fate)));
    char wire[64];
    const ssize_t n = recv(peer, wire, sizeof(wire), MSG_DONTWAIT);
    const bool record = n > 5 && wire[0] == 0x17 && wire[1] == 3 && wire[2] == 3;
    if (n > 0 && !(record && call == Call::kSend && isOpened(fate)))
      fail(where + "bytes that are no record on the wire");
  }

  const tlshub::FlowMaps maps_;
  Shared* const shared_;
  const pid_t worker_;
  const int listener_;
  std::mt19937 random_{20240917};
};

int run(char** argv) {
  const std::string cgroup = argv[3];
  const sockaddr_in to = addressOf(argv[4]);
  const int rounds = std::atoi(argv[5]);
  auto* shared = static_cast<Shared*>(
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  new (shared) Shared();

  tlshub::MeshEntry self = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 128, true, 0};
  std::memcpy(self.addr + 12, &to.sin_addr, 4);
  tlshub::Gate gate(argv[1], argv[2]);
  gate.open({{cgroup}, {60000, 60000, 0, tlshub::Policy(), false, 0}, {self}});
  // Both leases, the guardian's too: the hammer is all there is.
  auto* leases = static_cast<tlshub_leases*>(mmap(nullptr, static_cast<size_t>(sysconf(_SC_PAGESIZE)),
                                                  PROT_READ | PROT_WRITE, MAP_SHARED, gate.fd("leases"), 0));
  if (leases == MAP_FAILED) fail("mmap");
  leases->agent_until_ns = leases->guardian_until_ns = ~0ull;

  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(listener, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) || listen(listener, 16))
    fail("listen");
  const pid_t worker = fork();
  if (worker == 0) {
    close(listener);
    work(shared, cgroup, to);
  }

  int status = 1;
  try {
    Hammer hammer(gate, shared, worker, listener);
    for (int round = 1; round <= rounds; round++) hammer.play(round);
    const size_t left = countStops(gate.fd("stops"));
    auto counters = tlshub::readCounters(gate.fd("counters"));
    std::printf("%d rounds, %llu stops, %llu undone in BPF, %zu records left, worker in state %c\n", rounds,
                static_cast<unsigned long long>(counters["stops"]),
                static_cast<unsigned long long>(counters["stopRacesUndone"]), left, stateOf(worker));
    status = left == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "flip_hammer: %s\n", error.what());
  }
  kill(worker, SIGKILL);
  waitpid(worker, nullptr, 0);
  gate.detach();
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: flip_hammer BPF_OBJECT PIN_DIR CGROUP ADDRESS ROUNDS\n");
    return 64;
  }
  try {
    return run(argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "flip_hammer: %s\n", error.what());
    return 1;
  }
}
