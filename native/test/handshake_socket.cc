// SPDX-License-Identifier: Apache-2.0
// What a handshake leaves of the application's socket: every byte behind it, and every option as it was.
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "handshake_kit.h"

using namespace kit;

namespace {

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  getsockopt(fd, level, name, &value, &size);
  return value;
}

void setOption(int fd, int level, int name, int value) {
  setsockopt(fd, level, name, &value, sizeof value);
}

// What TCP keeps back of what was written.
int unsent(int fd) {
  int bytes = -1;
  ioctl(fd, SIOCOUTQNSD, &bytes);
  return bytes;
}

}  // namespace

TEST("data right behind the server's ticket stays in the queue, byte for byte") {
  Tcp tcp;
  Driver driver;
  Slot slot;
  RawTls server(true, identityOf("a"), {});
  std::string behind;
  begin(driver, contextOf("b"), request(tcp.active->fd(), Role::kActive, "a"), &slot);
  drive(
      driver, [&] { return slot.has_value(); },
      [&] {
        server.feed(tcp.passive->receiveQueued());
        const bool finished = behind.empty() && server.step();
        std::string flight = server.take();
        if (finished) {
          server.write("220 welcome\r\n");
          server.write(std::string(20000, 'd'));
          behind = server.take();
        }
        tcp.passive->sendAll(flight + (finished ? behind : ""));
      });
  EXPECT_EQ(describe(*slot), "ok: ");
  EXPECT_EQ(slot->rxSequence, 1u);
  EXPECT(behind.size() > 20000);
  EXPECT(tcp.active->receiveQueued() == behind);
}

TEST("data right behind the client's Finished stays in the queue, byte for byte") {
  Tcp tcp;
  Driver driver;
  Slot slot;
  RawTls client(false, identityOf("a"), {});
  std::string behind;
  begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &slot);
  drive(
      driver, [&] { return slot.has_value(); },
      [&] {
        if (!behind.empty()) return;
        client.feed(tcp.active->receiveQueued());
        const bool finished = client.step();
        std::string flight = client.take();
        if (finished) {
          client.write("GET / HTTP/1.1\r\n\r\n");
          behind = client.take();
        }
        tcp.active->sendAll(flight + behind);
      });
  EXPECT_EQ(describe(*slot), "ok: ");
  EXPECT_EQ(slot->rxSequence, 0u);
  EXPECT(!behind.empty());
  EXPECT(tcp.passive->receiveQueued() == behind);
}

TEST("a second ticket is not read") {
  Tcp tcp;
  Driver driver;
  Slot slot;
  RawTls::Options options;
  options.tickets = 2;
  RawTls server(true, identityOf("a"), options);
  begin(driver, contextOf("b"), request(tcp.active->fd(), Role::kActive, "a"), &slot);
  drive(
      driver, [&] { return slot.has_value(); }, [&] { exchange(server, *tcp.passive); });
  if (kBoringSsl) {  // as a server it puts both into one record
    EXPECT_HAS(describe(*slot), "TLSHUB_PEER_PROTOCOL: the peer's last record holds 2 session tickets");
    return;
  }
  EXPECT_EQ(describe(*slot), "ok: ");
  EXPECT_EQ(slot->rxSequence, 1u);
  EXPECT_EQ(tcp.active->receiveQueued().substr(0, 3), "\x17\x03\x03");
}

TEST("bytes that come one at a time") {
  Tcp tcp;
  Driver driver;
  Slot slot;
  RawTls client(false, identityOf("a"), {});
  std::string queue;
  begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &slot);
  const auto meanwhile = [&] {
    client.feed(tcp.active->receiveQueued());
    client.step();
    queue += client.take();
    if (queue.empty()) return;
    tcp.active->sendAll(queue.substr(0, 1));
    queue.erase(0, 1);
  };
  drive(
      driver, [&] { return slot.has_value(); }, meanwhile);
  EXPECT_EQ(describe(*slot), "ok: ");
}

TEST("a high SO_RCVLOWAT does not hide the peer's flight, and is put back") {
  Tcp tcp;
  setOption(tcp.active->fd(), SOL_SOCKET, SO_RCVLOWAT, 100000);
  setOption(tcp.passive->fd(), SOL_SOCKET, SO_RCVLOWAT, 50000);
  Driver driver;
  Slot a, b;
  begin(driver, contextOf("a"), request(tcp.active->fd(), Role::kActive, "b"), &a);
  begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &b);
  EXPECT_EQ(option(tcp.active->fd(), SOL_SOCKET, SO_RCVLOWAT), 1);
  drive(driver, [&] { return a && b; });
  EXPECT_EQ(describe(*a), "ok: ");
  EXPECT_EQ(option(tcp.active->fd(), SOL_SOCKET, SO_RCVLOWAT), 100000);
  EXPECT_EQ(option(tcp.passive->fd(), SOL_SOCKET, SO_RCVLOWAT), 50000);
}

