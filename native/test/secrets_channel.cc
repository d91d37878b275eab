// SPDX-License-Identifier: Apache-2.0
// Keys by name: the key schedule against the vectors of docs/CHANNEL.md, the marker of version 2, the numbers of an epoch.
#include <string.h>

#include <memory>
#include <stdexcept>
#include <vector>

#include "../domain/channel/key_schedule.h"
#include "../domain/channel/numbers.h"
#include "../domain/secrets/hkdf.h"
#include "../domain/secrets/stack.h"
#include "secrets_kit.h"

using namespace tlshub;
using channel::deriveTrafficSecrets;
using channel::EpochSecret;
using channel::FlowNames;

namespace {

EpochSecret secretOfVectors() {
  EpochSecret epoch;
  for (size_t i = 0; i < sizeof(epoch.bytes); i++) epoch.bytes[i] = static_cast<uint8_t>(i);
  return epoch;
}

channel::Address ipv4(uint8_t last) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, 0, last};
}

FlowNames namesOfVectors(tlshub_channel_what what = CHANNEL_DIRECT, Cipher cipher = Cipher::kAes128Gcm) {
  return {what,        ipv4(1),   ipv4(2), 40123,  443,      16909060,
          4294901244u, 168496141, 513,     cipher, "node-a", "node-b"};
}

std::string secretsOf(const FlowNames& names) {
  const Secret<TrafficSecrets> secrets = deriveTrafficSecrets(secretOfVectors(), names);
  return hexOf(secrets->client, secrets->length) + hexOf(secrets->server, secrets->length);
}

std::string keysOf(tlshub_channel_what what, Cipher cipher) {
  const Secret<TrafficSecrets> secrets =
      deriveTrafficSecrets(secretOfVectors(), namesOfVectors(what, cipher));
  const Secret<TrafficKeys> keys = trafficKeys(cipher, *secrets);
  const size_t bytes = keyBytes(cipher);
  return hexOf(secrets->client, secrets->length) + " " + hexOf(keys->clientKey, bytes) + " " +
         hexOf(keys->clientIv, kIvBytes) + " " + hexOf(secrets->server, secrets->length) + " " +
         hexOf(keys->serverKey, bytes) + " " + hexOf(keys->serverIv, kIvBytes);
}

void same(const std::string& got, const std::string& wanted, const std::string& what) {
  check(got == wanted, what + ": " + got);
}

std::string optionOf(const channel_marker& marker, __u8 bytes) {
  __u8 option[CHANNEL_SYN_BYTES];
  memset(option, 0xee, sizeof(option));
  channel_encode(option, &marker, bytes);
  for (size_t i = bytes; i < sizeof(option); i++)
    check(option[i] == 0xee, "more is written than the form has");
  return hexOf(option, bytes);
}

channel_marker markerIn(const std::string& digits, __u8 bytes) {
  const std::string option = fromHex(digits);
  __u8 found[CHANNEL_SYN_BYTES] = {};
  option.copy(reinterpret_cast<char*>(found), sizeof(found));
  channel_marker marker;
  memset(&marker, 0xee, sizeof(marker));
  channel_decode(&marker, found, bytes);
  return marker;
}

// Is the text, of which each byte is turned about here, on the stack below the caller's frame?
__attribute__((noinline, no_sanitize_address, optimize("O1"))) bool isOnTheStack(const uint8_t* turned,
                                                                                 size_t size) {
  const volatile uint8_t* const top = static_cast<uint8_t*>(__builtin_frame_address(0));
  for (const volatile uint8_t* at = top - (60 << 10); at < top - size; at++) {
    size_t i = 0;
    while (i < size && at[i] == static_cast<uint8_t>(~turned[i])) i++;
    if (i == size) return true;
  }
  return false;
}

bool isNone(const channel_marker& m) {
  return !m.what && !m.check_src && !m.check_dst && !m.epoch && !m.number;
}

}  // namespace

