// SPDX-License-Identifier: Apache-2.0
// Hashes and key schedules against published vectors, and against those of docs/TLSHUB_API.md.
#include <arpa/inet.h>

#include "../domain/secrets/hkdf.h"
#include "../domain/secrets/traffic.h"
#include "../domain/tlshub/key_schedule.h"
#include "secrets_kit.h"

using namespace tlshub;

namespace {

const uint8_t* bytes(const std::string& text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

std::string digest(Hash hash, const std::string& text) {
  Sha2 sha(hash);
  uint8_t out[kLongestHash];
  // In two pieces, so that a block is put together.
  sha.update(text.data(), text.size() / 3);
  sha.update(text.data() + text.size() / 3, text.size() - text.size() / 3);
  sha.finish(out);
  return hexOf(out, hashBytes(hash));
}

std::string mac(Hash hash, const std::string& key, const std::string& text) {
  Hmac hmac(hash, bytes(key), key.size());
  uint8_t out[kLongestHash];
  hmac.update(text.data(), text.size());
  hmac.finish(out);
  return hexOf(out, hashBytes(hash));
}

void same(const std::string& got, const std::string& wanted, const std::string& what) {
  check(got == wanted, what + ": " + got);
}

std::string keyOf(const Secret<TrafficKeys>& keys, bool client, Cipher cipher) {
  return hexOf(client ? keys->clientKey : keys->serverKey, keyBytes(cipher)) + " " +
         hexOf(client ? keys->clientIv : keys->serverIv, kIvBytes);
}

}  // namespace

// FIPS 180-4's examples (NIST, "SHA-2 Examples"), and lengths about the end of a block.
void hashes() {
  same(digest(Hash::kSha256, "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
       "SHA-256");
  same(digest(Hash::kSha256, ""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
       "of nothing");
  same(digest(Hash::kSha256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", "of 56 bytes");
  same(digest(Hash::kSha384, "abc"),
       "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
       "SHA-384");
  same(digest(Hash::kSha384,
              "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklm"
              "nopqrlmnopqrsmnopqrstnopqrstu"),
       "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039",
       "of 112 bytes");
  same(digest(Hash::kSha256, std::string(1000000, 'a')),
       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", "of a million");
  same(digest(Hash::kSha384, std::string(1000000, 'a')),
       "9d0e1809716474cb086e834e310a4a1ced149e9c00f248527972cec5704c2a5b07b8b3dc38ecc4ebae97ddd87f3d8985",
       "SHA-384 of a million");
}

// RFC 4231, test cases 2, 4 and 6 (a key longer than a block).
void macs() {
  same(mac(Hash::kSha256, "Jefe", "what do ya want for nothing?"),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", "HMAC-SHA-256");
  same(mac(Hash::kSha384, "Jefe", "what do ya want for nothing?"),
       "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
       "HMAC-SHA-384");
  const std::string longKey(131, '\xaa'), text = "Test Using Larger Than Block-Size Key - Hash Key First";
  same(mac(Hash::kSha256, longKey, text), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
       "with a long key");
  same(mac(Hash::kSha384, longKey, text),
       "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
       "SHA-384 with a long key");
}

// RFC 5869, appendix A.1 and A.3.
void extractAndExpand() {
  const std::string material(22, '\x0b');
  uint8_t key[32], out[42];
  const std::string salt = fromHex("000102030405060708090a0b0c");
  hkdfExtract(Hash::kSha256, bytes(salt), salt.size(), bytes(material), material.size(), key);
  same(hexOf(key, sizeof(key)), "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
       "HKDF-Extract");
  hkdfExpand(Hash::kSha256, key, fromHex("f0f1f2f3f4f5f6f7f8f9"), out, sizeof(out));
  same(hexOf(out, sizeof(out)),
       "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865", "HKDF-Expand");
  hkdfExtract(Hash::kSha256, nullptr, 0, bytes(material), material.size(), key);
  hkdfExpand(Hash::kSha256, key, "", out, sizeof(out));
  same(hexOf(out, sizeof(out)),
       "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
       "without salt and info");
}

// RFC 8448, section 3.
void keysOfRfc8448() {
  Secret<TrafficSecrets> secrets = SecretStore::make<TrafficSecrets>();
  const std::string client = fromHex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
  const std::string server = fromHex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
  secrets->length = 32;
  client.copy(reinterpret_cast<char*>(secrets->client), 32);
  server.copy(reinterpret_cast<char*>(secrets->server), 32);
  const Secret<TrafficKeys> keys = trafficKeys(Cipher::kAes128Gcm, *secrets);
  same(keyOf(keys, true, Cipher::kAes128Gcm), "17422dda596ed5d9acd890e3c63f5051 5b78923dee08579033e523d9",
       "client");
  same(keyOf(keys, false, Cipher::kAes128Gcm), "9f02283b6c9c07efc26bb9f2ac92e356 cf782b88dd83549aadf1e984",
       "server");
  bool refused = false;
  try {
    trafficKeys(Cipher::kAes256Gcm, *secrets);
  } catch (const std::exception& error) {
    refused = true;
  }
  check(refused, "secrets of another hash were taken");
}

void keysOfTlshub() {
  module::MasterKey master;
  for (size_t i = 0; i < sizeof(master.bytes); i++) master.bytes[i] = static_cast<uint8_t>(i);
  const auto keys = [&](Cipher cipher, const char* name) {
    const module::ConnectionNames names = {inet_addr("10.77.0.1"),
                                           inet_addr("10.77.0.2"),
                                           40123,
                                           443,
                                           16909060,
                                           4294901244u,
                                           name,
                                           "node-a",
                                           "node-b"};
    const Secret<TrafficSecrets> secrets = module::deriveTrafficSecrets(master, names);
    const Secret<TrafficKeys> made = trafficKeys(cipher, *secrets);
    return hexOf(secrets->client, secrets->length) + " " + keyOf(made, true, cipher) + " " +
           hexOf(secrets->server, secrets->length) + " " + keyOf(made, false, cipher);
  };
  same(keys(Cipher::kAes128Gcm, "TLS_AES_128_GCM_SHA256"),
       "3d07589a0fbf33848c47edb6a32428c907d43fa006bde3d324263e8faa3aeb67 6059ac19870bf61e2fa6e2772b17bd0f "
       "d35f7b61d23dbfad05dec0ad ef37647b971b38237a3d703f7e1dc4dd9393dc8dda667284f2b78ac7291955e3 "
       "c9c61f4b9db109662069708c801d5d29 c6b457c25bcf257ee866eda2",
       "AES-128");
  same(keys(Cipher::kAes256Gcm, "TLS_AES_256_GCM_SHA384"),
       "9004e0f0d5eb72f5facc314f0d18e258b536295c35d55b1225ff6048e7cee0984a5b0a8d2d6e153d95d55127c35b393d "
       "5ce6923c3869d4440895b57feccddc57753db95d5c5b4e0981d262a49b4a77c4 0105eaca7d78da26bdefcc15 "
       "fdd2a307172cd85690ec22f05302a88aaf8c9fd1b4b8bcc40b60e7956783ab445ff9b18c8c56d52c7a96fcf5b5990434 "
       "ed4e0900a4b78dbfc09b23b73687a2935a51ed0cbeefbb3164de0bf48d9d45e1 7ab0ea88d111fd09da5eabcb",
       "AES-256");
  same(keys(Cipher::kChaCha20Poly1305, "TLS_CHACHA20_POLY1305_SHA256"),
       "5e35e85791ad1f6f2f6153b1d3bae1a560030bc5f216416477c93ca26d05b5d0 "
       "73c4adc62d373359086a598ae5c77b9972f5893806d6cfe24ccc4227ecc6cd17 e28b8b0ec197d0e9d0e980ee "
       "0a014cafcfdfe89846e258dfbd8fe485fdc158a9e48dd4bbd362adc30c869b7a "
       "dbe09595b7c7448b63dc6c1d0ecf51e7217528fa2d25ec29ec5613ecc85fc810 64e0a0baa92205e42b4414ca",
       "ChaCha20");
}
