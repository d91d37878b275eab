/* SPDX-License-Identifier: Apache-2.0 */
// What two agents say to each other on a channel, behind its handshake. docs/CHANNEL_WIRE.md has the layout.
//
// Pure: bytes in, messages out. Whoever sends them has shown its certificate, and is not trusted any further for it: every length has a bound
// that is checked before anything is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "../../../bpf/channel.h"

namespace tlshub::channel {

// Versions that this agent speaks.
constexpr uint8_t kOldestVersion = 1;
constexpr uint8_t kNewestVersion = 1;

// Of epochs, from 1 on: what the marker of a connection has room for.
constexpr bool isEpochId(uint32_t epoch) {
  return epoch > 0 && epoch < CHANNEL_EPOCH_IDS;
}

constexpr size_t kHeaderBytes = 3;  // type u8, bytes of the body u16
constexpr size_t kMostBody = 1024;
constexpr size_t kMostName = 253;    // the longest DNS name
constexpr size_t kMostReason = 120;  // of a text for the peer's log

// Types from here on are passed over by who does not know them; below, they end the session.
constexpr uint8_t kFirstOptional = 128;

// Why a listener does not take an epoch. On the wire: numbers are never given twice.
enum class Refusal : uint8_t {
  kVersion = 1,    // there is no common one
  kName = 2,       // the opener is not who it says, or takes the listener for another
  kEpoch = 3,      // this id is in use
  kTooMany = 4,    // epochs of this node
  kNotWanted = 5,  // no channels here (exchange = in-band), or not with this node
  kLeaving = 6,    // the agent is about to end
};

// Why an epoch ends before its time. As Refusal.
enum class Close : uint8_t {
  kOver = 1,         // its time is over
  kReplaced = 2,     // another one has taken its place
  kCredentials = 3,  // certificates or the mapping have changed
  kIdle = 4,         // nobody uses it
  kLeaving = 5,      // the agent is about to end
};

struct Hello {  // opener, first
  uint8_t oldest = kOldestVersion, newest = kNewestVersion;
  uint32_t epoch = 0;    // isEpochId()
  std::string opener;    // the node's name, as it is to go into keys
  std::string listener;  // likewise
};
struct Accept {  // listener, in answer
  uint8_t version = kNewestVersion;
  uint32_t epoch = 0;
};
struct Reject {  // listener, in answer, and last
  Refusal why = Refusal::kVersion;
  uint8_t oldest = kOldestVersion, newest = kNewestVersion;
  std::string text;  // for people
};
struct NumberTaken {  // either: a flow came with a number that was used before
  uint32_t epoch = 0;
  uint16_t number = 0;
};
struct Closing {  // either, last
  uint32_t epoch = 0;
  Close why = Close::kOver;
};
struct Ping {};  // either; answered by
struct Pong {};

using Message = std::variant<Hello, Accept, Reject, NumberTaken, Closing, Ping, Pong>;

// "HELLO" and the like, for logs.
const char* messageName(const Message& message);
const char* refusalText(Refusal why);
const char* closeText(Close why);

// Texts that are too long are cut. Of names the caller has seen to it.
std::string encode(const Message& message);

// Takes a stream apart. What it holds at most is one whole message and what came with its end.
class Decoder {
 public:
  void feed(const char* bytes, size_t size) { pending_.append(bytes, size); }

  // The next message that is there whole. None: more has to come, or fault().
  std::optional<Message> next();

  // A sentence once the stream has shown not to be ours; nothing comes out of it any more.
  const std::string& fault() const { return fault_; }
  // Bytes that were fed and are not out yet.
  size_t held() const { return pending_.size(); }

 private:
  std::optional<Message> parse(uint8_t type, const std::string& body);

  std::string pending_;
  std::string fault_;
};

}  // namespace tlshub::channel
