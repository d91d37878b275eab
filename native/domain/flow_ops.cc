// SPDX-License-Identifier: Apache-2.0
#include "flow_ops.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <vector>

#include "clock.h"
#include "error.h"
#include "fd.h"
#include "map_keys.h"
#include "received.h"
#include "remote_socket.h"
#include "sock_diag.h"

namespace tlshub {
namespace {

// Steps through the stops map at most: twice its size.
constexpr size_t kMostStops = 2 * TLSHUB_MAX_HELD;

std::vector<tlshub_stop_key> stopKeys(int stopsFd) {
  return keysOfMap<tlshub_stop_key>(
      [&](const auto* from, auto* to) { return bpf_map_get_next_key(stopsFd, from, to); }, kMostStops);
}

void writeVerdict(const FlowMaps& maps, int fd, uint32_t generation, uint32_t flags) {
  tlshub_verdict verdict = {generation, flags};
  if (bpf_map_update_elem(maps.verdicts, &fd, &verdict, BPF_ANY))
    throw SysError("bpf", "cannot write the flow's verdict");
}

bool continueProcess(const FlowMaps& maps, uint32_t tgid, uint64_t startBoottime) {
  // pidfd first, then the start time: a number that is used again after this check cannot be the one signalled.
  Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, tgid, 0)));
  if (!pidfd || !isProcess(tgid, startBoottime)) return false;
  uint64_t userStop = 0;
  if (!bpf_map_lookup_elem(maps.userStops, &tgid, &userStop) && userStop == startBoottime) return false;
  return syscall(SYS_pidfd_send_signal, pidfd.get(), SIGCONT, nullptr, 0) == 0;
}

bool continueOne(const FlowMaps& maps, const tlshub_stop_key& key) {
  tlshub_stop stop = {};
  if (bpf_map_lookup_elem(maps.stops, &key, &stop)) return false;
  bpf_map_delete_elem(maps.stops, &key);
  return continueProcess(maps, key.tgid, stop.start_boottime);
}

int continueProcesses(const FlowMaps& maps, uint64_t cookie) {
  int n = 0;
  for (const tlshub_stop_key& key : stopKeys(maps.stops))
    if (key.cookie == cookie) n += continueOne(maps, key);
  return n;
}

// By what the holder knows. A full pipe loses it, and then they look again by themselves, some hundred milliseconds later.
void wakeSleepers(const FlowMaps& maps, uint64_t cookie) {
  if (maps.wakes >= 0) (void)!write(maps.wakes, &cookie, sizeof(cookie));
}

int continueFor(const FlowMaps& maps, const tlshub_flow& flow) {
  if (flow.sleeps) wakeSleepers(maps, flow.cookie);
  if (!flow.stop_tgid) return 0;
  if (flow.stop_many > 1) return continueProcesses(maps, flow.cookie);
  return continueOne(maps, {flow.cookie, flow.stop_tgid, 0});
}

// Setting an option to the value it has runs sk_write_space(): writers asleep in poll or epoll look again.
void wakeWriters(int fd) {
  int value = 0;
  socklen_t length = sizeof(value);
  if (getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, &length) ||
      setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, sizeof(value)))
    throw SysError("setsockopt", "cannot wake the program");
}

// How long the peer may take to acknowledge an end: once there and back on most networks. And if somebody stands still for it meanwhile: within a
// data centre.
constexpr uint64_t kGoodbyeNs = 200'000'000;
constexpr uint64_t kShortGoodbyeNs = 20'000'000;
constexpr int kGoodbyeLookMs = 1;

// RFC 8446, 5.1: type, version, length, and at most so many bytes behind it.
constexpr size_t kRecordHeader = 5;
constexpr size_t kLongestRecord = 16384;
constexpr uint8_t kHandshakeType = 22;

uint32_t discardQueued(int fd) {
  uint32_t total = 0;
  int queued = 0;
  char sink[4096];
  while (!ioctl(fd, SIOCINQ, &queued) && queued > 0) {
    ssize_t n = recv(fd, sink, std::min<size_t>(sizeof(sink), static_cast<size_t>(queued)), MSG_DONTWAIT);
    if (n <= 0) break;
    total += static_cast<uint32_t>(n);
  }
  return total;
}

