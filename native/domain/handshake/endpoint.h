/* SPDX-License-Identifier: Apache-2.0 */
// One end of a TLS 1.3 connection with certificates on both sides: what the in-band handshake (session.h) and the channel (../channel) have in
// common. It drives the library's handshake, checks the peer, keeps the secrets, and says in a sentence what went wrong.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "context.h"
#include "groups.h"
#include "library.h"
#include "node_set.h"
#include "outcome.h"
#include "owned.h"
#include "record_channel.h"

namespace tlshub::handshake {

class Endpoint {
 public:
  struct Terms {
    Role role = Role::kActive;
    // any of which must be a DNS SAN of the peer; empty, and no nodes: the handshake fails
    std::vector<std::string> peerNames;
    bool keyLog = false;
    std::shared_ptr<const NodeSet> nodes = nullptr;  // in place of peerNames
  };

  Endpoint(std::shared_ptr<const Context> context, Terms terms, int fd, bool byExchanges = false);
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // Null if it has failed already.
  SSL* ssl() { return ssl_.get(); }
  const Context& context() const { return *context_; }
  Role role() const { return terms_.role; }
  RecordChannel& channel() { return channel_; }
  const RecordChannel& channel() const { return channel_; }
  const library::MessageWatch& watch() const { return watch_; }

  // Goes on with the handshake. True: it is done, and the peer is who it should be.
  bool handshake();

  // The first failure is the one that counts.
  void fail(Failure failure, std::string reason);
  // After a call of the library that has failed for good: finds out why.
  void failFromLibrary();
  void failFromErrno(int error, const char* call);
  bool failed() const { return failed_; }

  // Wipes what the library has of the connection's secrets, and lets go of it. True: nothing is left of them.
  bool forget();

  // Of a handshake that is done; all but the secrets are good after forget().
  const std::string& cipher() const { return cipher_; }  // IANA name
  const std::string& peerName() const {
    return peerName_;
  }  // of Terms::peerNames the one that matched, or the first of Terms::nodes
  std::string group() { return groupName(library::groupOf(ssl_.get())); }  // as in tls.groups
  bool resumed() const { return resumed_; }
  Secret<TrafficSecrets>& secrets() { return secrets_; }

  // Of one that has failed.
  Failure failure() const { return failure_; }
  const std::string& reason() const { return reason_; }

  // Of the peer's certificate, if one was seen.
  const std::vector<std::string>& seenNames() const { return seenNames_; }
  std::vector<std::string>& keyLog() { return keyLog_; }

  // SSL_CTX_keylog_cb_func, set on every Context: the only way OpenSSL gives out traffic secrets.
  static void onKeyLog(const SSL* ssl, const char* line);

 private:
  static constexpr unsigned kClientSecret = 1, kServerSecret = 2, kBothSecrets = 3;

  void prepare();
  void checkPeer();
  std::string nameAmong(const std::vector<std::string>& names) const;
  std::string strangerReason() const;
  std::string notTlsReason() const;
  static std::string cipherReason(const std::string& cipher);
  int knowsNode(X509_STORE_CTX* store);
  static int onVerify(int ok, X509_STORE_CTX* store);
  static void onInfo(const SSL* ssl, int where, int value);

  const std::shared_ptr<const Context> context_;
  const Terms terms_;
  RecordChannel channel_;
  library::MessageWatch watch_;
  SslPtr ssl_;  // behind channel_ and watch_, which it points to

  unsigned secretsSeen_ = 0;
  int peerAlert_ = -1;
  std::string certificateReason_;
  std::string cipherReason_;

  Secret<TrafficSecrets> secrets_;
  std::string cipher_;
  std::string peerName_;
  bool resumed_ = false;
  std::vector<std::string> seenNames_;
  std::vector<std::string> keyLog_;
  bool failed_ = false;
  Failure failure_ = Failure::kFailed;
  std::string reason_;
};

}  // namespace tlshub::handshake
