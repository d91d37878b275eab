// SPDX-License-Identifier: Apache-2.0
// Handshakes whose system calls helper processes make, and what becomes of those that do not come back.
#include "handshake_helpers.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../domain/error.h"
#include "../helper/exchange.h"

using namespace kit;
using tlshub::Fd;
using namespace tlshub::helper;

namespace {

// Tasks with this cookie never come back; with the other one their helper dies of them.
constexpr uint64_t kStuck = 666, kDeadly = 667;

// Byte `i` of the keys that are sent here.
uint8_t keyByte(size_t i) {
  return static_cast<uint8_t>(i * 7 + 1);
}

uint32_t secretsInUse() {
  tlshub::SecretMemoryState state;
  tlshub_secret_state(&state);
  return state.pieces;
}

Served serveHere(const Received& task, Fd& socket) {
  const tlshub::helper::Request& request = task.request;
  if (request.cookie == kStuck)
    for (;;) pause();
  if (request.cookie == kDeadly) _exit(3);
  Served served;
  if (request.task == Task::kExchange) exchange(socket.get(), request.exchange, task.bytes, served);
  served.answer.discarded = secretsInUse();
  if (task.keys) {
    const auto* const bytes = reinterpret_cast<const uint8_t*>(&*task.keys);
    bool right = true;
    for (size_t i = 0; i < sizeof(tlshub::TrafficKeys); i++) right = right && bytes[i] == keyByte(i);
    served.answer.live = right;
  }
  return served;
}

// From before there are secrets in this process: what it has mapped for them is not in children that it forks (MADV_DONTFORK), and a helper
// has none of its parent's either.
Parent before(serveHere);

}  // namespace

TEST("by helpers: both ends succeed, the sockets come back, and not a byte is lost behind the handshake") {
  Parent parent(serveHere);
  for (int round = 0; round < 5; round++) {
    Tcp tcp;
    Driver driver(std::make_unique<Helpers>(parent.fd(), Limits{}));
    Slot a, b;
    begin(driver, contextOf("a"), request(tcp.active->fd(), Role::kActive, "b"), &a);
    begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &b);
    drive(driver, [&] { return a && b; });
    if (!a || !b) return;
    EXPECT_EQ(describe(*a), "ok: ");
    EXPECT_EQ(describe(*b), "ok: ");
    EXPECT_EQ(a->bytesSent, b->bytesReceived);
    EXPECT_EQ(a->bytesReceived, b->bytesSent);
    EXPECT(isSocket(tcp.active->fd()) && isSocket(tcp.passive->fd()));
    EXPECT_EQ(tcp.active->receiveQueued(), "");
    EXPECT_EQ(tcp.passive->receiveQueued(), "");
    tcp.active->sendAll("behind");
    usleep(20000);
    EXPECT_EQ(tcp.passive->receiveQueued(), "behind");
  }
}

TEST("by helpers: who has said hello and closed is sent nothing, which would be answered by a reset") {
  Parent parent(serveHere);
  Tcp tcp;
  RawTls::Options options;
  RawTls client(false, identityOf("a"), options);
  client.step();
  const std::string hello = client.take();
  tcp.active->sendAll(hello);
  shutdown(tcp.active->fd(), SHUT_WR);
  Driver driver(std::make_unique<Helpers>(parent.fd(), Limits{}));
  Slot slot;
  begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &slot);
  drive(driver, [&] { return slot.has_value(); });
  if (!slot) return;
  EXPECT_EQ(codeOf(*slot), "TLSHUB_PEER_CLOSED");
  EXPECT_EQ(slot->bytesReceived, hello.size());
  EXPECT_EQ(slot->bytesSent, 0u);
  EXPECT_EQ(tcp.passive->receiveQueued(), "");
}

TEST("by helpers: and who closes while his hello is read, is sent nothing either") {
  Parent parent(serveHere);
  Tcp before, tcp;
  Driver server(std::make_unique<Helpers>(parent.fd(), Limits{}));
  Slot first, second, slot;
  // So that helpers are there.
  begin(server, contextOf("a"), request(before.active->fd(), Role::kActive, "b"), &first);
  begin(server, contextOf("b"), request(before.passive->fd(), Role::kPassive, "a"), &second);
  drive(server, [&] { return first && second; });
  RawTls::Options options;
  RawTls client(false, identityOf("a"), options);
  client.step();
  tcp.active->sendAll(client.take());
  begin(server, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &slot);
  // One has looked, and nobody has seen its answer.
  usleep(100000);
  shutdown(tcp.active->fd(), SHUT_WR);
  drive(server, [&] { return slot.has_value(); });
  if (!slot) return;
  EXPECT_EQ(codeOf(*slot), "TLSHUB_PEER_CLOSED");
  EXPECT_EQ(slot->bytesSent, 0u);
  EXPECT_EQ(tcp.active->receiveQueued(), "");
}

