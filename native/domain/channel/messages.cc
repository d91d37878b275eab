// SPDX-License-Identifier: Apache-2.0
#include "messages.h"

#include <algorithm>

namespace tlshub::channel {

namespace {

enum Type : uint8_t { kHello = 1, kAccept, kReject, kNumberTaken, kClosing, kPing, kPong };

void put(std::string& to, uint32_t number, size_t bytes) {
  while (bytes-- > 0) to += static_cast<char>(number >> (8 * bytes));
}

void put(std::string& to, const std::string& text, size_t most) {
  const size_t size = std::min(text.size(), most);
  put(to, static_cast<uint32_t>(size), 1);
  to.append(text, 0, size);
}

uint32_t numberAt(const std::string& bytes, size_t at, size_t count) {
  uint32_t number = 0;
  for (size_t i = 0; i < count; i++) number = number << 8 | static_cast<uint8_t>(bytes[at + i]);
  return number;
}

// Reads a body from its beginning to wherever its version knows it; what follows is a later version's.
class Body {
 public:
  explicit Body(const std::string& bytes) : bytes_(bytes) {}

  uint32_t number(size_t count) {
    if (!has(count)) return 0;
    const uint32_t number = numberAt(bytes_, at_, count);
    at_ += count;
    return number;
  }
  std::string text(size_t most) {
    const size_t size = number(1);
    if (size > most || !has(size)) {
      good_ = false;
      return std::string();
    }
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  bool good() const { return good_; }

 private:
  bool has(size_t count) {
    good_ = good_ && count <= bytes_.size() - at_;
    return good_;
  }

  const std::string& bytes_;
  size_t at_ = 0;
  bool good_ = true;
};

// A name that can be a node's: it goes into logs, and is compared with those in certificates.
bool isName(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return text;
}

struct Encoder {
  std::string body;

  Type operator()(const Hello& hello) {
    put(body, hello.oldest, 1);
    put(body, hello.newest, 1);
    put(body, hello.epoch, 4);
    put(body, hello.opener, kMostName);
    put(body, hello.listener, kMostName);
    return kHello;
  }
  Type operator()(const Accept& accept) {
    put(body, accept.version, 1);
    put(body, accept.epoch, 4);
    return kAccept;
  }
  Type operator()(const Reject& reject) {
    put(body, static_cast<uint8_t>(reject.why), 1);
    put(body, reject.oldest, 1);
    put(body, reject.newest, 1);
    put(body, reject.text, kMostReason);
    return kReject;
  }
  Type operator()(const NumberTaken& taken) {
    put(body, taken.epoch, 4);
    put(body, taken.number, 2);
    return kNumberTaken;
  }
  Type operator()(const Closing& closing) {
    put(body, closing.epoch, 4);
    put(body, static_cast<uint8_t>(closing.why), 1);
    return kClosing;
  }
  Type operator()(const Ping&) { return kPing; }
  Type operator()(const Pong&) { return kPong; }
};

}  // namespace

const char* messageName(const Message& message) {
  constexpr const char* kNames[] = {"HELLO", "ACCEPT", "REJECT", "NUMBER_TAKEN", "CLOSING", "PING", "PONG"};
  static_assert(std::variant_size_v<Message> == sizeof kNames / sizeof kNames[0]);
  return kNames[message.index()];
}

const char* refusalText(Refusal why) {
  switch (why) {
    case Refusal::kVersion:
      return "it speaks no version of the channel that we speak";
    case Refusal::kName:
      return "the names of the two nodes are not what it knows them by";
    case Refusal::kEpoch:
      return "it has an epoch of this id already";
    case Refusal::kTooMany:
      return "it has as many epochs of this node as it takes";
    case Refusal::kNotWanted:
      return "it wants no channel with this node";
    case Refusal::kLeaving:
      return "it is about to end";
  }
  return "for a reason that this version does not know";
}

const char* closeText(Close why) {
  switch (why) {
    case Close::kOver:
      return "its time is over";
    case Close::kReplaced:
      return "another one has taken its place";
    case Close::kCredentials:
      return "certificates or the mapping have changed";
    case Close::kIdle:
      return "nobody uses it";
    case Close::kLeaving:
      return "the agent is about to end";
  }
  return "for a reason that this version does not know";
}

std::string encode(const Message& message) {
  Encoder encoder;
  const Type type = std::visit(encoder, message);
  std::string bytes;
  put(bytes, type, 1);
  put(bytes, static_cast<uint32_t>(encoder.body.size()), 2);
  return bytes + encoder.body;
}

std::optional<Message> Decoder::next() {
  while (fault_.empty() && pending_.size() >= kHeaderBytes) {
    const auto type = static_cast<uint8_t>(pending_[0]);
    const size_t size = numberAt(pending_, 1, 2);
    // Before its body is waited for.
    if (size > kMostBody) {
      fault_ = "a message of " + std::to_string(size) + " bytes, of at most " + std::to_string(kMostBody);
      break;
    }
    if (type < kFirstOptional && (type < kHello || type > kPong)) {
      fault_ = "a message of the unknown type " + std::to_string(type);
      break;
    }
    if (pending_.size() < kHeaderBytes + size) return std::nullopt;
    const std::string body = pending_.substr(kHeaderBytes, size);
    pending_.erase(0, kHeaderBytes + size);
    if (type >= kFirstOptional) continue;
    std::optional<Message> message = parse(type, body);
    if (message) return message;
    fault_ = "a message of type " + std::to_string(type) + " with an impossible body of " +
             std::to_string(size) + " bytes";
  }
  if (!fault_.empty()) pending_.clear();
  return std::nullopt;
}

std::optional<Message> Decoder::parse(uint8_t type, const std::string& bytes) {
  Body body(bytes);
  std::optional<Message> message;
  // In the order of the wire, which the order of arguments would not promise.
  switch (static_cast<Type>(type)) {
    case kHello: {
      Hello hello;
      hello.oldest = static_cast<uint8_t>(body.number(1));
      hello.newest = static_cast<uint8_t>(body.number(1));
      hello.epoch = body.number(4);
      hello.opener = body.text(kMostName);
      hello.listener = body.text(kMostName);
      const bool possible = hello.oldest > 0 && hello.oldest <= hello.newest && isEpochId(hello.epoch) &&
                            isName(hello.opener) && isName(hello.listener);
      if (possible) message = hello;
      break;
    }
    case kAccept: {
      Accept accept;
      accept.version = static_cast<uint8_t>(body.number(1));
      accept.epoch = body.number(4);
      message = accept;
      break;
    }
    case kReject: {
      Reject reject;
      reject.why = static_cast<Refusal>(body.number(1));
      reject.oldest = static_cast<uint8_t>(body.number(1));
      reject.newest = static_cast<uint8_t>(body.number(1));
      reject.text = printable(body.text(kMostReason));
      message = reject;
      break;
    }
    case kNumberTaken: {
      NumberTaken taken;
      taken.epoch = body.number(4);
      taken.number = static_cast<uint16_t>(body.number(2));
      message = taken;
      break;
    }
    case kClosing: {
      Closing closing;
      closing.epoch = body.number(4);
      closing.why = static_cast<Close>(body.number(1));
      message = closing;
      break;
    }
    case kPing:
      message = Ping{};
      break;
    case kPong:
      message = Pong{};
      break;
  }
  return body.good() ? message : std::nullopt;
}

}  // namespace tlshub::channel