void keysOfTheChannel() {
  same(keysOf(CHANNEL_DIRECT, Cipher::kAes128Gcm),
       "6a5bbefca465b94e16659db52eb7c8a6346911ba4623c4742bbf967f3c6d36d7 2e1a9369e6e129928892e7a6c203a24"
       "0 07d064ca7e9e4faf0062a1d5 f6203a639071a962c7c30852bb3f748fc855d645827b73858309669ebd342ecb 1a40"
       "0faa157270569ebc346a57997b40 25e266c4a5a0d4f2cd887048",
       "AES-128, direct");
  same(keysOf(CHANNEL_DIRECT, Cipher::kAes256Gcm),
       "dcaa3cfb08cf564ca15a43698063d5916b4d19d1bf402ca49e48bf1b3613dc0d033bbd79f62e7e3817e16af2058d6d9f"
       " 67552bee728686212272e911c9934a4aa7e3096a3262a3b205bc43f65b5868e9 af5a64f50f2b63ad37f66500 eb449"
       "61c5be2caaf86ed067a798972098eb5acc12fee2f4ee98657a3e7dc43ce7b7c296eeffef0219c646838e35fbdf4 e070"
       "92773c010a9cfa3aa1ffdcdfbd086b5675fc79514d43f0d6b8a585291c56 227994575c0d7ba6bac7efc2",
       "AES-256, direct");
  same(keysOf(CHANNEL_DIRECT, Cipher::kChaCha20Poly1305),
       "ff5ef380b6300995830ddd4f5e469e8fb08485a5ada20235b9991978aa199b1f 50fd6ff9493da4545cefd16ce9a8d8c"
       "ce2698b3930bb14f7e46106d0fa846a41 5858513942a5c6ddad377424 92fa6225042a57e11f5102ad6c82ab884e322"
       "df6577e3daf0933e39c37162c7d c6d3d183e162dca125c047fdf2436cddb5d64fbfcbd6881843e3f025e40c2357 3a1"
       "9975ca41d3c0a7e1c0202",
       "ChaCha20, direct");
  same(keysOf(CHANNEL_TRANSLATED, Cipher::kAes128Gcm),
       "27f3c5a4d6295194c15adc18565ba3797eca1cab7bda83ad34dd740fc31caf91 48dbc99afc408a927506c00844633df"
       "9 439edbae870d490b144ef12c de89bc795845146b4ea65ced5acd1a7a80df8f25f29f25ece122f1aadbe8ae64 35d9"
       "c56cea6ca36190a1e925039aa076 e8fc7411fe13a219258df21a",
       "AES-128, translated");
  same(keysOf(CHANNEL_TRANSLATED, Cipher::kAes256Gcm),
       "8c22dd160c43dc1ca1a2ec6a989c9da60b653e0a54aab25cf01d018f11240538a666cd5e118e5019e0bdaafbc3b9d64a"
       " 1e27943be14cd2c4fe42914b2c24c3422ecc90cb46847250178bc07069d9840c 3f09a7472d15fa806c4ac1f6 f5027"
       "84294d5c9a0d5b65b0a56e5b8cbbabc5068cd2d5a1caed8efaff3f09f02e52deb20f5ee6729ff56022ba3534580 5bd9"
       "18b0cf8c46547aa906d8766c977def4b3786a951a48446ebf750ab1ab4f8 be2f032689054fc3fed7f284",
       "AES-256, translated");
  same(keysOf(CHANNEL_TRANSLATED, Cipher::kChaCha20Poly1305),
       "bd47a8efbbd8f3095450999a28442ab21c85ae500477560b2c370519f626fea1 53b1dd782d163c4068d50212012a171"
       "14fb9c01cf7dc6a4c837a8647fa948a04 ab526bbe35e68f632c11f202 0321b91db43234e3cbb353adfc19b94bbf6d0"
       "444fe19a884ab2e788ea30fdf8f 45773ddd87cbe32fc05f656fa90608eaf6f5edaa6904a5299dbf3f49680271c4 eff"
       "2ff7d69dbb98ffa3f9c5f",
       "ChaCha20, translated");
}

// Whatever one of them is changed, the keys are others; and of a translated flow the server's address and port are not among them.
void namesOfTheChannel() {
  std::vector<FlowNames> others(12, namesOfVectors());
  others[0].what = CHANNEL_TRANSLATED;
  others[1].clientAddress[15] ^= 1;
  others[2].serverAddress[0] ^= 0x80;
  others[3].clientPort++;
  others[4].serverPort++;
  others[5].clientIsn++;
  others[6].serverIsn++;
  others[7].epoch ^= 1u << 31;
  others[8].number ^= 1u << 15;
  others[9].cipher = Cipher::kChaCha20Poly1305;
  others[10].clientNode = "node-b";
  others[11].serverNode = "node-bb";
  others.push_back(namesOfVectors());
  std::vector<std::string> made;
  for (const FlowNames& names : others) {
    for (const std::string& earlier : made)
      check(earlier != secretsOf(names), "two flows have the same secrets");
    made.push_back(secretsOf(names));
  }
  FlowNames translated = namesOfVectors(CHANNEL_TRANSLATED);
  const std::string before = secretsOf(translated);
  translated.serverAddress = ipv4(9);
  translated.serverPort = 80;
  same(secretsOf(translated), before, "a translated flow depends on the server's address or port");
  bool refused = false;
  try {
    FlowNames names = namesOfVectors();
    names.serverNode = std::string(256, 'n');
    deriveTrafficSecrets(secretOfVectors(), names);
  } catch (const std::invalid_argument&) {
    refused = true;
  }
  check(refused, "a name of 256 bytes was taken");
}

