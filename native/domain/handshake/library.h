// What OpenSSL and BoringSSL do differently. Everything else in this folder uses calls that both have; a build against
// BoringSSL replaces library_openssl.cc and nothing more.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tlshub::handshake::library {

// The library's own words for its version, of the library that is loaded and not of the headers.
std::string version();

// Restricts `ctx` to these TLS 1.3 suites (IANA names). False if the library does not know one or the list is empty.
bool setCiphers(SSL_CTX* ctx, const std::vector<std::string>& names);

// Makes a server send exactly one NewSessionTicket, which nobody can resume, and sets the library's policy on key sizes.
bool configure(SSL_CTX* ctx);

// The peer's leaf certificate with a reference of the caller's, or null.
X509* peerCertificate(SSL* ssl);

// Meanings of the packed error that ERR_peek_last_error() gives after a failed call.
bool isVersionError(unsigned long error);   // the peer does not offer TLS 1.3
bool isNoCertificate(unsigned long error);  // a client that sent an empty certificate list
bool isNoSharedCipher(unsigned long error);
bool isOwnFault(unsigned long error);  // out of memory, internal error: it says nothing about the peer

// Counts records and post-handshake messages as the library itself sees them, by its message callback. OpenSSL has no
// getter for record sequence numbers.
//
// In TLS 1.3 each direction changes to its application traffic key right behind that sender's Finished message (RFC 8446
// section 4.4.4 and appendix A), so the sequence number of a direction is the number of record headers behind it.
class MessageWatch {
 public:
  void attach(SSL* ssl);

  uint64_t txSequence() const { return tx_.sequence; }
  uint64_t rxSequence() const { return rx_.sequence; }
  unsigned ticketsReceived() const { return tickets_; }
  // any message behind the peer's Finished that is no NewSessionTicket; its handshake type, or -1
  int strayMessage() const { return stray_; }

 private:
  struct Direction {
    bool finished = false;
    uint64_t sequence = 0;
  };
  static void onMessage(int written, int version, int contentType, const void* data, size_t size, SSL* ssl,
                        void* self);

  Direction tx_;
  Direction rx_;
  unsigned tickets_ = 0;
  int stray_ = -1;
};

}  // namespace tlshub::handshake::library
