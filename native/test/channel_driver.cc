// SPDX-License-Identifier: Apache-2.0
// Drivers over loopback: connections, listeners, and what anybody on the network can do to them.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <map>
#include <random>

#include "../domain/channel/driver.h"
#include "../domain/error.h"
#include "channel_kit.h"

using namespace kit;
using ChannelDriver = tlshub::channel::Driver;
using tlshub::Fd;
using tlshub::channel::DriverTimes;
using tlshub::channel::HalfOpenLimits;
using tlshub::channel::News;
using tlshub::channel::Source;

namespace {

constexpr std::chrono::milliseconds kMs{1};

Source loopback(uint8_t last = 1) {
  Source source{};
  source[10] = source[11] = 0xff;
  source[12] = 127;
  source[15] = last;
  return source;
}

// An agent: a driver, and what its owner heard.
struct Agent {
  explicit Agent(const std::string& name, const DriverTimes& times = {}, const HalfOpenLimits& limits = {})
      : Agent(name, channelContext(name), times, limits) {}
  Agent(const std::string& name, const ContextPtr& context, const DriverTimes& times = {},
        const HalfOpenLimits& limits = {})
      : driver(
            context, name, [this](News&& news) { hear(std::move(news)); }, times, limits) {
    driver.setNodes({"a", "b", "node-c"}, {loopback()});
  }

  void hear(News&& news) {
    if (news.what == News::kProposed && decides) driver.accept(news.id);
    if (news.what == News::kOpen) open++;
    if (news.what == News::kEnded) ended++;
    heard.push_back(std::move(news));
  }
  const News* last(News::What what) const {
    const News* found = nullptr;
    for (const News& news : heard) {
      if (news.what == what) found = &news;
    }
    return found;
  }
  std::string ending() const {
    const News* const news = last(News::kEnded);
    return news == nullptr ? "not ended"
                           : (news->code.empty() ? "in order" : news->code) + ": " + news->reason;
  }
  uint64_t openTo(uint16_t port, const std::string& node = "b", uint32_t epoch = kEpoch,
                  const std::string& host = "127.0.0.1") {
    return driver.open({{host, port}, node, epoch});
  }

  bool decides = true;
  size_t open = 0, ended = 0;
  std::deque<News> heard;  // what is pointed to in it stays where it is
  ChannelDriver driver;
};

// Goes on with all of them, by what their epoll sets say, until `done` or a minute has passed, which is reported.
void run(std::initializer_list<Agent*> agents, const std::function<bool()>& done) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!done()) {
    if (std::chrono::steady_clock::now() > until)
      return report(__FILE__, __LINE__, "nothing happened for a minute");
    std::vector<pollfd> waiting;
    for (Agent* const agent : agents) waiting.push_back({agent->driver.pollFd(), POLLIN, 0});
    ::poll(waiting.data(), waiting.size(), 50);
    for (Agent* const agent : agents) agent->driver.poll();
  }
}

void runFor(std::initializer_list<Agent*> agents, std::chrono::milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  run(agents, [&] { return std::chrono::steady_clock::now() > until; });
}

// How often the driver has something to do within this time.
int wakeUps(Agent& agent, std::chrono::milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  int count = 0;
  while (std::chrono::steady_clock::now() < until) {
    pollfd waiting{agent.driver.pollFd(), POLLIN, 0};
    if (::poll(&waiting, 1, 10) == 1) count++;
    agent.driver.poll();
  }
  return count;
}

// Somebody who connects and says nothing; from 127.0.0.`last`.
Fd silent(uint16_t port, uint8_t last) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(0x7f000000u + last);
  bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  return fd;
}

std::string bytesOf(const News& news) {
  return news.secret
             ? std::string(reinterpret_cast<const char*>(news.secret->bytes), sizeof news.secret->bytes)
             : "";
}

// A port where nothing listens.
uint16_t deafPort() {
  const Fd listener = tlshub::channel::listenAt({"127.0.0.1", 0});
  return tlshub::channel::portOf(listener.get());
}

}  // namespace

