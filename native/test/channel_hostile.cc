// SPDX-License-Identifier: Apache-2.0
// Peers that are not who they should be, do not speak as they should, or do not speak at all.
#include <openssl/rand.h>
#include <sys/socket.h>

#include <random>

#include "channel_kit.h"

using namespace kit;
using tlshub::channel::Accept;
using tlshub::channel::Closing;
using tlshub::channel::NumberTaken;
using tlshub::channel::Ping;
using tlshub::channel::Pong;

namespace {

const char* const kNode[] = {"a", "b"};  // of Side::kOpener, Side::kListener

std::string nodeOf(Side side) {
  return kNode[side == Side::kOpener ? 0 : 1];
}
Side otherOf(Side side) {
  return side == Side::kOpener ? Side::kListener : Side::kOpener;
}

ContextPtr contextOfSide(Side side) {
  return channelContext(nodeOf(side));
}

Identity labIdentity(const std::string& name, const std::function<void(CertificateSpec&)>& change) {
  CertificateSpec spec;
  spec.names = {name};
  spec.commonName = name;
  change(spec);
  return labCa().issue(spec);
}

// A good session meets one with this certificate (else as good), on either side.
void expectRefusal(const std::function<Identity(const std::string& name)>& bad, const std::string& reason,
                   const std::string& alert) {
  for (const Side side : {Side::kOpener, Side::kListener}) {  // of the bad one
    const ContextPtr badContext = channelContext(bad(nodeOf(side)), labCa().pem());
    Ends ends(side == Side::kOpener ? badContext : channelContext("a"),
              side == Side::kOpener ? channelContext("b") : badContext);
    ends.settle();
    End& good = side == Side::kOpener ? ends.listener : ends.opener;
    End& refused = side == Side::kOpener ? ends.opener : ends.listener;
    EXPECT_EQ(codeOf(good), "TLSHUB_PEER_CERTIFICATE");
    EXPECT_HAS(good->ending().reason, reason);
    EXPECT_EQ(codeOf(refused), "TLSHUB_PEER_REFUSED_US");
    EXPECT_HAS(refused->ending().reason, "alert " + alert);
    EXPECT_EQ(ends.listener.proposed, 0u);
    EXPECT_EQ(eventsOf(good) + eventsOf(refused), "");
    EXPECT(!good->takeSecret() && !refused->takeSecret());
    EXPECT(good->wiped() && refused->wiped());
  }
}

// What a peer says that is all right, up to where it waits for the session: one flight after the other.
std::vector<std::string> flightsOf(Side side) {
  Stranger stranger(otherOf(side), contextOfSide(otherOf(side)), identityOf(nodeOf(side)));
  std::vector<std::string> flights;
  bool said = false;
  for (int idle = 0; idle < 3; idle++) {
    stranger.peer.feed(stranger.socket.receiveQueued());
    if (stranger.peer.step() && !said) {
      said = true;
      if (side == Side::kOpener) stranger.peer.write(tlshub::channel::encode(helloOf()));
    }
    const std::string flight = stranger.peer.take();
    if (!flight.empty()) flights.push_back(flight);
    stranger.socket.sendAll(flight);
    stranger.end.step();
  }
  return flights;
}

// A session meets a peer that sends its flight `which` cut after `size` bytes, and then ends or says nothing.
void meetCut(Side side, const ContextPtr& context, size_t which, size_t size, bool ends) {
  Stranger stranger(side, context, identityOf(nodeOf(otherOf(side))));
  bool said = false;
  for (size_t flight = 0; flight <= which;) {
    stranger.end.step();
    stranger.peer.feed(stranger.socket.receiveQueued());
    if (stranger.peer.step() && !said && side == Side::kListener) {
      said = true;
      stranger.peer.write(tlshub::channel::encode(helloOf()));
    }
    std::string bytes = stranger.peer.take();
    if (bytes.empty()) continue;
    if (flight++ == which) bytes.resize(std::min(size, bytes.size()));
    stranger.socket.sendAll(bytes);
  }
  if (ends) shutdown(stranger.socket.fd(), SHUT_WR);
  stranger.end.step();
  if (!ends) {
    EXPECT(!stranger.end.ended);
    End::now = stranger.end->deadline();
    stranger.end.step();
  }
  EXPECT(stranger.end.ended);
  EXPECT_EQ(eventsOf(stranger.end), "");
  EXPECT_EQ(stranger.end.proposed, 0u);
  EXPECT_EQ(codeOf(stranger.end), ends ? "TLSHUB_PEER_CLOSED" : "TLSHUB_HANDSHAKE_TIMEOUT");
  EXPECT(stranger.end->wiped());
}

std::string bytesOf(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text += static_cast<char>(byte);
  return text;
}

// What a listener that has an epoch, or is about to, says when the opener says this.
std::string afterHello(const std::function<void(Stranger&)>& misbehave, bool hello = true) {
  Stranger stranger(Side::kListener, channelContext("b"), identityOf("a"));
  stranger.settle();
  if (hello) stranger.say(helloOf());
  stranger.settle();
  EXPECT_EQ(eventsOf(stranger.end), hello ? "open" : "");
  misbehave(stranger);
  stranger.settle();
  return describe(stranger.end);
}

// Records of TLS in `bytes`.
size_t recordsIn(const std::string& bytes) {
  size_t count = 0;
  for (size_t at = 0; at + 5 <= bytes.size(); count++) {
    at += 5 + (static_cast<size_t>(static_cast<uint8_t>(bytes[at + 3])) << 8) +
          static_cast<uint8_t>(bytes[at + 4]);
  }
  return count;
}

}  // namespace

