// One handshake on one socket: TLS 1.3 (RFC 8446) with certificates on both sides, then one record of confirmation.
//
// In TLS 1.3 a client is done before the server has seen its certificate. A program let loose at that moment could write a
// whole request to a server that is about to refuse it, and would read the refusal itself, as an I/O error. So the server
// ends with exactly one NewSessionTicket, which is good for nothing else, and the client is done when it has read it. What
// arrives instead (an alert, anything else) is the driver's to read and report.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "context.h"
#include "library.h"
#include "outcome.h"
#include "owned.h"
#include "record_channel.h"
#include "socket_options.h"

namespace tlshub::handshake {

class Session {
 public:
  enum class Step {
    kWait,        // for the socket to become readable
    kWaitToSend,  // to become writable
    kWaitForBoth,
    kEnded,  // finish() has the outcome
  };

  Session(std::shared_ptr<const Context> context, Request request);
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

  int fd() const { return request_.fd; }

  // SSL_CTX_keylog_cb_func, set on every Context: the only way OpenSSL gives out traffic secrets.
  static void onKeyLog(const SSL* ssl, const char* line);

 private:
  enum class Stage { kHandshake, kConfirm, kLastFlight, kSucceeded, kFailed };

  void prepare();
  void stepHandshake();
  void stepConfirm();
  void checkPeer();
  void failFromLibrary();
  void failFromErrno(int error, const char* call);
  std::string notTlsReason() const;
  static std::string cipherReason(const std::string& cipher);

  static int onVerify(int ok, X509_STORE_CTX* store);
  static void onInfo(const SSL* ssl, int where, int value);

  const std::shared_ptr<const Context> context_;
  const Request request_;
  const std::chrono::steady_clock::time_point started_;
  LowWaterMark lowWater_;
  RecordChannel channel_;
  library::MessageWatch watch_;
  SslPtr ssl_;  // behind channel_ and watch_, which it points to
  Stage stage_ = Stage::kHandshake;
  int peerAlert_ = -1;
  std::string certificateReason_;
  std::string cipherReason_;
  Outcome outcome_;
};

}  // namespace tlshub::handshake