TEST("by helpers: what the peer sends right behind its handshake stays in the socket") {
  Parent parent(serveHere);
  Tcp tcp;
  Driver driver(std::make_unique<Helpers>(parent.fd(), Limits{}));
  Slot slot;
  begin(driver, contextOf("a"), request(tcp.active->fd(), Role::kActive, "b"), &slot);
  RawTls::Options options;
  RawTls peer(true, identityOf("b"), options);
  bool said = false;
  drive(
      driver, [&] { return slot.has_value(); },
      [&] {
        exchange(peer, *tcp.passive);
        if (said || !peer.step()) return;
        said = true;
        peer.write("first words");
        exchange(peer, *tcp.passive);
      });
  if (!slot) return;
  EXPECT_EQ(describe(*slot), "ok: ");
  usleep(20000);
  EXPECT(tcp.active->receiveQueued().size() > 11);
}

TEST(
    "by helpers: SO_PEEK_OFF does not hide the beginning of a flight that comes in pieces, and is put back") {
  Parent parent(serveHere);
  Tcp tcp;
  int offset = 0;
  socklen_t size = sizeof offset;
  // Before Linux 6.9 TCP has no such thing.
  if (setsockopt(tcp.active->fd(), SOL_SOCKET, SO_PEEK_OFF, &offset, size)) return;
  Driver driver(std::make_unique<Helpers>(parent.fd(), Limits{}));
  Slot slot;
  begin(driver, contextOf("a"), request(tcp.active->fd(), Role::kActive, "b"), &slot);
  speakInPieces(driver, tcp, slot);
  if (slot) EXPECT_EQ(describe(*slot), "ok: ");
  offset = -2;
  getsockopt(tcp.active->fd(), SOL_SOCKET, SO_PEEK_OFF, &offset, &size);
  EXPECT_EQ(offset, 0);
}

TEST("by helpers: hundred handshakes at once, with low-water marks that are put back") {
  Parent parent(serveHere);
  constexpr int kCount = 50;
  std::vector<Tcp> tcp(kCount);
  std::vector<Slot> slots(2 * kCount);
  const int high = 4000;
  // The last ones wait for all the others, which takes seconds with sanitizers.
  constexpr int kPatientMs = 60000;
  Driver driver(std::make_unique<Helpers>(parent.fd(), Limits{}));
  const auto started = std::chrono::steady_clock::now();
  for (int i = 0; i < kCount; i++) {
    setsockopt(tcp[i].active->fd(), SOL_SOCKET, SO_RCVLOWAT, &high, sizeof high);
    begin(driver, contextOf("a"), request(tcp[i].active->fd(), Role::kActive, "b", kPatientMs),
          &slots[2 * i]);
    begin(driver, contextOf("b"), request(tcp[i].passive->fd(), Role::kPassive, "a", kPatientMs),
          &slots[2 * i + 1]);
  }
  drive(driver, [&] { return driver.inFlight() == 0; });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  for (const Slot& slot : slots) EXPECT(slot && slot->ok);
  for (const Tcp& pair : tcp) {
    int value = 0;
    socklen_t size = sizeof value;
    getsockopt(pair.active->fd(), SOL_SOCKET, SO_RCVLOWAT, &value, &size);
    EXPECT_EQ(value, high);
  }
  std::printf("     %.0f connections/s, both ends on one thread\n", kCount / took.count());
}

TEST("by helpers: a refusal tells the peer why, and a cancelled handshake lets go of its socket") {
  Parent parent(serveHere);
  Tcp refused, cancelled;
  Driver driver(std::make_unique<Helpers>(parent.fd(), Limits{}));
  Slot a, b, c;
  begin(driver, contextOf("a"), request(refused.active->fd(), Role::kActive, "somebody-else"), &a);
  begin(driver, contextOf("b"), request(refused.passive->fd(), Role::kPassive, "a"), &b);
  const uint64_t id = begin(driver, contextOf("a"), request(cancelled.active->fd(), Role::kActive, "b"), &c);
  EXPECT(driver.cancel(id));
  drive(driver, [&] { return a && b && c; });
  if (!a || !b || !c) return;
  EXPECT_EQ(codeOf(*a), "TLSHUB_PEER_CERTIFICATE");
  EXPECT_EQ(codeOf(*b), "TLSHUB_PEER_REFUSED_US");
  EXPECT_EQ(codeOf(*c), "TLSHUB_HANDSHAKE_CANCELLED");
  EXPECT(isSocket(cancelled.active->fd()));
}

TEST("a helper that does not come back: others go on, it is given up, and its number is no socket any more") {
  Parent parent(serveHere);
  Limits limits;
  // Longer than the fifty others take with sanitizers.
  limits.lostMs = 2000;
  Helpers helpers(parent.fd(), limits);
  Tcp lost, good;
  std::string code;
  int done = 0;
  Job stuck = job(kStuck, 1);
  stuck.fd = lost.active->fd();
  helpers.submit(std::move(stuck), [&](const Answer& answer, const std::string&, Fd) { code = answer.code; });
  for (int i = 0; i < 50; i++)
    helpers.submit(job(1, 0, Task::kHas),
                   [&](const Answer& answer, const std::string&, Fd) { done += !answer.failed; });
  until(helpers, [&] { return done == 50; });
  EXPECT_EQ(code, "");
  until(helpers, [&] { return !code.empty(); });
  EXPECT_EQ(code, "TLSHUB_HELPER_LOST");
  EXPECT(!isSocket(lost.active->fd()));
  EXPECT_EQ(helpers.figures().lostEver, 1u);
  // It was killed, which ended it: nobody is charged with it any more.
  until(helpers, [&] { return helpers.figures().lost == 0; });
}