TEST("a certificate with the name of no node, or of another one") {
  const Identity stranger = identityOf("stranger");
  for (const Side side : {Side::kOpener, Side::kListener}) {
    const ContextPtr bad = channelContext(stranger, labCa().pem());
    Ends ends(side == Side::kOpener ? bad : channelContext("a"),
              side == Side::kOpener ? channelContext("b") : bad);
    ends.settle();
    EXPECT_EQ(describe(side == Side::kOpener ? ends.listener : ends.opener),
              side == Side::kOpener
                  ? "TLSHUB_PEER_CERTIFICATE: peer certificate names [stranger], of which the mapping has "
                    "none as a node"
                  : "TLSHUB_PEER_CERTIFICATE: peer certificate names [stranger], expected one of [b]");
    EXPECT_HAS(describe(side == Side::kOpener ? ends.opener : ends.listener),
               "TLSHUB_PEER_REFUSED_US: the peer refused our certificate: alert bad_certificate");
    EXPECT_EQ(ends.listener.proposed, 0u);
  }
}

TEST("a node cannot open an epoch for another node") {
  // Both are in the mapping; the certificate is one's, the HELLO the other's.
  Stranger stranger(Side::kListener, channelContext("b"), identityOf("node-c"));
  stranger.settle();
  stranger.say(helloOf("a"));
  stranger.settle();
  const std::string answer = stranger.heard();
  stranger.socket.close();
  stranger.end.step();
  EXPECT_EQ(stranger.end.proposed, 0u);
  EXPECT_HAS(describe(stranger.end),
             "TLSHUB_CHANNEL_REJECTED: this agent did not take the epoch of [a]: the opener's");
  EXPECT_EQ(answer.substr(0, 1) + answer.substr(3, 1), bytesOf({3, 2}));  // REJECT, kName
  Stranger lost(Side::kListener, channelContext("b"), identityOf("a"));
  lost.settle();
  lost.say(helloOf("a", "node-c"));
  lost.settle();
  lost.socket.close();
  lost.end.step();
  EXPECT_EQ(describe(lost.end),
            "TLSHUB_CHANNEL_REJECTED: this agent did not take the epoch of [a]: this is another node");
}

