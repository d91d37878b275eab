// SPDX-License-Identifier: Apache-2.0
// Callbacks, cancelling and closing.
#include <dirent.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "handshake_kit.h"

using namespace kit;

namespace {

int openDescriptors() {
  int count = 0;
  DIR* dir = opendir("/proc/self/fd");
  while (readdir(dir) != nullptr) count++;
  closedir(dir);
  return count;
}

}  // namespace

TEST("done is never called from within start, even if all is lost at once") {
  Driver driver;
  Slot slot;
  begin(driver, contextOf("a"), request(-1, Role::kActive, "b"), &slot);
  EXPECT(!slot.has_value());
  EXPECT_EQ(driver.inFlight(), 1u);
  drive(driver, [&] { return slot.has_value(); });
  EXPECT_HAS(describe(*slot), "TLSHUB_HANDSHAKE_FAILED: ");
  EXPECT_EQ(driver.inFlight(), 0u);
}

TEST("cancel: the socket is let go of at once, done follows once") {
  Tcp tcp;
  Driver driver;
  Slot slot, again;
  const uint64_t id = begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &slot);
  EXPECT(driver.cancel(id));
  EXPECT(!driver.cancel(id));
  EXPECT(!driver.cancel(12345));
  EXPECT(!slot.has_value());
  // Registered anew: so the first registration is gone.
  begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a", 50), &again);
  drive(driver, [&] { return slot && again; });
  EXPECT_EQ(codeOf(*slot), "TLSHUB_HANDSHAKE_CANCELLED");
  EXPECT_EQ(codeOf(*again), "TLSHUB_HANDSHAKE_TIMEOUT");
}

TEST("cancel: what the peer said before the connection ended is heard") {
  Tcp tcp;
  Driver driver;
  Slot slot;
  const uint64_t id = begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &slot);
  tcp.active->sendAll(std::string("\x15\x03\x03\x00\x02\x02\x30", 7));  // fatal alert unknown_ca
  tcp.active->reset();
  EXPECT(driver.cancel(id));
  drive(driver, [&] { return slot.has_value(); });
  EXPECT_EQ(codeOf(*slot), "TLSHUB_PEER_REFUSED_US");
  EXPECT_HAS(describe(*slot), "unknown_ca");
}

// A client that has said all it has to say, with a server that has not.
struct AlmostThere {
  Tcp tcp;
  Driver client, server;
  Slot a, b;
  uint64_t id;

  AlmostThere() {
    id = begin(client, contextOf("a"), request(tcp.active->fd(), Role::kActive, "b"), &a);
    begin(server, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &b);
    drive(server, [&] { return queued(*tcp.active) > 0; });
    drive(client, [&] { return queued(*tcp.passive) > 0; });
  }

  static int queued(const Socket& socket) {
    int bytes = 0;
    ioctl(socket.fd(), FIONREAD, &bytes);
    return bytes;
  }
};

TEST("cancel: a client that has said all waits for its server's last record, which may be on its way") {
  AlmostThere pair;
  EXPECT(pair.client.cancel(pair.id));
  pair.client.poll();
  EXPECT(!pair.a);
  drive(pair.server, [&] { return pair.b.has_value(); });
  drive(pair.client, [&] { return pair.a.has_value(); });
  EXPECT_EQ(describe(*pair.a), "ok: ");
  EXPECT_EQ(describe(*pair.b), "ok: ");
}

TEST("cancel: and does not wait for it longer than a moment") {
  AlmostThere pair;
  EXPECT(pair.client.cancel(pair.id));
  drive(pair.client, [&] { return pair.a.has_value(); });
  EXPECT_EQ(describe(*pair.a), "TLSHUB_HANDSHAKE_CANCELLED: the handshake was cancelled");
  EXPECT(!pair.a->handshakeOnly);
  EXPECT(pair.a->duration < std::chrono::seconds(3));
  EXPECT(pair.server.inFlight() == 1);
  pair.server.close();
  EXPECT(pair.b && pair.b->handshakeOnly);
}

TEST("two handshakes on one socket: the second fails, the first goes on") {
  Tcp tcp;
  Driver driver;
  Slot first, second, peer;
  begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &first);
  begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &second);
  drive(driver, [&] { return second.has_value(); });
  EXPECT_HAS(describe(*second), "another handshake is under way");
  begin(driver, contextOf("a"), request(tcp.active->fd(), Role::kActive, "b"), &peer);
  drive(driver, [&] { return first && peer; });
  EXPECT_EQ(describe(*first), "ok: ");
}

TEST("a callback may start, cancel and close") {
  Tcp one, two;
  Driver driver;
  Slot cancelled, started;
  const uint64_t waiting =
      begin(driver, contextOf("b"), request(one.passive->fd(), Role::kPassive, "a"), &cancelled);
  int calls = 0;
  driver.start(contextOf("b"), request(two.passive->fd(), Role::kPassive, "a", 20), [&](Outcome&&) {
    calls++;
    driver.cancel(waiting);
    begin(driver, contextOf("a"), request(one.active->fd(), Role::kActive, "b"), &started);
    driver.close();
  });
  drive(driver, [&] { return calls > 0; });
  EXPECT_EQ(calls, 1);
  EXPECT(cancelled && cancelled->failure == Failure::kCancelled);
  EXPECT(started && started->failure == Failure::kCancelled);
  EXPECT_EQ(driver.inFlight(), 0u);
  EXPECT_EQ(driver.pollFd(), -1);
}

TEST("close calls every done; abandon calls none; neither leaves a descriptor or touches the sockets") {
  contextOf("a");
  contextOf("b");
  const int before = openDescriptors();
  {
    Tcp tcp;
    Slot closed;
    Driver driver;
    begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &closed);
    driver.close();
    EXPECT(closed && closed->failure == Failure::kCancelled);
    Slot abandoned;
    {
      Driver other;
      begin(other, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &abandoned);
    }
    EXPECT(!abandoned.has_value());
    tcp.active->sendAll("x");
    EXPECT_EQ(tcp.passive->receiveQueued(), "x");
    EXPECT_EQ(tcp.active->receiveQueued(), "");
  }
  EXPECT_EQ(openDescriptors(), before);
}

TEST("a descriptor closed under a handshake costs its deadline and nothing else") {
  Driver driver;
  Slot slot;
  Tcp tcp;
  const int copy = dup(tcp.passive->fd());
  begin(driver, contextOf("b"), request(copy, Role::kPassive, "a", 100), &slot);
  close(copy);
  tcp.active->sendAll("GET / HTTP/1.1\r\n\r\n");  // the stale registration reports it
  int polls = 0;
  drive(driver, [&] {
    polls++;
    return slot.has_value();
  });
  EXPECT(polls < 20);
  EXPECT(!slot->ok);
}
