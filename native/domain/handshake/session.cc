// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include <algorithm>
#include <utility>

#include "alert.h"
#include "certificate.h"

namespace tlshub::handshake {

namespace {

int nibble(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// Decodes hexadecimal digits into `bytes`, which has room for kLongestHash. How many there were, 0 for what is no secret.
uint32_t fromHex(const char* digits, uint8_t* bytes) {
  const size_t count = strlen(digits);
  if (count % 2 != 0 || count / 2 > kLongestHash) return 0;
  for (size_t i = 0; i < count / 2; i++) {
    const int high = nibble(digits[2 * i]);
    const int low = nibble(digits[2 * i + 1]);
    if (high < 0 || low < 0) return 0;
    bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return static_cast<uint32_t>(count / 2);
}

// "LABEL client_random secret" (NSS key log format): the secret's digits, or null for another label.
const char* secretIn(const char* line, const char* label) {
  const size_t length = strlen(label);
  if (strncmp(line, label, length) != 0 || line[length] != ' ') return nullptr;
  return strrchr(line, ' ') + 1;
}

std::string bytesText(uint64_t count) {
  return std::to_string(count) + (count == 1 ? " byte" : " bytes");
}

}  // namespace

Session::Session(std::shared_ptr<const Context> context, Request request, bool byExchanges)
    : context_(std::move(context)),
      request_(std::move(request)),
      started_(std::chrono::steady_clock::now()),
      byExchanges_(byExchanges),
      channel_(request_.fd, byExchanges),
      trustedSince_(unixTime()) {
  if (!byExchanges_) lowWater_.emplace(request_.fd);
  if (!byExchanges_) peekOffset_.emplace(request_.fd);
  prepare();
}

void Session::prepare() {
  // An empty list would switch the library's check of names off.
  if (request_.peerNames.empty()) {
    return fail(Failure::kFailed,
                "no node name is expected at the peer's address, so no certificate can be right");
  }
  for (const std::string& name : request_.peerNames) {
    if (!isPlainName(name)) {
      return fail(Failure::kFailed, "expected peer name " + listText({name}) + " is not a plain DNS name");
    }
  }
  ERR_clear_error();
  ssl_.reset(SSL_new(context_->get()));
  BIO* bio = ssl_ ? channel_.newBio() : nullptr;
  if (bio == nullptr) return fail(Failure::kFailed, "out of memory for a TLS session");
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), reinterpret_cast<char*>(this));
  SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, &Session::onVerify);
  SSL_set_info_callback(ssl_.get(), &Session::onInfo);
  watch_.attach(ssl_.get());

  X509_VERIFY_PARAM* param = SSL_get0_param(ssl_.get());
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  for (const std::string& name : request_.peerNames) {
    if (X509_VERIFY_PARAM_add1_host(param, name.data(), name.size()) != 1) {
      return fail(Failure::kFailed, "out of memory for the peer's names");
    }
  }
  if (request_.role == Role::kActive) {
    SSL_set_connect_state(ssl_.get());
  } else {
    SSL_set_accept_state(ssl_.get());
  }
  if (context_->ticketKey() != nullptr) prepareResumption();
  if (!byExchanges_) acknowledgeNow(request_.fd);
}

void Session::prepareResumption() {
  library::attachResumption(ssl_.get(), this);
  if (request_.role == Role::kPassive) return;
  SessionStore::Entry entry = context_->sessions().take(request_.peerNames);
  if (!entry.session || !mayResume(entry.session.get(), entry.trustedSince)) return;
  offered_ = SSL_set_session(ssl_.get(), entry.session.get()) == 1;
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
  channel_.flush();
  if (stage_ == Stage::kHandshake) stepHandshake();
  if (stage_ == Stage::kConfirm) stepConfirm();
  // Whatever the step wrote goes out in one piece: a flight, or the alert that tells the peer why.
  const bool sent = channel_.flush();
  if (stage_ == Stage::kLastFlight && sent) stage_ = Stage::kSucceeded;
  // Only now, after the step had its chance to read the alert that may explain it.
  if (channel_.sendError() != 0 && stage_ != Stage::kFailed) failFromErrno(channel_.sendError(), "send");
  ERR_clear_error();  // the queue is this thread's, and so also Node's
  if (stage_ == Stage::kSucceeded || stage_ == Stage::kFailed) return Step::kEnded;
  if (stage_ == Stage::kLastFlight) return Step::kWaitToSend;
  return sent ? Step::kWait : Step::kWaitForBoth;
}