TEST("driver: two agents make an epoch, over IPv4 and IPv6, and both have the same secret") {
  for (const std::string& host : {std::string("127.0.0.1"), std::string("::1")}) {
    Agent a("a"), b("b");
    const uint16_t port = b.driver.listen({host, 0});
    const uint64_t id = a.openTo(port, "b", kEpoch, host);
    run({&a, &b}, [&] { return a.open == 1 && b.open == 1; });
    const News* const mine = a.last(News::kOpen);
    const News* const theirs = b.last(News::kOpen);
    if (mine == nullptr || theirs == nullptr) return;
    EXPECT_EQ(mine->id, id);
    EXPECT(theirs->id != id);
    EXPECT(mine->side == Side::kOpener && theirs->side == Side::kListener);
    EXPECT_EQ(bytesOf(*mine).size(), 32u);
    EXPECT(bytesOf(*mine) == bytesOf(*theirs));
    for (const News* const news : {mine, theirs}) {
      EXPECT_EQ(news->epoch, kEpoch);
      EXPECT_EQ(news->opener + ">" + news->listener, "a>b");
      EXPECT(!news->cipher.empty() && !news->group.empty());
    }
    EXPECT_EQ(b.driver.stats().halfOpen, 0u);
    a.driver.numberTaken(id, 513);
    run({&a, &b}, [&] { return b.last(News::kNumberTaken) != nullptr; });
    EXPECT_EQ(b.last(News::kNumberTaken)->number, 513);
    b.driver.close(theirs->id, Close::kIdle);
    run({&a, &b}, [&] { return a.ended == 1 && b.ended == 1; });
    EXPECT(a.last(News::kClosing)->why == Close::kIdle);
    EXPECT_EQ(a.ending(), "in order: the peer closed the epoch: nobody uses it");
    EXPECT_EQ(b.ending(), "in order: this agent closed the epoch: nobody uses it");
    EXPECT_EQ(a.driver.inFlight(), 0u);
    EXPECT_EQ(b.driver.inFlight(), 1u);  // the listener
  }
}

TEST("driver: a listener at :: takes IPv4 as well, and sees who comes by IPv4 as such") {
  Agent a("a");
  HalfOpenLimits none;
  none.fromStrangers = 0;
  Agent strict("b", {}, none);
  a.openTo(strict.driver.listen({"::", 0}));
  run({&a, &strict}, [&] { return a.open == 1; });
}

TEST("driver: another node's certificate, a node that is not in the mapping") {
  Agent a("a"), b("b"), stranger("z");
  const uint16_t port = b.driver.listen({"127.0.0.1", 0});
  a.openTo(port, "node-c");
  stranger.openTo(port);
  run({&a, &b, &stranger}, [&] { return a.ended == 1 && stranger.ended == 1 && b.ended == 2; });
  EXPECT_HAS(a.ending(), "TLSHUB_PEER_CERTIFICATE: ");
  EXPECT_HAS(stranger.ending(), "TLSHUB_PEER_REFUSED_US: ");
  EXPECT_EQ(b.open, 0u);
  EXPECT_EQ(a.last(News::kEnded)->epoch, kEpoch);
}

TEST("driver: nobody listens there") {
  Agent a("a");
  const uint16_t port = deafPort();
  a.openTo(port);
  a.openTo(port, "b", 7, "nonsense");
  run({&a}, [&] { return a.ended == 2; });
  EXPECT_HAS(a.ending(), "TLSHUB_CHANNEL_UNREACHABLE: the agent of [b] at 127.0.0.1:" + std::to_string(port) +
                             " cannot be reached: Connection refused");
  EXPECT_EQ(a.heard[0].code + ": " + a.heard[0].reason,
            "TLSHUB_CHANNEL_UNREACHABLE: the agent of [b] at nonsense:" + std::to_string(port) +
                " cannot be reached: Invalid argument");
  EXPECT_EQ(a.heard[0].epoch, 7u);
  EXPECT_EQ(a.driver.inFlight(), 0u);
}

