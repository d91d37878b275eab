#include <dlfcn.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <unistd.h>

#include "library.h"

namespace tlshub::handshake::library {

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

bool configure(SSL_CTX* ctx) {
  // For TLS 1.3 NO_TICKET means stateful tickets: a 32-byte reference into the session cache, which is off, instead of the
  // encrypted session with the client's whole certificate. So the message fits one record whatever that certificate is,
  // and nothing that a client presents is ever found (SSL_CTX_set_options(3), "SSL_OP_NO_TICKET").
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  if (SSL_CTX_set_num_tickets(ctx, 1) != 1 || SSL_CTX_set_max_early_data(ctx, 0) != 1) return false;
  SSL_CTX_set_security_level(ctx, 2);  // at least 112 bits: RSA 2048, no SHA-1 signatures
  return true;
}

bool writeTicket(SSL*) {
  return true;  // SSL_do_handshake has
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
