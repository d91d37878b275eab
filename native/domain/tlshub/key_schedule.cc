// SPDX-License-Identifier: Apache-2.0
#include "key_schedule.h"

#include <arpa/inet.h>
#include <string.h>

#include <stdexcept>

#include "../secrets/hkdf.h"
#include "../secrets/stack.h"

namespace tlshub::module {

namespace {

constexpr char kLabel[] = "tlshub-ebpf traffic v1";

template <typename Number>
void append(std::string& to, Number number) {
  to.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

// Addresses, ports and initial sequence numbers, the client's first: 20 bytes, network order.
std::string saltOf(const ConnectionNames& names) {
  std::string salt;
  append(salt, names.clientAddress);
  append(salt, names.serverAddress);
  append(salt, htons(names.clientPort));
  append(salt, htons(names.serverPort));
  append(salt, htonl(names.clientIsn));
  append(salt, htonl(names.serverIsn));
  return salt;
}

}  // namespace

Secret<TrafficSecrets> deriveTrafficSecrets(const MasterKey& key, const ConnectionNames& names) {
  const std::optional<Cipher> cipher = cipherNamed(names.cipher);
  if (!cipher) throw std::invalid_argument("no such cipher: " + names.cipher);
  const Hash hash = cipherHash(*cipher);
  const auto info = [&](const char* direction) {
    return hkdfInfo({kLabel, direction, names.cipher, names.clientNode, names.serverNode});
  };
  const std::string toServer = info("client to server"), toClient = info("server to client");
  Secret<TrafficSecrets> secrets = SecretStore::make<TrafficSecrets>();
  uint8_t pseudorandomKey[kLongestHash];
  const std::string salt = saltOf(names);
  hkdfExtract(hash, reinterpret_cast<const uint8_t*>(salt.data()), salt.size(), key.bytes, sizeof(key.bytes),
              pseudorandomKey);
  secrets->length = static_cast<uint32_t>(hashBytes(hash));
  hkdfExpand(hash, pseudorandomKey, toServer, secrets->client, hashBytes(hash));
  hkdfExpand(hash, pseudorandomKey, toClient, secrets->server, hashBytes(hash));
  explicit_bzero(pseudorandomKey, sizeof(pseudorandomKey));
  wipeStack();
  return secrets;
}

}  // namespace tlshub::module