void Session::stepHandshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) {
    if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) return;
    return failFromLibrary();
  }
  checkPeer();
  if (stage_ == Stage::kFailed) return;
  if (request_.role == Role::kPassive) {
    if (!library::writeTicket(ssl_.get())) return failFromLibrary();
    channel_.allowRecords(0);
    channel_.mayBeHalfOpen();
    stage_ = Stage::kLastFlight;
  } else {
    channel_.allowRecords(1);
    stage_ = Stage::kConfirm;
  }
}

// The library has verified all this; a callback or an option gone wrong must not be able to undo it.
void Session::checkPeer() {
  outcome_.resumed = SSL_session_reused(ssl_.get()) != 0;
  if (SSL_version(ssl_.get()) != TLS1_3_VERSION || (outcome_.resumed && context_->ticketKey() == nullptr)) {
    return fail(Failure::kPeerProtocol,
                "the handshake ended in something else than a full TLS 1.3 handshake");
  }
  if (!outcome_.resumed) trustedSince_ = unixTime();
  const CertificatePtr certificate(library::peerCertificate(ssl_.get()));
  if (!certificate || SSL_get_verify_result(ssl_.get()) != X509_V_OK) {
    return fail(Failure::kPeerCertificate, "the peer's certificate was not verified");
  }
  outcome_.peerNames = dnsNames(certificate.get());
  outcome_.peerName = matchName(request_.peerNames, outcome_.peerNames);
  if (outcome_.peerName.empty()) {
    return fail(Failure::kPeerCertificate, "peer certificate names " + listText(outcome_.peerNames) +
                                               ", expected one of " + listText(request_.peerNames));
  }
  if (!outcome_.secrets) return fail(Failure::kFailed, "there was no protected memory for the secrets");
  if (secretsSeen_ != kBothSecrets) return fail(Failure::kFailed, "the TLS library gave no traffic secrets");
  outcome_.cipher = SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl_.get()));
  if (!context_->allows(outcome_.cipher)) {
    return fail(Failure::kPeerProtocol, cipherReason(outcome_.cipher));
  }
  if (request_.forEpoch) exportEpoch();
}

void Session::exportEpoch() {
  outcome_.epoch = SecretStore::tryMake<channel::EpochSecret>();
  if (!outcome_.epoch) return fail(Failure::kFailed, "there was no protected memory for the epoch's secret");
  channel::EpochSecret& epoch = *outcome_.epoch;
  if (SSL_export_keying_material(ssl_.get(), epoch.bytes, sizeof(epoch.bytes), channel::kExporterLabel,
                                 strlen(channel::kExporterLabel), nullptr, 0, 0) != 1)
    fail(Failure::kFailed, "the TLS library exported no secret for an epoch");
}

void Session::stepConfirm() {
  ERR_clear_error();
  char byte;
  const int result = SSL_read(ssl_.get(), &byte, 1);
  if (result > 0) {
    return fail(Failure::kPeerProtocol,
                "the peer sent application data instead of the ticket that ends an agent's handshake");
  }
  const int error = SSL_get_error(ssl_.get(), result);
  if (watch_.strayMessage() >= 0) {
    return fail(Failure::kPeerProtocol, "the peer sent handshake message " +
                                            std::to_string(watch_.strayMessage()) +
                                            " instead of the ticket that ends an agent's handshake");
  }
  if (error != SSL_ERROR_WANT_READ) return failFromLibrary();
  if (!channel_.exhausted()) return;
  if (watch_.ticketsReceived() != 1) {
    return fail(Failure::kPeerProtocol, "the peer's last record holds " +
                                            std::to_string(watch_.ticketsReceived()) +
                                            " session tickets; an agent's handshake ends with one");
  }
  // Else the acknowledgement could wait for the application, and behind it, under Nagle's algorithm, a server that
  // speaks first.
  if (!byExchanges_) acknowledgeNow(request_.fd);
  stage_ = Stage::kSucceeded;
}

