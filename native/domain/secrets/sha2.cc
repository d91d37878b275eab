// SPDX-License-Identifier: Apache-2.0
#include "sha2.h"

#include <string.h>

#include <algorithm>

namespace tlshub {
namespace {

// FIPS 180-4, 4.2.3: the first 64 bits of the fractions of the cube roots of the first 80 primes. SHA-256's constants (4.2.2) are the first 32
// bits of the first 64.
constexpr uint64_t kRounds[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538,
    0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe,
    0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2, 0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
    0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5, 0x983e5152ee66dfab,
    0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
    0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed,
    0x53380d139d95b3df, 0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
    0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8, 0x19a4c116b8d2d0c8, 0x1e376c085141ab53,
    0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373,
    0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c,
    0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6,
    0x113f9804bef90dae, 0x1b710b35131c471b, 0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
    0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817};

// FIPS 180-4, 5.3.3 and 5.3.4.
constexpr std::array<uint64_t, 8> kSha256 = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                             0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
constexpr std::array<uint64_t, 8> kSha384 = {0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17,
                                             0x152fecd8f70e5939, 0x67332667ffc00b31, 0x8eb44a8768581511,
                                             0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4};

// What FIPS 180-4, 4.1.2, 4.1.3 and 6 say of words of 32 and of 64 bits: rotations, shifts, rounds.
struct Small {
  using Word = uint32_t;
  static constexpr int kRoundCount = 64;
  static constexpr int kBig0[3] = {2, 13, 22}, kBig1[3] = {6, 11, 25}, kLow0[3] = {7, 18, 3},
                       kLow1[3] = {17, 19, 10};
  static Word round(int t) { return static_cast<Word>(kRounds[t] >> 32); }
};
struct Large {
  using Word = uint64_t;
  static constexpr int kRoundCount = 80;
  static constexpr int kBig0[3] = {28, 34, 39}, kBig1[3] = {14, 18, 41}, kLow0[3] = {1, 8, 7},
                       kLow1[3] = {19, 61, 6};
  static Word round(int t) { return kRounds[t]; }
};

template <typename Word>
Word rotate(Word x, int n) {
  return static_cast<Word>(x >> n | x << (static_cast<int>(sizeof(Word)) * 8 - n));
}
template <typename Word>
Word big(Word x, const int (&n)[3]) {
  return rotate(x, n[0]) ^ rotate(x, n[1]) ^ rotate(x, n[2]);
}
template <typename Word>
Word low(Word x, const int (&n)[3]) {
  return rotate(x, n[0]) ^ rotate(x, n[1]) ^ static_cast<Word>(x >> n[2]);
}

template <typename Size>
void compress(std::array<uint64_t, 8>& state, std::array<uint64_t, 80>& words, const uint8_t* block) {
  using Word = typename Size::Word;
  // The object's, which is wiped, and not the stack.
  auto* const w = reinterpret_cast<uint64_t*>(words.data());
  for (int t = 0; t < 16; t++) {
    Word word = 0;
    for (size_t i = 0; i < sizeof(Word); i++) word = static_cast<Word>(word << 8 | *block++);
    w[t] = word;
  }
  for (int t = 16; t < Size::kRoundCount; t++)
    w[t] = static_cast<Word>(low(static_cast<Word>(w[t - 2]), Size::kLow1) + w[t - 7] +
                             low(static_cast<Word>(w[t - 15]), Size::kLow0) + w[t - 16]);
  Word v[8];
  for (int i = 0; i < 8; i++) v[i] = static_cast<Word>(state[i]);
  for (int t = 0; t < Size::kRoundCount; t++) {
    const Word one = static_cast<Word>(v[7] + big(v[4], Size::kBig1) + ((v[4] & v[5]) ^ (~v[4] & v[6])) +
                                       Size::round(t) + static_cast<Word>(w[t]));
    const Word two =
        static_cast<Word>(big(v[0], Size::kBig0) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2])));
    for (int i = 7; i > 0; i--) v[i] = v[i - 1];
    v[4] = static_cast<Word>(v[4] + one);
    v[0] = static_cast<Word>(one + two);
  }
  for (int i = 0; i < 8; i++) state[i] = static_cast<Word>(state[i] + v[i]);
  explicit_bzero(v, sizeof(v));
}

}  // namespace

Sha2::Sha2(Hash hash) : hash_(hash), state_(hash == Hash::kSha256 ? kSha256 : kSha384) {}

Sha2::~Sha2() {
  explicit_bzero(state_.data(), sizeof(state_));
  explicit_bzero(words_.data(), sizeof(words_));
  explicit_bzero(pending_.data(), sizeof(pending_));
}

void Sha2::block() {
  if (hash_ == Hash::kSha256) {
    compress<Small>(state_, words_, pending_.data());
  } else {
    compress<Large>(state_, words_, pending_.data());
  }
  filled_ = 0;
}

void Sha2::update(const void* data, size_t size) {
  const auto* from = static_cast<const uint8_t*>(data);
  total_ += size;
  while (size > 0) {
    const size_t part = std::min(size, blockBytes() - filled_);
    memcpy(pending_.data() + filled_, from, part);
    filled_ += part;
    from += part;
    size -= part;
    if (filled_ == blockBytes()) block();
  }
}

// FIPS 180-4, 5.1: a bit, zeros, and the length in bits in the last 8 (or 16) bytes of a block.
void Sha2::finish(uint8_t* out) {
  const size_t lengthBytes = hash_ == Hash::kSha256 ? 8 : 16;
  pending_[filled_++] = 0x80;
  if (filled_ > blockBytes() - lengthBytes) {
    memset(pending_.data() + filled_, 0, blockBytes() - filled_);
    block();
  }
  memset(pending_.data() + filled_, 0, blockBytes() - filled_);
  const uint64_t bits = total_ * 8;
  for (size_t i = 0; i < 8; i++) pending_[blockBytes() - 1 - i] = static_cast<uint8_t>(bits >> (8 * i));
  block();
  const size_t word = hash_ == Hash::kSha256 ? 4 : 8;
  for (size_t i = 0; i < hashBytes(hash_); i++)
    out[i] = static_cast<uint8_t>(state_[i / word] >> (8 * (word - 1 - i % word)));
}

Hmac::Hmac(Hash hash, const uint8_t* key, size_t size) : hash_(hash), inner_(hash), outer_(hash) {
  std::array<uint8_t, 128> pad{};
  if (size > inner_.blockBytes()) {
    Sha2 shorter(hash);
    shorter.update(key, size);
    shorter.finish(pad.data());
  } else {
    std::copy_n(key, size, pad.begin());
  }
  for (uint8_t& byte : pad) byte ^= 0x36;
  inner_.update(pad.data(), inner_.blockBytes());
  for (uint8_t& byte : pad) byte ^= 0x36 ^ 0x5c;
  outer_.update(pad.data(), outer_.blockBytes());
  explicit_bzero(pad.data(), pad.size());
}

Hmac::~Hmac() = default;

void Hmac::finish(uint8_t* out) {
  std::array<uint8_t, kLongestHash> hash;
  inner_.finish(hash.data());
  outer_.update(hash.data(), hashBytes(hash_));
  outer_.finish(out);
  explicit_bzero(hash.data(), hash.size());
}

}  // namespace tlshub
