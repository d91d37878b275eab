/* SPDX-License-Identifier: Apache-2.0 */
// One handshake on one socket: TLS 1.3 (RFC 8446) with certificates on both sides, then one record of confirmation.
//
// In TLS 1.3 a client is done before the server has seen its certificate. A program let loose at that moment could write a
// whole request to a server that is about to refuse it, and would read the refusal itself, as an I/O error. So the server
// ends with exactly one NewSessionTicket, and the client is done when it has read it. What arrives instead (an alert,
// anything else) is the driver's to read and report. Unless the context has a ticket key, the ticket is good for nothing
// else; resumption.h says what else it may be good for.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "context.h"
#include "endpoint.h"
#include "outcome.h"
#include "owned.h"
#include "resumption.h"
#include "socket_options.h"

namespace tlshub::handshake {

class Session final : private Resumption {
 public:
  enum class Step {
    kWait,        // for the socket to become readable
    kWaitToSend,  // to become writable
    kWaitForBoth,
    kEnded,  // finish() has the outcome
  };

  // `byExchanges`: it makes no system calls on the socket, see RecordChannel.
  Session(std::shared_ptr<const Context> context, Request request, bool byExchanges = false);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Does what can be done without waiting.
  Step advance();

  // Ends a handshake from outside; advance() must not be called again.
  void fail(Failure failure, std::string reason);
  // The sentence for a deadline that passed.
  std::string overdueReason() const;

  // Puts the socket's options back and hands out the result. Once.
  Outcome finish();

  // Our part is sent and the peer's lacks its last record: it may be through with it, and its program may send.
  bool isConfirming() const { return stage_ == Stage::kConfirm && !end_.failed(); }

  int fd() const { return request_.fd; }
  uint64_t charge() const { return request_.charge; }
  RecordChannel& channel() { return end_.channel(); }

 private:
  enum class Stage { kHandshake, kConfirm, kLastFlight, kSucceeded };

  void prepareResumption();
  void stepHandshake();
  void stepConfirm();
  std::string nameOf(SSL_SESSION* session) const;

  const TicketKey& ticketKey() const override { return *end_.context().ticketKey(); }
  bool mayResume(SSL_SESSION* session, int64_t trustedSince) override;
  int64_t trustedSince() const override { return trustedSince_; }
  void keep(SessionPtr session) override { kept_ = std::move(session); }

  const Request request_;
  const std::chrono::steady_clock::time_point started_;
  const bool byExchanges_;
  std::optional<LowWaterMark> lowWater_;
  std::optional<PeekOffset> peekOffset_;
  Endpoint end_;
  int64_t trustedSince_;  // of a session that is about to be resumed, else now
  bool offered_ = false;  // a session to the server
  SessionPtr kept_;       // the server's ticket, for the next time
  Stage stage_ = Stage::kHandshake;
};

}  // namespace tlshub::handshake