TEST("SO_PEEK_OFF does not hide the beginning of a flight that comes in pieces, and is put back") {
  Tcp tcp;
  const int zero = 0;
  // Before Linux 6.9 TCP has no such thing.
  if (setsockopt(tcp.active->fd(), SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof zero)) return;
  Driver driver;
  Slot slot;
  begin(driver, contextOf("a"), request(tcp.active->fd(), Role::kActive, "b"), &slot);
  speakInPieces(driver, tcp, slot);
  if (slot) EXPECT_EQ(describe(*slot), "ok: ");
  EXPECT_EQ(option(tcp.active->fd(), SOL_SOCKET, SO_PEEK_OFF), 0);
}

TEST("a corked socket: flights leave at once, and it is corked afterwards") {
  Tcp tcp;
  setOption(tcp.active->fd(), IPPROTO_TCP, TCP_CORK, 1);
  setOption(tcp.passive->fd(), IPPROTO_TCP, TCP_CORK, 1);
  Driver driver;
  Slot a, b;
  begin(driver, contextOf("a"), request(tcp.active->fd(), Role::kActive, "b"), &a);
  begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &b);
  // The kernel itself lets go of a cork after 200 ms, so it is asked in between.
  drive(
      driver, [&] { return a && b; },
      [&] {
        EXPECT_EQ(unsent(tcp.active->fd()), 0);
        EXPECT_EQ(unsent(tcp.passive->fd()), 0);
      });
  EXPECT_EQ(describe(*a), "ok: ");
  EXPECT_EQ(describe(*b), "ok: ");
  EXPECT_EQ(option(tcp.active->fd(), IPPROTO_TCP, TCP_CORK), 1);
  EXPECT_EQ(option(tcp.passive->fd(), IPPROTO_TCP, TCP_CORK), 1);
}

TEST("file flags stay as they are: a blocking socket is blocking") {
  Tcp tcp;
  const int before = fcntl(tcp.active->fd(), F_GETFL);
  Driver driver;
  Slot a, b;
  begin(driver, contextOf("a"), request(tcp.active->fd(), Role::kActive, "b"), &a);
  begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &b);
  EXPECT_EQ(fcntl(tcp.active->fd(), F_GETFL), before);
  drive(driver, [&] { return a && b; });
  EXPECT_EQ(fcntl(tcp.active->fd(), F_GETFL), before);
  EXPECT_EQ(before & O_NONBLOCK, 0);
}

TEST("a flight larger than the send buffer goes out in parts") {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  Socket ours(ends[0]);
  Socket theirs(ends[1]);
  setOption(ours.fd(), SOL_SOCKET, SO_SNDBUF, 4608);
  CertificateSpec spec;
  spec.names = {"b"};
  spec.padding = 30000;
  const Identity large = labCa().issue(spec);
  Driver driver;
  Slot slot;
  RawTls client(false, identityOf("a"), {});
  begin(driver, contextOf(large), request(ours.fd(), Role::kPassive, "a"), &slot);
  client.step();
  theirs.sendAll(client.take());
  for (int i = 0; i < 20; i++) driver.poll();  // fills the buffer; nobody reads
  EXPECT(!slot.has_value());
  drive(
      driver, [&] { return slot.has_value(); }, [&] { exchange(client, theirs); });
  EXPECT_EQ(describe(*slot), "ok: ");
  EXPECT(slot->bytesSent > 30000);
}

TEST("a peer that does not read is told apart from a silent one") {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  Socket ours(ends[0]);
  Socket theirs(ends[1]);
  setOption(ours.fd(), SOL_SOCKET, SO_SNDBUF, 4608);
  CertificateSpec spec;
  spec.names = {"b"};
  spec.padding = 30000;
  const Identity large = labCa().issue(spec);
  Driver driver;
  Slot slot;
  RawTls client(false, identityOf("a"), {});
  begin(driver, contextOf(large), request(ours.fd(), Role::kPassive, "a", 200), &slot);
  client.step();
  theirs.sendAll(client.take());
  drive(driver, [&] { return slot.has_value(); });
  EXPECT_HAS(describe(*slot), "TLSHUB_HANDSHAKE_TIMEOUT: the peer takes no more of our bytes");
}
