// SPDX-License-Identifier: Apache-2.0
// What OpenSSL would leave of a handshake's secrets.
//
// SSL_free() gives an SSL back to the allocator as it is (OPENSSL_free() at its end, ssl/ssl_lib.c, in 3.0 as in 3.5), with the whole key
// schedule in it, and there it stays until something else needs just this memory. No call of the API wipes it, and the allocator cannot be
// replaced: Node.js has begun to use OpenSSL long before. So it is wiped in place, right before SSL_free(), which reads none of it.
//
// Where it is, is not guessed but found: the traffic secrets are known, and what is said of their neighbours is checked before it is used.
// test/native/handshake-memory.test.ts looks whether anything is left, on every supported Node.js.
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include <string>

#include "../secrets/hkdf.h"
#include "library.h"

namespace tlshub::handshake::library {

namespace {

// Fields of struct ssl_st (3.0) and ssl_connection_st (since 3.2) about client_app_traffic_secret, each of EVP_MAX_MD_SIZE bytes, in ssl/ssl_local.h:
// early_secret (-8), handshake_secret, master_secret (-6), resumption_master_secret, client_finished_secret, server_finished_secret,
// server_finished_hash, handshake_traffic_hash (-1), client_app_traffic_secret (0), server_app_traffic_secret, exporter_master_secret,
// early_exporter_master_secret (3).
constexpr size_t kField = EVP_MAX_MD_SIZE;
constexpr size_t kBefore = 8, kFields = 12;

struct Memory {
  uint8_t* at;
  size_t size;

  uint8_t* find(const uint8_t* bytes, size_t length) const {
    return static_cast<uint8_t*>(memmem(at, size, bytes, length));
  }
  void wipe(const uint8_t* bytes, size_t length) const {
    while (uint8_t* const found = find(bytes, length)) OPENSSL_cleanse(found, length);
  }
};

// RFC 8446, 7.1: the master secret is made of the handshake secret. True for two fields that are just these.
bool areOfOneSchedule(Hash hash, const uint8_t* handshakeSecret, const uint8_t* masterSecret) {
  const size_t length = hashBytes(hash);
  uint8_t nothing[kLongestHash], derived[kLongestHash], master[kLongestHash];
  Sha2(hash).finish(nothing);
  hkdfExpandLabel(hash, handshakeSecret, "derived", derived, length,
                  std::string(reinterpret_cast<const char*>(nothing), length));
  const uint8_t zeros[kLongestHash] = {};
  hkdfExtract(hash, derived, length, zeros, length, master);
  const bool same = CRYPTO_memcmp(master, masterSecret, length) == 0;
  OPENSSL_cleanse(derived, sizeof derived);
  OPENSSL_cleanse(master, sizeof master);
  return same;
}

}  // namespace

bool forget(SSL* ssl, const TrafficSecrets& secrets) {
  CRYPTO_malloc_fn allocate;
  CRYPTO_realloc_fn reallocate;
  CRYPTO_free_fn release;
  CRYPTO_get_mem_functions(&allocate, &reallocate, &release);
  // Else it is not malloc's, and nobody knows how long it is.
  if (release != &CRYPTO_free) return false;
  const Memory memory{reinterpret_cast<uint8_t*>(ssl), malloc_usable_size(ssl)};
  const Hash hash = secrets.length == hashBytes(Hash::kSha256) ? Hash::kSha256 : Hash::kSha384;
  const size_t length = secrets.length;

  bool whole = false;
  uint8_t* const client = memory.find(secrets.client, length);
  if (client != nullptr && client >= memory.at + kBefore * kField &&
      client + (kFields - kBefore) * kField <= memory.at + memory.size) {
    whole = memcmp(client + kField, secrets.server, length) == 0 &&
            areOfOneSchedule(hash, client - 7 * kField, client - 6 * kField);
    if (whole) OPENSSL_cleanse(client - kBefore * kField, kFields * kField);
  }
  // In 3.0 the ivs are in it as well; and secrets that are not where they are said to be.
  for (const uint8_t* secret : {secrets.client, secrets.server}) {
    uint8_t iv[12];
    hkdfExpandLabel(hash, secret, "iv", iv, sizeof iv);
    memory.wipe(iv, sizeof iv);
    OPENSSL_cleanse(iv, sizeof iv);
    memory.wipe(secret, length);
  }
  return whole;
}

}  // namespace tlshub::handshake::library