void Session::failFromLibrary() {
  const unsigned long error = ERR_peek_last_error();
  const char* text = ERR_reason_error_string(error);
  const std::string said = text == nullptr ? "no reason given" : text;
  if (peerAlert_ >= 0) {
    const AlertMeaning meaning = alertMeaning(peerAlert_);
    return fail(meaning.failure, meaning.reason);
  }
  if (channel_.plainAlert() >= 0) {
    const AlertMeaning meaning = alertMeaning(channel_.plainAlert());
    return fail(meaning.failure, meaning.reason);
  }
  if (!cipherReason_.empty()) return fail(Failure::kPeerProtocol, cipherReason_);
  if (!certificateReason_.empty()) return fail(Failure::kPeerCertificate, certificateReason_);
  if (channel_.tooMuch()) {
    return fail(Failure::kPeerProtocol, "the peer sent more than " + bytesText(RecordChannel::kMaxReceived) +
                                            " without ending its handshake");
  }
  if (channel_.malformed()) return fail(Failure::kPeerProtocol, notTlsReason());
  // No agent ends in the middle of what it says: this is another's, or a part of it is missing.
  if (channel_.endOfFile() && !channel_.betweenRecords()) {
    return fail(Failure::kPeerProtocol, "the peer closed the connection in the middle of a record, after " +
                                            bytesText(channel_.bytesReceived()));
  }
  if (channel_.endOfFile()) {
    return fail(Failure::kPeerClosed,
                channel_.bytesReceived() == 0
                    ? "the peer closed the connection without sending a byte"
                    : "the peer closed the connection in the middle of its handshake, after " +
                          bytesText(channel_.bytesReceived()));
  }
  if (channel_.readError() != 0) return failFromErrno(channel_.readError(), "recv");
  if (library::isNoCertificate(error)) {
    return fail(Failure::kPeerCertificate, "the peer sent no certificate");
  }
  if (library::isVersionError(error)) {
    return fail(Failure::kPeerProtocol, "the peer speaks TLS, but not TLS 1.3");
  }
  if (library::isNoSharedCipher(error)) {
    return fail(Failure::kPeerProtocol, "the peer offers none of the configured ciphers");
  }
  if (library::isOwnFault(error)) return fail(Failure::kFailed, "the TLS library failed: " + said);
  fail(Failure::kPeerProtocol, "the peer broke the protocol: " + said);
}

std::string Session::notTlsReason() const {
  const std::string bytes = "\"" + channel_.headerText() + "\"";
  if (channel_.recordsReceived() == 0) {
    return "the peer does not speak TLS, its first bytes are " + bytes + ": is there an agent at its end?";
  }
  return "record " + std::to_string(channel_.recordsReceived() + 1) +
         " of the peer has an impossible header, " + bytes;
}

void Session::failFromErrno(int error, const char* call) {
  const std::string after = " after " + bytesText(channel_.bytesReceived());
  switch (error) {
    // A reset behind an end says no more than that end.
    case EPIPE:
      return fail(Failure::kPeerClosed, "the peer closed the connection" + after);
    case ECONNRESET:
    case ECONNABORTED:
      return fail(Failure::kPeerReset, "the peer reset the connection" + after);
    case ETIMEDOUT:
      return fail(Failure::kTimeout, "TCP gave the peer up" + after + ": it acknowledges nothing");
    default:
      return fail(Failure::kFailed, std::string(call) + ": " + strerror(error) + after);
  }
}

void Session::fail(Failure failure, std::string reason) {
  if (stage_ == Stage::kFailed) return;
  outcome_.handshakeOnly = stage_ == Stage::kHandshake || stage_ == Stage::kLastFlight;
  stage_ = Stage::kFailed;
  // A flight to who has closed is answered by a reset, and its end could not be read any more.
  if (failure == Failure::kPeerClosed) channel_.dropPending();
  outcome_.failure = failure;
  outcome_.reason = std::move(reason);
}

std::string Session::overdueReason() const {
  const std::string within = " within " + std::to_string(request_.timeout.count()) + " ms";
  if (channel_.hasPending()) return "the peer takes no more of our bytes: handshake not done" + within;
  if (channel_.bytesReceived() == 0) return "the peer sent nothing" + within;
  return "the peer stopped after " + bytesText(channel_.bytesReceived()) + ": handshake not done" + within;
}

