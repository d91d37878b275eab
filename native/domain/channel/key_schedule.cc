// SPDX-License-Identifier: Apache-2.0
#include "key_schedule.h"

#include <string.h>

#include "../secrets/hkdf.h"
#include "../secrets/stack.h"

namespace tlshub::channel {

namespace {

constexpr char kLabel[] = "tlshub-ebpf channel v1";

void append(std::string& to, uint64_t number, size_t bytes) {
  while (bytes-- > 0) to += static_cast<char>(number >> (8 * bytes));
}

void append(std::string& to, const Address& address) {
  to.append(reinterpret_cast<const char*>(address.data()), address.size());
}

// 51 bytes, or 33 of a flow that was translated: what comes first tells the two apart.
std::string saltOf(const FlowNames& names) {
  std::string salt;
  append(salt, names.what, 1);
  append(salt, names.clientAddress);
  append(salt, names.clientPort, 2);
  if (names.what == CHANNEL_DIRECT) {
    append(salt, names.serverAddress);
    append(salt, names.serverPort, 2);
  }
  append(salt, names.clientIsn, 4);
  append(salt, names.serverIsn, 4);
  append(salt, names.epoch, 4);
  append(salt, names.number, 2);
  return salt;
}

}  // namespace

Secret<TrafficSecrets> deriveTrafficSecrets(const EpochSecret& epoch, const FlowNames& names) {
  const Hash hash = cipherHash(names.cipher);
  const auto info = [&](const char* direction) {
    return hkdfInfo({kLabel, direction, cipherName(names.cipher), names.clientNode, names.serverNode});
  };
  const std::string toServer = info("client to server"), toClient = info("server to client");
  const std::string salt = saltOf(names);
  Secret<TrafficSecrets> secrets = SecretStore::make<TrafficSecrets>();
  uint8_t pseudorandomKey[kLongestHash];
  hkdfExtract(hash, reinterpret_cast<const uint8_t*>(salt.data()), salt.size(), epoch.bytes,
              sizeof(epoch.bytes), pseudorandomKey);
  secrets->length = static_cast<uint32_t>(hashBytes(hash));
  hkdfExpand(hash, pseudorandomKey, toServer, secrets->client, hashBytes(hash));
  hkdfExpand(hash, pseudorandomKey, toClient, secrets->server, hashBytes(hash));
  explicit_bzero(pseudorandomKey, sizeof(pseudorandomKey));
  wipeStack();
  return secrets;
}

}  // namespace tlshub::channel