// Throws away what is queued of a connection that has ended. True: that was nothing, or what a client says before it has heard anything: one
// whole record of a handshake.
bool discardHello(int fd) {
  std::array<uint8_t, kRecordHeader + kLongestRecord + 1> bytes;
  size_t have = 0;
  ssize_t n;
  while (have < bytes.size() && (n = recv(fd, bytes.data() + have, bytes.size() - have, MSG_DONTWAIT)) > 0)
    have += static_cast<size_t>(n);
  if (!have) return true;
  return have > kRecordHeader && bytes[0] == kHandshakeType &&
         have == kRecordHeader + (size_t{bytes[3]} << 8 | bytes[4]);
}

// TCP_CLOSE if that cannot be told.
uint8_t stateOf(int fd) {
  tcp_info info = {};
  socklen_t length = sizeof(info);
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) ? uint8_t{TCP_CLOSE} : info.tcpi_state;
}

// With bytes of the handshake unread, or still to come, TCP ends a connection by a reset, where a program that closes it at once would have
// sent a FIN. So they are read until the peer has acknowledged that: what it sent before came before, and its agent sends nothing more.
void sayGoodbye(int fd, uint64_t patienceNs, bool handshakeOnly) {
  if (shutdown(fd, SHUT_WR)) return;
  const uint64_t until = monotonicNs() + patienceNs;
  for (;;) {
    const bool heard = stateOf(fd) != TCP_FIN_WAIT1;
    char sink[4096];
    while (recv(fd, sink, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
      // Its sender would take it for received. Unread, TCP tells him that it was not.
      if (!handshakeOnly && sink[0] != kHandshakeType) return;
      if (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) <= 0) return;
      if (monotonicNs() >= until) return;
    }
    if (heard || monotonicNs() >= until) return;
    pollfd more = {fd, POLLIN, 0};
    poll(&more, 1, kGoodbyeLookMs);
  }
}

// What the gate noted when the keys were set: the kernel's own sequence numbers.
void checkKeyed(const tlshub_flow& flow, uint32_t directions, const Installation& what) {
  if (flow.keyed != directions)
    throw CodedError("TLSHUB_INSTALL",
                     "the gate did not see the keys being set: its hook on setsockopt is missing");
  if (flow.keyed_tx_off == what.handshakeSent &&
      (!(directions & TLSHUB_RX) || flow.keyed_rx_off == what.handshakeReceived))
    return;
  throw CodedError("TLSHUB_INSTALL",
                   "bytes passed that were not the handshake's: sent " + std::to_string(flow.keyed_tx_off) +
                       " of " + std::to_string(what.handshakeSent) + ", read " +
                       std::to_string(flow.keyed_rx_off) + " of " + std::to_string(what.handshakeReceived));
}

// The gate has kept the peer's end from TCP (bpf/ingress.bpf.c), which has it again in some hundred milliseconds, or later. If all that the peer said
// before has come, its program need not wait for that.
void sayKeptEnd(const FlowMaps& maps, int fd) {
  const tlshub_flow flow = readFlow(maps.flows, fd);
  if (!flow.fins_kept) return;
  if (static_cast<uint32_t>(bytesReceived(fd)) == flow.fin - (flow.irs + 1)) shutdown(fd, SHUT_RD);
}

// The suites of RFC 8446, B.4, that the kernel has keys for.
uint32_t suiteOf(Cipher cipher) {
  switch (cipher) {
    case Cipher::kAes128Gcm:
      return 0x1301;
    case Cipher::kAes256Gcm:
      return 0x1302;
    case Cipher::kChaCha20Poly1305:
      return 0x1303;
  }
  return 0;
}

// Leaves with the socket how it was secured. False: it has no room for it.
bool remember(const FlowMaps& maps, int fd, const Installation& what, uint64_t openedNs) {
  tlshub_secured record = {};
  record.asked_ns = what.askedNs;
  record.started_ns = what.startedNs;
  record.negotiation_ns = what.negotiationNs;
  record.opened_ns = openedNs;
  record.generation = what.generation;
  record.provider = what.provider;
  record.cipher = suiteOf(what.tx.cipher);
  record.tls_version = 0x0304;
  if (what.peerNode.size() >= sizeof(record.peer_node)) return false;
  what.peerNode.copy(record.peer_node, what.peerNode.size());
  return !bpf_map_update_elem(maps.secured, &fd, &record, BPF_ANY);
}

