// SPDX-License-Identifier: Apache-2.0
// What comes is cut, random, tampered with, late, without end, or not read at the other end.
#include <openssl/rand.h>
#include <sys/socket.h>

#include <algorithm>

#include "channel_kit.h"

using namespace kit;
using tlshub::channel::NumberTaken;
using tlshub::channel::Ping;

namespace {

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
  // No agent ends in the middle of a record.
  const std::string cut =
      stranger.end->bytes().betweenRecords() ? "TLSHUB_PEER_CLOSED" : "TLSHUB_PEER_PROTOCOL";
  EXPECT_EQ(codeOf(stranger.end), ends ? cut : "TLSHUB_HANDSHAKE_TIMEOUT");
  EXPECT(stranger.end->wiped());
}

}  // namespace

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
        if (size >= longest) continue;
        for (const bool ends : {true, false}) meetCut(side, context, which, size, ends);
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
