/* SPDX-License-Identifier: Apache-2.0 */
// TLS 1.3 session resumption: what a library asks of a handshake, and the sessions that a node may resume.
//
// A resumed session skips the certificates, so everything that made them acceptable must still hold without them:
//   - the session's peer has one of the names that are expected at the present peer's address (the mapping may have
//     changed), and its certificate has not expired;
//   - the certificates themselves were exchanged at most kLongestTrust ago, however often the session was resumed since;
//   - both ends still have the credentials they had then: the key that seals tickets, and the store of a client's, belong
//     to a Context, and new credentials are a new Context.
// A ticket that fails any of these is passed over, and the handshake is a full one. Keys are never weaker for it: the only
// mode is psk_dhe_ke, and there is no early data.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "owned.h"

namespace tlshub::handshake {

// Shared by all threads of one provider, so that each can open what another has sealed.
constexpr size_t kTicketKeySize = 80;
using TicketKey = std::array<uint8_t, kTicketKeySize>;

constexpr std::chrono::seconds kLongestTrust{3600};

// Sessions with more certificates than this get a ticket that cannot be resumed: a ticket must fit one record.
constexpr size_t kMaxSessionSize = 8 * 1024;

// Seconds since 1970.
int64_t unixTime();

// One handshake, as its library sees it.
class Resumption {
 public:
  virtual const TicketKey& ticketKey() const = 0;
  // Server: whether the client may go on from this session, whose certificates were exchanged at `trustedSince`.
  virtual bool mayResume(SSL_SESSION* session, int64_t trustedSince) = 0;
  // When the certificates behind the present handshake were exchanged.
  virtual int64_t trustedSince() const = 0;
  // Client: a session that a later handshake may resume.
  virtual void keep(SessionPtr session) = 0;

 protected:
  ~Resumption() = default;
};

// A client's sessions, by the names that it expected. Each is used once (RFC 8446 appendix C.4), the freshest first.
class SessionStore {
 public:
  static constexpr size_t kPerPeer = 32;
  static constexpr size_t kPeers = 1024;

  struct Entry {
    SessionPtr session;
    int64_t trustedSince = 0;
  };

  void put(const std::vector<std::string>& peerNames, Entry entry);
  // A null session: there is none.
  Entry take(const std::vector<std::string>& peerNames);
  size_t size() const;

 private:
  struct Peer {
    std::string key;
    std::list<Entry> sessions;
  };
  // the peer used last in front
  std::list<Peer> peers_;
  std::map<std::string, std::list<Peer>::iterator> byKey_;
};

// The names of the session's peer, empty unless its certificate is there, was verified and is still valid.
std::vector<std::string> sessionNames(SSL_SESSION* session);

}  // namespace tlshub::handshake
