// SPDX-License-Identifier: Apache-2.0
// Peers that are no agents, or worse.
#include <openssl/rand.h>
#include <sys/socket.h>

#include "handshake_kit.h"

using namespace kit;

namespace {

// What the side under test says when the peer sends `bytes`, then nothing or (`close`) an end of stream.
Outcome meets(Role role, const std::string& bytes, bool close = false, int timeoutMs = 300) {
  Tcp tcp;
  Driver driver;
  Slot slot;
  begin(driver, contextOf("b"), request(tcp.passive->fd(), role, "a", timeoutMs), &slot);
  tcp.active->sendAll(bytes);
  if (close) shutdown(tcp.active->fd(), SHUT_WR);
  drive(driver, [&] { return slot.has_value(); });
  return slot ? std::move(*slot) : Outcome();
}

std::string clientHello() {
  RawTls peer(false, identityOf("a"), {});
  peer.step();
  return peer.take();
}

// A raw TLS server meets a client under test; `misbehave` is called when the server is done and may write more.
Outcome clientMeets(RawTls& server, const std::function<void(RawTls&)>& misbehave, int timeoutMs = 300) {
  Tcp tcp;
  Driver driver;
  Slot slot;
  bool done = false;
  begin(driver, contextOf("b"), request(tcp.active->fd(), Role::kActive, "a", timeoutMs), &slot);
  drive(
      driver, [&] { return slot.has_value(); },
      [&] {
        server.feed(tcp.passive->receiveQueued());
        if (!done && server.step()) {
          done = true;
          misbehave(server);
        }
        tcp.passive->sendAll(server.take());
      });
  return slot ? std::move(*slot) : Outcome();
}

}  // namespace

TEST("plain HTTP, to a server and from one") {
  const Outcome server = meets(Role::kPassive, "GET / HTTP/1.1\r\nHost: b\r\n\r\n");
  EXPECT_EQ(describe(server),
            "TLSHUB_PEER_PROTOCOL: the peer does not speak TLS, its first bytes are \"GET /\": is there an "
            "agent at its end?");
  EXPECT_EQ(server.bytesReceived, 5u);
  const Outcome client = meets(Role::kActive, "HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_EQ(codeOf(client), "TLSHUB_PEER_PROTOCOL");
  EXPECT_HAS(client.reason, "\"HTTP/\"");
}

TEST("random bytes: always an outcome, never a success, and the first record is not overrun") {
  for (int i = 0; i < 200; i++) {
    std::string bytes(1 + i * 7, '\0');
    RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    if (i % 2 == 0 && bytes.size() > 5) {  // half of them behind a credible header
      bytes[0] = 22;
      bytes[1] = 3;
      bytes[2] = 1;
      bytes[3] = 0;
    }
    const Outcome outcome = meets(i % 4 < 2 ? Role::kPassive : Role::kActive, bytes, true);
    EXPECT(!outcome.ok);
    EXPECT(outcome.failure == Failure::kPeerProtocol || outcome.failure == Failure::kPeerClosed ||
           outcome.failure == Failure::kPeerRefusedUs);
  }
}

TEST("an SSL 2 hello") {
  const Outcome outcome =
      meets(Role::kPassive, std::string("\x80\x2e\x01\x03\x01", 5) + std::string(43, 'x'));
  EXPECT_EQ(codeOf(outcome), "TLSHUB_PEER_PROTOCOL");
}

TEST("TLS 1.2, as a client and as a server") {
  RawTls::Options options;
  options.maxVersion = TLS1_2_VERSION;
  RawTls client(false, identityOf("a"), options);
  client.step();
  EXPECT_EQ(describe(meets(Role::kPassive, client.take())),
            "TLSHUB_PEER_PROTOCOL: the peer speaks TLS, but not TLS 1.3");
  RawTls server(true, identityOf("a"), options);
  EXPECT_EQ(codeOf(clientMeets(server, [](RawTls&) {})), "TLSHUB_PEER_PROTOCOL");
}

TEST("a client that offers TLS 1.2 only is told so by an alert") {
  Tcp tcp;
  Driver driver;
  Slot slot;
  RawTls::Options options;
  options.maxVersion = TLS1_2_VERSION;
  RawTls client(false, identityOf("a"), options);
  client.step();
  begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &slot);
  tcp.active->sendAll(client.take());
  drive(driver, [&] { return slot.has_value(); });
  const std::string answer = tcp.active->receiveQueued();
  EXPECT_EQ(answer.size(), 7u);
  EXPECT_EQ(answer.substr(0, 1) + answer.substr(5),
            std::string("\x15\x02\x46", 3));  // fatal protocol_version
}

TEST("a peer that is silent, one that stops, and the deadline of each") {
  const Outcome silent = meets(Role::kPassive, "");
  EXPECT_EQ(describe(silent), "TLSHUB_HANDSHAKE_TIMEOUT: the peer sent nothing within 300 ms");
  EXPECT_EQ(silent.bytesReceived, 0u);
  const std::string hello = clientHello();
  const Outcome stopped = meets(Role::kPassive, hello.substr(0, 100));
  EXPECT_EQ(describe(stopped),
            "TLSHUB_HANDSHAKE_TIMEOUT: the peer stopped after 100 bytes: handshake not done within 300 ms");
  EXPECT(stopped.duration >= std::chrono::milliseconds(300) && stopped.duration < std::chrono::seconds(3));
}

