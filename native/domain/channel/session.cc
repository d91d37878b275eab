// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <openssl/err.h>
#include <strings.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "../handshake/certificate.h"
#include "../secrets/stack.h"

namespace tlshub::channel {

namespace {

using handshake::Failure;

handshake::Endpoint::Terms endpointTerms(const Terms& terms) {
  handshake::Endpoint::Terms its;
  its.role = terms.side == Side::kOpener ? handshake::Role::kActive : handshake::Role::kPassive;
  if (terms.side == Side::kOpener) {
    its.peerNames = {terms.peerName};
  } else {
    its.nodes = terms.nodes;
  }
  return its;
}

bool sameName(const std::string& one, const std::string& other) {
  return one.size() == other.size() && strncasecmp(one.data(), other.data(), one.size()) == 0;
}

std::string msText(std::chrono::milliseconds time) {
  return std::to_string(time.count()) + " ms";
}

}  // namespace

Session::Session(std::shared_ptr<const handshake::Context> context, Terms terms, Time now, const Times& times)
    : terms_(std::move(terms)),
      times_(times),
      end_(std::move(context), endpointTerms(terms_), terms_.fd),
      now_(now),
      openBy_(now + times.opening),
      heard_(now) {
  if (!is(Side::kOpener)) return;
  epoch_ = terms_.epoch;
  opener_ = terms_.ownName;
  listener_ = terms_.peerName;
  if (!isEpochId(epoch_)) end_.fail(Failure::kFailed, "no epoch has the id " + std::to_string(epoch_));
  if (!handshake::isPlainName(opener_)) {
    end_.fail(Failure::kFailed,
              "this node's own name " + handshake::listText({opener_}) + " is not a plain DNS name");
  }
}

Session::~Session() {
  end("", "");
}

Session::Step Session::advance(Time now) {
  if (stage_ == Stage::kEnded) return Step::kEnded;
  now_ = now;
  handshake::RecordChannel& channel = end_.channel();
  channel.flush();
  if (stage_ == Stage::kHandshake && !end_.failed()) stepHandshake();
  if (stage_ == Stage::kHello || stage_ == Stage::kOpen) read();
  if (channel.bytesReceived() != heardBytes_) {
    heardBytes_ = channel.bytesReceived();
    heard_ = now;
    pinged_ = false;
  }
  if (stage_ != Stage::kEnded) watchTime(now);
  // Also of a session that fails: the alert, or the last word, that tells the peer why.
  channel.flush();
  if (stage_ == Stage::kClosing) stepClosing();
  if (stage_ != Stage::kEnded) {
    if (channel.sendError() != 0) end_.failFromErrno(channel.sendError(), "send");
    if (end_.failed()) endByFailure();
  }
  ERR_clear_error();  // the queue is this thread's, and so also Node's
  wipeStack();
  if (stage_ == Stage::kEnded) return Step::kEnded;
  return channel.hasPending() ? Step::kWaitToSend : Step::kWait;
}

void Session::stepHandshake() {
  if (!end_.handshake() || !exportSecret()) return;
  group_ = end_.group();
  stage_ = Stage::kHello;
  if (is(Side::kOpener)) {
    Hello hello;
    hello.epoch = epoch_;
    hello.opener = opener_;
    hello.listener = listener_;
    say(hello);
  }
}

// RFC 8446, 7.5. In TLS 1.3 no context is the same as an empty one.
bool Session::exportSecret() {
  secret_ = SecretStore::tryMake<EpochSecret>();
  if (!secret_) {
    end_.fail(Failure::kFailed, "there was no protected memory for the epoch's secret");
    return false;
  }
  if (SSL_export_keying_material(end_.ssl(), secret_->bytes, sizeof secret_->bytes, kExporterLabel,
                                 sizeof kExporterLabel - 1, nullptr, 0, 0) != 1) {
    end_.failFromLibrary();
    return false;
  }
  return true;
}

void Session::read() {
  std::array<char, 4096> buffer;
  while ((stage_ == Stage::kHello || stage_ == Stage::kOpen) && !end_.failed()) {
    // What was read with the last message comes first.
    if (const std::optional<Message> message = decoder_.next()) {
      hear(*message);
      continue;
    }
    if (!decoder_.fault().empty()) return fail(decoder_.fault());
    ERR_clear_error();
    const int got = SSL_read(end_.ssl(), buffer.data(), static_cast<int>(buffer.size()));
    // A ticket would be for resumption, a KeyUpdate for more records than a channel ever has: neither is an agent's.
    if (end_.watch().ticketsReceived() > 0 || end_.watch().strayMessage() >= 0) {
      return end_.fail(Failure::kPeerProtocol,
                       "the peer sent a handshake message behind its handshake; agents send none");
    }
    if (got > 0) {
      decoder_.feed(buffer.data(), static_cast<size_t>(got));
      continue;
    }
    const int error = SSL_get_error(end_.ssl(), got);
    if (error == SSL_ERROR_WANT_READ) return;
    const bool ended = error == SSL_ERROR_ZERO_RETURN || end_.channel().endOfFile();
    if (stage_ == Stage::kOpen && ended) {
      return end("TLSHUB_CHANNEL_LOST", "the peer closed the connection without a word: did its agent die?");
    }
    if (end_.channel().tooMuch()) {
      return fail(std::to_string(handshake::RecordChannel::kMaxReceived) +
                  " bytes in all, more than a session ever has");
    }
    return end_.failFromLibrary();
  }
}

void Session::hear(const Message& message) {
  if (stage_ == Stage::kHello) {
    const auto* const hello = std::get_if<Hello>(&message);
    const auto* const accept = std::get_if<Accept>(&message);
    const auto* const reject = std::get_if<Reject>(&message);
    if (hello != nullptr && is(Side::kListener)) return hearHello(*hello);
    if (accept != nullptr && is(Side::kOpener)) return hearAccept(*accept);
    if (reject != nullptr && is(Side::kOpener)) {
      std::string reason = std::string("the peer does not take the epoch: ") + refusalText(reject->why);
      if (!reject->text.empty()) reason += " (\"" + reject->text + "\")";
      return end("TLSHUB_CHANNEL_REJECTED", reason);
    }
    return fail(std::string("the message ") + messageName(message) + " before the epoch was agreed on");
  }
  if (std::holds_alternative<Ping>(message)) return say(Pong{});
  if (std::holds_alternative<Pong>(message)) return;
  const auto* const taken = std::get_if<NumberTaken>(&message);
  const auto* const closing = std::get_if<Closing>(&message);
  if (taken == nullptr && closing == nullptr) {
    return fail(std::string("the message ") + messageName(message) + " in the middle of an epoch");
  }
  const uint32_t epoch = taken != nullptr ? taken->epoch : closing->epoch;
  if (epoch != epoch_) {
    return fail("the message " + std::string(messageName(message)) + " about epoch " + std::to_string(epoch) +
                " on the channel of epoch " + std::to_string(epoch_));
  }
  if (taken != nullptr) {
    events_.push_back({Event::kNumberTaken, taken->number, Close::kOver});
    return;
  }
  events_.push_back({Event::kClosing, 0, closing->why});
  end("", std::string("the peer closed the epoch: ") + closeText(closing->why));
}

void Session::hearHello(const Hello& hello) {
  epoch_ = hello.epoch;
  opener_ = hello.opener;
  listener_ = hello.listener;
  if (hello.newest < kOldestVersion || hello.oldest > kNewestVersion) {
    return reject(Refusal::kVersion, "", now_);
  }
  version_ = std::min(hello.newest, kNewestVersion);
  // A certificate may have several names. The node is the one that it says, if that is a node of the mapping and a name of its certificate.
  if (!terms_.nodes->has(opener_) || handshake::matchName({opener_}, end_.seenNames()).empty()) {
    return reject(Refusal::kName, "the opener's certificate or the mapping does not have its name", now_);
  }
  if (!sameName(listener_, terms_.ownName)) return reject(Refusal::kName, "this is another node", now_);
  stage_ = Stage::kProposed;
  events_.push_back({Event::kProposed});
}

void Session::hearAccept(const Accept& accept) {
  if (accept.epoch != epoch_ || accept.version < kOldestVersion || accept.version > kNewestVersion) {
    return fail("an ACCEPT of epoch " + std::to_string(accept.epoch) + " in version " +
                std::to_string(accept.version) + ", which was not proposed");
  }
  version_ = accept.version;
  stage_ = Stage::kOpen;
  events_.push_back({Event::kOpen});
}

void Session::accept(Time now) {
  if (stage_ != Stage::kProposed) return;
  Accept accept;
  accept.version = version_;
  accept.epoch = epoch_;
  stage_ = Stage::kOpen;
  heard_ = now;
  say(accept);
  if (stage_ == Stage::kOpen) events_.push_back({Event::kOpen});
}

void Session::reject(Refusal why, const std::string& text, Time now) {
  if (!is(Side::kListener) || (stage_ != Stage::kProposed && stage_ != Stage::kHello)) return;
  Reject reject;
  reject.why = why;
  reject.text = text;
  say(reject);
  closing_ = {"TLSHUB_CHANNEL_REJECTED", "this agent did not take the epoch of " +
                                             handshake::listText({opener_}) +
                                             (text.empty() ? std::string() : ": " + text)};
  closeSoon(now);
}

void Session::numberTaken(uint16_t number) {
  if (stage_ != Stage::kOpen || numbersTaken_ == kMostNumbersTaken) return;
  numbersTaken_++;
  NumberTaken taken;
  taken.epoch = epoch_;
  taken.number = number;
  say(taken);
}

void Session::close(Close why, Time now) {
  const std::string reason = std::string("this agent closed the epoch: ") + closeText(why);
  if (stage_ == Stage::kClosing) return;
  if (stage_ != Stage::kOpen) return end("", reason);
  Closing closing;
  closing.epoch = epoch_;
  closing.why = why;
  say(closing);
  closing_ = {"", reason};
  closeSoon(now);
}

void Session::closeSoon(Time now) {
  if (stage_ == Stage::kEnded) return;
  stage_ = Stage::kClosing;
  closeBy_ = now + times_.closing;
  forget();
}

// Sends what is left, then waits for the peer to close: a close() here with bytes of its unread would be a reset, which may overtake our
// last words.
void Session::stepClosing() {
  if (end_.channel().hasPending() && end_.channel().sendError() == 0) return;
  if (!shutDown_) shutdown(terms_.fd, SHUT_WR);
  shutDown_ = true;
  std::array<char, 1024> unread;
  for (int reads = 0; reads < 64; reads++) {
    const ssize_t got = recv(terms_.fd, unread.data(), unread.size(), MSG_DONTWAIT);
    if (got > 0 || (got < 0 && errno == EINTR)) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    return end(closing_.code, closing_.reason);
  }
  end(closing_.code, closing_.reason);
}

void Session::watchTime(Time now) {
  if (end_.failed()) return;
  if (stage_ == Stage::kClosing) {
    if (now >= closeBy_) end(closing_.code, closing_.reason);
    return;
  }
  if (stage_ != Stage::kOpen) {
    if (now >= openBy_) end_.fail(Failure::kTimeout, overdueReason());
    return;
  }
  if (now >= heard_ + times_.silence) {
    return end("TLSHUB_CHANNEL_LOST", "the peer has not been heard of for " + msText(times_.silence));
  }
  if (!pinged_ && now >= heard_ + times_.ping) {
    pinged_ = true;
    say(Ping{});
  }
}

Session::Time Session::deadline() const {
  if (stage_ == Stage::kClosing) return closeBy_;
  if (stage_ != Stage::kOpen) return openBy_;
  return heard_ + (pinged_ ? times_.silence : std::min(times_.ping, times_.silence));
}

bool Session::nextEvent(Event* event) {
  if (events_.empty()) return false;
  *event = events_.front();
  events_.pop_front();
  return true;
}

void Session::say(const Message& message) {
  const std::string bytes = encode(message);
  ERR_clear_error();
  // All of it: the BIO takes whatever comes.
  if (SSL_write(end_.ssl(), bytes.data(), static_cast<int>(bytes.size())) != static_cast<int>(bytes.size())) {
    return end_.failFromLibrary();
  }
  end_.channel().flush();
  if (end_.channel().pendingBytes() > kMostQueued) {
    end("TLSHUB_CHANNEL_LOST", "the peer takes no more of our bytes");
  }
}

std::string Session::overdueReason() const {
  const uint64_t received = end_.channel().bytesReceived();
  const std::string within = " within " + msText(times_.opening);
  if (stage_ == Stage::kProposed) return "this agent did not decide on the epoch" + within;
  if (end_.channel().hasPending()) return "the peer takes no more of our bytes: no epoch" + within;
  if (stage_ == Stage::kHello) return "the peer ended its handshake, but did not agree on the epoch" + within;
  if (received == 0) return "the peer sent nothing" + within;
  return "the peer stopped after " + std::to_string(received) + " bytes: handshake not done" + within;
}

void Session::fail(const std::string& reason) {
  end_.fail(Failure::kPeerProtocol, "the peer does not speak the channel's protocol: " + reason);
}

void Session::endByFailure() {
  // An open one that breaks is no failed handshake.
  const bool lost = stage_ == Stage::kOpen && end_.failure() != Failure::kPeerProtocol;
  end(lost ? "TLSHUB_CHANNEL_LOST" : handshake::failureCode(end_.failure()), end_.reason());
}

void Session::end(std::string code, std::string reason) {
  if (stage_ == Stage::kEnded) return;
  stage_ = Stage::kEnded;
  ending_ = {std::move(code), std::move(reason)};
  forget();
}

// What was said last waits to be sent outside of the library: nothing needs it any more.
void Session::forget() {
  secret_.reset();
  wiped_ = end_.forget() && wiped_;
  end_.secrets().reset();
}

}  // namespace tlshub::channel
