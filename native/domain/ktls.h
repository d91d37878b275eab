/* SPDX-License-Identifier: Apache-2.0 */
// Kernel TLS on a socket: include/uapi/linux/tls.h, Documentation/networking/tls.rst.
#pragma once

#include <cstdint>
#include <string>

#include "cipher.h"

namespace tlshub {

struct DirectionKeys {
  Cipher cipher;
  const uint8_t* key;  // keyBytes()
  const uint8_t* iv;   // kIvBytes
  uint64_t sequence;
};

// TLS 1.3 keys for one direction. Throws SysError, CodedError TLSHUB_SECRETS.
void setTlsTx(int fd, const DirectionKeys& keys);
void setTlsRx(int fd, const DirectionKeys& keys);

// getsockopt(TCP_ULP): "" if none.
std::string ulpOf(int fd);

// Is a key set in either direction? Asks for no key.
bool hasKeys(int fd);

struct KernelTls {
  std::string cipher;   // the TLS 1.3 suite's name, "" if no key is set
  std::string version;  // "TLSv1.3"
};
// What the kernel says about the sending direction.
KernelTls readBack(int fd);

}  // namespace tlshub
