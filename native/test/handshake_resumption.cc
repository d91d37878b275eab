// SPDX-License-Identifier: Apache-2.0
// Resumed sessions: what they save, and all that must keep them from standing in for a handshake that would fail today.
#include <openssl/rand.h>
#include <sys/socket.h>
#include <time.h>

#include "handshake_kit.h"
#include "resumption.h"

using namespace kit;
using tlshub::handshake::kLongestTrust;
using tlshub::handshake::SessionStore;
using tlshub::handshake::TicketKey;

namespace {

long clockOffset = 0;  // seconds by which time() is ahead

// Sets the clock for one test.
struct Later {
  ~Later() { clockOffset = 0; }
  void by(long seconds) { clockOffset += seconds; }
};

TicketKey freshKey() {
  TicketKey key;
  RAND_bytes(key.data(), key.size());
  return key;
}

Identity identity(const std::string& name, long validFor = 3 * 86400) {
  CertificateSpec spec;
  spec.names = {name};
  spec.notAfter = validFor;
  return labCa().issue(spec);
}

ContextPtr resuming(const Identity& who, const TicketKey& key = freshKey()) {
  return contextOf(who, labCa().pem(), kAllCiphers, key);
}

struct Nodes {
  Identity a = identity("a");
  Identity b = identity("b");
  ContextPtr active = resuming(a);
  ContextPtr passive = resuming(b);
};

// Expects both ends to have done it, by the way that is asked for.
std::pair<Outcome, Outcome> expectOk(std::pair<Outcome, Outcome> outcomes, bool resumed) {
  EXPECT_EQ(describe(outcomes.first), "ok: ");
  EXPECT_EQ(describe(outcomes.second), "ok: ");
  EXPECT_EQ(outcomes.first.resumed, resumed);
  EXPECT_EQ(outcomes.second.resumed, resumed);
  return outcomes;
}

// The first flight of a client, as it is on the wire, and the client itself is given up.
std::string firstFlight(const ContextPtr& context, const std::string& peer) {
  Tcp tcp;
  Driver driver;
  Slot slot;
  const uint64_t id = begin(driver, context, request(tcp.active->fd(), Role::kActive, peer), &slot);
  std::string flight;
  drive(driver, [&] { return !(flight += tcp.passive->receiveQueued()).empty(); });
  driver.cancel(id);
  drive(driver, [&] { return slot.has_value(); });
  return flight;
}

// What a server makes of a first flight behind which nobody is.
Outcome meets(const ContextPtr& context, const std::string& flight, const std::string& expected = "a") {
  Tcp tcp;
  Driver driver;
  Slot slot;
  begin(driver, context, request(tcp.passive->fd(), Role::kPassive, expected, 200), &slot);
  tcp.active->sendAll(flight);
  shutdown(tcp.active->fd(), SHUT_WR);
  drive(driver, [&] { return slot.has_value(); });
  return slot ? std::move(*slot) : Outcome();
}

}  // namespace

// In the place of libc's, for the libraries too: so it must be visible to them.
extern "C" __attribute__((visibility("default"))) time_t time(time_t* out) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const time_t at = now.tv_sec + clockOffset;
  if (out != nullptr) *out = at;
  return at;
}

TEST(
    "a second handshake with the same node is resumed, with other keys, fewer bytes and the same sequence "
    "numbers") {
  Nodes nodes;
  const auto [a1, b1] = expectOk(handshake(nodes.active, "b", nodes.passive, "a"), false);
  const auto [a2, b2] = expectOk(handshake(nodes.active, "b", nodes.passive, "a"), true);
  const auto [a3, b3] = expectOk(handshake(nodes.active, "b", nodes.passive, "a"), true);
  EXPECT(clientSecret(a2) == clientSecret(b2));
  EXPECT(serverSecret(a2) == serverSecret(b2));
  EXPECT(clientSecret(a1) != clientSecret(a2) && clientSecret(a2) != clientSecret(a3));
  EXPECT(serverSecret(a1) != serverSecret(a2) && serverSecret(a2) != serverSecret(a3));
  for (const Outcome* client : {&a1, &a2, &a3}) {
    EXPECT_EQ(client->peerName, "b");
    EXPECT_EQ(client->txSequence, 0u);
    EXPECT_EQ(client->rxSequence, 1u);
  }
  for (const Outcome* server : {&b1, &b2, &b3}) {
    EXPECT_EQ(server->peerName, "a");
    EXPECT_EQ(server->txSequence, 1u);
    EXPECT_EQ(server->rxSequence, 0u);
  }
  EXPECT_EQ(a2.bytesSent, b2.bytesReceived);
  EXPECT_EQ(a2.bytesReceived, b2.bytesSent);
  EXPECT(b2.bytesSent < b1.bytesSent);
  EXPECT_EQ(b3.cipher, b1.cipher);
}

