// SPDX-License-Identifier: Apache-2.0
// Peers with a good certificate that do not say what they should.
#include <algorithm>
#include <random>

#include "channel_kit.h"

using namespace kit;
using tlshub::channel::Accept;
using tlshub::channel::Closing;
using tlshub::channel::NumberTaken;
using tlshub::channel::Ping;
using tlshub::channel::Pong;

namespace {

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
            before + "NUMBER_TAKEN about epoch 1 on the channel of epoch 658188");
  EXPECT_EQ(afterHello([](Stranger& peer) {
              peer.say(Closing{1, Close::kOver});
            }),
            before + "CLOSING about epoch 1 on the channel of epoch 658188");
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
  EXPECT_EQ(newer.heard(), bytesOf({2, 0, 5, 1, 0, 0x0a, 0x0b, 0x0c}));
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
