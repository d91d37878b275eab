/* SPDX-License-Identifier: Apache-2.0 */
// The socket as the TLS library sees it: a BIO on a borrowed descriptor that belongs to somebody else's program.
//
// Reading never takes a byte beyond the TLS record that is being read, and no record beyond those allowed: what follows
// the handshake in the receive queue is the application's. Writing only collects; flush() sends a whole flight in one
// call, since several small segments would wait for each other under Nagle's algorithm. O_NONBLOCK is left as the program
// set it.
//
// Or it makes no calls: bytes come and go by exchanges (helper/wire.h), which the owner has made. Then what is read here is
// what a helper has peeked at, and the next exchange takes it off the queue.
#pragma once

#include <openssl/bio.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "../helper/wire.h"

namespace tlshub::handshake {

class RecordChannel {
 public:
  // A handshake of ordinary certificates takes 2 to 6 KiB; a peer that needs more than this has something else in mind.
  static constexpr uint64_t kMaxReceived = 128 * 1024;

  RecordChannel(int fd, bool byExchanges) : fd_(fd), byExchanges_(byExchanges), stale_(byExchanges) {}
  RecordChannel(const RecordChannel&) = delete;
  RecordChannel& operator=(const RecordChannel&) = delete;

  // A BIO on this channel, which must outlive it. Null: out of memory.
  BIO* newBio();

  // Sends what was written. False: something is left, either because the socket is full or for good (sendError()).
  bool flush();
  bool hasPending() const { return sent_ < pending_.size(); }
  size_t pendingBytes() const { return pending_.size() - sent_; }
  // Nobody reads it any more.
  void dropPending() {
    pending_.clear();
    sent_ = 0;
  }

  // The peer has said all that it must before its program may speak: if it has closed, that may be its program's shutdown(), and it reads on.
  void mayBeHalfOpen() { halfOpen_ = true; }

  // By exchanges: the socket has become ready.
  void ready() {
    stale_ = byExchanges_;
    full_ = false;
  }
  // An exchange would bring it on. `last`: nothing more is to be read.
  bool wantsExchange(bool last) const;
  // What is to be exchanged, and the bytes to be sent.
  helper::Exchange nextExchange(bool last, std::string* bytes);
  void exchanged(const helper::Answer& answer, const std::string& bytes);

  // From now on only so many further records may be read; the next read after them is told to wait.
  void allowRecords(uint64_t count) { allowed_ = count; }
  // true: the allowed records were all read, whole
  bool exhausted() const { return allowed_ == 0 && betweenRecords(); }

  uint64_t bytesSent() const { return bytesSent_; }
  uint64_t bytesReceived() const { return bytesReceived_; }
  uint64_t recordsReceived() const { return records_; }
  bool endOfFile() const { return eof_; }
  bool betweenRecords() const { return headerHave_ == 0; }
  bool tooMuch() const { return tooMuch_; }
  int readError() const { return readError_; }
  int sendError() const { return sendError_; }
  // true: a record header that no TLS record can have
  bool malformed() const { return malformed_; }
  // The description of an alert that came in the clear, or -1. OpenSSL's client sends its first one so even when the
  // server has changed to encrypted records already, and BoringSSL's server takes that for a fault of the protocol.
  // Anybody on the path can have sent it: good for a message, for nothing else.
  int plainAlert() const { return plainAlert_; }
  // The header of the record read last, for the log: printable characters as they are, others as \xNN.
  std::string headerText() const;

 private:
  static constexpr size_t kHeader = 5;
  // RFC 8446 section 6: content type, and the size of level and description.
  static constexpr unsigned char kAlertType = 21;
  static constexpr size_t kAlertSize = 2;

  int read(char* out, int size);
  ssize_t receive(char* out, size_t size);
  size_t owed() const { return used_ > taken_ ? used_ - taken_ : 0; }
  void parseHeader();

  static const BIO_METHOD* method();
  static int bioRead(BIO* bio, char* out, int size);
  static int bioWrite(BIO* bio, const char* data, int size);
  static long bioControl(BIO* bio, int command, long number, void* pointer);

  const int fd_;
  const bool byExchanges_;

  bool stale_;          // nobody knows what is in the queue
  bool begun_ = false;  // there was an exchange
  bool halfOpen_ = false;
  bool full_ = false;  // the socket takes no more for now
  std::string peeked_;
  size_t used_ = 0;   // of peeked_, by the library
  size_t taken_ = 0;  // of peeked_, off the queue
  bool peekedEnd_ = false;
  int peekError_ = 0;
  int lowWater_ = 1;  // the program's

  std::array<unsigned char, kHeader> header_{};
  size_t headerHave_ = 0;
  size_t bodyLeft_ = 0;
  uint64_t allowed_ = std::numeric_limits<uint64_t>::max();
  uint64_t records_ = 0;

  std::vector<char> pending_;
  size_t sent_ = 0;

  uint64_t bytesSent_ = 0;
  uint64_t bytesReceived_ = 0;
  int readError_ = 0;
  int sendError_ = 0;
  bool eof_ = false;
  bool tooMuch_ = false;
  bool malformed_ = false;
  int plainAlert_ = -1;
};

}  // namespace tlshub::handshake
