/* SPDX-License-Identifier: Apache-2.0 */
// A node's credentials, parsed and checked: what all handshakes of one configuration share.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "owned.h"
#include "resumption.h"

namespace tlshub::handshake {

struct Credentials {
  std::string caPem;    // one or more CA certificates
  std::string certPem;  // the node's certificate, then intermediates if any
  std::string keyPem;   // its private key, not encrypted
  std::vector<std::string> ciphers;
  std::optional<TicketKey> ticketKey;  // absent: no session is ever resumed
};

// What connections are for: an in-band handshake, as it stands here, or something else.
struct Purpose {
  unsigned tickets = 1;  // that a server ends its handshake with: one, or none
  // In this order; those that the library does not have are left out.
  std::vector<std::string> groups = {"X25519", "P-256", "P-384"};
  std::string protocol;  // by ALPN (RFC 7301), and then both ends must speak it; empty: none
  bool lasting = false;  // they live on without traffic, and should not keep buffers meanwhile
};

// The message says which of the three texts is wrong and how.
class CredentialsError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Context {
 public:
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Throws CredentialsError.
  static std::shared_ptr<const Context> create(const Credentials& credentials, const Purpose& purpose = {});

  SSL_CTX* get() const { return ctx_.get(); }

  // The key that seals this node's tickets; null: no session is ever resumed.
  const TicketKey* ticketKey() const { return ticketKey_ ? &*ticketKey_ : nullptr; }
  // Of this context's thread: the only part of it that changes.
  SessionStore& sessions() const { return sessions_; }

  // Of Purpose::groups those that the library has.
  const std::vector<std::string>& groups() const { return groups_; }
  const std::string& protocol() const { return protocol_; }

  // Whether the suite (IANA name) is one of Credentials::ciphers.
  bool allows(const std::string& cipher) const;

 private:
  Context(const Credentials& credentials, const Purpose& purpose)
      : ciphers_(credentials.ciphers), protocol_(purpose.protocol), ticketKey_(credentials.ticketKey) {}
  void speak(SSL_CTX* ctx) const;
  static int onProtocols(SSL* ssl, const unsigned char** out, unsigned char* outLength,
                         const unsigned char* in, unsigned int inLength, void* self);

  SslCtxPtr ctx_;
  const std::vector<std::string> ciphers_;
  std::vector<std::string> groups_;
  const std::string protocol_;
  std::optional<TicketKey> ticketKey_;
  mutable SessionStore sessions_;
};

}  // namespace tlshub::handshake
