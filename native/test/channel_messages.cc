// SPDX-License-Identifier: Apache-2.0
// The decoder of messages: what comes out, and that nothing else does.
#include <random>

#include "../domain/channel/messages.h"
#include "channel_kit.h"

using namespace kit;
using namespace tlshub::channel;

namespace {

std::vector<Message> allMessages() {
  Hello hello;
  hello.epoch = 0x010203;
  hello.opener = "node-a";
  hello.listener = std::string(253, 'b');
  Reject reject;
  reject.why = Refusal::kTooMany;
  reject.text = "64 of node-a";
  return {
      hello, Accept{1, 0x010203}, reject, NumberTaken{0x010203, 513}, Closing{0x010203, Close::kIdle}, Ping{},
      Pong{}};
}

std::string streamOfAll() {
  std::string stream;
  for (const Message& message : allMessages()) stream += encode(message);
  return stream;
}

std::string faultOf(const std::string& bytes) {
  Decoder decoder;
  decoder.feed(bytes.data(), bytes.size());
  while (decoder.next()) continue;
  EXPECT(decoder.fault().empty() || decoder.held() == 0);
  return decoder.fault();
}

}  // namespace

TEST("the layout of each message, as docs/CHANNEL_WIRE.md has it") {
  Hello hello;
  hello.epoch = 0x0a0b0c;
  hello.opener = "a";
  hello.listener = "bc";
  EXPECT(encode(hello) == bytesOf({1, 0, 11, 1, 1, 0, 0x0a, 0x0b, 0x0c, 1, 'a', 2, 'b', 'c'}));
  EXPECT(encode(Accept{1, 0x0a0b0c}) == bytesOf({2, 0, 5, 1, 0, 0x0a, 0x0b, 0x0c}));
  Reject reject;
  reject.why = Refusal::kEpoch;
  reject.text = "no";
  EXPECT(encode(reject) == bytesOf({3, 0, 6, 3, 1, 1, 2, 'n', 'o'}));
  EXPECT(encode(NumberTaken{0x0a0b0c, 513}) == bytesOf({4, 0, 6, 0, 0x0a, 0x0b, 0x0c, 2, 1}));
  EXPECT(encode(Closing{0x0a0b0c, Close::kIdle}) == bytesOf({5, 0, 5, 0, 0x0a, 0x0b, 0x0c, 4}));
  EXPECT(encode(Ping{}) == bytesOf({6, 0, 0}));
  EXPECT(encode(Pong{}) == bytesOf({7, 0, 0}));
}

TEST("whatever the pieces in which it comes, the same messages come out") {
  const std::string stream = streamOfAll();
  for (size_t piece = 1; piece <= stream.size(); piece++) {
    Decoder decoder;
    std::string again;
    size_t count = 0;
    for (size_t at = 0; at < stream.size(); at += piece) {
      decoder.feed(stream.data() + at, std::min(piece, stream.size() - at));
      while (const std::optional<Message> message = decoder.next()) {
        EXPECT_EQ(message->index(), count);
        again += encode(*message);
        count++;
      }
    }
    EXPECT_EQ(count, allMessages().size());
    EXPECT(again == stream);
    EXPECT_EQ(decoder.fault(), "");
  }
}

TEST("cut at every byte: what is whole comes out, the rest is waited for") {
  const std::string stream = streamOfAll();
  for (size_t cut = 0; cut < stream.size(); cut++) {
    Decoder decoder;
    decoder.feed(stream.data(), cut);
    std::string whole;
    while (const std::optional<Message> message = decoder.next()) whole += encode(*message);
    EXPECT(stream.compare(0, whole.size(), whole) == 0);
    EXPECT_EQ(decoder.held(), cut - whole.size());
    EXPECT_EQ(decoder.fault(), "");
  }
}

TEST("a body that is too short for its type is a fault, one that is longer a later version's") {
  for (const Message& message : allMessages()) {
    const std::string bytes = encode(message);
    for (size_t body = 0; body + kHeaderBytes < bytes.size(); body++) {
      std::string shorter = bytes.substr(0, kHeaderBytes + body);
      shorter[1] = static_cast<char>(body >> 8);
      shorter[2] = static_cast<char>(body);
      EXPECT_HAS(faultOf(shorter), "impossible body of " + std::to_string(body) + " bytes");
    }
    std::string longer = bytes + "more";
    const size_t body = longer.size() - kHeaderBytes;
    longer[1] = static_cast<char>(body >> 8);
    longer[2] = static_cast<char>(body);
    Decoder decoder;
    decoder.feed(longer.data(), longer.size());
    const std::optional<Message> read = decoder.next();
    EXPECT(read && encode(*read) == bytes);
  }
}