TEST(
    "nothing is resumed unless both nodes have it switched on, and the other way each handshake is a full "
    "one") {
  Nodes nodes;
  const ContextPtr off = contextOf(nodes.b);
  for (int i = 0; i < 2; i++) expectOk(handshake(nodes.active, "b", off, "a"), false);
  for (int i = 0; i < 2; i++) expectOk(handshake(contextOf(nodes.a), "b", nodes.passive, "a"), false);
  // A ticket of before it was switched off.
  expectOk(handshake(nodes.active, "b", nodes.passive, "a"), false);
  expectOk(handshake(nodes.active, "b", off, "a"), false);
}

TEST("a ticket that one thread of a pool has sealed is opened by another, and by nobody with another key") {
  Nodes nodes;
  const TicketKey key = freshKey();
  const ContextPtr one = resuming(nodes.b, key);
  const ContextPtr two = resuming(nodes.b, key);
  const ContextPtr reloaded = resuming(nodes.b);
  expectOk(handshake(nodes.active, "b", one, "a"), false);
  expectOk(handshake(nodes.active, "b", two, "a"), true);
  expectOk(handshake(nodes.active, "b", reloaded, "a"), false);
  expectOk(handshake(nodes.active, "b", reloaded, "a"), true);
}

TEST("new credentials of the client begin with no session") {
  Nodes nodes;
  expectOk(handshake(nodes.active, "b", nodes.passive, "a"), false);
  expectOk(handshake(resuming(nodes.a), "b", nodes.passive, "a"), false);
}

TEST("a node of a CA that is no longer trusted is refused, ticket or not") {
  Nodes nodes;
  expectOk(handshake(nodes.active, "b", nodes.passive, "a"), false);
  const Ca other("another CA");
  const ContextPtr after = contextOf(nodes.b, other.pem(), kAllCiphers, freshKey());
  const auto [a, b] = handshake(nodes.active, "b", after, "a");
  EXPECT_EQ(codeOf(b), "TLSHUB_PEER_CERTIFICATE");
  EXPECT_EQ(codeOf(a), "TLSHUB_PEER_REFUSED_US");
}

TEST("a node with a good ticket of its own is not taken for the one that the mapping expects") {
  Nodes nodes;
  const ContextPtr evil = resuming(identity("evil"));
  expectOk(handshake(evil, "b", nodes.passive, "evil"), false);
  const auto [client, server] = handshake(evil, "b", nodes.passive, "a");
  EXPECT_EQ(codeOf(server), "TLSHUB_PEER_CERTIFICATE");
  EXPECT_HAS(server.reason, "peer certificate names [evil], expected one of [a]");
  EXPECT(!server.resumed);
  EXPECT_EQ(codeOf(client), "TLSHUB_PEER_REFUSED_US");
}

TEST("a client offers a node's session to that node only, and checks who it was for") {
  Nodes nodes;
  expectOk(handshake(nodes.active, "b", nodes.passive, "a"), false);
  const ContextPtr c = resuming(identity("c"));
  expectOk(handshake(nodes.active, "c", c, "a"), false);
  // The store is by the names that were expected; a session that got among others' is passed over.
  SessionStore::Entry entry = nodes.active->sessions().take({"b"});
  EXPECT(entry.session != nullptr);
  while (nodes.active->sessions().take({"c"}).session) continue;
  nodes.active->sessions().put({"c"}, std::move(entry));
  const std::string offered = firstFlight(nodes.active, "c");
  EXPECT(offered.size() < 400);  // a session with a certificate would make it longer
  const auto [client, server] = handshake(nodes.active, "b", c, "a");
  EXPECT_EQ(codeOf(client), "TLSHUB_PEER_CERTIFICATE");
  EXPECT(!server.ok);
}

TEST("the certificates are exchanged again after an hour, however often the session was resumed meanwhile") {
  Later later;
  Nodes nodes;
  expectOk(handshake(nodes.active, "b", nodes.passive, "a"), false);
  for (int i = 0; i < 5; i++) {
    later.by(700);
    expectOk(handshake(nodes.active, "b", nodes.passive, "a"), true);
  }
  later.by(200);  // 3700 s
  expectOk(handshake(nodes.active, "b", nodes.passive, "a"), false);
}

