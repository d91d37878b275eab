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
  static std::shared_ptr<const Context> create(const Credentials& credentials);

  SSL_CTX* get() const { return ctx_.get(); }

  // The key that seals this node's tickets; null: no session is ever resumed.
  const TicketKey* ticketKey() const { return ticketKey_ ? &*ticketKey_ : nullptr; }
  // Of this context's thread: the only part of it that changes.
  SessionStore& sessions() const { return sessions_; }

  // Whether the suite (IANA name) is one of Credentials::ciphers.
  bool allows(const std::string& cipher) const;

 private:
  Context(SslCtxPtr ctx, const Credentials& credentials)
      : ctx_(std::move(ctx)), ciphers_(credentials.ciphers), ticketKey_(credentials.ticketKey) {}
  SslCtxPtr ctx_;
  const std::vector<std::string> ciphers_;
  std::optional<TicketKey> ticketKey_;
  mutable SessionStore sessions_;
};

}  // namespace tlshub::handshake
