/* SPDX-License-Identifier: Apache-2.0 */
// The client's side: connects, sends, checks that exactly that comes back, closes with FIN.
#pragma once

#include <deque>

#include "engine.h"
#include "slots.h"

namespace tlshub::load {

struct ClientOptions {
  Address target;
  // Local addresses to connect from; when the ports of one are used up, the next is taken. Empty: the system's choice.
  std::vector<Address> sources;
  uint64_t bytes = 1024;     // of a request; at least 1
  uint32_t requests = 1;     // of a connection, one after the other; at least 1
  uint64_t connections = 0;  // in all; 0: until `duration`
  uint32_t concurrency = 1;  // open at once, at most
  double rate = 0;           // connections a second by schedule; 0: as fast as places become free
  Nanoseconds duration = 0;  // after which no more begin; 0: no limit
  Nanoseconds hold = 0;      // a connection stays open for so long after its last request
  Nanoseconds timeout = 0;   // without anything moving; at least 1
};

class Client : public Engine {
 public:
  explicit Client(ClientOptions options);
  ~Client() override { join(); }

 protected:
  void event(uint64_t tag, uint32_t events) override;
  Nanoseconds turn(Nanoseconds now) override;
  bool done() const override;
  void interrupt() override;

 private:
  enum class Phase { kConnecting, kExchanging, kHolding, kClosing };

  struct Connection {
    Fd fd;
    Phase phase = Phase::kConnecting;
    bool readable = false, writable = false, queued = false;
    uint64_t requestSent = 0, requestReceived = 0;  // bytes of the present request
    Nanoseconds begun = 0, moved = 0, requestBegun = 0;
    ConnectionRecord record = {};
  };

  // What could not be opened for lack of a local port says so by false.
  bool open(Nanoseconds intended, Nanoseconds now);
  bool bindTo(int fd, size_t source) const;
  void drive(uint64_t tag, Connection& connection);
  bool send(Connection& connection, int32_t& failure);
  bool receive(Connection& connection, int32_t& failure);
  void requestDone(Connection& connection);
  void sayGoodbye(Connection& connection);
  void end(uint64_t tag, Connection& connection, int32_t failure);
  bool mayBegin(Nanoseconds now) const;
  void look(Nanoseconds now);

  const ClientOptions options_;
  Slots<Connection> connections_;
  std::deque<uint64_t> again_;  // stopped in the middle, to let others have their turn
  size_t source_ = 0;
  Nanoseconds waitUntil_ = 0, shortSince_ = 0, lookAt_ = 0;
  std::vector<uint8_t> scratch_;
};

}  // namespace tlshub::load