TEST("a helper that dies of a task: the task has failed, the next one finds another helper") {
  Parent parent(serveHere);
  Helpers helpers(parent.fd(), quick());
  std::string code;
  bool done = false;
  helpers.submit(job(kDeadly, 1), [&](const Answer& answer, const std::string&, Fd) { code = answer.code; });
  until(helpers, [&] { return !code.empty(); });
  EXPECT_EQ(code, "TLSHUB_HELPER_LOST");
  helpers.submit(job(1, 1, Task::kHas),
                 [&](const Answer& answer, const std::string&, Fd) { done = !answer.failed; });
  until(helpers, [&] { return done; });
}

TEST("a process has two helpers at most, a cgroup eight: what comes behind stuck ones waits, others do not") {
  Parent parent(serveHere);
  Limits limits;
  limits.lostMs = 60000;
  Helpers helpers(parent.fd(), limits);
  int stuck = 0, waited = 0, done = 0;
  const uint64_t cgroup = 7ull << kChargeBits;
  for (uint64_t process = 1; process <= 6; process++)
    for (int i = 0; i < 4; i++)
      helpers.submit(job(kStuck, cgroup + process), [&](const Answer&, const std::string&, Fd) { stuck++; });
  until(helpers, [&] { return helpers.figures().busy == 8; });
  helpers.submit(job(1, cgroup + 100, Task::kHas), [&](const Answer&, const std::string&, Fd) { waited++; });
  for (uint64_t other = 101; other <= 120; other++)
    helpers.submit(job(1, other << kChargeBits, Task::kHas),
                   [&](const Answer&, const std::string&, Fd) { done++; });
  until(helpers, [&] { return done == 20; });
  usleep(200000);
  helpers.poll();
  EXPECT_EQ(helpers.figures().busy, 8u);
  EXPECT_EQ(waited, 0);
  EXPECT_EQ(stuck, 0);
  helpers.close();
  EXPECT_EQ(stuck, 24);
  EXPECT_EQ(waited, 1);
}

TEST("a last task closes its descriptor at once, though its helper never comes back") {
  Parent parent(serveHere);
  Helpers helpers(parent.fd(), quick());
  Tcp tcp;
  std::string code;
  const int fd = fcntl(tcp.active->fd(), F_DUPFD_CLOEXEC, 500);
  Job last = job(kStuck, 1, Task::kClose);
  last.fd = fd;
  helpers.submit(std::move(last), [&](const Answer& answer, const std::string&, Fd) { code = answer.code; });
  until(helpers, [&] { return !code.empty(); });
  EXPECT_EQ(code, "TLSHUB_HELPER_LOST");
  EXPECT(fcntl(fd, F_GETFD) < 0);
}

TEST("keys go from the memory for secrets of one process into the other's, and are left in neither") {
  Helpers helpers(before.fd(), Limits{});
  const uint32_t inUse = secretsInUse();
  const auto keyed = [](Task task, uint64_t cookie, Tcp& tcp) {
    Job made = job(cookie, 1, task);
    if (task == Task::kInstall) made.fd = fcntl(tcp.active->fd(), F_DUPFD_CLOEXEC, 500);
    made.keys = tlshub::SecretStore::make<tlshub::TrafficKeys>();
    for (size_t i = 0; i < sizeof(tlshub::TrafficKeys); i++)
      reinterpret_cast<uint8_t*>(&*made.keys)[i] = keyByte(i);
    return made;
  };
  Tcp tcp, late;
  for (int round = 0; round < 10; round++) {
    bool done = false, right = false;
    uint32_t there = 0;
    const Task task = round % 2 ? Task::kInstall : Task::kSecure;
    helpers.submit(keyed(task, 1, tcp), [&](const Answer& answer, const std::string&, Fd) {
      done = true;
      right = !answer.failed && answer.live;
      there = answer.discarded;
    });
    until(helpers, [&] { return done; });
    EXPECT(right);
    EXPECT_EQ(there, 1u);
    EXPECT_EQ(secretsInUse(), inUse);
  }
  // A helper that has done it has none any more: each of them is asked.
  int asked = 0;
  for (int i = 0; i < 40; i++)
    helpers.submit(job(1, 0, Task::kHas), [&](const Answer& answer, const std::string&, Fd) {
      asked++;
      EXPECT_EQ(answer.discarded, 0u);
    });
  until(helpers, [&] { return asked == 40; });
  // Nor is there anything of keys that nobody has sent.
  bool failed = false;
  helpers.close();
  helpers.submit(keyed(Task::kInstall, 1, late),
                 [&](const Answer& answer, const std::string&, Fd) { failed = answer.failed; });
  EXPECT_EQ(secretsInUse(), inUse);
  helpers.close();
  EXPECT(failed);
}