Outcome Session::finish() {
  if (lowWater_) lowWater_->restore();
  if (peekOffset_) peekOffset_->restore();
  if (stage_ == Stage::kSucceeded && kept_) {
    // Or OpenSSL takes the connection for a broken one, and its session for one that nobody should resume.
    SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    context_->sessions().put(request_.peerNames, {std::move(kept_), trustedSince_});
  }
  if (ssl_) {
    outcome_.txSequence = watch_.txSequence();
    outcome_.rxSequence = watch_.rxSequence();
  }
  // A server may be done and have its peer's last flight still to come: whoever knows the secrets forgets them.
  outcome_.wiped = secretsSeen_ != kBothSecrets || library::forget(ssl_.get(), *outcome_.secrets);
  ssl_.reset();
  outcome_.ok = stage_ == Stage::kSucceeded;
  outcome_.bytesSent = channel_.bytesSent();
  outcome_.bytesReceived = channel_.bytesReceived();
  outcome_.duration = std::chrono::steady_clock::now() - started_;
  if (!outcome_.ok) {
    outcome_.secrets.reset();
    outcome_.epoch.reset();
  }
  return std::move(outcome_);
}

std::string Session::cipherReason(const std::string& cipher) {
  return "the two TLS libraries agreed on " + cipher + ", which tls.ciphers does not allow";
}

int Session::onVerify(int ok, X509_STORE_CTX* store) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  Session& self = *reinterpret_cast<Session*>(SSL_get_app_data(ssl));
  if (ok) {
    // Here is the last moment at which both libraries answer the peer by an alert, and by one that blames no certificate.
    const SSL_CIPHER* cipher = SSL_get_pending_cipher(ssl);
    const std::string name = cipher == nullptr ? "" : SSL_CIPHER_standard_name(cipher);
    if (!name.empty() && !self.context_->allows(name)) {
      self.cipherReason_ = cipherReason(name);
      X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
      return 0;
    }
    X509* at = X509_STORE_CTX_get_current_cert(store);
    const std::string weakness = at == nullptr ? "" : weaknessOf(at);
    if (weakness.empty()) return 1;
    self.certificateReason_ = "the certificate of " + subjectText(at) + " was not accepted: " + weakness;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
  }
  if (X509* leaf = X509_STORE_CTX_get0_cert(store)) self.outcome_.peerNames = dnsNames(leaf);
  self.certificateReason_ = verificationText(store, self.outcome_.peerNames, self.request_.peerNames,
                                             self.request_.role == Role::kActive);
  return 0;
}

void Session::onInfo(const SSL* ssl, int where, int value) {
  constexpr int kUserCanceled =
      90;  // a warning; the alert behind it says what it means (RFC 8446 section 6.1)
  if (where != SSL_CB_READ_ALERT || (value & 0xff) == kUserCanceled) return;
  reinterpret_cast<Session*>(SSL_get_app_data(ssl))->peerAlert_ = value & 0xff;
}

// From within the library: nothing may be thrown, and what it gave is not copied but into the place for secrets. The one exception is a key
// log, which is asked for to have them in a file.
void Session::onKeyLog(const SSL* ssl, const char* line) {
  auto* self = reinterpret_cast<Session*>(SSL_get_app_data(ssl));
  if (self == nullptr) return;
  if (self->request_.keyLog) self->outcome_.keyLog.emplace_back(line);
  const char* const client = secretIn(line, "CLIENT_TRAFFIC_SECRET_0");
  const char* const server = secretIn(line, "SERVER_TRAFFIC_SECRET_0");
  if (client == nullptr && server == nullptr) return;
  Secret<TrafficSecrets>& secrets = self->outcome_.secrets;
  if (!secrets) secrets = SecretStore::tryMake<TrafficSecrets>();
  if (!secrets) return;
  const uint32_t length =
      client == nullptr ? fromHex(server, secrets->server) : fromHex(client, secrets->client);
  if (length == 0) return;
  secrets->length = length;
  self->secretsSeen_ |= client == nullptr ? kServerSecret : kClientSecret;
}

}  // namespace tlshub::handshake
