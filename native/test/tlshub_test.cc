// SPDX-License-Identifier: Apache-2.0
// The client against a misbehaving peer in the same process. Without node, so that it runs under
// AddressSanitizer as it is (see tlshub.mk).
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "client.h"
#include "reply.h"
#include "tlshub_replies.h"

using namespace tlshub::module;
using Kind = Reply::Kind;
using Status = Outcome::Status;

int problems = 0;

void expect(bool good, const std::string& what) {
  if (good) return;
  problems++;
  std::printf("    %s\n", what.c_str());
}

namespace {

// A peer whose answers are made by a function, one datagram each.
class Peer {
 public:
  using Answer = std::function<std::vector<Bytes>(const Bytes& request)>;
  explicit Peer(Answer answer) : answer_(std::move(answer)) {
    fd_ = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_USERSOCK);
    sockaddr_nl own = {};
    own.nl_family = AF_NETLINK;
    socklen_t length = sizeof(own);
    expect(fd_ >= 0 && !bind(fd_, reinterpret_cast<sockaddr*>(&own), length) &&
               !getsockname(fd_, reinterpret_cast<sockaddr*>(&own), &length),
           "a peer's socket");
    portId = own.nl_pid;
  }
  ~Peer() { close(fd_); }

  void serve() {
    for (;;) {
      Bytes request(256);
      sockaddr_nl from = {};
      socklen_t length = sizeof(from);
      const ssize_t got =
          recvfrom(fd_, request.data(), request.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
      if (got < 0) return;
      request.resize(static_cast<size_t>(got));
      requests++;
      ports.push_back(from.nl_pid);
      for (const Bytes& answer : answer_(request))
        sendto(fd_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
    }
  }

  int requests = 0;
  std::vector<uint32_t> ports;
  uint32_t portId = 0;

 private:
  int fd_;
  Answer answer_;
};

void drive(Client& client, Peer* peer, int rounds = 5000) {
  while (client.inFlight() > 0 && rounds-- > 0) {
    if (peer) peer->serve();
    pollfd ready = {client.pollFd(), POLLIN, 0};
    ::poll(&ready, 1, 1);
    client.poll();
  }
  expect(client.inFlight() == 0, "all requests ended");
}

RequestBody body(Opcode opcode) {
  RequestBody request = {};
  request.opcode = static_cast<int8_t>(opcode);
  request.clientPort = 0x1122;
  return request;
}

struct Answered {
  std::vector<Status> statuses;
  std::vector<Kind> kinds;
  std::vector<std::string> codes;
  Client::Done done() {
    return [this](Outcome&& outcome) {
      statuses.push_back(outcome.status);
      kinds.push_back(outcome.reply.kind);
      codes.push_back(outcome.code);
    };
  }
};

using std::chrono::milliseconds;

void oneRequestPerSocket() {
  std::vector<Bytes> seen;
  Peer peer([&](const Bytes& request) -> std::vector<Bytes> {
    seen.push_back(request);
    return {replyBytes(0x04, textOf("a line")), replyBytes(0, keyText(0))};
  });
  std::vector<std::string> lines;
  Client client({NETLINK_USERSOCK, peer.portId}, 4, [&](const std::string& line) { lines.push_back(line); });
  Answered answered;
  for (int i = 0; i < 50; i++) client.start(body(Opcode::kFetch), milliseconds(5000), answered.done());
  peer.serve();
  expect(peer.requests == 4, "no more than one request a socket");
  drive(client, &peer);
  expect(answered.kinds == std::vector<Kind>(50, Kind::kKey), "50 keys");
  expect(lines == std::vector<std::string>(50, "a line"), "50 log lines");
  expect(client.statistics().opened == 4, "4 sockets");
  const Bytes& first = seen.at(0);
  expect(first.size() == 32 && first[0] == 32 && first[28] == 2 && first[24] == 0x22, "the request's bytes");
}

void lateAnswersFindNobody() {
  std::vector<Bytes> none;
  Peer silent([&](const Bytes&) { return none; });
  Client client({NETLINK_USERSOCK, silent.portId}, 2, nullptr);
  Answered answered;
  client.start(body(Opcode::kFetch), milliseconds(5), answered.done());
  const uint64_t second = client.start(body(Opcode::kFetch), milliseconds(5000), answered.done());
  client.cancel(second);
  drive(client, &silent);
  client.start(body(Opcode::kFetch), milliseconds(5), answered.done());
  drive(client, &silent);
  expect(answered.statuses == std::vector<Status>{Status::kCancelled, Status::kTimeout, Status::kTimeout},
         "cancelled, timed out");
  expect(silent.ports.size() == 3 && silent.ports[0] != silent.ports[2] && silent.ports[1] != silent.ports[2],
         "a new port id after each request that had no answer");
}

void handshakesLeaveRoom() {
  Peer tarpit([](const Bytes& request) -> std::vector<Bytes> {
    if (request[28] == 1) return {};
    return {replyBytes(0, keyText(-1))};
  });
  Client client({NETLINK_USERSOCK, tarpit.portId}, 4, nullptr);
  Answered handshakes, lookups;
  for (int i = 0; i < 10; i++) client.start(body(Opcode::kStart), milliseconds(300), handshakes.done());
  for (int i = 0; i < 10; i++) client.start(body(Opcode::kFetch), milliseconds(5000), lookups.done());
  for (int i = 0; i < 100 && lookups.kinds.size() < 10; i++) {
    tarpit.serve();
    client.poll();
  }
  expect(lookups.kinds == std::vector<Kind>(10, Kind::kKeyNone), "look-ups go on");
  expect(handshakes.statuses.empty(), "while handshakes hang");
  drive(client, &tarpit);
  expect(handshakes.statuses == std::vector<Status>(10, Status::kTimeout), "handshakes time out");
}

void sequenceNumbers() {
  Peer peer([](const Bytes& request) -> std::vector<Bytes> {
    uint32_t sequence = 0;
    memcpy(&sequence, &request[8], 4);
    return {replyBytes(0, keyText(-2), sequence + 1), replyBytes(0, keyText(-1), sequence)};
  });
  Client client({NETLINK_USERSOCK, peer.portId}, 2, nullptr);
  Answered answered;
  client.start(body(Opcode::kFetch), milliseconds(5000), answered.done());
  drive(client, &peer);
  expect(answered.kinds == std::vector<Kind>{Kind::kKeyNone}, "the reply with our number");
  expect(client.statistics().stray == 1, "the other one is counted");
}

// The descriptor of this process that has the netlink port.
int socketOf(uint32_t portId) {
  for (int fd = 3; fd < 1024; fd++) {
    sockaddr_nl own = {};
    socklen_t length = sizeof(own);
    if (!getsockname(fd, reinterpret_cast<sockaddr*>(&own), &length) && own.nl_family == AF_NETLINK &&
        own.nl_pid == portId)
      return fd;
  }
  return -1;
}

// Between user-space sockets a full queue makes the sender wait; only what the kernel sends by itself, such as a multicast, is dropped
// with ENOBUFS. So the client's socket is put into a group, which is then flooded.
void lostReplies() {
  Peer* self = nullptr;
  Peer peer([&](const Bytes& request) -> std::vector<Bytes> {
    if (self->requests > 1) return {replyBytes(0, keyText(0))};
    uint32_t portId = 0;
    memcpy(&portId, &request[12], 4);
    const int group = 1;
    expect(!setsockopt(socketOf(portId), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)),
           "the client's socket joins a group");
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK);
    sockaddr_nl to = {};
    to.nl_family = AF_NETLINK;
    to.nl_groups = 1;
    const Bytes noise = replyBytes(0x04, Bytes(125, 'l'));
    for (int i = 0; i < 5000; i++)
      sendto(fd, noise.data(), noise.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof(to));
    close(fd);
    return {};
  });
  self = &peer;
  Client client({NETLINK_USERSOCK, peer.portId}, 2, nullptr);
  Answered answered;
  client.start(body(Opcode::kFetch), milliseconds(20000), answered.done());
  drive(client, &peer, 1000000);
  expect(answered.kinds == std::vector<Kind>{Kind::kKey}, "asked again after ENOBUFS");
  expect(client.statistics().lost == 1 && peer.requests == 2, "once");
}