TEST("a certificate of an unknown CA, one that has expired, a wildcard, a weak key") {
  const Ca other("somebody");
  expectRefusal(
      [&](const std::string& name) {
        CertificateSpec spec;
        spec.names = {name};
        return other.issue(spec);
      },
      "is signed by an unknown CA (issuer CN=somebody)", "unknown_ca");
  expectRefusal(
      [](const std::string& name) {
        return labIdentity(name, [](CertificateSpec& spec) { spec.notAfter = -60; });
      },
      "has expired (notAfter ", "certificate_expired");
  expectRefusal(
      [](const std::string& name) {
        return labIdentity(name, [](CertificateSpec& spec) { spec.names = {"*"}; });
      },
      "peer certificate names [*]", "bad_certificate");
  for (const Side side : {Side::kOpener, Side::kListener}) {
    const Identity weak =
        labIdentity(nodeOf(otherOf(side)), [](CertificateSpec& spec) { spec.rsaBits = 1024; });
    Stranger stranger(side, contextOfSide(side), weak);
    stranger.settle();
    EXPECT_EQ(codeOf(stranger.end), "TLSHUB_PEER_CERTIFICATE");
  }
}

TEST("an opener without a certificate: what it says at once is not read") {
  RawTls::Options options = withoutTickets();
  options.sendCertificate = false;
  Stranger stranger(Side::kListener, channelContext("b"), {}, options);
  stranger.end.decides = false;
  bool said = false;
  for (int i = 0; i < 20; i++) {
    stranger.peer.feed(stranger.socket.receiveQueued());
    if (stranger.peer.step() && !said) {
      said = true;
      stranger.peer.write(tlshub::channel::encode(helloOf()));
    }
    stranger.socket.sendAll(stranger.peer.take());
    stranger.end.step();
  }
  EXPECT(said);
  EXPECT_EQ(describe(stranger.end), "TLSHUB_PEER_CERTIFICATE: the peer sent no certificate");
  EXPECT_EQ(stranger.end.proposed, 0u);
}

TEST("a channel: TLS 1.2, and no TLS") {
  RawTls::Options options;
  options.maxVersion = TLS1_2_VERSION;
  for (const Side side : {Side::kOpener, Side::kListener}) {
    Stranger old(side, contextOfSide(side), identityOf(nodeOf(otherOf(side))), options);
    old.settle();
    EXPECT_EQ(codeOf(old.end), "TLSHUB_PEER_PROTOCOL");
    Stranger plain(side, contextOfSide(side), identityOf("a"));
    plain.socket.sendAll("GET / HTTP/1.1\r\nHost: b\r\n\r\n");
    plain.end.step();
    EXPECT_HAS(describe(plain.end), "TLSHUB_PEER_PROTOCOL: the peer does not speak TLS");
    EXPECT_EQ(plain.end->bytes().bytesReceived(), 5u);
  }
}

TEST("an end that speaks TLS 1.3 with a good certificate, and nothing of the channel's protocol") {
  for (const Side side : {Side::kOpener, Side::kListener}) {
    Stranger stranger(side, contextOfSide(side), identityOf(nodeOf(otherOf(side))), withoutTickets(), {},
                      false);
    stranger.settle();
    EXPECT_EQ(describe(stranger.end),
              "TLSHUB_PEER_PROTOCOL: the peer speaks TLS 1.3, but not tlshub-channel: another program has "
              "its port");
    EXPECT_EQ(stranger.heard(), "");
  }
}

TEST("cut at every byte, before an end and before silence: never an epoch") {
  for (const Side side : {Side::kOpener, Side::kListener}) {
    const ContextPtr context = contextOfSide(side);
    const std::vector<std::string> flights = flightsOf(otherOf(side));
    // An opener's are its ClientHello, and all else; a listener's, behind which it waits for the HELLO, is one.
    EXPECT_EQ(flights.size(), side == Side::kListener ? 2u : 1u);
    for (size_t which = 0; which < flights.size(); which++) {
      for (size_t size = 0; size < flights[which].size(); size++) {
        // Signatures differ in length by a byte or two, so not quite to the end of what was seen; see the next test.
        const size_t longest = flights[which].size() - (which + 1 == flights.size() ? 4 : 0);
        if (size < longest) meetCut(side, context, which, size, size % 2 == 0);
      }
    }
  }
}

