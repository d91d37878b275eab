/* SPDX-License-Identifier: Apache-2.0 */
// The socket as the TLS library sees it: a BIO on a borrowed descriptor that belongs to somebody else's program.
//
// Reading never takes a byte beyond the TLS record that is being read, and no record beyond those allowed: what follows
// the handshake in the receive queue is the application's. Writing only collects; flush() sends a whole flight in one
// call, since several small segments would wait for each other under Nagle's algorithm. No call ever blocks and
// O_NONBLOCK is left as the program set it.
#pragma once

#include <openssl/bio.h>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace tlshub::handshake {

class RecordChannel {
 public:
  // A handshake of ordinary certificates takes 2 to 6 KiB; a peer that needs more than this has something else in mind.
  static constexpr uint64_t kMaxReceived = 128 * 1024;

  explicit RecordChannel(int fd) : fd_(fd) {}
  RecordChannel(const RecordChannel&) = delete;
  RecordChannel& operator=(const RecordChannel&) = delete;

  // A BIO on this channel, which must outlive it. Null: out of memory.
  BIO* newBio();

  // Sends what was written. False: something is left, either because the socket is full or for good (sendError()).
  bool flush();
  bool hasPending() const { return sent_ < pending_.size(); }

  // From now on only so many further records may be read; the next read after them is told to wait.
  void allowRecords(uint64_t count) { allowed_ = count; }
  // true: the allowed records were all read, whole
  bool exhausted() const { return allowed_ == 0 && atBoundary(); }

  uint64_t bytesSent() const { return bytesSent_; }
  uint64_t bytesReceived() const { return bytesReceived_; }
  uint64_t recordsReceived() const { return records_; }
  bool endOfFile() const { return eof_; }
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
  void parseHeader();
  bool atBoundary() const { return headerHave_ == 0; }

  static const BIO_METHOD* method();
  static int bioRead(BIO* bio, char* out, int size);
  static int bioWrite(BIO* bio, const char* data, int size);
  static long bioControl(BIO* bio, int command, long number, void* pointer);

  const int fd_;

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
