/* SPDX-License-Identifier: Apache-2.0 */
// The server's side: sends back what comes, until the client's FIN.
#pragma once

#include <deque>

#include "engine.h"
#include "slots.h"

namespace tlshub::load {

struct ServerOptions {
  Address listen;
  uint64_t connections = 0;  // after which it ends; 0: no limit
  Nanoseconds duration = 0;  // after which it ends; 0: no limit
};

class Server : public Engine {
 public:
  // Listens when it returns. Throws SysError.
  explicit Server(const ServerOptions& options);
  ~Server() override { join(); }
  uint16_t port() const { return port_; }

 protected:
  void event(uint64_t tag, uint32_t events) override;
  Nanoseconds turn(Nanoseconds now) override;
  bool done() const override;
  void interrupt() override;

 private:
  struct Connection {
    Fd fd;
    bool readable = true, writable = true, queued = false;
    std::vector<uint8_t> pending;  // received and not yet taken by the kernel to be sent back
    size_t pendingAt = 0;
    Nanoseconds begun = 0;
    ConnectionRecord record = {};
  };

  void accept();
  void listen(bool on);
  void drive(uint64_t tag, Connection& connection);
  // False: it cannot go on at present.
  bool flush(Connection& connection, const uint8_t* bytes, size_t length, size_t& done, int32_t& failure);
  void end(uint64_t tag, Connection& connection, int32_t failure);

  static constexpr uint64_t kListenerTag = UINT64_MAX - 2;

  const ServerOptions options_;
  Fd listener_;
  uint16_t port_ = 0;
  bool listening_ = false;
  Slots<Connection> connections_;
  std::deque<uint64_t> again_;
  std::vector<uint8_t> scratch_;
};

}  // namespace tlshub::load