void randomAnswers() {
  std::mt19937 random(7);
  Peer peer([&](const Bytes&) -> std::vector<Bytes> {
    Bytes bytes(1 + random() % 300);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    if (random() % 2 == 0 && bytes.size() >= 4) {
      const auto length = static_cast<uint32_t>(bytes.size());
      memcpy(&bytes[0], &length, 4);
    }
    return {bytes};
  });
  Client client({NETLINK_USERSOCK, peer.portId}, 16, [](const std::string&) {});
  Answered answered;
  for (int i = 0; i < 3000; i++)
    client.start(body(static_cast<Opcode>(i % 3)), milliseconds(50), answered.done());
  drive(client, &peer, 100000);
  expect(answered.statuses.size() == 3000, "an end each");
}

void nobodyServes() {
  Client user({NETLINK_USERSOCK, 3999999999u}, 2, nullptr);
  Answered answered;
  user.start(body(Opcode::kInit), milliseconds(5000), answered.done());
  drive(user, nullptr);
  expect(answered.codes == std::vector<std::string>{"TLSHUB_MODULE_MISSING"}, "no peer");
  Client kernel({31, 0}, 2, nullptr);
  Answered missing;
  kernel.start(body(Opcode::kInit), milliseconds(5000), missing.done());
  drive(kernel, nullptr);
  expect(missing.codes == std::vector<std::string>{"TLSHUB_MODULE_MISSING"}, "no module");
}