TEST("oversized: refused at the header, before a body is waited for") {
  EXPECT_EQ(faultOf(bytesOf({6, 4, 1})), "a message of 1025 bytes, of at most 1024");
  EXPECT_EQ(faultOf(bytesOf({200, 0xff, 0xff})), "a message of 65535 bytes, of at most 1024");
  EXPECT_EQ(faultOf(bytesOf({200, 4, 0})), "");
}

TEST("unknown types: those from 128 on are passed over, others end it") {
  const std::string optional = bytesOf({128, 0, 3}) + "xyz" + bytesOf({255, 0, 0});
  Decoder decoder;
  const std::string stream = optional + encode(Pong{}) + optional + encode(Ping{});
  decoder.feed(stream.data(), stream.size());
  EXPECT_EQ(std::string(messageName(*decoder.next())), "PONG");
  EXPECT_EQ(std::string(messageName(*decoder.next())), "PING");
  EXPECT(!decoder.next() && decoder.held() == 0);
  for (const int type : {0, 8, 127}) {
    EXPECT_EQ(faultOf(bytesOf({type, 0, 0})), "a message of the unknown type " + std::to_string(type));
  }
}

TEST("impossible HELLOs") {
  const auto hello = [](const std::function<void(Hello&)>& change) {
    Hello made;
    made.epoch = 1;
    made.opener = "a";
    made.listener = "b";
    change(made);
    return faultOf(encode(made));
  };
  EXPECT_EQ(hello([](Hello&) {}), "");
  for (const std::string& fault :
       {hello([](Hello& it) { it.epoch = 0; }), hello([](Hello& it) { it.epoch = 1 << 24; }),
        hello([](Hello& it) { it.oldest = 0; }), hello([](Hello& it) { it.oldest = 3; }),
        hello([](Hello& it) { it.opener = ""; }), hello([](Hello& it) { it.listener = "b\n"; }),
        hello([](Hello& it) { it.opener = std::string("a\0", 2); })}) {
    EXPECT_HAS(fault, "a message of type 1 with an impossible body");
  }
  std::string tooLong = bytesOf({1, 1, 6, 1, 1, 0, 0, 0, 1, 254}) + std::string(254, 'a') + bytesOf({0});
  EXPECT_HAS(faultOf(tooLong), "impossible body");
}

TEST("what a peer writes for our log can be printed") {
  Reject reject;
  reject.text = "\x1b[2J\nroot\xff";
  const std::string bytes = encode(reject);
  Decoder decoder;
  decoder.feed(bytes.data(), bytes.size());
  EXPECT_EQ(std::get<Reject>(*decoder.next()).text, "?[2J?root?");
  reject.text = std::string(1000, 'x');
  EXPECT_EQ(encode(reject).size(), kHeaderBytes + 4 + kMostReason);
}

TEST("tampered streams by the ten thousand: it says a fault or goes on, and keeps no more than a message") {
  std::mt19937 random(14);
  const auto below = [&](size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random);
  };
  size_t faults = 0;
  for (int run = 0; run < 10000; run++) {
    std::string stream = streamOfAll();
    for (size_t changes = 1 + below(4); changes > 0 && !stream.empty(); changes--) {
      const size_t at = below(stream.size());
      switch (below(4)) {
        case 0:
          stream[at] = static_cast<char>(below(256));
          break;
        case 1:
          stream.erase(at, 1 + below(8));
          break;
        case 2:
          stream.insert(at, std::string(1 + below(8), static_cast<char>(below(256))));
          break;
        case 3:
          stream.resize(at + 1);
          break;
      }
    }
    Decoder decoder;
    for (size_t at = 0; at < stream.size();) {
      const size_t piece = std::min(1 + below(64), stream.size() - at);
      decoder.feed(stream.data() + at, piece);
      at += piece;
      while (decoder.next()) continue;
      EXPECT(decoder.held() < kHeaderBytes + kMostBody);
    }
    if (!decoder.fault().empty()) faults++;
  }
  EXPECT(faults > 1000);
}
