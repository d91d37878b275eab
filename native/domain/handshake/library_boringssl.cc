// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <openssl/aead.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <string.h>

#include <algorithm>
#include <array>

#include "library.h"
#include "owned.h"

namespace tlshub::handshake::library {

namespace {

// All that BoringSSL has for TLS 1.3 (ssl/ssl_cipher.cc).
constexpr std::array<const char*, 3> kSuites = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                                "TLS_CHACHA20_POLY1305_SHA256"};

constexpr size_t kTicketSize = 32;

// A ticket that holds nothing. By default it would be the encrypted session with the client's whole certificate, which may
// need more than the one record that an agent waits for, and which could be resumed.
int sealNothing(SSL*, uint8_t* out, size_t* outLength, size_t maxLength, const uint8_t*, size_t) {
  if (maxLength < kTicketSize || RAND_bytes(out, kTicketSize) != 1) return 0;
  *outLength = kTicketSize;
  return 1;
}

ssl_ticket_aead_result_t openNothing(SSL*, uint8_t*, size_t*, size_t, const uint8_t*, size_t) {
  return ssl_ticket_aead_ignore_ticket;
}

size_t nothingOverhead(SSL*) {
  return kTicketSize;
}

constexpr SSL_TICKET_AEAD_METHOD kNoTickets = {nothingOverhead, sealNothing, openNothing};

int resumptionIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

Resumption* resumptionOf(const SSL* ssl) {
  return static_cast<Resumption*>(SSL_get_ex_data(ssl, resumptionIndex()));
}

// A ticket is nonce | AES-256-GCM-SIV(session), with the moment of the full handshake as additional data in front of it:
// nonce (12) | moment (8) | sealed session. BoringSSL keeps no such moment itself. SIV, since every worker of the pool
// draws nonces for one key.
constexpr size_t kNonce = 12;
constexpr size_t kMoment = sizeof(int64_t);
constexpr size_t kHead = kNonce + kMoment;
constexpr size_t kTag = 16;

bool initAead(EVP_AEAD_CTX* aead, const SSL* ssl) {
  const EVP_AEAD* cipher = EVP_aead_aes_256_gcm_siv();
  const TicketKey& key = resumptionOf(ssl)->ticketKey();
  return EVP_AEAD_CTX_init(aead, cipher, key.data(), EVP_AEAD_key_length(cipher), kTag, nullptr) == 1;
}

int sealSession(SSL* ssl, uint8_t* out, size_t* outLength, size_t maxLength, const uint8_t* in,
                size_t inLength) {
  if (inLength > kMaxSessionSize) return sealNothing(ssl, out, outLength, maxLength, in, inLength);
  const int64_t since = resumptionOf(ssl)->trustedSince();
  if (maxLength < kHead || RAND_bytes(out, kNonce) != 1) return 0;
  memcpy(out + kNonce, &since, kMoment);
  bssl::ScopedEVP_AEAD_CTX aead;
  size_t sealed = 0;
  if (!initAead(aead.get(), ssl) ||
      EVP_AEAD_CTX_seal(aead.get(), out + kHead, &sealed, maxLength - kHead, out, kNonce, in, inLength,
                        out + kNonce, kMoment) != 1) {
    return 0;
  }
  *outLength = kHead + sealed;
  return 1;
}

ssl_ticket_aead_result_t openSession(SSL* ssl, uint8_t* out, size_t* outLength, size_t maxLength,
                                     const uint8_t* in, size_t inLength) {
  if (inLength <= kHead + kTag) return ssl_ticket_aead_ignore_ticket;
  bssl::ScopedEVP_AEAD_CTX aead;
  if (!initAead(aead.get(), ssl)) return ssl_ticket_aead_error;
  if (EVP_AEAD_CTX_open(aead.get(), out, outLength, maxLength, in, kNonce, in + kHead, inLength - kHead,
                        in + kNonce, kMoment) != 1) {
    ERR_clear_error();
    return ssl_ticket_aead_ignore_ticket;
  }
  int64_t since = 0;
  memcpy(&since, in + kNonce, kMoment);
  const SessionPtr session(SSL_SESSION_from_bytes(out, *outLength, SSL_get_SSL_CTX(ssl)));
  const bool may = session && resumptionOf(ssl)->mayResume(session.get(), since);
  return may ? ssl_ticket_aead_success : ssl_ticket_aead_ignore_ticket;
}

size_t sessionOverhead(SSL*) {
  return kHead + kTag;
}

constexpr SSL_TICKET_AEAD_METHOD kTickets = {sessionOverhead, sealSession, openSession};

int onNewSession(SSL* ssl, SSL_SESSION* session) {
  Resumption* resumption = resumptionOf(ssl);
  if (resumption == nullptr) return 0;
  resumption->keep(SessionPtr(session));
  return 1;
}

const char* fileOf(const void* function) {
  Dl_info info{};
  return dladdr(function, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "?";
}

template <typename F>
const char* fileOf(F* function) {
  return fileOf(reinterpret_cast<const void*>(function));
}

}  // namespace

std::string version() {
  return OpenSSL_version(OPENSSL_VERSION);
}

std::string file() {
  return fileOf(&SSL_new);
}

std::string foreign() {
  // Names that only BoringSSL has tell where it is; names that both have must lead to the same files.
  const std::string ssl = fileOf(&SSL_get_read_sequence);
  const std::string crypto = fileOf(&BORINGSSL_self_test);
  const std::string wrong = "made for BoringSSL in " + ssl + ", but calls reach " + version() + " in ";
  for (const char* found : {fileOf(&SSL_new), fileOf(&SSL_CTX_new), fileOf(&SSL_do_handshake)}) {
    if (ssl != found) return wrong + found;
  }
  for (const char* found : {fileOf(&BIO_new), fileOf(&ERR_peek_last_error), fileOf(&X509_free)}) {
    if (crypto != found) return wrong + found;
  }
  if (version().find("BoringSSL") == std::string::npos) return wrong + crypto;
  // And libssl's own calls reach that libcrypto: its errors appear in the queue that we read, with BoringSSL's numbers.
  ERR_clear_error();
  const SslCtxPtr ctx(SSL_CTX_new(TLS_method()));
  const bool taken = ctx && SSL_CTX_set_strict_cipher_list(ctx.get(), "NO-SUCH-CIPHER") == 1;
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  if (!ctx || taken || ERR_GET_LIB(error) != ERR_LIB_SSL) return wrong + "part, from within " + ssl;
  return "";
}

bool setCiphers(SSL_CTX*, const std::vector<std::string>& names) {
  return !names.empty() && std::all_of(names.begin(), names.end(), [](const std::string& name) {
    return std::find(kSuites.begin(), kSuites.end(), name) != kSuites.end();
  });
}

bool configure(SSL_CTX* ctx, unsigned tickets) {
  if (tickets == 0) SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  SSL_CTX_set_ticket_aead_method(ctx, &kNoTickets);
  SSL_CTX_set_early_data_enabled(ctx, 0);
  return SSL_CTX_set_num_tickets(ctx, tickets) == 1;
}

bool allowResumption(SSL_CTX* ctx, const TicketKey&) {
  const uint8_t id[] = "tlshub";
  SSL_CTX_set_ticket_aead_method(ctx, &kTickets);
  SSL_CTX_set_session_psk_dhe_timeout(ctx, static_cast<uint32_t>(kLongestTrust.count()));
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, onNewSession);
  return SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1) == 1;
}

