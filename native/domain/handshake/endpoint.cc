// SPDX-License-Identifier: Apache-2.0
#include "endpoint.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

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

Endpoint::Endpoint(std::shared_ptr<const Context> context, Terms terms, int fd, bool byExchanges)
    : context_(std::move(context)), terms_(std::move(terms)), channel_(fd, byExchanges) {
  prepare();
}

void Endpoint::prepare() {
  // An empty list would switch the library's check of names off.
  if (terms_.peerNames.empty() && !terms_.nodes) {
    return fail(Failure::kFailed,
                "no node name is expected at the peer's address, so no certificate can be right");
  }
  for (const std::string& name : terms_.peerNames) {
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
  SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, &Endpoint::onVerify);
  SSL_set_info_callback(ssl_.get(), &Endpoint::onInfo);
  watch_.attach(ssl_.get());

  X509_VERIFY_PARAM* param = SSL_get0_param(ssl_.get());
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  for (const std::string& name : terms_.peerNames) {
    if (X509_VERIFY_PARAM_add1_host(param, name.data(), name.size()) != 1) {
      return fail(Failure::kFailed, "out of memory for the peer's names");
    }
  }
  if (terms_.role == Role::kActive) {
    SSL_set_connect_state(ssl_.get());
  } else {
    SSL_set_accept_state(ssl_.get());
  }
}

bool Endpoint::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) {
    if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) failFromLibrary();
    return false;
  }
  checkPeer();
  return !failed_;
}

// The library has verified all this; a callback or an option gone wrong must not be able to undo it.
void Endpoint::checkPeer() {
  resumed_ = SSL_session_reused(ssl_.get()) != 0;
  if (SSL_version(ssl_.get()) != TLS1_3_VERSION || (resumed_ && context_->ticketKey() == nullptr)) {
    return fail(Failure::kPeerProtocol,
                "the handshake ended in something else than a full TLS 1.3 handshake");
  }
  const CertificatePtr certificate(library::peerCertificate(ssl_.get()));
  if (!certificate || SSL_get_verify_result(ssl_.get()) != X509_V_OK) {
    return fail(Failure::kPeerCertificate, "the peer's certificate was not verified");
  }
  seenNames_ = dnsNames(certificate.get());
  peerName_ = nameAmong(seenNames_);
  if (peerName_.empty()) return fail(Failure::kPeerCertificate, strangerReason());
  if (!secrets_) return fail(Failure::kFailed, "there was no protected memory for the secrets");
  if (secretsSeen_ != kBothSecrets) return fail(Failure::kFailed, "the TLS library gave no traffic secrets");
  cipher_ = SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl_.get()));
  if (!context_->allows(cipher_)) return fail(Failure::kPeerProtocol, cipherReason(cipher_));
  const unsigned char* protocol = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &length);
  if (std::string(reinterpret_cast<const char*>(protocol), length) != context_->protocol()) {
    return fail(Failure::kPeerProtocol, "the peer speaks TLS 1.3, but not " + context_->protocol() +
                                            ": another program has its port");
  }
}

std::string Endpoint::nameAmong(const std::vector<std::string>& names) const {
  return terms_.nodes ? terms_.nodes->firstOf(names) : matchName(terms_.peerNames, names);
}

std::string Endpoint::strangerReason() const {
  return "peer certificate names " + listText(seenNames_) +
         (terms_.nodes ? ", of which the mapping has none as a node"
                       : ", expected one of " + listText(terms_.peerNames));
}

void Endpoint::fail(Failure failure, std::string reason) {
  if (failed_) return;
  failed_ = true;
  // A flight to who has closed is answered by a reset, and its end could not be read any more.
  if (failure == Failure::kPeerClosed) channel_.dropPending();
  failure_ = failure;
  reason_ = std::move(reason);
}

// A server may be done and have its peer's last flight still to come: whoever knows the secrets forgets them.
bool Endpoint::forget() {
  const bool wiped = secretsSeen_ != kBothSecrets || !ssl_ || library::forget(ssl_.get(), *secrets_);
  ssl_.reset();
  return wiped;
}

void Endpoint::failFromLibrary() {
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

std::string Endpoint::notTlsReason() const {
  const std::string bytes = "\"" + channel_.headerText() + "\"";
  if (channel_.recordsReceived() == 0) {
    return "the peer does not speak TLS, its first bytes are " + bytes + ": is there an agent at its end?";
  }
  return "record " + std::to_string(channel_.recordsReceived() + 1) +
         " of the peer has an impossible header, " + bytes;
}

void Endpoint::failFromErrno(int error, const char* call) {
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

std::string Endpoint::cipherReason(const std::string& cipher) {
  return "the two TLS libraries agreed on " + cipher + ", which tls.ciphers does not allow";
}

int Endpoint::onVerify(int ok, X509_STORE_CTX* store) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  Endpoint& self = *reinterpret_cast<Endpoint*>(SSL_get_app_data(ssl));
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
    if (weakness.empty()) return self.knowsNode(store);
    self.certificateReason_ = "the certificate of " + subjectText(at) + " was not accepted: " + weakness;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
  }
  if (X509* leaf = X509_STORE_CTX_get0_cert(store)) self.seenNames_ = dnsNames(leaf);
  self.certificateReason_ =
      verificationText(store, self.seenNames_, self.terms_.peerNames, self.terms_.role == Role::kActive);
  return 0;
}

// The library compares names that are expected one by one by itself; whether it is any node's it does not know.
int Endpoint::knowsNode(X509_STORE_CTX* store) {
  if (!terms_.nodes || X509_STORE_CTX_get_error_depth(store) > 0) return 1;
  seenNames_ = dnsNames(X509_STORE_CTX_get0_cert(store));
  if (!nameAmong(seenNames_).empty()) return 1;
  certificateReason_ = strangerReason();
  X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
  return 0;
}

void Endpoint::onInfo(const SSL* ssl, int where, int value) {
  constexpr int kUserCanceled =
      90;  // a warning; the alert behind it says what it means (RFC 8446 section 6.1)
  if (where != SSL_CB_READ_ALERT || (value & 0xff) == kUserCanceled) return;
  reinterpret_cast<Endpoint*>(SSL_get_app_data(ssl))->peerAlert_ = value & 0xff;
}

// From within the library: nothing may be thrown, and what it gave is not copied but into the place for secrets. The one exception is a key
// log, which is asked for to have them in a file.
void Endpoint::onKeyLog(const SSL* ssl, const char* line) {
  auto* self = reinterpret_cast<Endpoint*>(SSL_get_app_data(ssl));
  if (self == nullptr) return;
  if (self->terms_.keyLog) self->keyLog_.emplace_back(line);
  const char* const client = secretIn(line, "CLIENT_TRAFFIC_SECRET_0");
  const char* const server = secretIn(line, "SERVER_TRAFFIC_SECRET_0");
  if (client == nullptr && server == nullptr) return;
  Secret<TrafficSecrets>& secrets = self->secrets_;
  if (!secrets) secrets = SecretStore::tryMake<TrafficSecrets>();
  if (!secrets) return;
  const uint32_t length =
      client == nullptr ? fromHex(server, secrets->server) : fromHex(client, secrets->client);
  if (length == 0) return;
  secrets->length = length;
  self->secretsSeen_ |= client == nullptr ? kServerSecret : kClientSecret;
}

}  // namespace tlshub::handshake