TEST("a HELLO in as many records as it has bytes") {
  Stranger stranger(Side::kListener, channelContext("b"), identityOf("a"));
  stranger.settle();
  const std::string hello = tlshub::channel::encode(helloOf());
  for (size_t at = 0; at < hello.size(); at++) {
    EXPECT_EQ(stranger.end.proposed, 0u);
    stranger.say(hello.substr(at, 1));
    stranger.end.step();
  }
  stranger.settle();
  EXPECT_EQ(eventsOf(stranger.end), "open");
}

TEST("random bytes: always an end, never an epoch") {
  for (int i = 0; i < 200; i++) {
    std::string bytes(1 + i * 7, '\0');
    RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    if (i % 2 == 0 && bytes.size() > 5) bytes.replace(0, 4, bytesOf({22, 3, 1, 0}));
    const Side side = i % 4 < 2 ? Side::kOpener : Side::kListener;
    Stranger stranger(side, contextOfSide(side), identityOf("a"));
    stranger.socket.sendAll(bytes);
    shutdown(stranger.socket.fd(), SHUT_WR);
    stranger.end.step();
    EXPECT(stranger.end.ended);
    EXPECT(codeOf(stranger.end) == "TLSHUB_PEER_PROTOCOL" || codeOf(stranger.end) == "TLSHUB_PEER_CLOSED" ||
           codeOf(stranger.end) == "TLSHUB_PEER_REFUSED_US");
  }
}

TEST("records that were tampered with behind the handshake end the session") {
  Stranger stranger(Side::kListener, channelContext("b"), identityOf("a"));
  stranger.settle();
  stranger.say(helloOf());
  stranger.settle();
  stranger.peer.write(tlshub::channel::encode(NumberTaken{kEpoch, 1}));
  std::string record = stranger.peer.take();
  record[record.size() / 2] = static_cast<char>(record[record.size() / 2] ^ 1);
  stranger.socket.sendAll(record);
  stranger.settle();
  EXPECT_EQ(codeOf(stranger.end), "TLSHUB_PEER_PROTOCOL");
  EXPECT_EQ(eventsOf(stranger.end), "open");
}

TEST("messages at the wrong time, of the wrong side, about another epoch") {
  using tlshub::channel::encode;
  const std::string before =
      "TLSHUB_PEER_PROTOCOL: the peer does not speak the channel's protocol: the message ";
  for (const Message& message : {Message(Accept{1, kEpoch}), Message(NumberTaken{kEpoch, 1}), Message(Ping{}),
                                 Message(Closing{kEpoch, Close::kOver})}) {
    EXPECT_EQ(afterHello([&](Stranger& peer) { peer.say(message); }, false),
              before + tlshub::channel::messageName(message) + " before the epoch was agreed on");
  }
  EXPECT_EQ(afterHello([](Stranger& peer) { peer.say(helloOf()); }),
            before + "HELLO in the middle of an epoch");
  EXPECT_EQ(afterHello([](Stranger& peer) {
              peer.say(Accept{1, kEpoch});
            }),
            before + "ACCEPT in the middle of an epoch");
  EXPECT_EQ(afterHello([](Stranger& peer) {
              peer.say(NumberTaken{1, 1});
            }),
            before + "NUMBER_TAKEN about epoch 1 on the channel of epoch 168496141");
  EXPECT_EQ(afterHello([](Stranger& peer) {
              peer.say(Closing{1, Close::kOver});
            }),
            before + "CLOSING about epoch 1 on the channel of epoch 168496141");
  // A listener that answers something else than what was proposed.
  for (const Message& message :
       {Message(Accept{1, kEpoch + 1}), Message(Accept{2, kEpoch}), Message(helloOf())}) {
    Stranger stranger(Side::kOpener, channelContext("a"), identityOf("b"));
    stranger.settle();
    stranger.say(message);
    stranger.settle();
    EXPECT_EQ(codeOf(stranger.end), "TLSHUB_PEER_PROTOCOL");
    EXPECT_EQ(eventsOf(stranger.end), "");
  }
}

