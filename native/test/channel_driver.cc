// SPDX-License-Identifier: Apache-2.0
// Drivers over loopback: connections and their ends.
#include "channel_driver_kit.h"

using namespace kit;

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
