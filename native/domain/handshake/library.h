/* SPDX-License-Identifier: Apache-2.0 */
// What OpenSSL and BoringSSL do differently. Everything else in this folder uses calls that both have; a build takes
// library_openssl.cc or library_boringssl.cc, and is otherwise the same.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <string>
#include <vector>

#include "../secrets/traffic.h"
#include "resumption.h"

namespace tlshub::handshake::library {

// The library's own words for its version, of the library that is loaded and not of the headers.
std::string version();

// The file whose SSL_new() is called: a library, or the program that carries it.
std::string file();

// Empty if the library that is called is the one that this was compiled for, all through; else a sentence on what is wrong.
// In one process with another library of the same names, the ordinary order of symbol look-up gives a mixture of both.
std::string foreign();

// Restricts `ctx` to these TLS 1.3 suites (IANA names), as far as the library can: BoringSSL chooses by itself, which is
// why a session checks the choice. False if the library does not know one or the list is empty.
bool setCiphers(SSL_CTX* ctx, const std::vector<std::string>& names);

// Makes a server send exactly one NewSessionTicket, which nobody can resume, or none, and sets the library's policy on key sizes.
bool configure(SSL_CTX* ctx, unsigned tickets);

// Makes tickets good for resumption by psk_dhe_ke (RFC 8446 section 4.2.9), under the key that every handshake's
// Resumption gives, and hands a client's to it. After configure(). False: an error is queued.
bool allowResumption(SSL_CTX* ctx, const TicketKey& key);

// Whom to ask about tickets of this handshake; it must outlive the SSL. Only where resumption is allowed.
void attachResumption(SSL* ssl, Resumption* resumption);

// A server's ticket, if the library has not written it with the end of the handshake. False: an error is queued.
bool writeTicket(SSL* ssl);

// The group that keys were agreed on in: its number in IANA's registry. 0: the library does not say.
uint16_t groupOf(SSL* ssl);

// The peer's leaf certificate with a reference of the caller's, or null.
X509* peerCertificate(SSL* ssl);

// To be called right before SSL_free(): wipes what of the secrets the library would leave in memory that it frees. False: it may be that
// something is left, since this version keeps them where nobody has looked yet.
bool forget(SSL* ssl, const TrafficSecrets& secrets);

// Meanings of the packed error that ERR_peek_last_error() gives after a failed call.
bool isVersionError(unsigned long error);   // the peer does not offer TLS 1.3
bool isNoCertificate(unsigned long error);  // a client that sent an empty certificate list
bool isNoSharedCipher(unsigned long error);
bool isOwnFault(unsigned long error);  // out of memory, internal error: it says nothing about the peer

// Record sequence numbers and post-handshake messages as the library itself sees them. OpenSSL has no getter for sequence
// numbers, so there records are counted by the message callback.
//
// In TLS 1.3 each direction changes to its application traffic key right behind that sender's Finished message (RFC 8446
// section 4.4.4 and appendix A), so the sequence number of a direction is the number of record headers behind it.
class MessageWatch {
 public:
  void attach(SSL* ssl);

  // Only while the SSL lives.
  uint64_t txSequence() const;
  uint64_t rxSequence() const;
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

  const SSL* ssl_ = nullptr;
  Direction tx_;
  Direction rx_;
  unsigned tickets_ = 0;
  int stray_ = -1;
};

}  // namespace tlshub::handshake::library
