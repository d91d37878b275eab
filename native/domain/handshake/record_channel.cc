// SPDX-License-Identifier: Apache-2.0
#include "record_channel.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>

#include "socket_options.h"

namespace tlshub::handshake {

namespace {

// RFC 8446 section 5.1 and 5.2: content types 20 to 23, legacy version 3.x, at most 2^14 + 256 bytes.
constexpr unsigned kFirstType = 20;
constexpr unsigned kLastType = 23;
constexpr unsigned kMajorVersion = 3;
constexpr size_t kMaxBody = (1 << 14) + 256;

}  // namespace

const BIO_METHOD* RecordChannel::method() {
  // One for the whole process, made by whichever thread comes first and never freed: BIOs may outlive any owner.
  static const BIO_METHOD* const instance = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tlshub record channel");
    if (made != nullptr) {
      BIO_meth_set_read(made, &RecordChannel::bioRead);
      BIO_meth_set_write(made, &RecordChannel::bioWrite);
      BIO_meth_set_ctrl(made, &RecordChannel::bioControl);
    }
    return made;
  }();
  return instance;
}

BIO* RecordChannel::newBio() {
  BIO* bio = method() == nullptr ? nullptr : BIO_new(method());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  return bio;
}

int RecordChannel::bioRead(BIO* bio, char* out, int size) {
  BIO_clear_retry_flags(bio);
  auto* channel = static_cast<RecordChannel*>(BIO_get_data(bio));
  const int got = channel->read(out, size);
  if (got < 0 && channel->readError_ == 0 && !channel->malformed_ && !channel->tooMuch_)
    BIO_set_retry_read(bio);
  return got;
}

int RecordChannel::bioWrite(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  auto* channel = static_cast<RecordChannel*>(BIO_get_data(bio));
  if (size > 0) channel->pending_.insert(channel->pending_.end(), data, data + size);
  return size;
}

long RecordChannel::bioControl(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;  // the owner flushes, once for all that was written in a step
    case BIO_CTRL_EOF:
      return static_cast<RecordChannel*>(BIO_get_data(bio))->eof_ ? 1 : 0;
    default:
      return 0;
  }
}

// As recv().
ssize_t RecordChannel::receive(char* out, size_t size) {
  if (!byExchanges_) return recv(fd_, out, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  const size_t have = std::min(size, peeked_.size() - used_);
  if (have > 0) {
    peeked_.copy(out, have, used_);
    used_ += have;
    return static_cast<ssize_t>(have);
  }
  if (peekedEnd_) return 0;
  errno = peekError_ != 0 ? peekError_ : EAGAIN;
  return -1;
}

bool RecordChannel::wantsExchange(bool last) const {
  if (!byExchanges_) return false;
  if (last && lowWater_ != 1) return true;
  return (stale_ && !last) || owed() > 0 || (hasPending() && !full_ && sendError_ == 0);
}

helper::Exchange RecordChannel::nextExchange(bool last, std::string* bytes) {
  helper::Exchange next = {};
  next.consume = static_cast<uint32_t>(owed());
  // The library waits for a record and will read it, whatever it is.
  next.take = !last && used_ >= peeked_.size() && (!betweenRecords() || allowed_ > 0);
  next.begin = !begun_;
  next.lowWater = last ? lowWater_ : 0;
  next.halfOpen = halfOpen_;
  bytes->assign(pending_.data() + sent_, std::min(pending_.size() - sent_, helper::kMostBytes));
  begun_ = true;
  return next;
}

void RecordChannel::exchanged(const helper::Answer& answer, const std::string& bytes) {
  stale_ = false;
  if (answer.lowWater > 1) lowWater_ = answer.lowWater;
  sent_ += answer.sent;
  bytesSent_ += answer.sent;
  if (!hasPending()) dropPending();
  full_ = answer.sendError == EAGAIN;
  if (answer.sendError != 0 && !full_) sendError_ = answer.sendError;
  // What was taken off the queue, and not read yet, is nowhere but here.
  peeked_.erase(0, used_ < taken_ ? used_ : peeked_.size());
  peeked_.resize(used_ < taken_ ? taken_ - used_ : 0);
  taken_ = peeked_.size() + answer.taken;
  used_ = 0;
  peeked_ += bytes;
  peekedEnd_ = answer.ended != 0;
  peekError_ = answer.readError == EAGAIN ? 0 : answer.readError;
}

// Returns the bytes read, 0 at the end of the stream, -1 to wait or (with a flag set) for good.
int RecordChannel::read(char* out, int size) {
  if (malformed_ || tooMuch_ || readError_ != 0 || size <= 0) return -1;
  if (eof_) return 0;
  if (betweenRecords() && allowed_ == 0) return -1;
  if (bytesReceived_ >= kMaxReceived) {
    tooMuch_ = true;
    return -1;
  }
  const bool inHeader = headerHave_ < kHeader;
  const size_t rest = inHeader ? kHeader - headerHave_ : bodyLeft_;
  ssize_t got;
  do {
    got = receive(out, std::min<size_t>(rest, static_cast<size_t>(size)));
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK) readError_ = errno;
    return -1;
  }
  if (got == 0) {
    eof_ = true;
    return 0;
  }
  bytesReceived_ += static_cast<uint64_t>(got);
  if (inHeader) {
    std::copy_n(out, got, reinterpret_cast<char*>(header_.data()) + headerHave_);
    headerHave_ += static_cast<size_t>(got);
    if (headerHave_ == kHeader) parseHeader();
  } else {
    bodyLeft_ -= static_cast<size_t>(got);
    const bool alert = header_[0] == kAlertType && header_[3] == 0 && header_[4] == kAlertSize;
    if (alert && bodyLeft_ == 0) plainAlert_ = static_cast<unsigned char>(out[got - 1]);
  }
  if (headerHave_ == kHeader && bodyLeft_ == 0 && !malformed_) {
    headerHave_ = 0;
    records_++;
    if (allowed_ != std::numeric_limits<uint64_t>::max()) allowed_--;
  }
  return static_cast<int>(got);
}

// A bad header is still handed to the library, which then fails by itself and writes the fitting alert; the flag keeps
// anything behind it in the socket.
void RecordChannel::parseHeader() {
  bodyLeft_ = static_cast<size_t>(header_[3]) << 8 | header_[4];
  malformed_ = header_[0] < kFirstType || header_[0] > kLastType || header_[1] != kMajorVersion ||
               bodyLeft_ > kMaxBody;
}

bool RecordChannel::flush() {
  if (!hasPending()) return true;
  if (sendError_ != 0 || byExchanges_) return false;
  while (hasPending()) {
    const ssize_t put =
        send(fd_, pending_.data() + sent_, pending_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) sendError_ = errno;
      return false;
    }
    sent_ += static_cast<size_t>(put);
    bytesSent_ += static_cast<uint64_t>(put);
  }
  dropPending();
  pushCorked(fd_);
  return true;
}

std::string RecordChannel::headerText() const {
  std::string text;
  // Between records headerHave_ is 0, yet the bytes of the last header are still there.
  const size_t have = headerHave_ == 0 && records_ > 0 ? kHeader : headerHave_;
  for (size_t i = 0; i < have; i++) {
    if (header_[i] >= 0x20 && header_[i] < 0x7f) {
      text += static_cast<char>(header_[i]);
    } else {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", header_[i]);
      text += escape;
    }
  }
  return text;
}

}  // namespace tlshub::handshake
