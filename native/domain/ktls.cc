// SPDX-License-Identifier: Apache-2.0
#include "ktls.h"

#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>

#include "../../bpf/tlshub.h"
#include "error.h"

namespace tlshub {
namespace {

void putSequence(unsigned char out[8], uint64_t sequence) {
  for (int i = 0; i < 8; i++) out[i] = static_cast<unsigned char>(sequence >> (56 - 8 * i));
}

// A compiler may drop a plain memset of something that dies next.
template <typename Info>
void wipe(Info& info) {
  std::memset(&info, 0, sizeof(info));
  __asm__ __volatile__("" : : "r"(&info) : "memory");
}

template <typename Info>
void setKeys(int fd, int direction, Info& info, uint16_t type) {
  info.info.version = TLS_1_3_VERSION;
  info.info.cipher_type = type;
  int failed = setsockopt(fd, SOL_TLS, direction, &info, sizeof(info));
  int err = errno;
  wipe(info);
  if (failed)
    throw SysError("setsockopt", direction == TLS_TX ? "cannot set TLS_TX" : "cannot set TLS_RX", err);
}

// For TLS 1.3 the GCM structs split the 12-byte iv into salt (4) and iv (8).
template <typename Info>
void fillGcm(Info& info, const DirectionKeys& keys) {
  std::memcpy(info.key, keys.key, sizeof(info.key));
  std::memcpy(info.salt, keys.iv, sizeof(info.salt));
  std::memcpy(info.iv, keys.iv + sizeof(info.salt), sizeof(info.iv));
  putSequence(info.rec_seq, keys.sequence);
}

void set(int fd, int direction, const DirectionKeys& keys) {
  switch (keys.cipher) {
    case Cipher::kAes128Gcm: {
      tls12_crypto_info_aes_gcm_128 info = {};
      fillGcm(info, keys);
      return setKeys(fd, direction, info, TLS_CIPHER_AES_GCM_128);
    }
    case Cipher::kAes256Gcm: {
      tls12_crypto_info_aes_gcm_256 info = {};
      fillGcm(info, keys);
      return setKeys(fd, direction, info, TLS_CIPHER_AES_GCM_256);
    }
    case Cipher::kChaCha20Poly1305: {
      tls12_crypto_info_chacha20_poly1305 info = {};
      std::memcpy(info.key, keys.key, sizeof(info.key));
      std::memcpy(info.iv, keys.iv, sizeof(info.iv));
      putSequence(info.rec_seq, keys.sequence);
      return setKeys(fd, direction, info, TLS_CIPHER_CHACHA20_POLY1305);
    }
  }
}

// The kernel wants the whole struct's size, so each cipher is asked for in turn; EBUSY is its "no key".
bool readInfo(int fd, int direction, tls_crypto_info* out) {
  union {
    tls12_crypto_info_aes_gcm_128 aes128;
    tls12_crypto_info_aes_gcm_256 aes256;
    tls12_crypto_info_chacha20_poly1305 chacha;
    tls_crypto_info info;
  } any = {};
  bool found = false;
  for (socklen_t size : {sizeof(any.info), sizeof(any.aes128), sizeof(any.aes256), sizeof(any.chacha)}) {
    socklen_t length = size;
    if (!getsockopt(fd, SOL_TLS, direction, &any, &length)) {
      *out = any.info;
      found = true;
      break;
    }
  }
  wipe(any);
  return found;
}

}  // namespace

size_t keyBytes(Cipher cipher) {
  return cipher == Cipher::kAes128Gcm ? 16 : 32;
}

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