TEST("the server does not rely on the client for that hour") {
  Later later;
  Nodes nodes;
  expectOk(handshake(nodes.active, "b", nodes.passive, "a"), false);
  later.by(1000);
  expectOk(handshake(nodes.active, "b", nodes.passive, "a"), true);
  // A client that says of its session that it is fresh. Its library's own limit counts from the last ticket.
  SessionStore::Entry entry = nodes.active->sessions().take({"b"});
  later.by(kLongestTrust.count() - 500);
  entry.trustedSince = tlshub::handshake::unixTime();
  nodes.active->sessions().put({"b"}, std::move(entry));
  EXPECT(firstFlight(nodes.active, "b").size() > 400);
  entry = nodes.active->sessions().take({"b"});
  EXPECT(entry.session == nullptr);  // used once
  expectOk(handshake(nodes.active, "b", nodes.passive, "a"), false);
  entry = nodes.active->sessions().take({"b"});
  later.by(-1000);
  nodes.active->sessions().put({"b"}, std::move(entry));
  expectOk(handshake(nodes.active, "b", nodes.passive, "a"),
           false);  // from the future: the clock was set back
}

TEST("a session ends with the certificate that it stands on") {
  Later later;
  const ContextPtr active = resuming(identity("a", 600));
  const ContextPtr passive = resuming(identity("b"));
  expectOk(handshake(active, "b", passive, "a"), false);
  expectOk(handshake(active, "b", passive, "a"), true);
  later.by(700);
  const auto [a, b] = handshake(active, "b", passive, "a");
  EXPECT_EQ(codeOf(b), "TLSHUB_PEER_CERTIFICATE");
  EXPECT_HAS(b.reason, "expired");
  EXPECT(!a.ok);
}

TEST("a certificate that would not fit a ticket: no resumption, and one record all the same") {
  CertificateSpec spec;
  spec.names = {"a"};
  spec.padding = 12000;
  const ContextPtr active = resuming(labCa().issue(spec));
  const ContextPtr passive = resuming(identity("b"));
  for (int i = 0; i < 3; i++) {
    const auto [a, b] = expectOk(handshake(active, "b", passive, "a"), false);
    EXPECT_EQ(a.rxSequence, 1u);
  }
}

TEST("a replayed first flight goes nowhere, since whoever replays it has no keys") {
  Nodes nodes;
  for (int i = 0; i < 2; i++) {
    expectOk(handshake(nodes.active, "b", nodes.passive, "a"), i > 0);
    const std::string flight = firstFlight(nodes.active, "b");
    for (int again = 0; again < 3; again++) {
      const Outcome outcome = meets(nodes.passive, flight);
      EXPECT_EQ(codeOf(outcome), "TLSHUB_PEER_CLOSED");
      EXPECT(!outcome.secrets);
    }
    // And the session, being used, is not offered a second time.
    EXPECT(nodes.active->sessions().take({"b"}).session == nullptr);
    expectOk(handshake(nodes.active, "b", nodes.passive, "a"), false);
  }
}

TEST("a damaged ticket: wherever, always a failure, and never one of ours") {
  Nodes nodes;
  expectOk(handshake(nodes.active, "b", nodes.passive, "a"), false);
  const std::string flight = firstFlight(nodes.active, "b");
  // The pre_shared_key extension is the last one (RFC 8446 section 4.2.11): everything from the middle on is ticket.
  for (size_t at = flight.size() / 3; at < flight.size(); at += 3) {
    std::string damaged = flight;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    const Outcome outcome = meets(nodes.passive, damaged);
    EXPECT(!outcome.ok);
    EXPECT(outcome.failure == Failure::kPeerProtocol || outcome.failure == Failure::kPeerClosed);
  }
  // The server takes no harm.
  expectOk(handshake(nodes.active, "b", nodes.passive, "a"), false);
  expectOk(handshake(nodes.active, "b", nodes.passive, "a"), true);
}

TEST("the store of sessions has bounds, and gives the freshest first") {
  SessionStore store;
  for (size_t i = 0; i < SessionStore::kPerPeer + 5; i++) {
    store.put({"b"}, {nullptr, static_cast<int64_t>(i)});
  }
  EXPECT_EQ(store.size(), SessionStore::kPerPeer);
  EXPECT_EQ(store.take({"b"}).trustedSince, static_cast<int64_t>(SessionStore::kPerPeer + 4));
  for (size_t i = 0; i < SessionStore::kPeers; i++) store.put({"n" + std::to_string(i)}, {});
  EXPECT_EQ(store.size(), SessionStore::kPeers);
  EXPECT_EQ(store.take({"b"}).trustedSince, 0);  // forgotten
}