bool isSecured(const FlowMaps& maps, int fd) {
  tlshub_secured record = {};
  return !bpf_map_lookup_elem(maps.secured, &fd, &record) &&
         record.generation == readFlow(maps.flows, fd).generation;
}

// close() waits as long as the program's SO_LINGER says if it is the last one. An ending process does not (inet_release() of
// net/ipv4/af_inet.c looks for PF_EXITING), and the connection ends in the same way.
void closeAtOnce(int fd) {
  linger waits = {};
  socklen_t length = sizeof(waits);
  const bool lingers =
      !getsockopt(fd, SOL_SOCKET, SO_LINGER, &waits, &length) && waits.l_onoff && waits.l_linger > 0;
  int after[2];
  if (!lingers || pipe2(after, O_CLOEXEC)) {
    close(fd);
    return;
  }
  const pid_t last = fork();
  if (last == 0) {
    // Until ours is closed: before, it is not the last.
    char end;
    close(after[1]);
    while (read(after[0], &end, 1) < 0 && errno == EINTR)
      ;
    _exit(0);
  }
  close(fd);
  close(after[0]);
  close(after[1]);
  if (last > 0) waitpid(last, nullptr, 0);
}

// The program has connected the socket anew meanwhile: what we know is of another connection, and this one is not ours to end.
bool isSuperseded(const FlowMaps& maps, int fd, uint32_t generation) {
  return readFlow(maps.flows, fd).generation != generation;
}

}  // namespace

tlshub_flow readFlow(int flowsFd, int fd) {
  tlshub_flow flow = {};
  if (bpf_map_lookup_elem(flowsFd, &fd, &flow)) throw SysError("bpf", "the socket has no flow state");
  return flow;
}

bool claim(const FlowMaps& maps, int fd, uint64_t cookie, uint32_t generation) {
  tlshub_flow flow = {};
  auto isIts = [&] {
    return !bpf_map_lookup_elem(maps.flows, &fd, &flow) && flow.cookie == cookie &&
           flow.generation == generation;
  };
  if (!isIts()) return false;
  writeVerdict(maps, fd, generation, 0);
  return isIts();
}

Taken take(const FlowMaps& maps, const SocketOwner& owner) {
  tlshub_dup nobody = {};
  if (bpf_map_update_elem(maps.dups, &owner.cookie, &nobody, BPF_ANY))
    throw SysError("bpf", "cannot tell the gate of a descriptor");
  Fd fd;
  try {
    fd = duplicate(owner);
    if (isSecured(maps, fd.get()))
      throw CodedError("TLSHUB_SOCKET_SECURED", "the connection has been secured already");
    bool live = attachTlsUlp(fd.get());
    return {fd.release(), live};
  } catch (...) {
    release(maps, fd.release(), owner.cookie);
    throw;
  }
}

int release(const FlowMaps& maps, int fd, uint64_t cookie) noexcept {
  if (fd >= 0) closeAtOnce(fd);
  tlshub_dup dup = {};
  // Away first, then whoever was stopped: one who comes later finds nothing to stop for, and one who is between sees it afterwards.
  if (bpf_map_lookup_and_delete_elem(maps.dups, &cookie, &dup) || !dup.stops) return 0;
  if (dup.stops > 1) return continueProcesses(maps, cookie);
  return continueOne(maps, {cookie, dup.stop_tgid, 0});
}

Installed install(const FlowMaps& maps, int fd, const Installation& what) {
  tlshub_flow before = readFlow(maps.flows, fd);
  if (before.generation != what.generation || before.cookie != what.cookie)
    throw CodedError("TLSHUB_INSTALL", "the socket has connected anew since: these keys are not its");
  if (before.refused) throw CodedError("TLSHUB_INSTALL", "the gate has refused the flow meanwhile");
  if (hasKeys(fd))
    throw CodedError("TLSHUB_INSTALL", "the socket has kTLS keys already: a second key would reuse nonces");

  // Writing opens first: a program that has just read a request does not expect that it cannot answer.
  setTlsTx(fd, what.tx);
  checkKeyed(readFlow(maps.flows, fd), TLSHUB_TX, what);
  KernelTls tls = readBack(fd);
  Installed result = {ulpOf(fd), tls.cipher, tls.version, 0, 0, false};

  // Both are armed before the last key is set, so that the kernel's own bit opens the gate and no wake-up falls in between. From there on
  // it is as little as can be to the close: if the program closes while we have its file too, its epoll set keeps a dead entry.
  writeVerdict(maps, fd, what.generation, TLSHUB_RX | TLSHUB_TX);
  wakeWriters(fd);
  setTlsRx(fd, what.rx);
  tlshub_flow keyed = readFlow(maps.flows, fd);
  checkKeyed(keyed, TLSHUB_TX | TLSHUB_RX, what);
  result.openedNs = monotonicNs();
  sayKeptEnd(maps, fd);
  result.remembered = remember(maps, fd, what, result.openedNs);
  // Who goes on now finds no descriptor of ours any more.
  const int continued = release(maps, fd, what.cookie);
  result.continued = continued + continueFor(maps, keyed);
  return result;
}