TEST("oversized and unknown messages") {
  EXPECT_HAS(
      afterHello([](Stranger& peer) {
        peer.say(bytesOf({6, 0xff, 0xff}));
      }),
      "TLSHUB_PEER_PROTOCOL: the peer does not speak the channel's protocol: a message of 65535 bytes");
  EXPECT_HAS(afterHello(
                 [](Stranger& peer) {
                   peer.say(bytesOf({1, 4, 1}));
                 },
                 false),
             "a message of 1025 bytes");
  EXPECT_HAS(afterHello([](Stranger& peer) { peer.say(bytesOf({99, 0, 0})); }), "the unknown type 99");
  Stranger stranger(Side::kListener, channelContext("b"), identityOf("a"));
  stranger.settle();
  stranger.say(bytesOf({200, 0, 2, 'h', 'i'}) + tlshub::channel::encode(helloOf()) + bytesOf({128, 0, 0}));
  stranger.settle();
  EXPECT_EQ(eventsOf(stranger.end), "open");
}

TEST(
    "a node with a good certificate that says anything: an epoch by a HELLO alone, and an end in order by "
    "CLOSING alone") {
  std::mt19937 random(9466);
  const auto below = [&](size_t limit) { return random() % limit; };
  const std::vector<std::string> words = {tlshub::channel::encode(helloOf()),
                                          tlshub::channel::encode(Accept{1, kEpoch}),
                                          tlshub::channel::encode(NumberTaken{kEpoch, 1}),
                                          tlshub::channel::encode(Closing{kEpoch, Close::kOver}),
                                          tlshub::channel::encode(Ping{}),
                                          tlshub::channel::encode(Pong{}),
                                          bytesOf({200, 0, 1, 'x'})};
  const ContextPtr context = channelContext("b");
  size_t opened = 0, inOrder = 0;
  for (int run = 0; run < 400; run++) {
    std::string stream = below(4) == 0 ? "" : words[0];
    for (size_t more = below(5); more > 0; more--) stream += words[below(words.size())];
    if (below(2) == 0 && !stream.empty()) stream[below(stream.size())] = static_cast<char>(below(256));
    if (stream.empty()) continue;
    Stranger stranger(Side::kListener, context, identityOf("a"));
    stranger.settle();
    for (size_t at = 0; at < stream.size() && !stranger.end.ended;) {
      const size_t piece = std::min<size_t>(1 + below(40), stream.size() - at);
      stranger.say(stream.substr(at, piece));
      stranger.end.step();
      at += piece;
    }
    stranger.socket.close();
    stranger.end.step();
    stranger.end.step();
    EXPECT(stranger.end.ended);
    const std::string code = codeOf(stranger.end);
    const bool isOpen = eventsOf(stranger.end).rfind("open", 0) == 0;
    if (isOpen) opened++;
    if (code == "in order") inOrder++;
    // Whatever the rest was, the first message that counts was a whole HELLO of this node.
    EXPECT_EQ(isOpen, bool{stranger.end.secret});
    if (isOpen) EXPECT(stranger.end->openerName() == "a" && stranger.end->epoch() != 0);
    EXPECT(code == "in order" ? eventsOf(stranger.end).find("closing(") != std::string::npos
                              : code.rfind("TLSHUB_", 0) == 0);
    EXPECT(stranger.end->wiped());
  }
  EXPECT(opened > 100 && opened < 400);
  EXPECT(inOrder > 20);
}