TEST("end of stream: before the first byte, within the header, within a record, between records") {
  const std::string hello = clientHello();
  EXPECT_EQ(describe(meets(Role::kPassive, "", true)),
            "TLSHUB_PEER_CLOSED: the peer closed the connection without sending a byte");
  EXPECT_EQ(describe(meets(Role::kPassive, hello, true)),
            "TLSHUB_PEER_CLOSED: the peer closed the connection in the middle of its handshake, after " +
                std::to_string(hello.size()) + " bytes");
  for (const size_t cut : {size_t{3}, size_t{5}, hello.size() - 1}) {
    const Outcome outcome = meets(Role::kPassive, hello.substr(0, cut), true);
    EXPECT_EQ(describe(outcome),
              "TLSHUB_PEER_PROTOCOL: the peer closed the connection in the middle of a record, after " +
                  std::to_string(cut) + " bytes");
  }
}

TEST("a reset") {
  for (const bool spoke : {false, true}) {
    Tcp tcp;
    Driver driver;
    Slot slot;
    begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &slot);
    if (spoke) tcp.active->sendAll(clientHello().substr(0, 50));
    driver.poll();
    tcp.active->reset();
    drive(driver, [&] { return slot.has_value(); });
    EXPECT_EQ(codeOf(*slot), "TLSHUB_PEER_RESET");
    EXPECT_HAS(slot->reason, spoke ? "after 50 bytes" : "after 0 bytes");
  }
}

TEST("an alert that was sent before a reset is what counts") {
  Tcp tcp;
  Driver driver;
  Slot slot;
  begin(driver, contextOf("b"), request(tcp.active->fd(), Role::kActive, "a"), &slot);
  tcp.passive->sendAll(std::string("\x15\x03\x03\x00\x02\x02\x30", 7));  // fatal unknown_ca
  tcp.passive->reset();
  drive(driver, [&] { return slot.has_value(); });
  EXPECT_HAS(describe(*slot), "TLSHUB_PEER_REFUSED_US: the peer refused our certificate: alert unknown_ca");
}

TEST("a record longer than TLS has") {
  const Outcome outcome =
      meets(Role::kPassive, std::string("\x16\x03\x01\xff\xff", 5) + std::string(70000, 'x'));
  EXPECT_EQ(codeOf(outcome), "TLSHUB_PEER_PROTOCOL");
  EXPECT_EQ(outcome.bytesReceived, 5u);
}

TEST("endless records are cut off") {
  // A dummy change_cipher_spec is ignored in TLS 1.3 (RFC 8446 section 5), so a peer could send them for ever.
  std::string flood = clientHello();
  for (int i = 0; i < 40000; i++) flood += std::string("\x14\x03\x03\x00\x01\x01", 6);
  const Outcome outcome = meets(Role::kPassive, flood, false, 3000);
  EXPECT_EQ(codeOf(outcome), "TLSHUB_PEER_PROTOCOL");
  EXPECT(outcome.bytesReceived <= 128 * 1024 + 16);
}

TEST("a huge certificate, and a huge chain") {
  CertificateSpec spec;
  spec.names = {"a"};
  spec.padding = 90000;
  Identity huge = labCa().issue(spec);
  Identity chain = identityOf("a");
  for (int i = 0; i < 300; i++) chain.certPem += identityOf("b").certPem;
  for (const Identity& identity : {huge, chain}) {
    RawTls server(true, identity, {});
    const Outcome outcome = clientMeets(server, [](RawTls&) {});
    EXPECT_EQ(codeOf(outcome), "TLSHUB_PEER_PROTOCOL");
    EXPECT(outcome.bytesReceived <= 128 * 1024 + 16);
  }
}

TEST("a server that sends no ticket: the client waits for it, then gives up") {
  RawTls::Options options;
  options.tickets = 0;
  RawTls server(true, identityOf("a"), options);
  const Outcome outcome = clientMeets(server, [](RawTls&) {});
  EXPECT_EQ(codeOf(outcome), "TLSHUB_HANDSHAKE_TIMEOUT");
}

TEST("a server that sends application data, KeyUpdate or an end of stream in the ticket's place") {
  RawTls::Options options;
  options.tickets = 0;
  RawTls speaks(true, identityOf("a"), options);
  EXPECT_HAS(describe(clientMeets(speaks, [](RawTls& peer) { peer.write("220 hello\r\n"); })),
             "TLSHUB_PEER_PROTOCOL: the peer sent application data instead of the ticket");
  RawTls rekeys(true, identityOf("a"), options);
  EXPECT_HAS(describe(clientMeets(rekeys,
                                  [](RawTls& peer) {
                                    SSL_key_update(peer.ssl(), SSL_KEY_UPDATE_REQUESTED);
                                    peer.step();
                                  })),
             "TLSHUB_PEER_PROTOCOL: the peer sent handshake message 24 instead of the ticket");
  RawTls leaves(true, identityOf("a"), options);
  EXPECT_EQ(describe(clientMeets(leaves, [](RawTls& peer) { SSL_shutdown(peer.ssl()); })),
            "TLSHUB_PEER_CLOSED: the peer ended the handshake: alert close_notify");
}
