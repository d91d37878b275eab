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
  return {what,        ipv4(1), ipv4(2), 40123,  443,      16909060,
          4294901244u, 9046796, 513,     cipher, "node-a", "node-b"};
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
       "e932e28c9d37649016d18c99f67ad977f47847b0616607993a7de2a867c7476d b67572824707c2577421c030e54be5c"
       "2 df48a7b3fe33a212563ac9ee 10f2e2a00cc0636c51a410dd7192a896380207106c05bfbad06d29b24c4b6f34 0ac9"
       "dfaaa46507d575d4fb5823ffcc43 ec3cab70aed9451f1d487726",
       "AES-128, direct");
  same(keysOf(CHANNEL_DIRECT, Cipher::kAes256Gcm),
       "e51097529f6ccf7542a6cb66132d6d0035680a358a2519fe6cea3283c35c0f5ea782f3ed4e514336ffd7a105c3a8c573"
       " 0c7b39e80a10fc107e00ca5cdc62f2d1bbf2db85c276f64095656bfcf6288da1 e754046a6314801387356329 e8adf"
       "e16b8f593df938d374ecc01732751412bb6e7b0d7c9b2cc909b96172fe49663bf2e39653f1474e2445dd50ea5a8 e3ec"
       "054303a8762ad0eb573eee54971b45e9aea211b46e201ea85939d67c6e29 1442fbaca8c47f349bbb7bb7",
       "AES-256, direct");
  same(keysOf(CHANNEL_DIRECT, Cipher::kChaCha20Poly1305),
       "2be02cdfb244bbd326c2e568c833ebc5b2db3be3fb9d92be935046d84e4d008a b34a3ea3c769fbeec23ec014b1b58d3"
       "0ea206720ffb211d97c3b777ad7b4d91f 81040de8ecb0e581ffcf4ea3 3b73b86b3fe985bb5f74888ca2feb7134caba"
       "c071b3c97c046b79c1813071fae 9921770d177fdc33b7cbf30854b35bb657a7b389d1e3a2519824d7cc7dc157cb 625"
       "8d8f513b51c0ab4511c97",
       "ChaCha20, direct");
  same(keysOf(CHANNEL_TRANSLATED, Cipher::kAes128Gcm),
       "76e028e0e0ba621561c311aa0ba91d8f2babde62de80e4256637047b97ba521a 1613f6291a27ad68d2ee3afd354fc91"
       "2 2198ab0de9659ddc11992249 0cfb6c0793ca8ec32d03fd42fb7cb99cd5f9f312cb97058d830c7f5f56677619 ac1a"
       "d84036788481be80ad02ad5f4630 5794988c2a6225572a87548b",
       "AES-128, translated");
  same(keysOf(CHANNEL_TRANSLATED, Cipher::kAes256Gcm),
       "a04b5e73d92751d8042cea883f8065be89d005d21c469662993f6a2f3fecc20f4db1a1b9daf80569a139fa1afe8d99e9"
       " c5065936913bb4f7bc471d1d490ed7b2db2b6709d17bfca9eba9e62695fe5de7 071c7bc063f1ff1801301bc0 4abda"
       "c70e6173b353cd5efd17fd96c3abf2013976fb67aed3c76aa082802249b01fb7c4d907898faf3c208a3ee6be220 4893"
       "c60ec6f046afd44811cc16f70da888011755d3ee119d88faa7936d0d89fc db8118c98c8a96f7ec762fc5",
       "AES-256, translated");
  same(keysOf(CHANNEL_TRANSLATED, Cipher::kChaCha20Poly1305),
       "7504f07c0f1f19bfb42e86f2f5d645754f4670ddd29f96b2be5e5039e94a043e 2fa9a7e74b204041dd57e88d0761373"
       "339eb7a43dad601be09ff3b285e25cc82 6032ee65f971bb4192e7acb4 a4808d5c7a8a4428bc0483d940684b04f1553"
       "09b39ffa289f4d9140dd8c7c3ab 9fa92166c47f8e2d500df016f27125f01e7b25b45fec4c3517d561ed0e713443 422"
       "cde304c9d1c9779593f49",
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
      "0500000000000000000000ffff0a4d00019cbb00000000000000000000ffff0a4d000201bb01020304fffefdfc008a0b"
      "0c0201");
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
  same(optionOf(marker, CHANNEL_SYN_BYTES), "fe0d544c2501020304fffefdfc", "SYN");
  channel_marker read = markerIn("fe0d544c2501020304fffefdfc", CHANNEL_SYN_BYTES);
  check(read.what == 5 && read.check_src == 0x01020304 && read.check_dst == 0xfffefdfc && !read.epoch &&
            !read.number,
        "the SYN's is read differently");
  marker = {};
  marker.what = CHANNEL_TRANSLATED;
  marker.epoch = 0x8a0b0c;
  marker.number = 0xfffe;
  same(optionOf(marker, CHANNEL_SYN_ACK_BYTES), "fe08544c268a0b0c", "SYN-ACK");
  same(optionOf(marker, CHANNEL_ACK_BYTES), "fe0a544c268a0b0cfffe", "behind it");
  read = markerIn("fe08544c268a0b0cfffe", CHANNEL_SYN_ACK_BYTES);
  check(read.what == 6 && read.epoch == 0x8a0b0c && !read.number, "the SYN-ACK's is read differently");
  read = markerIn("fe0a544c268a0b0cfffe", CHANNEL_ACK_BYTES);
  check(read.what == 6 && read.epoch == 0x8a0b0c && read.number == 0xfffe, "the third's is read differently");
  // Version 1, another version, identifier or kind, what is not said so, and forms in places of others.
  const std::pair<const char*, __u8> none[] = {
      {"fe06544c0102", CHANNEL_ACK_BYTES},
      {"fe0a544c158a0b0cfffe", CHANNEL_ACK_BYTES},
      {"fe0a544c358a0b0cfffe", CHANNEL_ACK_BYTES},
      {"fe0a544d258a0b0cfffe", CHANNEL_ACK_BYTES},
      {"fd0a544c258a0b0cfffe", CHANNEL_ACK_BYTES},
      {"fe0a544c228a0b0cfffe", CHANNEL_ACK_BYTES},
      {"fe0a544c278a0b0cfffe", CHANNEL_ACK_BYTES},
      {"fe0d544c2601020304fffefdfc", CHANNEL_SYN_BYTES},
      {"fe0d544c2501020304fffefdfc", CHANNEL_ACK_BYTES},
      {"fe0a544c258a0b0cfffe", CHANNEL_SYN_ACK_BYTES},
      {"fe08544c258a0b0c", CHANNEL_ACK_BYTES},
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
