// SPDX-License-Identifier: Apache-2.0
#include "context.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>

#include "certificate.h"
#include "endpoint.h"
#include "groups.h"
#include "library.h"

namespace tlshub::handshake {

namespace {

// A leaf, one or two intermediates and the CA. Longer chains are no node's.
constexpr int kMaxChainDepth = 4;
// Below the channel's limit, so that the library answers a huge chain by an alert.
constexpr long kMaxCertificateList = 64 * 1024;

std::string libraryReason() {
  const char* text = ERR_reason_error_string(ERR_peek_last_error());
  return text == nullptr ? "no reason given" : text;
}

[[noreturn]] void refuse(const std::string& message) {
  ERR_clear_error();
  throw CredentialsError(message);
}

// Without it the library would ask for a passphrase on the terminal.
int noPassphrase(char*, int, int, void*) {
  return 0;
}

BioPtr textBio(const std::string& text) {
  BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!bio) refuse("out of memory");
  return bio;
}

std::vector<CertificatePtr> parseCertificates(const std::string& pem, const std::string& what) {
  const BioPtr bio = textBio(pem);
  std::vector<CertificatePtr> certificates;
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, noPassphrase, nullptr)) {
    certificates.emplace_back(certificate);
  }
  const unsigned long error = ERR_peek_last_error();
  const bool atEnd = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!atEnd) {
    refuse(what + ": certificate " + std::to_string(certificates.size() + 1) +
           " cannot be parsed: " + libraryReason());
  }
  if (certificates.empty()) refuse(what + ": there is no PEM certificate in it");
  ERR_clear_error();
  return certificates;
}

void trust(SSL_CTX* ctx, const std::string& caPem) {
  X509_STORE* store = SSL_CTX_get_cert_store(ctx);
  for (const CertificatePtr& ca : parseCertificates(caPem, "CA")) {
    if (X509_check_ca(ca.get()) == 0) {
      refuse("CA: the certificate of " + subjectText(ca.get()) +
             " is not that of a CA (basicConstraints CA:TRUE)");
    }
    if (X509_STORE_add_cert(store, ca.get()) != 1) refuse("CA: " + libraryReason());
  }
}

void identify(SSL_CTX* ctx, const std::string& certPem, const std::string& keyPem) {
  const std::vector<CertificatePtr> chain = parseCertificates(certPem, "certificate");
  const std::string weakness = weaknessOf(chain[0].get());
  if (!weakness.empty()) {
    refuse("certificate of " + subjectText(chain[0].get()) + ": not accepted: " + weakness);
  }
  const BioPtr bio = textBio(keyPem);
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, noPassphrase, nullptr));
  if (!key) refuse("private key: cannot be parsed (an encrypted key is not supported): " + libraryReason());
  if (SSL_CTX_use_certificate(ctx, chain[0].get()) != 1) {
    refuse("certificate of " + subjectText(chain[0].get()) + ": not accepted: " + libraryReason());
  }
  if (X509_check_private_key(chain[0].get(), key.get()) != 1) {
    refuse("private key: does not belong to the certificate of " + subjectText(chain[0].get()));
  }
  if (SSL_CTX_use_PrivateKey(ctx, key.get()) != 1) refuse("private key: not accepted: " + libraryReason());
  for (size_t i = 1; i < chain.size(); i++) {
    if (SSL_CTX_add1_chain_cert(ctx, chain[i].get()) != 1) refuse("certificate chain: " + libraryReason());
  }
}

}  // namespace

std::shared_ptr<const Context> Context::create(const Credentials& credentials, const Purpose& purpose) {
  ERR_clear_error();
  SslCtxPtr ctx(SSL_CTX_new(TLS_method()));
  if (!ctx) refuse("the TLS library has no TLS: " + libraryReason());
  if (SSL_CTX_set_min_proto_version(ctx.get(), TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(ctx.get(), TLS1_3_VERSION) != 1 ||
      !library::configure(ctx.get(), purpose.tickets)) {
    refuse("the TLS library refuses TLS 1.3: " + libraryReason());
  }
  const std::shared_ptr<Context> made(new Context(credentials, purpose));
  made->groups_ = knownGroups(ctx.get(), purpose.groups);
  if (!setGroups(ctx.get(), made->groups_)) {
    refuse("groups: the list is empty or names none that the TLS library has");
  }
  if (!library::setCiphers(ctx.get(), credentials.ciphers)) {
    refuse("ciphers: the list is empty or names a suite that the TLS library does not have");
  }
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_read_ahead(ctx.get(), 0);
  SSL_CTX_set_quiet_shutdown(ctx.get(), 1);
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_NO_AUTO_CHAIN);  // the CA's own certificate is not sent
  if (purpose.lasting) SSL_CTX_set_mode(ctx.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify_depth(ctx.get(), kMaxChainDepth);
  SSL_CTX_set_max_cert_list(ctx.get(), kMaxCertificateList);
  SSL_CTX_set_keylog_callback(ctx.get(), &Endpoint::onKeyLog);
  if (credentials.ticketKey && !library::allowResumption(ctx.get(), *credentials.ticketKey)) {
    refuse("the TLS library refuses to resume sessions: " + libraryReason());
  }
  trust(ctx.get(), credentials.caPem);
  identify(ctx.get(), credentials.certPem, credentials.keyPem);
  if (!made->protocol_.empty()) made->speak(ctx.get());
  made->ctx_ = std::move(ctx);
  return made;
}

void Context::speak(SSL_CTX* ctx) const {
  const std::string offer = static_cast<char>(protocol_.size()) + protocol_;
  // 0 is success.
  if (SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const unsigned char*>(offer.data()),
                              static_cast<unsigned>(offer.size())) != 0) {
    refuse("the TLS library refuses ALPN: " + libraryReason());
  }
  SSL_CTX_set_alpn_select_cb(ctx, &Context::onProtocols, const_cast<Context*>(this));
}

int Context::onProtocols(SSL*, const unsigned char** out, unsigned char* outLength, const unsigned char* in,
                         unsigned int inLength, void* self) {
  const std::string& wanted = static_cast<const Context*>(self)->protocol_;
  for (unsigned at = 0; at < inLength && in[at] < inLength - at; at += 1u + in[at]) {
    if (std::string(reinterpret_cast<const char*>(in + at + 1), in[at]) != wanted) continue;
    *out = in + at + 1;
    *outLength = in[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

Context::~Context() {
  if (ticketKey_) OPENSSL_cleanse(ticketKey_->data(), ticketKey_->size());
}

bool Context::allows(const std::string& cipher) const {
  return std::find(ciphers_.begin(), ciphers_.end(), cipher) != ciphers_.end();
}

}  // namespace tlshub::handshake