// A queue that is full lets the kernel drop SYNs, as a firewall does.
TEST("driver: where SYNs are dropped, until the deadline") {
  Fd full(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(full.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  listen(full.get(), 0);
  const uint16_t port = tlshub::channel::portOf(full.get());
  const Fd first = tlshub::channel::connectTo({"127.0.0.1", port});
  const Fd second = tlshub::channel::connectTo({"127.0.0.1", port});
  DriverTimes times;
  times.connecting = 300 * kMs;
  Agent a("a", times);
  const auto begin = std::chrono::steady_clock::now();
  a.openTo(port);
  run({&a}, [&] { return a.ended == 1; });
  EXPECT_HAS(a.ending(), "cannot be reached: no answer within 300 ms");
  EXPECT(std::chrono::steady_clock::now() - begin >= 300 * kMs);
  const uint64_t id = a.openTo(port);
  a.driver.close(id, Close::kLeaving);
  run({&a}, [&] { return a.ended == 2; });
  EXPECT_EQ(a.ending(), "in order: this agent closed the epoch: the agent is about to end");
}

TEST(
    "driver: the owner does not decide, or rejects; an opener that goes meanwhile wakes nobody again and "
    "again") {
  DriverTimes times;
  times.session.opening = 400 * kMs;
  Agent a("a"), b("b", times);
  b.decides = false;
  const uint16_t port = b.driver.listen({"127.0.0.1", 0});
  const uint64_t id = a.openTo(port);
  run({&a, &b}, [&] { return b.last(News::kProposed) != nullptr; });
  a.driver.close(id, Close::kOver);
  run({&a}, [&] { return a.ended == 1; });
  EXPECT(wakeUps(b, 200 * kMs) < 5);
  run({&a, &b}, [&] { return b.ended == 1; });
  EXPECT_EQ(b.ending(), "TLSHUB_HANDSHAKE_TIMEOUT: this agent did not decide on the epoch within 400 ms");

  b.heard.clear();
  a.openTo(port);
  run({&a, &b}, [&] { return b.last(News::kProposed) != nullptr; });
  b.driver.reject(b.last(News::kProposed)->id, Refusal::kTooMany, "4 of a");
  run({&a, &b}, [&] { return a.ended == 2 && b.ended == 2; });
  EXPECT_HAS(a.ending(), "TLSHUB_CHANNEL_REJECTED: ");
  EXPECT_HAS(a.ending(), "(\"4 of a\")");
  EXPECT_EQ(a.open + b.open, 0u);
  b.driver.accept(b.last(News::kProposed)->id);  // too late
  b.driver.numberTaken(4711, 1);
}

TEST("driver: who says nothing has a deadline and keeps no node out, whatever it comes from") {
  DriverTimes times;
  times.session.opening = 1500 * kMs;
  Agent a("a"), b("b", times);
  const uint16_t port = b.driver.listen({"127.0.0.1", 0});
  std::vector<Fd> flood;
  // One source, then so many that all places of strangers are taken.
  for (int i = 0; i < 50; i++) flood.push_back(silent(port, 2));
  runFor({&b}, 50 * kMs);
  EXPECT_EQ(b.driver.stats().halfOpen, 8u);
  EXPECT_EQ(b.driver.stats().turnedAway, 42u);
  for (int i = 0; i < 400; i++) {
    flood.push_back(silent(port, static_cast<uint8_t>(3 + i % 200)));
    b.driver.poll();
  }
  runFor({&b}, 50 * kMs);
  EXPECT_EQ(b.driver.stats().halfOpen, 128u);
  a.openTo(port);
  run({&a, &b}, [&] { return a.open == 1 && b.open == 1; });
  run({&a, &b}, [&] { return b.ended == 128; });
  EXPECT_HAS(b.ending(), "TLSHUB_HANDSHAKE_TIMEOUT: the peer sent nothing within 1500 ms");
  EXPECT_EQ(b.driver.stats().sessions, 1u);
  run({&a, &b}, [&] { return b.driver.stats().halfOpen == 0; });  // behind the penalty
}

TEST("driver: a node that is rejected again and again has no more places than a stranger") {
  Agent a("a"), b("b");
  b.decides = false;
  const uint16_t port = b.driver.listen({"127.0.0.1", 0});
  for (size_t i = 0; i < 8; i++) {
    b.heard.clear();
    a.openTo(port);
    run({&a, &b}, [&] { return b.last(News::kProposed) != nullptr; });
    b.driver.reject(b.last(News::kProposed)->id, Refusal::kTooMany, "");
    run({&a, &b}, [&] { return a.ended == i + 1 && b.ended == i + 1; });
    // A slow machine may give the first places back meanwhile.
    if (b.driver.stats().halfOpen < i + 1) return;
  }
  a.openTo(port);
  run({&a, &b}, [&] { return a.ended == 9; });
  EXPECT_EQ(b.driver.stats().turnedAway, 1u);
}

TEST("driver: without descriptors the listener rests, and goes on when there are some") {
  DriverTimes times;
  times.rest = 300 * kMs;
  Agent a("a"), b("b", times);
  const uint16_t port = b.driver.listen({"127.0.0.1", 0});
  a.openTo(port);  // has its descriptor
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const Fd highest(dup(0));
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(highest.get());
  setrlimit(RLIMIT_NOFILE, &none);
  const int woken = wakeUps(b, 500 * kMs);
  EXPECT(woken < 10);
  EXPECT(b.driver.stats().rests >= 1 && b.driver.stats().rests <= 3);
  EXPECT_EQ(b.driver.stats().connections, 0u);
  a.openTo(port);
  setrlimit(RLIMIT_NOFILE, &before);
  run({&a, &b}, [&] { return a.open == 1 && b.open == 1; });
  EXPECT_HAS(a.ending(), "Too many open files");
}

TEST("driver: a listener that is closed, one that is taken over with what waits there, one in use") {
  Agent a("a"), b("b"), next("b");
  const uint16_t port = b.driver.listen({"127.0.0.1", 0});
  a.openTo(port);
  runFor({&a}, 20 * kMs);  // connected by the kernel; nobody has accepted it
  EXPECT_EQ(next.driver.takeListener(b.driver), port);
  EXPECT_EQ(next.driver.takeListener(b.driver), 0);
  run({&a, &b, &next}, [&] { return a.open == 1 && next.open == 1; });
  EXPECT_EQ(b.open, 0u);
  try {
    b.driver.listen({"127.0.0.1", port});
    EXPECT(!"a second listener at one port");
  } catch (const tlshub::SysError& error) {
    EXPECT_EQ(error.err(), EADDRINUSE);
    EXPECT_EQ(error.syscall(), "bind");
    EXPECT_HAS(error.what(), "127.0.0.1:" + std::to_string(port));
  }
  next.driver.stopListening();
  a.openTo(port);
  run({&a, &next}, [&] { return a.ended == 1; });
  EXPECT_HAS(a.ending(), "Connection refused");
  EXPECT_EQ(next.driver.stats().sessions, 1u);
  // At once, though connections of the earlier one are not forgotten by the kernel.
  EXPECT_EQ(b.driver.listen({"127.0.0.1", port}), port);
}

TEST("driver: many epochs at once, and the end of all of them is told to all peers") {
  constexpr size_t kMany = 200;
  HalfOpenLimits limits;
  limits.perSource = kMany;
  DriverTimes times;  // with sanitizers all of it takes longer
  times.session.opening = times.connecting = 60000 * kMs;
  Agent a("a", times), b("b", times, limits);
  const uint16_t port = b.driver.listen({"127.0.0.1", 0});
  for (uint32_t i = 1; i <= kMany; i++) a.openTo(port, "b", i);
  run({&a, &b}, [&] { return a.open == kMany && b.open == kMany; });
  std::map<uint32_t, std::string> secrets;
  for (const News& news : a.heard) {
    if (news.what == News::kOpen) secrets[news.epoch] = bytesOf(news);
  }
  EXPECT_EQ(secrets.size(), kMany);
  for (const News& news : b.heard) {
    if (news.what == News::kOpen) EXPECT(secrets[news.epoch] == bytesOf(news));
  }
  EXPECT(wakeUps(a, 100 * kMs) + wakeUps(b, 100 * kMs) < 10);
  b.driver.closeAll(Close::kCredentials);
  run({&a, &b}, [&] { return a.ended == kMany && b.ended == kMany; });
  size_t told = 0;
  for (const News& news : a.heard) told += news.what == News::kClosing && news.why == Close::kCredentials;
  EXPECT_EQ(told, kMany);
  EXPECT_EQ(b.driver.inFlight(), 0u);
}

TEST("driver: shut in the middle of all, from inside a callback too, and nothing is heard any more") {
  Agent a("a"), b("b");
  const uint16_t port = b.driver.listen({"127.0.0.1", 0});
  size_t heard = 0;
  ChannelDriver* itself = nullptr;
  ContextPtr context = channelContext("a");
  const std::weak_ptr<const tlshub::handshake::Context> credentials = context;
  ChannelDriver driver(std::exchange(context, nullptr), "a", [&](News&&) {
    heard++;
    itself->close();
  });
  itself = &driver;
  for (uint32_t i = 1; i <= 5; i++) driver.open({{"127.0.0.1", port}, "b", i});
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (heard == 0 && std::chrono::steady_clock::now() < until) {
    driver.poll();
    runFor({&b}, kMs);
  }
  driver.poll();
  EXPECT_EQ(heard, 1u);
  EXPECT_EQ(driver.inFlight(), 0u);
  EXPECT_EQ(driver.pollFd(), -1);
  EXPECT(credentials.expired());
  driver.closeAll(Close::kOver);
  driver.open({{"127.0.0.1", port}, "b", 9});
  run({&a, &b}, [&] { return b.ended >= 1; });
  b.driver.close();
  EXPECT_EQ(b.driver.inFlight(), 0u);
}

TEST("driver: whatever strangers send and owners do, all comes to an end, and no secret stays") {
  std::mt19937 random(7);
  DriverTimes times;
  times.session.opening = 300 * kMs;
  times.session.closing = 100 * kMs;
  HalfOpenLimits limits;
  limits.perSource = 20;
  limits.penalty = 10 * kMs;
  {
    Agent a("a", times), b("b", times, limits);
    a.decides = b.decides = false;
    const uint16_t port = b.driver.listen({"127.0.0.1", 0});
    std::vector<Fd> strangers;
    size_t seen = 0;
    const auto anyOf = [&](Agent& agent) {
      return agent.heard.empty() ? random() % 50 : agent.heard[random() % agent.heard.size()].id;
    };
    for (uint32_t round = 1; round <= 1500; round++) {
      Agent& agent = random() % 2 == 0 ? a : b;
      switch (random() % 9) {
        case 0:
        case 1:
          a.openTo(port, random() % 8 == 0 ? "node-c" : "b", random() % 4 == 0 ? 0 : round);
          break;
        case 2: {
          strangers.push_back(silent(port, 1));
          std::string bytes(random() % 600, '\0');
          for (char& byte : bytes) byte = static_cast<char>(random());
          if (random() % 2 == 0) bytes = "\x16\x03\x01" + bytes;
          send(strangers.back().get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
          break;
        }
        case 3:
          if (strangers.empty()) break;
          if (random() % 2 == 0) tlshub::channel::dropConnection(std::move(strangers.back()));
          strangers.pop_back();
          break;
        case 4:
          agent.driver.numberTaken(anyOf(agent), static_cast<uint16_t>(random()));
          break;
        case 5:
          agent.driver.close(anyOf(agent), static_cast<Close>(1 + random() % 5));
          break;
        case 6:
          agent.driver.reject(anyOf(agent), Refusal::kEpoch, std::string(random() % 300, 'x'));
          break;
        default:
          agent.driver.accept(anyOf(agent));
      }
      for (; seen < b.heard.size(); seen++) {
        if (b.heard[seen].what == News::kProposed && random() % 3 != 0) b.driver.accept(b.heard[seen].id);
      }
      a.driver.poll();
      b.driver.poll();
    }
    EXPECT(a.open > 10 && b.open > 10);
    a.driver.closeAll(Close::kLeaving);
    b.driver.closeAll(Close::kLeaving);
    run({&a, &b}, [&] { return a.driver.inFlight() + b.driver.inFlight() == 0; });
    // Each was told of its end once, and of nothing behind it.
    for (Agent* const agent : {&a, &b}) {
      std::map<uint64_t, bool> over;
      for (const News& news : agent->heard) {
        EXPECT(!over[news.id]);
        over[news.id] = news.what == News::kEnded;
      }
      for (const auto& [id, is] : over) EXPECT(is);
    }
  }
  tlshub::SecretMemoryState state;
  tlshub_secret_state(&state);
  EXPECT_EQ(state.pieces, 0u);
}

TEST("driver: a peer that is gone, and one that stands still") {
  DriverTimes times;
  times.session.ping = 100 * kMs;
  times.session.silence = 400 * kMs;
  Agent a("a", times), b("b");
  const uint16_t port = b.driver.listen({"127.0.0.1", 0});
  a.openTo(port);
  run({&a, &b}, [&] { return a.open == 1; });
  runFor({&a, &b}, 600 * kMs);  // answered
  EXPECT_EQ(a.ended, 0u);
  run({&a}, [&] { return a.ended == 1; });
  EXPECT_EQ(a.ending(), "TLSHUB_CHANNEL_LOST: the peer has not been heard of for 400 ms");
  a.openTo(port);
  run({&a, &b}, [&] { return a.open == 2; });
  b.driver.close();
  run({&a}, [&] { return a.ended == 2; });
  EXPECT_HAS(a.ending(), "TLSHUB_CHANNEL_LOST: ");
}
