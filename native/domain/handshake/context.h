// A node's credentials, parsed and checked: what all handshakes of one configuration share.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "owned.h"

namespace tlshub::handshake {

struct Credentials {
  std::string caPem;    // one or more CA certificates
  std::string certPem;  // the node's certificate, then intermediates if any
  std::string keyPem;   // its private key, not encrypted
  std::vector<std::string> ciphers;
};

// The message says which of the three texts is wrong and how.
class CredentialsError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Context {
 public:
  // Throws CredentialsError.
  static std::shared_ptr<const Context> create(const Credentials& credentials);

  SSL_CTX* get() const { return ctx_.get(); }

  // Whether the suite (IANA name) is one of Credentials::ciphers.
  bool allows(const std::string& cipher) const;

 private:
  Context(SslCtxPtr ctx, std::vector<std::string> ciphers)
      : ctx_(std::move(ctx)), ciphers_(std::move(ciphers)) {}
  SslCtxPtr ctx_;
  const std::vector<std::string> ciphers_;
};

}  // namespace tlshub::handshake
