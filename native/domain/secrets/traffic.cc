// SPDX-License-Identifier: Apache-2.0
#include "traffic.h"

#include <string>

#include "../error.h"
#include "hkdf.h"
#include "stack.h"

namespace tlshub {

Secret<TrafficKeys> trafficKeys(Cipher cipher, const TrafficSecrets& secrets) {
  const Hash hash = cipherHash(cipher);
  if (secrets.length != hashBytes(hash))
    throw CodedError("TLSHUB_SECRETS", "traffic secrets of " + std::to_string(secrets.length) +
                                           " bytes are not of the connection's cipher");
  Secret<TrafficKeys> keys = SecretStore::make<TrafficKeys>();
  hkdfExpandLabel(hash, secrets.client, "key", keys->clientKey, keyBytes(cipher));
  hkdfExpandLabel(hash, secrets.client, "iv", keys->clientIv, kIvBytes);
  hkdfExpandLabel(hash, secrets.server, "key", keys->serverKey, keyBytes(cipher));
  hkdfExpandLabel(hash, secrets.server, "iv", keys->serverIv, kIvBytes);
  wipeStack();
  return keys;
}

}  // namespace tlshub
