// SPDX-License-Identifier: Apache-2.0
// Drivers over loopback: their listeners, and what anybody on the network can do to them.
#include "channel_driver_kit.h"

using namespace kit;

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