TEST("a version that nobody here speaks") {
  Stranger stranger(Side::kListener, channelContext("b"), identityOf("a"));
  stranger.settle();
  tlshub::channel::Hello hello = helloOf();
  hello.oldest = 2;
  hello.newest = 9;
  stranger.say(hello);
  stranger.settle();
  EXPECT_EQ(stranger.end.proposed, 0u);
  EXPECT_EQ(stranger.heard(), bytesOf({3, 0, 4, 1, 1, 1, 0}));
  Stranger newer(Side::kListener, channelContext("b"), identityOf("a"));
  newer.settle();
  hello.oldest = 1;
  newer.say(hello);
  newer.settle();
  EXPECT_EQ(int{newer.end->version()}, 1);
  EXPECT_EQ(newer.heard(), bytesOf({2, 0, 5, 1, 0x0a, 0x0b, 0x0c, 0x0d}));
}

TEST("tickets and KeyUpdates behind the handshake are no agent's") {
  RawTls::Options options;
  options.tickets = 1;
  Stranger ticket(Side::kOpener, channelContext("a"), identityOf("b"), options);
  ticket.settle();
  EXPECT_EQ(describe(ticket.end),
            "TLSHUB_PEER_PROTOCOL: the peer sent a handshake message behind its handshake; agents send none");
  EXPECT_HAS(afterHello([](Stranger& peer) {
               SSL_key_update(peer.peer.ssl(), SSL_KEY_UPDATE_REQUESTED);
               peer.peer.step();
             }),
             "TLSHUB_PEER_PROTOCOL: the peer sent a handshake message behind its handshake");
  EXPECT_HAS(afterHello([](Stranger& peer) { SSL_shutdown(peer.peer.ssl()); }), "TLSHUB_CHANNEL_LOST: ");
}

TEST("our own listener sends no ticket, and takes up no session") {
  for (const bool opened : {false, true}) {
    Stranger stranger(Side::kListener, channelContext("b"), identityOf("a"));
    std::string last;
    for (int i = 0; i < 6; i++) {
      const std::string came = stranger.socket.receiveQueued();
      if (!came.empty()) last = came;
      stranger.peer.feed(came);
      if (stranger.peer.step() && opened && i == 3) stranger.peer.write(tlshub::channel::encode(helloOf()));
      stranger.socket.sendAll(stranger.peer.take());
      stranger.end.step();
    }
    // Its last flight was the first one, or is ACCEPT alone.
    if (opened) EXPECT_EQ(recordsIn(last), 1u);
    if (!opened) EXPECT_EQ(static_cast<int>(last[0]), 22);
  }
}

TEST("a peer that stalls: in each state the session ends at its deadline, and says where it stood") {
  tlshub::channel::Times times;
  times.opening = std::chrono::milliseconds(700);
  const auto stalls = [&](Side side, const std::function<void(Stranger&)>& begin) {
    Stranger stranger(side, contextOfSide(side), identityOf(nodeOf(otherOf(side))), withoutTickets(), times);
    const Channel::Time since = End::now;
    begin(stranger);
    stranger.end.step();
    EXPECT(!stranger.end.ended);
    EXPECT(stranger.end->deadline() == since + times.opening);
    End::now = since + times.opening - std::chrono::milliseconds(1);
    stranger.end.step();
    EXPECT(!stranger.end.ended);
    End::now += std::chrono::milliseconds(1);
    stranger.end.step();
    return describe(stranger.end);
  };
  EXPECT_EQ(stalls(Side::kListener, [](Stranger&) {}),
            "TLSHUB_HANDSHAKE_TIMEOUT: the peer sent nothing within 700 ms");
  EXPECT_EQ(stalls(Side::kOpener, [](Stranger&) {}),
            "TLSHUB_HANDSHAKE_TIMEOUT: the peer sent nothing within 700 ms");
  EXPECT_EQ(stalls(Side::kListener,
                   [](Stranger& it) {
                     it.peer.step();
                     it.socket.sendAll(it.peer.take().substr(0, 100));
                   }),
            "TLSHUB_HANDSHAKE_TIMEOUT: the peer stopped after 100 bytes: handshake not done within 700 ms");
  for (const Side side : {Side::kOpener, Side::kListener}) {
    EXPECT_EQ(stalls(side, [](Stranger& it) { it.settle(); }),
              "TLSHUB_HANDSHAKE_TIMEOUT: the peer ended its handshake, but did not agree on the epoch within "
              "700 ms");
  }
  EXPECT_EQ(stalls(Side::kListener,
                   [](Stranger& it) {
                     it.end.decides = false;
                     it.settle();
                     it.say(helloOf());
                     it.settle();
                   }),
            "TLSHUB_HANDSHAKE_TIMEOUT: this agent did not decide on the epoch within 700 ms");
}

