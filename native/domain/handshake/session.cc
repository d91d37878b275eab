// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <openssl/err.h>

#include <utility>

#include "certificate.h"

namespace tlshub::handshake {

namespace {

std::string bytesText(uint64_t count) {
  return std::to_string(count) + (count == 1 ? " byte" : " bytes");
}

}  // namespace

Session::Session(std::shared_ptr<const Context> context, Request request, bool byExchanges)
    : request_(std::move(request)),
      started_(std::chrono::steady_clock::now()),
      byExchanges_(byExchanges),
      end_(std::move(context), {request_.role, request_.peerNames, request_.keyLog}, request_.fd,
           byExchanges),
      trustedSince_(unixTime()) {
  if (!byExchanges_) lowWater_.emplace(request_.fd);
  if (!byExchanges_) peekOffset_.emplace(request_.fd);
  if (end_.failed()) return;
  if (end_.context().ticketKey() != nullptr) prepareResumption();
  if (!byExchanges_) acknowledgeNow(request_.fd);
}

void Session::prepareResumption() {
  library::attachResumption(end_.ssl(), this);
  if (request_.role == Role::kPassive) return;
  SessionStore::Entry entry = end_.context().sessions().take(request_.peerNames);
  if (!entry.session || !mayResume(entry.session.get(), entry.trustedSince)) return;
  offered_ = SSL_set_session(end_.ssl(), entry.session.get()) == 1;
}

std::string Session::nameOf(SSL_SESSION* session) const {
  return matchName(request_.peerNames, sessionNames(session));
}

bool Session::mayResume(SSL_SESSION* session, int64_t trustedSince) {
  const int64_t age = unixTime() - trustedSince;
  // Negative: the clock was set back, so nobody knows.
  if (age < 0 || age >= kLongestTrust.count() || nameOf(session).empty()) return false;
  trustedSince_ = trustedSince;
  return true;
}

Session::Step Session::advance() {
  RecordChannel& channel = end_.channel();
  channel.flush();
  if (stage_ == Stage::kHandshake && !end_.failed()) stepHandshake();
  if (stage_ == Stage::kConfirm) stepConfirm();
  // Whatever the step wrote goes out in one piece: a flight, or the alert that tells the peer why.
  const bool sent = channel.flush();
  if (stage_ == Stage::kLastFlight && sent) stage_ = Stage::kSucceeded;
  // Only now, after the step had its chance to read the alert that may explain it.
  if (channel.sendError() != 0) end_.failFromErrno(channel.sendError(), "send");
  ERR_clear_error();  // the queue is this thread's, and so also Node's
  if (stage_ == Stage::kSucceeded || end_.failed()) return Step::kEnded;
  if (stage_ == Stage::kLastFlight) return Step::kWaitToSend;
  return sent ? Step::kWait : Step::kWaitForBoth;
}

void Session::stepHandshake() {
  if (!end_.handshake()) return;
  if (!end_.resumed()) trustedSince_ = unixTime();
  if (request_.role == Role::kPassive) {
    if (!library::writeTicket(end_.ssl())) return end_.failFromLibrary();
    end_.channel().allowRecords(0);
    end_.channel().mayBeHalfOpen();
    stage_ = Stage::kLastFlight;
  } else {
    end_.channel().allowRecords(1);
    stage_ = Stage::kConfirm;
  }
}

void Session::stepConfirm() {
  ERR_clear_error();
  char byte;
  const int result = SSL_read(end_.ssl(), &byte, 1);
  if (result > 0) {
    return fail(Failure::kPeerProtocol,
                "the peer sent application data instead of the ticket that ends an agent's handshake");
  }
  const int error = SSL_get_error(end_.ssl(), result);
  if (end_.watch().strayMessage() >= 0) {
    return fail(Failure::kPeerProtocol, "the peer sent handshake message " +
                                            std::to_string(end_.watch().strayMessage()) +
                                            " instead of the ticket that ends an agent's handshake");
  }
  if (error != SSL_ERROR_WANT_READ) return end_.failFromLibrary();
  if (!end_.channel().exhausted()) return;
  if (end_.watch().ticketsReceived() != 1) {
    return fail(Failure::kPeerProtocol, "the peer's last record holds " +
                                            std::to_string(end_.watch().ticketsReceived()) +
                                            " session tickets; an agent's handshake ends with one");
  }
  // Else the acknowledgement could wait for the application, and behind it, under Nagle's algorithm, a server that
  // speaks first.
  if (!byExchanges_) acknowledgeNow(request_.fd);
  stage_ = Stage::kSucceeded;
}

void Session::fail(Failure failure, std::string reason) {
  end_.fail(failure, std::move(reason));
}

std::string Session::overdueReason() const {
  const RecordChannel& channel = end_.channel();
  const std::string within = " within " + std::to_string(request_.timeout.count()) + " ms";
  if (channel.hasPending()) return "the peer takes no more of our bytes: handshake not done" + within;
  if (channel.bytesReceived() == 0) return "the peer sent nothing" + within;
  return "the peer stopped after " + bytesText(channel.bytesReceived()) + ": handshake not done" + within;
}

Outcome Session::finish() {
  if (lowWater_) lowWater_->restore();
  if (peekOffset_) peekOffset_->restore();
  Outcome outcome;
  outcome.ok = stage_ == Stage::kSucceeded && !end_.failed();
  if (outcome.ok && kept_) {
    // Or OpenSSL takes the connection for a broken one, and its session for one that nobody should resume.
    SSL_set_shutdown(end_.ssl(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    end_.context().sessions().put(request_.peerNames, {std::move(kept_), trustedSince_});
  }
  if (end_.ssl() != nullptr) {
    outcome.txSequence = end_.watch().txSequence();
    outcome.rxSequence = end_.watch().rxSequence();
  }
  outcome.wiped = end_.forget();
  outcome.cipher = end_.cipher();
  outcome.resumed = end_.resumed();
  outcome.peerName = end_.peerName();
  outcome.peerNames = end_.seenNames();
  outcome.failure = end_.failure();
  outcome.reason = end_.reason();
  outcome.handshakeOnly = !outcome.ok && (stage_ == Stage::kHandshake || stage_ == Stage::kLastFlight);
  outcome.keyLog = std::move(end_.keyLog());
  outcome.bytesSent = end_.channel().bytesSent();
  outcome.bytesReceived = end_.channel().bytesReceived();
  outcome.duration = std::chrono::steady_clock::now() - started_;
  if (outcome.ok) outcome.secrets = std::move(end_.secrets());
  end_.secrets().reset();
  return outcome;
}

}  // namespace tlshub::handshake