int forbid(const FlowMaps& maps, int fd, uint64_t cookie, uint32_t generation, uint32_t tgid) {
  if (isSuperseded(maps, fd, generation)) return continueStopped(maps, cookie);
  // A connection that was over when we took it is not claimed yet, and without that the gate lets nobody read. A program is still held.
  writeVerdict(maps, fd, generation, 0);
  const uint8_t state = stateOf(fd);
  // A peer may say that it ends the connection, by an alert, and not end it.
  if (state == TCP_ESTABLISHED || !discardHello(fd))
    return refuse(maps, fd, cookie, generation, tgid).continued;
  writeVerdict(maps, fd, generation, VERDICT_REFUSE | VERDICT_END);
  // An edge-triggered reader was told EAGAIN and waits for another edge, though nothing more will come. In CLOSE_WAIT and CLOSE this
  // changes nothing and wakes everyone; in any other state the end is still to come.
  if (state == TCP_CLOSE_WAIT || state == TCP_CLOSE) shutdown(fd, SHUT_RD);
  return continueStopped(maps, cookie);
}

void hangUp(const FlowMaps& maps, int fd, uint64_t cookie, uint32_t generation, bool handshakeOnly) {
  if (isSuperseded(maps, fd, generation)) return;
  // As in forbid().
  writeVerdict(maps, fd, generation, 0);
  linger ending = {};
  socklen_t length = sizeof(ending);
  // Who asked for a reset (SO_LINGER of 0) gets one.
  if (!getsockopt(fd, SOL_SOCKET, SO_LINGER, &ending, &length) && ending.l_onoff && !ending.l_linger) return;
  // Who stands still in its close() waits for ours.
  tlshub_dup dup = {};
  const bool awaited = !bpf_map_lookup_elem(maps.dups, &cookie, &dup) && dup.stops;
  sayGoodbye(fd, awaited ? kShortGoodbyeNs : kGoodbyeNs, handshakeOnly);
}

Refused refuse(const FlowMaps& maps, int fd, uint64_t cookie, uint32_t generation, uint32_t tgid) {
  Refused result = {RefusedBy::kAlreadyClosed, 0, 0};
  if (isSuperseded(maps, fd, generation)) {
    result.continued = continueStopped(maps, cookie);
    return result;
  }
  writeVerdict(maps, fd, generation, VERDICT_REFUSE);
  tcp_info info = {};
  socklen_t length = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length))
    throw SysError("getsockopt", "cannot read TCP_INFO");
  if (info.tcpi_state != TCP_CLOSE) {
    // A disconnect resets the connection and empties its queue. Kernels with commit 5071a1e606b3 refuse it once the ULP is there.
    sockaddr unspecified = {};
    unspecified.sa_family = AF_UNSPEC;
    if (!connect(fd, &unspecified, sizeof(unspecified)))
      result.by = RefusedBy::kDisconnect;
    else if (destroySocket(fd, tgid))
      result.by = RefusedBy::kSockDestroy;
  }
  result.discarded = discardQueued(fd);
  result.continued = continueStopped(maps, cookie);
  return result;
}

int continueStopped(const FlowMaps& maps, uint64_t cookie) {
  wakeSleepers(maps, cookie);
  return continueProcesses(maps, cookie);
}

std::set<uint64_t> stoppedFlows(int stopsFd) {
  std::set<uint64_t> cookies;
  for (const tlshub_stop_key& key : stopKeys(stopsFd)) cookies.insert(key.cookie);
  return cookies;
}

}  // namespace tlshub
