/* SPDX-License-Identifier: Apache-2.0 */
// Names in certificates, and what to say about one that was not accepted.
#pragma once

#include <string>
#include <vector>

#include "owned.h"

namespace tlshub::handshake {

// The DNS names of subjectAltName as they are in the certificate; the subject's common name is never one of them.
std::vector<std::string> dnsNames(X509* certificate);

// Of `expected`, the first that is among `names`: whole names, compared without regard to ASCII case, no wildcards
// (RFC 9525 section 6.3). Empty: none.
std::string matchName(const std::vector<std::string>& expected, const std::vector<std::string>& names);

// True for a name that the library compares as it is. It takes ".b" as "any host below b" and skips an empty one.
bool isPlainName(const std::string& name);

// "[a, b]", with characters that do not belong in a log replaced and a long list cut.
std::string listText(const std::vector<std::string>& names);

// What makes a certificate too weak to prove anything, or empty: a key below 112 bits of security (NIST SP 800-57 part 1,
// table 2: RSA 2048, curves of 224) or a signature over SHA-1 or MD5. OpenSSL has this as security level 2, BoringSSL not.
std::string weaknessOf(X509* certificate);

std::string subjectText(X509* certificate);
std::string issuerText(X509* certificate);

// The sentence for a failed verification, called from the verify callback. `error`, `depth` and the certificate are those
// of `store`; `peerIsServer` is which purpose was asked for.
std::string verificationText(X509_STORE_CTX* store, const std::vector<std::string>& names,
                             const std::vector<std::string>& expected, bool peerIsServer);

}  // namespace tlshub::handshake
