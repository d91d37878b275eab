/* SPDX-License-Identifier: Apache-2.0 */
// One channel: a mutual TLS 1.3 session between two agents, on a connection of the agent's own, that makes one epoch and lives as long as it.
//
//   opener                                   listener
//     handshake, both certificates  <------>
//     HELLO (epoch, both names)      ------>   the owner decides
//                                    <------   ACCEPT, and both have the epoch; or REJECT
//     NUMBER_TAKEN, PING, PONG       <------>
//     CLOSING                        <------>
//
// No message is sent or read before the peer's certificate was verified and has a name that was expected. The epoch's secret comes out of the
// library right into the memory for secrets, and goes from there to whoever derives keys; what the library keeps of it is wiped with the
// session, so a session must end no later than its epoch. In-band, a server's ticket tells a client that it was accepted; here ACCEPT does.
//
// Bytes that a peer can make us read are bounded for the whole session (RecordChannel::kMaxReceived), handshake and messages together.
//
// It does not wait, knows no event loop and no clock: the owner calls advance() when the descriptor is ready or deadline() has come, and passes
// the time. Not for several threads.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "../handshake/endpoint.h"
#include "epoch_secret.h"
#include "messages.h"

namespace tlshub::channel {

enum class Side { kOpener, kListener };

struct Terms {
  int fd = -1;  // connected; borrowed, must stay open as long as the session
  Side side = Side::kOpener;
  std::string ownName;  // of this node, as the mapping has it
  // opener: the node that it is opened to, and the epoch's id
  std::string peerName;
  uint32_t epoch = 0;
  // listener: all that may open
  std::shared_ptr<const handshake::NodeSet> nodes = nullptr;
};

struct Times {
  std::chrono::milliseconds opening{5000};  // from the connection until both have the epoch
  std::chrono::milliseconds ping{15000};    // without a word, then the peer is asked for one
  std::chrono::milliseconds silence{40000};
  std::chrono::milliseconds closing{1000};  // for the peer to read our last words
};

class Session {
 public:
  using Time = std::chrono::steady_clock::time_point;

  enum class Step { kWait, kWaitToSend, kEnded };  // for bytes; for bytes or room to send; see ending()

  // What the owner is to hear of, in this order.
  struct Event {
    enum What {
      kProposed,     // listener: accept() or reject() the epoch. Nothing is read until then
      kOpen,         // both have it: takeSecret()
      kNumberTaken,  // the peer has seen `number` before
      kClosing,      // the peer ends the epoch; the end follows
    } what;
    uint16_t number = 0;
    Close why = Close::kOver;
  };

  // How it ended. `code` is "" if that was in order: either side has said so by CLOSING.
  struct Ending {
    std::string code;
    std::string reason;  // a sentence
  };

  Session(std::shared_ptr<const handshake::Context> context, Terms terms, Time now, const Times& times = {});
  ~Session();  // wipes all, and says nothing to the peer
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Does what can be done without waiting, whatever the reason for the call.
  Step advance(Time now);
  // advance() is due then, if nothing else comes. Not of a session that has ended.
  Time deadline() const;
  // True: there was one.
  bool nextEvent(Event* event);

  // The answer to kProposed. Behind each of these call advance(), for what cannot be sent at once.
  void accept(Time now);
  void reject(Refusal why, const std::string& text, Time now);
  // Of an open one. The opener makes another epoch when it hears of one such number, so a few are said and the rest is not.
  void numberTaken(uint16_t number);
  // Ends it. If it is open the peer is told.
  void close(Close why, Time now);

  // Of an open one, once: empty then.
  Secret<EpochSecret> takeSecret() {
    return stage_ == Stage::kOpen ? std::move(secret_) : Secret<EpochSecret>();
  }
  // From kProposed (listener) or kOpen on. The names are as the opener writes them, at both ends: they go into keys.
  uint32_t epoch() const { return epoch_; }
  const std::string& openerName() const { return opener_; }
  const std::string& listenerName() const { return listener_; }
  uint8_t version() const { return version_; }
  const std::string& cipher() const { return end_.cipher(); }  // IANA name
  const std::string& group() const { return group_; }          // as in tls.groups
  bool isOpen() const { return stage_ == Stage::kOpen; }

  const Ending& ending() const { return ending_; }
  // Of one that has ended: nothing of its secrets is left in the library's memory.
  bool wiped() const { return wiped_; }
  const handshake::RecordChannel& bytes() const { return end_.channel(); }

 private:
  enum class Stage { kHandshake, kHello, kProposed, kOpen, kClosing, kEnded };
  // Waiting for room in the socket. A peer that does not read has this much, and then no session.
  static constexpr size_t kMostQueued = 16 * 1024;
  static constexpr unsigned kMostNumbersTaken = 16;

  void stepHandshake();
  bool exportSecret();
  void read();
  void hear(const Message& message);
  void hearHello(const Hello& hello);
  void hearAccept(const Accept& accept);
  void stepClosing();
  void watchTime(Time now);
  void say(const Message& message);
  void closeSoon(Time now);
  void fail(const std::string& reason);
  void endByFailure();
  void forget();
  void end(std::string code, std::string reason);
  std::string overdueReason() const;
  bool is(Side side) const { return terms_.side == side; }

  const Terms terms_;
  const Times times_;
  handshake::Endpoint end_;
  Decoder decoder_;
  Stage stage_ = Stage::kHandshake;
  Secret<EpochSecret> secret_;
  uint32_t epoch_ = 0;
  std::string opener_, listener_, group_;
  uint8_t version_ = 0;
  unsigned numbersTaken_ = 0;
  std::deque<Event> events_;
  Ending ending_;
  Ending closing_;  // what ending_ is to be
  Time now_, openBy_, closeBy_{};
  Time heard_;
  uint64_t heardBytes_ = 0;
  bool pinged_ = false;
  bool shutDown_ = false;
  bool wiped_ = true;
};

}  // namespace tlshub::channel
