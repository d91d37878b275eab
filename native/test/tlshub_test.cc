// The reading of replies, and the client against a misbehaving peer in the same process. Without node, so that it runs under
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

using namespace tlshub::module;
using Kind = Reply::Kind;
using Status = Outcome::Status;

namespace {

int problems = 0;

void expect(bool good, const std::string& what) {
  if (good) return;
  problems++;
  std::printf("    %s\n", what.c_str());
}

using Bytes = std::vector<uint8_t>;

// A reply by offsets, as docs/TLSHUB_API.md has them, and not by the structs that are tested.
Bytes replyBytes(uint8_t type, const Bytes& text, uint32_t sequence = 0, uint16_t netlinkType = 0) {
  Bytes bytes(17 + text.size());
  const auto length = static_cast<uint32_t>(bytes.size());
  memcpy(&bytes[0], &length, 4);
  memcpy(&bytes[4], &netlinkType, 2);
  memcpy(&bytes[8], &sequence, 4);
  bytes[16] = type;
  std::copy(text.begin(), text.end(), bytes.begin() + 17);
  return bytes;
}

Bytes keyText(int32_t status, uint8_t fill = 0x5a) {
  Bytes text(125, 0);
  memcpy(&text[0], &status, 4);
  std::fill(text.begin() + 4, text.begin() + 36, fill);
  return text;
}

Bytes textOf(const std::string& words) {
  return Bytes(words.begin(), words.end());
}

// Copied to memory that ends where the reply does, so that a read beyond it is seen.
Reply parse(const Bytes& bytes, Opcode asked) {
  const auto exact = std::make_unique<uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), exact.get());
  return parseReply(exact.get(), bytes.size(), asked);
}

void expectKind(const Bytes& bytes, Opcode asked, Kind kind, const std::string& what) {
  const Reply reply = parse(bytes, asked);
  expect(reply.kind == kind,
         what + ": kind " + std::to_string(static_cast<int>(reply.kind)) + " " + reply.text);
}

void goodReplies() {
  const Bytes words = textOf("words");
  expectKind(replyBytes(0x07, words), Opcode::kInit, Kind::kInitialised, "init");
  expectKind(replyBytes(0x01, words), Opcode::kStart, Kind::kHandshakeFirst, "first");
  expectKind(replyBytes(0x02, {}), Opcode::kStart, Kind::kHandshakeDone, "done, no text");
  expectKind(replyBytes(0x05, words), Opcode::kStart, Kind::kAlreadyConnected, "already");
  const Reply failed = parse(replyBytes(0x03, Bytes{'n', 'o', 0, 'x'}), Opcode::kStart);
  expect(failed.kind == Kind::kHandshakeFailed && failed.text == "no", "failed, text up to its NUL");
  for (const Opcode asked : {Opcode::kInit, Opcode::kStart, Opcode::kFetch}) {
    const Reply log = parse(replyBytes(0x04, Bytes(125, 'l'), 7), asked);
    expect(log.kind == Kind::kLog && log.text == std::string(125, 'l') && log.sequence == 7,
           "log line without NUL");
  }
  const Reply key = parse(replyBytes(0, keyText(0, 0xa5)), Opcode::kFetch);
  expect(key.kind == Kind::kKey, "key");
  for (const uint8_t byte : key.key) expect(byte == 0xa5, "key bytes");
  expectKind(replyBytes(6, keyText(-1)), Opcode::kFetch, Kind::kKeyNone, "no key, whatever the type");
  expectKind(replyBytes(0, keyText(-2)), Opcode::kFetch, Kind::kKeyExpired, "expired");
  Bytes padded = replyBytes(2, words);
  padded.resize((padded.size() + 3) & ~size_t{3});
  expectKind(padded, Opcode::kStart, Kind::kHandshakeDone, "padding after the end");
}

void eachTruncation() {
  const Bytes whole = replyBytes(0, keyText(0));
  for (size_t size = 0; size < whole.size(); size++) {
    Bytes cut(whole.begin(), whole.begin() + static_cast<long>(size));
    expectKind(cut, Opcode::kFetch, Kind::kMalformed, "cut to " + std::to_string(size));
    if (size < 16) continue;
    // The header knows it: then only what is missing counts.
    const auto length = static_cast<uint32_t>(size);
    memcpy(&cut[0], &length, 4);
    expectKind(cut, Opcode::kFetch, size < 53 ? Kind::kMalformed : Kind::kKey,
               "short by " + std::to_string(size));
  }
}

