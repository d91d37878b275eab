/* SPDX-License-Identifier: Apache-2.0 */
// Kernel TLS on a socket: include/uapi/linux/tls.h, Documentation/networking/tls.rst.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace tlshub {

enum class Cipher { kAes128Gcm, kAes256Gcm, kChaCha20Poly1305 };

struct DirectionKeys {
  Cipher cipher;
  const uint8_t* key;  // 16 or 32 bytes
  const uint8_t* iv;   // 12 bytes, RFC 8446 section 5.3
  uint64_t sequence;
};

// Bytes of the cipher's key.
size_t keyBytes(Cipher cipher);

// TLS 1.3 keys for one direction. Throws SysError.
void setTlsTx(int fd, const DirectionKeys& keys);
void setTlsRx(int fd, const DirectionKeys& keys);

// getsockopt(TCP_ULP): "" if none.
std::string ulpOf(int fd);

// Is a key set in either direction?
bool hasKeys(int fd);

struct KernelTls {
  std::string cipher;   // the TLS 1.3 suite's name, "" if no key is set
  std::string version;  // "TLSv1.3"
};
// What the kernel says about the sending direction.
KernelTls readBack(int fd);

}  // namespace tlshub