void forgottenByTheChannel() {
  uint8_t extracted[kLongestHash], turned[3][16];
  const std::string salt = fromHex(
      "0500000000000000000000ffff0a4d00019cbb00000000000000000000ffff0a4d000201bb01020304fffefdfc0a0b0c0d020"
      "1");
  Secret<EpochSecret> epoch = SecretStore::make<EpochSecret>();
  *epoch = secretOfVectors();
  hkdfExtract(Hash::kSha256, reinterpret_cast<const uint8_t*>(salt.data()), salt.size(), epoch->bytes,
              sizeof(epoch->bytes), extracted);
  for (size_t i = 0; i < 16; i++) turned[0][i] = static_cast<uint8_t>(~extracted[i]);
  explicit_bzero(extracted, sizeof(extracted));
  const FlowNames names = namesOfVectors();
  wipeStack();
  const Secret<TrafficSecrets> secrets = deriveTrafficSecrets(*epoch, names);
  for (size_t i = 0; i < 16; i++) {
    turned[1][i] = static_cast<uint8_t>(~secrets->client[i]);
    turned[2][i] = static_cast<uint8_t>(~secrets->server[i]);
  }
  // All at once, before anything else is called: it would have its frames there.
  bool left[3];
  for (size_t i = 0; i < 3; i++) left[i] = isOnTheStack(turned[i], 16);
  const char* const what[] = {"the extracted key", "the client's secret", "the server's secret"};
  for (size_t i = 0; i < 3; i++) check(!left[i], std::string(what[i]) + " is left on the stack");
}

void markersOfTheChannel() {
  channel_marker marker = {};
  marker.what = CHANNEL_DIRECT;
  marker.check_src = 0x01020304;
  marker.check_dst = 0xfffefdfc;
  same(optionOf(marker, CHANNEL_SYN_BYTES), "fe0e544c020501020304fffefdfc", "SYN");
  channel_marker read = markerIn("fe0e544c020501020304fffefdfc", CHANNEL_SYN_BYTES);
  check(read.what == 5 && read.check_src == 0x01020304 && read.check_dst == 0xfffefdfc && !read.epoch &&
            !read.number,
        "the SYN's is read differently");
  marker = {};
  marker.what = CHANNEL_TRANSLATED;
  marker.epoch = 0x8a0b0c0d;
  marker.number = 0xfffe;
  same(optionOf(marker, CHANNEL_SYN_ACK_BYTES), "fe0a544c02068a0b0c0d", "SYN-ACK");
  same(optionOf(marker, CHANNEL_ACK_BYTES), "fe0c544c02068a0b0c0dfffe", "behind it");
  read = markerIn("fe0a544c02068a0b0c0dfffe", CHANNEL_SYN_ACK_BYTES);
  check(read.what == 6 && read.epoch == 0x8a0b0c0d && !read.number, "the SYN-ACK's is read differently");
  read = markerIn("fe0c544c02068a0b0c0dfffe", CHANNEL_ACK_BYTES);
  check(read.what == 6 && read.epoch == 0x8a0b0c0d && read.number == 0xfffe,
        "the third's is read differently");
  // Version 1, another version, identifier or kind, what is not said so, and forms in places of others.
  const std::pair<const char*, __u8> none[] = {
      {"fe06544c0102", CHANNEL_ACK_BYTES},
      {"fe0c544c01058a0b0c0dfffe", CHANNEL_ACK_BYTES},
      {"fe0c544c03058a0b0c0dfffe", CHANNEL_ACK_BYTES},
      {"fe0c544d02058a0b0c0dfffe", CHANNEL_ACK_BYTES},
      {"fd0c544c02058a0b0c0dfffe", CHANNEL_ACK_BYTES},
      {"fe0c544c02028a0b0c0dfffe", CHANNEL_ACK_BYTES},
      {"fe0c544c02078a0b0c0dfffe", CHANNEL_ACK_BYTES},
      {"fe0e544c020601020304fffefdfc", CHANNEL_SYN_BYTES},
      {"fe0e544c020501020304fffefdfc", CHANNEL_ACK_BYTES},
      {"fe0c544c02058a0b0c0dfffe", CHANNEL_SYN_ACK_BYTES},
      {"fe0a544c02058a0b0c0d", CHANNEL_ACK_BYTES},
  };
  for (const auto& [digits, bytes] : none)
    check(isNone(markerIn(digits, bytes)), std::string("is read: ") + digits);
  const __u32 address[4] = {0, 0, 0xffff, 0x0a4d0001};
  const __u32 check1 = channel_check(address, 40123, 16909060);
  same(std::to_string(check1), "933215544", "check of the client");
  for (int bit = 0; bit < 32; bit++) {
    check(channel_check(address, 40123, 16909060 ^ 1u << bit) != check1, "a changed ISN is not seen");
    const __u32 other[4] = {0, 0, 0xffff, 0x0a4d0001 ^ 1u << bit};
    check(channel_check(other, 40123, 16909060) != check1, "a changed address is not seen");
    if (bit < 16)
      check(channel_check(address, static_cast<__u16>(40123 ^ 1 << bit), 16909060) != check1,
            "a changed port is not seen");
  }
}

void numbersOfAnEpoch() {
  auto numbers = std::make_unique<channel::Numbers>();
  uint32_t again = 0;
  for (uint32_t i = 0; i < CHANNEL_EPOCH_FLOWS; i++) {
    // In an order of no pattern: the multiplier is odd, so each comes once.
    const uint16_t number = static_cast<uint16_t>(i * 40503 + 17);
    if (!numbers->take(number)) again++;
    if (numbers->take(number)) again++;
  }
  check(again == 0, std::to_string(again) + " numbers were taken twice, or not at all");
  check(numbers->count() == CHANNEL_EPOCH_FLOWS, "not all are counted");
}