void eachField() {
  for (const uint32_t length : {0u, 1u, 15u, 16u, 100u, 1000u, 0x7fffffffu, 0xffffffffu, 0xfffffffdu}) {
    Bytes bytes = replyBytes(2, textOf("a text of some length"));
    memcpy(&bytes[0], &length, 4);
    expectKind(bytes, Opcode::kStart, Kind::kMalformed, "length " + std::to_string(length));
  }
  for (int type = 0; type < 256; type++) {
    const bool start = type == 1 || type == 2 || type == 3 || type == 5;
    const auto what = "type " + std::to_string(type);
    if (type == 4) continue;
    const Bytes bytes = replyBytes(static_cast<uint8_t>(type), keyText(-1));
    expect((parse(bytes, Opcode::kStart).kind != Kind::kMalformed) == start, what + " to START");
    expect((parse(bytes, Opcode::kInit).kind != Kind::kMalformed) == (type == 7), what + " to INIT");
    expect((parse(bytes, Opcode::kFetch).kind != Kind::kMalformed) == (!start && type != 7),
           what + " to FETCH");
  }
  for (const int32_t status : {1, 2, -3, 256, INT32_MAX, INT32_MIN})
    expectKind(replyBytes(0, keyText(status)), Opcode::kFetch, Kind::kMalformed,
               "status " + std::to_string(status));
  expectKind(replyBytes(0, keyText(0, 0)), Opcode::kFetch, Kind::kMalformed, "a key of zeros");
  expectKind(replyBytes(2, Bytes(144, 'x')), Opcode::kStart, Kind::kMalformed, "too long");
  Bytes trailing = replyBytes(2, textOf("abc"));
  trailing.resize(trailing.size() + 4);
  expectKind(trailing, Opcode::kStart, Kind::kMalformed, "bytes after the end");
  // NLMSG_ERROR: -EPERM, no error, a positive one, cut
  for (const auto& [error, kind] : {std::pair<int32_t, Kind>{-1, Kind::kRefused},
                                    {0, Kind::kMalformed},
                                    {5, Kind::kMalformed},
                                    {INT32_MIN, Kind::kMalformed}}) {
    Bytes bytes = replyBytes(0, Bytes(19, 0), 0, NLMSG_ERROR);
    memcpy(&bytes[16], &error, 4);
    expectKind(bytes, Opcode::kStart, kind, "netlink error " + std::to_string(error));
  }
  expectKind(replyBytes(0, {}, 0, NLMSG_ERROR), Opcode::kStart, Kind::kMalformed, "netlink error, cut");
}

// Wholly random bytes, and good replies with random damage. What is no reply must be an error; what still is one may pass.
void randomReplies() {
  std::mt19937 random(20240611);
  const auto below = [&](uint32_t limit) { return static_cast<uint32_t>(random() % limit); };
  int malformed = 0;
  for (int i = 0; i < 10000; i++) {
    Bytes bytes(below(200));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    const Reply reply = parse(bytes, static_cast<Opcode>(below(3)));
    expect(reply.kind == Kind::kMalformed && !reply.text.empty(), "random bytes read as a reply");
    malformed += reply.kind == Kind::kMalformed;
  }
  expect(malformed == 10000, "10000 errors");
  for (int i = 0; i < 50000; i++) {
    Bytes bytes = replyBytes(static_cast<uint8_t>(below(8)), keyText(static_cast<int32_t>(below(4)) - 2));
    for (uint32_t damage = below(4); damage > 0; damage--)
      bytes[below(static_cast<uint32_t>(bytes.size()))] = static_cast<uint8_t>(random());
    if (below(3) == 0) bytes.resize(below(static_cast<uint32_t>(bytes.size()) + 1));
    const Reply reply = parse(bytes, static_cast<Opcode>(below(3)));
    expect(reply.kind != Kind::kMalformed || !reply.text.empty(), "an error without words");
  }
}

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