// The kernel refuses what strangers send, so nothing of theirs can be read or fill the queue.
void strangers() {
  uint32_t victim = 0;
  bool refused = false;
  Peer stranger([](const Bytes&) { return std::vector<Bytes>{}; });
  Peer peer([&](const Bytes& request) -> std::vector<Bytes> {
    memcpy(&victim, &request[12], 4);
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK);
    sockaddr_nl to = {};
    to.nl_family = AF_NETLINK;
    to.nl_pid = victim;
    const Bytes forged = replyBytes(0, keyText(0, 0x66));
    refused = sendto(fd, forged.data(), forged.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof(to)) < 0 &&
              errno == ECONNREFUSED;
    close(fd);
    return {replyBytes(0, keyText(-1))};
  });
  Client client({NETLINK_USERSOCK, peer.portId}, 2, nullptr);
  Answered answered;
  client.start(body(Opcode::kFetch), milliseconds(5000), answered.done());
  drive(client, &peer);
  expect(victim >= 0x80000000u && refused, "a stranger's message is refused");
  expect(answered.kinds == std::vector<Kind>{Kind::kKeyNone}, "the peer's answer counts");
}

void closing() {
  Peer silent([](const Bytes&) { return std::vector<Bytes>{}; });
  Client client({NETLINK_USERSOCK, silent.portId}, 2, nullptr);
  Answered answered;
  for (int i = 0; i < 5; i++) client.start(body(Opcode::kStart), milliseconds(5000), answered.done());
  client.close();
  expect(answered.statuses == std::vector<Status>(5, Status::kCancelled), "closing settles everything");
}

}  // namespace

int main() {
  const std::pair<const char*, void (*)()> cases[] = {
      {"every kind of reply is read", goodReplies},
      {"each truncation is an error", eachTruncation},
      {"each field that is wrong is an error", eachField},
      {"10,000 random replies are an error each, 50,000 damaged ones never more", randomReplies},
      {"one request a socket, log lines between", oneRequestPerSocket},
      {"the answer to a request that was given up finds nobody", lateAnswersFindNobody},
      {"handshakes that hang leave sockets for look-ups", handshakesLeaveRoom},
      {"a wrong sequence number is another request's answer", sequenceNumbers},
      {"replies that the kernel dropped are asked for again", lostReplies},
      {"a peer that sends random bytes costs its requests only", randomAnswers},
      {"nobody serves the protocol", nobodyServes},
      {"strangers cannot answer", strangers},
      {"closing settles everything", closing},
  };
  int passed = 0, failed = 0;
  for (const auto& [name, run] : cases) {
    problems = 0;
    run();
    std::printf("%s %s\n", problems == 0 ? "ok  " : "FAIL", name);
    std::fflush(stdout);
    (problems == 0 ? passed : failed)++;
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