void attachResumption(SSL* ssl, Resumption* resumption) {
  SSL_set_ex_data(ssl, resumptionIndex(), resumption);
}

bool writeTicket(SSL* ssl) {
  // BoringSSL keeps it for the first write. A write of nothing flushes what is pending and makes no record of its own.
  return SSL_write(ssl, "", 0) == 0 && SSL_get_write_sequence(ssl) == 1;
}

uint16_t groupOf(SSL* ssl) {
  return SSL_get_curve_id(ssl);
}

X509* peerCertificate(SSL* ssl) {
  return SSL_get_peer_certificate(ssl);
}

bool forget(SSL*, const TrafficSecrets&) {
  return true;  // OPENSSL_free() wipes whatever it frees (crypto/mem.c)
}

bool isVersionError(unsigned long error) {
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return false;
  const int reason = ERR_GET_REASON(error);
  return reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_WRONG_VERSION_NUMBER ||
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
  return ERR_GET_LIB(error) == ERR_LIB_SYS || reason == ERR_R_MALLOC_FAILURE ||
         reason == ERR_R_INTERNAL_ERROR;
}

void MessageWatch::attach(SSL* ssl) {
  ssl_ = ssl;
  SSL_set_msg_callback(ssl, &MessageWatch::onMessage);
  SSL_set_msg_callback_arg(ssl, this);
}

uint64_t MessageWatch::txSequence() const {
  return SSL_get_write_sequence(ssl_);
}

uint64_t MessageWatch::rxSequence() const {
  return SSL_get_read_sequence(ssl_);
}

void MessageWatch::onMessage(int written, int, int contentType, const void* data, size_t size, SSL*,
                             void* self) {
  if (written || contentType != SSL3_RT_HANDSHAKE || size == 0) return;
  MessageWatch& watch = *static_cast<MessageWatch*>(self);
  const int type = static_cast<const unsigned char*>(data)[0];
  if (watch.rx_.finished) {
    if (type == SSL3_MT_NEW_SESSION_TICKET) {
      watch.tickets_++;
    } else {
      watch.stray_ = type;
    }
  }
  if (type == SSL3_MT_FINISHED) watch.rx_.finished = true;
}

}  // namespace tlshub::handshake::library