TEST("a peer that trickles gets no more time for it") {
  Stranger stranger(Side::kListener, channelContext("b"), identityOf("a"));
  stranger.peer.step();
  const std::string hello = stranger.peer.take();
  const Channel::Time since = End::now;
  for (size_t at = 0; at < hello.size() && !stranger.end.ended; at++) {
    stranger.socket.sendAll(hello.substr(at, 1));
    End::now += std::chrono::milliseconds(100);
    stranger.end.step();
  }
  EXPECT_EQ(codeOf(stranger.end), "TLSHUB_HANDSHAKE_TIMEOUT");
  EXPECT(End::now == since + std::chrono::seconds(5));
}

TEST("a peer that asks and does not read: it ends, and little is kept for it") {
  Stranger stranger(Side::kListener, channelContext("b"), identityOf("a"));
  const int small = 4096;
  setsockopt(stranger.sockets.fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  stranger.settle();
  stranger.say(helloOf());
  stranger.end.step();
  for (int i = 0; i < 5000 && !stranger.end.ended; i++) {
    stranger.say(Ping{});
    stranger.end.step();
    EXPECT(stranger.end->bytes().pendingBytes() <= 17 * 1024);
  }
  EXPECT_EQ(describe(stranger.end), "TLSHUB_CHANNEL_LOST: the peer takes no more of our bytes");
}

TEST("a peer that talks without end is cut off") {
  Stranger stranger(Side::kListener, channelContext("b"), identityOf("a"));
  stranger.settle();
  stranger.say(helloOf());
  stranger.settle();
  for (int i = 0; i < 10000 && !stranger.end.ended; i++) {
    stranger.say(bytesOf({200, 0, 2, 'h', 'i'}));
    stranger.end.step();
  }
  EXPECT_HAS(describe(stranger.end),
             "TLSHUB_PEER_PROTOCOL: the peer does not speak the channel's protocol: 131072 bytes");
  EXPECT(stranger.end->bytes().bytesReceived() <= 128 * 1024 + 32);
}

TEST("terms that cannot work") {
  SocketPair sockets;
  const auto problem = [&](Side side, const std::function<void(ChannelTerms&)>& change) {
    ChannelTerms terms = side == Side::kOpener ? openerTerms(sockets.fd[0]) : listenerTerms(sockets.fd[0]);
    change(terms);
    End end(channelContext("a"), terms);
    end.step();
    EXPECT_EQ(end->bytes().bytesSent(), 0u);
    return describe(end);
  };
  EXPECT_EQ(problem(Side::kOpener, [](ChannelTerms& it) { it.epoch = 0; }),
            "TLSHUB_HANDSHAKE_FAILED: no epoch has the id 0");
  EXPECT_HAS(problem(Side::kOpener, [](ChannelTerms& it) { it.peerName = "*.b"; }),
             "is not a plain DNS name");
  EXPECT_HAS(problem(Side::kOpener, [](ChannelTerms& it) { it.ownName = ""; }), "is not a plain DNS name");
  EXPECT_HAS(problem(Side::kListener, [](ChannelTerms& it) { it.nodes = nullptr; }),
             "no node name is expected");
}
