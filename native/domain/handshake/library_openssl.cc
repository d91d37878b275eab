// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

#include "library.h"

namespace tlshub::handshake::library {

namespace {

// SSL_CTX_set_num_tickets(3): one, also behind a resumed handshake, so every ticket asks for the next one (..._RENEW).
constexpr SSL_TICKET_RETURN kPassOver = SSL_TICKET_RETURN_IGNORE_RENEW;
constexpr SSL_TICKET_RETURN kResume = SSL_TICKET_RETURN_USE_RENEW;

// SSL_OP_NO_TX_CERTIFICATE_COMPRESSION and SSL_OP_NO_RX_CERTIFICATE_COMPRESSION, by number: the headers may be older than the library
// that is called, and one that is older does nothing with bits that it does not know.
constexpr uint64_t kNoCertificateCompression = uint64_t{3} << 32;
#ifdef SSL_OP_NO_RX_CERTIFICATE_COMPRESSION
static_assert(kNoCertificateCompression ==
              (SSL_OP_NO_TX_CERTIFICATE_COMPRESSION | SSL_OP_NO_RX_CERTIFICATE_COMPRESSION));
#endif

int resumptionIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

Resumption* resumptionOf(const SSL* ssl) {
  return static_cast<Resumption*>(SSL_get_ex_data(ssl, resumptionIndex()));
}

// The moment of the full handshake travels in the ticket, under its seal.
int onTicketMade(SSL* ssl, void*) {
  SSL_SESSION* session = SSL_get_session(ssl);
  X509* leaf = SSL_SESSION_get0_peer(session);
  if (leaf == nullptr || i2d_X509(leaf, nullptr) > static_cast<int>(kMaxSessionSize)) {
    SSL_set_options(ssl, SSL_OP_NO_TICKET);  // the reference into nothing of configure()
    return 1;
  }
  const int64_t since = resumptionOf(ssl)->trustedSince();
  return SSL_SESSION_set1_ticket_appdata(session, &since, sizeof since);
}

SSL_TICKET_RETURN onTicketOpened(SSL* ssl, SSL_SESSION* session, const unsigned char*, size_t,
                                 SSL_TICKET_STATUS status, void*) {
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) return kPassOver;
  void* data = nullptr;
  size_t size = 0;
  int64_t since = 0;
  if (SSL_SESSION_get0_ticket_appdata(session, &data, &size) != 1 || size != sizeof since) return kPassOver;
  memcpy(&since, data, sizeof since);
  return resumptionOf(ssl)->mayResume(session, since) ? kResume : kPassOver;
}

int onNewSession(SSL* ssl, SSL_SESSION* session) {
  Resumption* resumption = resumptionOf(ssl);
  if (resumption == nullptr) return 0;
  resumption->keep(SessionPtr(session));
  return 1;
}

}  // namespace

std::string version() {
  return OpenSSL_version(OPENSSL_VERSION);
}

std::string file() {
  Dl_info info{};
  const std::string name = dladdr(reinterpret_cast<void*>(&SSL_new), &info) != 0 ? info.dli_fname : "?";
  if (name.find('/') != std::string::npos) return name;
  char program[PATH_MAX];  // the program itself goes by what it was called with
  const ssize_t size = readlink("/proc/self/exe", program, sizeof program);
  return size > 0 ? std::string(program, static_cast<size_t>(size)) : name;
}

std::string foreign() {
  const std::string said = version();
  if (said.rfind("OpenSSL ", 0) != 0 || said.find("compatible") != std::string::npos ||
      OPENSSL_version_major() != OPENSSL_VERSION_MAJOR) {
    return "made for OpenSSL " OPENSSL_VERSION_STR ", but calls reach " + said + " in " + file();
  }
  return "";
}

bool setCiphers(SSL_CTX* ctx, const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    if (!list.empty()) list += ':';
    list += name;
  }
  // An empty list is a success for OpenSSL, and a context that can never agree with anybody.
  return !list.empty() && SSL_CTX_set_ciphersuites(ctx, list.c_str()) == 1;
}

