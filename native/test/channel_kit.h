/* SPDX-License-Identifier: Apache-2.0 */
// What the tests of the channel's session are written with: two sessions, or one and a TLS peer that can misbehave, and a clock that goes when
// it is told to.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "../domain/channel/context.h"
#include "../domain/channel/session.h"
#include "handshake_kit.h"

namespace kit {

using tlshub::channel::EpochSecret;
using Channel = tlshub::channel::Session;
using ChannelTerms = tlshub::channel::Terms;
using tlshub::channel::Close;
using tlshub::channel::Message;
using tlshub::channel::Refusal;
using tlshub::channel::Side;
using Event = Channel::Event;

constexpr uint32_t kEpoch = 0x0a0b0c;

ContextPtr channelContext(const Identity& identity, const std::string& caPem,
                          const std::vector<std::string>& ciphers = kAllCiphers,
                          const std::vector<std::string>& groups = tlshub::channel::kDefaultGroups);
ContextPtr channelContext(const std::string& node);

// Of a session from "a" to "b"; the listener takes channels of "a" and "node-c".
ChannelTerms openerTerms(int fd);
ChannelTerms listenerTerms(int fd);

std::string nodeOf(Side side);  // "a" opens, "b" listens
Side otherOf(Side side);
ContextPtr contextOfSide(Side side);
std::string bytesOf(std::initializer_list<int> bytes);

// One session with its end of a socket pair, and what it told its owner.
class End {
 public:
  End(const ContextPtr& context, ChannelTerms terms, const tlshub::channel::Times& times = {});
  // Goes on, and takes what it has to tell. True: something has happened.
  bool step();
  // Lets its socket go, as an owner does with that of a session that has ended.
  void closeSocket();
  Channel& operator*() { return session; }
  Channel* operator->() { return &session; }

  // The test's clock, for all sessions.
  static Channel::Time now;

  Channel session;
  bool ended = false;
  bool decides = true;        // accepts what is proposed
  std::vector<Event> events;  // all but kProposed
  unsigned proposed = 0;
  tlshub::Secret<EpochSecret> secret;
  std::string secretBytes() const;

 private:
  int fd_;
};

struct SocketPair {
  SocketPair();
  ~SocketPair();
  int fd[2];
};

// Both ends ours.
struct Ends {
  Ends(const ContextPtr& openerContext, const ContextPtr& listenerContext,
       const tlshub::channel::Times& times = {},
       const std::function<void(ChannelTerms&, ChannelTerms&)>& change = {});
  // Until neither goes on any more.
  void settle();

  SocketPair sockets;
  End opener, listener;
};

RawTls::Options withoutTickets();

// A TLS peer of the test's at the other end of a session's socket.
struct Stranger {
  Stranger(Side ofSession, const ContextPtr& context, const Identity& its,
           RawTls::Options options = withoutTickets(), const tlshub::channel::Times& times = {},
           bool speaksOurProtocol = true);
  // Moves bytes and goes on until nothing happens.
  void settle();
  // Says this, once its handshake is done.
  void say(const std::string& bytes);
  void say(const Message& message) { say(tlshub::channel::encode(message)); }
  std::string heard() { return peer.readAll(); }

  SocketPair sockets;
  Socket socket;  // the stranger's
  RawTls peer;
  End end;
};

tlshub::channel::Hello helloOf(const std::string& opener = "a", const std::string& listener = "b",
                               uint32_t epoch = kEpoch);
std::string codeOf(End& end);
std::string describe(End& end);
// "open numberTaken(513) closing(1)"
std::string eventsOf(const End& end);

}  // namespace kit
