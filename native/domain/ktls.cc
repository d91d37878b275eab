// SPDX-License-Identifier: Apache-2.0
#include "ktls.h"

#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>

#include "../../bpf/tlshub.h"
#include "error.h"
#include "secrets/secret.h"

namespace tlshub {
namespace {

void putSequence(unsigned char out[8], uint64_t sequence) {
  for (int i = 0; i < 8; i++) out[i] = static_cast<unsigned char>(sequence >> (56 - 8 * i));
}

// setsockopt's argument, where secrets may be.
template <typename Info>
struct KernelKeys {
  static constexpr uint32_t kKind = 4;
  Info info;
};

template <typename Info>
void setKeys(int fd, int direction, Info& info, uint16_t type) {
  info.info.version = TLS_1_3_VERSION;
  info.info.cipher_type = type;
  if (setsockopt(fd, SOL_TLS, direction, &info, sizeof(info)))
    throw SysError("setsockopt", direction == TLS_TX ? "cannot set TLS_TX" : "cannot set TLS_RX");
}

// For TLS 1.3 the GCM structs split the 12-byte iv into salt (4) and iv (8).
template <typename Info>
void setGcm(int fd, int direction, const DirectionKeys& keys, uint16_t type) {
  const auto made = SecretStore::make<KernelKeys<Info>>();
  Info& info = made->info;
  std::memcpy(info.key, keys.key, sizeof(info.key));
  std::memcpy(info.salt, keys.iv, sizeof(info.salt));
  std::memcpy(info.iv, keys.iv + sizeof(info.salt), sizeof(info.iv));
  putSequence(info.rec_seq, keys.sequence);
  setKeys(fd, direction, info, type);
}

void set(int fd, int direction, const DirectionKeys& keys) {
  switch (keys.cipher) {
    case Cipher::kAes128Gcm:
      return setGcm<tls12_crypto_info_aes_gcm_128>(fd, direction, keys, TLS_CIPHER_AES_GCM_128);
    case Cipher::kAes256Gcm:
      return setGcm<tls12_crypto_info_aes_gcm_256>(fd, direction, keys, TLS_CIPHER_AES_GCM_256);
    case Cipher::kChaCha20Poly1305: {
      const auto made = SecretStore::make<KernelKeys<tls12_crypto_info_chacha20_poly1305>>();
      tls12_crypto_info_chacha20_poly1305& info = made->info;
      std::memcpy(info.key, keys.key, sizeof(info.key));
      std::memcpy(info.iv, keys.iv, sizeof(info.iv));
      putSequence(info.rec_seq, keys.sequence);
      return setKeys(fd, direction, info, TLS_CIPHER_CHACHA20_POLY1305);
    }
  }
}

// Version and cipher only: with room for no more than that the kernel hands out no key (do_tls_getsockopt_conf(), net/tls/tls_main.c). EBUSY
// is its "no key".
bool readInfo(int fd, int direction, tls_crypto_info* out) {
  socklen_t length = sizeof(*out);
  return !getsockopt(fd, SOL_TLS, direction, out, &length);
}

}  // namespace

void setTlsTx(int fd, const DirectionKeys& keys) {
  set(fd, TLS_TX, keys);
}
void setTlsRx(int fd, const DirectionKeys& keys) {
  set(fd, TLS_RX, keys);
}

std::string ulpOf(int fd) {
  char name[17] = {};
  socklen_t length = sizeof(name) - 1;
  if (getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &length))
    throw SysError("getsockopt", "cannot read TCP_ULP");
  return length ? std::string(name) : std::string();
}

bool hasKeys(int fd) {
  tls_crypto_info info;
  return readInfo(fd, TLS_TX, &info) || readInfo(fd, TLS_RX, &info);
}

KernelTls readBack(int fd) {
  tls_crypto_info info;
  if (!readInfo(fd, TLS_TX, &info)) return {};
  KernelTls result;
  result.version = info.version == TLS_1_3_VERSION ? "TLSv1.3" : "TLSv1.2";
  switch (info.cipher_type) {
    case TLS_CIPHER_AES_GCM_128:
      result.cipher = "TLS_AES_128_GCM_SHA256";
      break;
    case TLS_CIPHER_AES_GCM_256:
      result.cipher = "TLS_AES_256_GCM_SHA384";
      break;
    case TLS_CIPHER_CHACHA20_POLY1305:
      result.cipher = "TLS_CHACHA20_POLY1305_SHA256";
      break;
  }
  return result;
}

}  // namespace tlshub