bool configure(SSL_CTX* ctx, unsigned tickets) {
  // Else a library that can compress certificates (OpenSSL from 3.2 on, built with Brotli as in Node.js 24) does so anew for each
  // handshake that has a willing peer: for 45 bytes less it takes longer than all of the cryptography.
  SSL_CTX_set_options(ctx, kNoCertificateCompression);
  // For TLS 1.3 NO_TICKET means stateful tickets: a 32-byte reference into the session cache, which is off, instead of the
  // encrypted session with the client's whole certificate. So the message fits one record whatever that certificate is,
  // and nothing that a client presents is ever found (SSL_CTX_set_options(3), "SSL_OP_NO_TICKET").
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  if (SSL_CTX_set_num_tickets(ctx, tickets) != 1 || SSL_CTX_set_max_early_data(ctx, 0) != 1) return false;
  SSL_CTX_set_security_level(ctx, 2);  // at least 112 bits: RSA 2048, no SHA-1 signatures
  return true;
}

bool allowResumption(SSL_CTX* ctx, const TicketKey& key) {
  SSL_CTX_clear_options(ctx, SSL_OP_NO_TICKET);
  const unsigned char id[] = "tlshub";
  TicketKey copy = key;
  const bool ok = SSL_CTX_set_tlsext_ticket_keys(ctx, copy.data(), copy.size()) == 1 &&
                  SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1) == 1 &&
                  SSL_CTX_set_session_ticket_cb(ctx, onTicketMade, onTicketOpened, nullptr) == 1;
  OPENSSL_cleanse(copy.data(), copy.size());
  SSL_CTX_set_timeout(ctx, static_cast<long>(kLongestTrust.count()));
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, onNewSession);
  return ok;
}

void attachResumption(SSL* ssl, Resumption* resumption) {
  SSL_set_ex_data(ssl, resumptionIndex(), resumption);
}

bool writeTicket(SSL*) {
  return true;  // SSL_do_handshake has
}

uint16_t groupOf(SSL* ssl) {
  const int nid = static_cast<int>(SSL_get_negotiated_group(ssl));
  switch (nid) {
    case NID_X25519:
      return 0x001d;
    case NID_X9_62_prime256v1:
      return 0x0017;
    case NID_secp384r1:
      return 0x0018;
    default:
      // A group without a NID, as all hybrid ones are, goes by its number.
      return (nid & TLSEXT_nid_unknown) != 0 ? static_cast<uint16_t>(nid & 0xffff) : 0;
  }
}

X509* peerCertificate(SSL* ssl) {
  return SSL_get1_peer_certificate(ssl);
}

bool isVersionError(unsigned long error) {
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return false;
  const int reason = ERR_GET_REASON(error);
  return reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_VERSION_TOO_LOW ||
         reason == SSL_R_WRONG_SSL_VERSION;
}

bool isNoCertificate(unsigned long error) {
  return ERR_GET_LIB(error) == ERR_LIB_SSL &&
         ERR_GET_REASON(error) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
}

bool isNoSharedCipher(unsigned long error) {
  return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_NO_SHARED_CIPHER;
}

bool isOwnFault(unsigned long error) {
  const int reason = ERR_GET_REASON(error);
  return ERR_SYSTEM_ERROR(error) || reason == ERR_R_MALLOC_FAILURE || reason == ERR_R_INTERNAL_ERROR;
}

void MessageWatch::attach(SSL* ssl) {
  ssl_ = ssl;
  SSL_set_msg_callback(ssl, &MessageWatch::onMessage);
  SSL_set_msg_callback_arg(ssl, this);
}

uint64_t MessageWatch::txSequence() const {
  return tx_.sequence;
}

uint64_t MessageWatch::rxSequence() const {
  return rx_.sequence;
}

void MessageWatch::onMessage(int written, int, int contentType, const void* data, size_t size, SSL*,
                             void* self) {
  MessageWatch& watch = *static_cast<MessageWatch*>(self);
  Direction& direction = written ? watch.tx_ : watch.rx_;
  if (contentType == SSL3_RT_HEADER) {
    // Called for a record before it is called for the messages in it: a Finished's own header is not counted.
    if (direction.finished) direction.sequence++;
    return;
  }
  if (contentType != SSL3_RT_HANDSHAKE || size == 0) return;
  const int type = static_cast<const unsigned char*>(data)[0];
  if (!written && direction.finished) {
    if (type == SSL3_MT_NEWSESSION_TICKET) {
      watch.tickets_++;
    } else {
      watch.stray_ = type;
    }
  }
  if (type == SSL3_MT_FINISHED) direction.finished = true;
}

}  // namespace tlshub::handshake::library
