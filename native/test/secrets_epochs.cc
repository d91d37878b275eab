// SPDX-License-Identifier: Apache-2.0
// The epochs that keys are made of: the vectors of docs/CHANNEL.md by both ends, numbers, and what is forgotten.
#include <cstring>
#include <stdexcept>

#include "../domain/channel/epochs.h"
#include "secrets_kit.h"

using namespace tlshub;
using channel::Agreed;
using channel::Epochs;
using channel::EpochSecret;
using channel::Opened;

namespace {

constexpr uint32_t kEpoch = 9046796;

Secret<EpochSecret> secretOfVectors() {
  Secret<EpochSecret> epoch = SecretStore::make<EpochSecret>();
  for (size_t i = 0; i < sizeof(epoch->bytes); i++) epoch->bytes[i] = static_cast<uint8_t>(i);
  return epoch;
}

channel::Address ipv4(uint8_t last) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, 0, last};
}

Agreed ofClient(uint16_t number = 513, tlshub_channel_what what = CHANNEL_DIRECT) {
  return {what, kEpoch, number, ipv4(1), ipv4(2), 40123, 443, 16909060, 4294901244u};
}

Agreed ofServer(uint16_t number = 513, tlshub_channel_what what = CHANNEL_DIRECT) {
  return {what, kEpoch, number, ipv4(2), ipv4(1), 443, 40123, 4294901244u, 16909060};
}

Epochs::Names names(Cipher cipher) {
  return {"node-a", "node-b", cipher};
}

std::string secretsOf(Epochs& epochs, Opened by, const std::string& peer, const Agreed& agreed) {
  Epochs::Keys keys;
  switch (epochs.derive(by, peer, agreed, &keys)) {
    case Epochs::Refusal::kUnknown:
      return "unknown";
    case Epochs::Refusal::kTaken:
      return "taken";
    case Epochs::Refusal::kNone:
      break;
  }
  return keys.peer + " " + hexOf(keys.secrets->client, keys.secrets->length) + " " +
         hexOf(keys.secrets->server, keys.secrets->length);
}

void is(const std::string& got, const std::string& wanted, const std::string& what) {
  check(got == wanted, what + ": " + got);
}

struct Vector {
  Cipher cipher;
  tlshub_channel_what what;
  const char* secrets;
};

constexpr Vector kVectors[] = {
    {Cipher::kAes128Gcm, CHANNEL_DIRECT,
     "e932e28c9d37649016d18c99f67ad977f47847b0616607993a7de2a867c7476d "
     "10f2e2a00cc0636c51a410dd7192a896380207106c05bfbad06d29b24c4b6f34"},
    {Cipher::kAes256Gcm, CHANNEL_TRANSLATED,
     "a04b5e73d92751d8042cea883f8065be89d005d21c469662993f6a2f3fecc20f4db1a1b9daf80569a139fa1afe8d99e9 "
     "4abdac70e6173b353cd5efd17fd96c3abf2013976fb67aed3c76aa082802249b01fb7c4d907898faf3c208a3ee6be220"},
    {Cipher::kChaCha20Poly1305, CHANNEL_DIRECT,
     "2be02cdfb244bbd326c2e568c833ebc5b2db3be3fb9d92be935046d84e4d008a "
     "3b73b86b3fe985bb5f74888ca2feb7134cabac071b3c97c046b79c1813071fae"},
};

template <typename Thrown, typename Run>
bool throws(Run run) {
  try {
    run();
  } catch (const Thrown&) {
    return true;
  }
  return false;
}

}  // namespace

// Each end has the tuple and the sequence numbers the other way round.
void epochsOfVectors() {
  for (const Vector& vector : kVectors) {
    Epochs opener, listener;
    opener.add(Opened::kHere, kEpoch, names(vector.cipher), secretOfVectors());
    listener.add(Opened::kThere, kEpoch, names(vector.cipher), secretOfVectors());
    is(secretsOf(opener, Opened::kHere, "node-b", ofClient(513, vector.what)),
       std::string("node-b ") + vector.secrets, "the opener's");
    is(secretsOf(listener, Opened::kThere, "node-a", ofServer(513, vector.what)),
       std::string("node-a ") + vector.secrets, "the listener's");
  }
}

void numbersTakenTwice() {
  Epochs epochs;
  epochs.add(Opened::kThere, kEpoch, names(Cipher::kAes128Gcm), secretOfVectors());
  epochs.add(Opened::kThere, kEpoch, {"node-c", "node-b", Cipher::kAes128Gcm}, secretOfVectors());
  const auto from = [&](const char* opener, uint16_t number) {
    return secretsOf(epochs, Opened::kThere, opener, ofServer(number)).substr(0, 6);
  };
  is(from("node-a", 7), "node-a", "the first time");
  is(from("node-a", 7), "taken", "the second time");
  is(from("node-a", 65535), "node-a", "the last number");
  is(from("node-a", 65535), "taken", "the last number again");
  is(from("node-c", 7), "node-c", "the same of another opener's epoch with this id");
  // Who adds it once more would begin its numbers anew.
  check(throws<std::invalid_argument>(
            [&] { epochs.add(Opened::kThere, kEpoch, names(Cipher::kAes128Gcm), secretOfVectors()); }),
        "it was added twice");
  is(from("node-a", 7), "taken", "after that");
}

void epochsForgotten() {
  Epochs epochs;
  Secret<EpochSecret> secret = secretOfVectors();
  const auto* const at = secret->bytes;
  const auto clean = [&] {
    static const uint8_t zeros[sizeof(EpochSecret::bytes)] = {};
    return std::memcmp(at, zeros, sizeof(zeros)) == 0;
  };
  epochs.add(Opened::kHere, kEpoch, names(Cipher::kAes128Gcm), std::move(secret));
  is(secretsOf(epochs, Opened::kHere, "node-c", ofClient()), "unknown", "with another node");
  is(secretsOf(epochs, Opened::kThere, "node-b", ofServer()), "unknown", "opened there");
  epochs.forget(Opened::kThere, "node-b", kEpoch);
  epochs.forget(Opened::kHere, "node-c", kEpoch);
  check(!clean(), "another one was to be forgotten");
  epochs.forget(Opened::kHere, "node-b", kEpoch);
  check(clean(), "its secret is left");
  is(secretsOf(epochs, Opened::kHere, "node-b", ofClient()), "unknown", "when it is forgotten");
  epochs.forget(Opened::kHere, "node-b", kEpoch);
}

void epochsWithinANode() {
  Epochs epochs;
  epochs.addOwn(kEpoch, "node-a", Cipher::kAes128Gcm);
  const std::string client = secretsOf(epochs, Opened::kHere, "node-a", ofClient());
  is(secretsOf(epochs, Opened::kThere, "node-a", ofServer()), client, "the two ends differ");
  is(secretsOf(epochs, Opened::kThere, "node-a", ofServer()), "taken", "the second time");
  epochs.addOwn(kEpoch + 1, "node-a", Cipher::kAes128Gcm);
  Agreed next = ofClient();
  next.epoch++;
  check(secretsOf(epochs, Opened::kHere, "node-a", next) != client, "two epochs have one secret");
  Agreed nextThere = ofServer();
  nextThere.epoch++;
  is(secretsOf(epochs, Opened::kThere, "node-a", nextThere), secretsOf(epochs, Opened::kHere, "node-a", next),
     "the two ends of the next one differ");
  epochs.forget(Opened::kHere, "node-a", kEpoch);
  epochs.forget(Opened::kThere, "node-a", kEpoch);
  is(secretsOf(epochs, Opened::kHere, "node-a", ofClient()), "unknown", "when it is forgotten");
}
