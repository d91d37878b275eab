// SPDX-License-Identifier: Apache-2.0
#include "certificate.h"

#include <strings.h>

#include <algorithm>

namespace tlshub::handshake {

namespace {

constexpr size_t kMaxListed = 8;
constexpr size_t kMaxNameText = 253;  // the longest DNS name

std::string bioText(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : std::string();
}

std::string nameText(X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || name == nullptr) return "?";
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253);  // escapes control characters
  std::string text = bioText(bio.get());
  if (text.size() > kMaxNameText) text = text.substr(0, kMaxNameText) + "...";
  return text.empty() ? "an empty name" : text;
}

std::string timeText(const ASN1_TIME* time) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || ASN1_TIME_print(bio.get(), time) != 1) return "an unreadable time";
  return bioText(bio.get());
}

std::string printable(const std::string& name) {
  std::string text = name.substr(0, kMaxNameText);
  for (char& c : text) {
    if (c < 0x21 || c > 0x7e) c = '?';
  }
  return text;
}

bool isUnknownCa(int error) {
  switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::vector<std::string> dnsNames(X509* certificate) {
  std::vector<std::string> names;
  const NamesPtr all(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (!all) return names;
  for (int i = 0; i < static_cast<int>(sk_GENERAL_NAME_num(all.get())); i++) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type != GEN_DNS) continue;
    const unsigned char* data = ASN1_STRING_get0_data(name->d.dNSName);
    names.emplace_back(reinterpret_cast<const char*>(data),
                       static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)));
  }
  return names;
}

std::string matchName(const std::vector<std::string>& expected, const std::vector<std::string>& names) {
  for (const std::string& want : expected) {
    const bool found = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return name.size() == want.size() && strncasecmp(name.data(), want.data(), want.size()) == 0;
    });
    if (found) return want;
  }
  return std::string();
}

bool isPlainName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxNameText && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '*'; });
}

std::string listText(const std::vector<std::string>& names) {
  std::string text = "[";
  for (size_t i = 0; i < names.size() && i < kMaxListed; i++) {
    if (i > 0) text += ", ";
    text += printable(names[i]);
  }
  if (names.size() > kMaxListed) text += ", and " + std::to_string(names.size() - kMaxListed) + " more";
  return text + "]";
}

std::string weaknessOf(X509* certificate) {
  const KeyPtr key(X509_get_pubkey(certificate));
  if (!key) return "its key is of an unknown kind";
  const int bits = EVP_PKEY_bits(key.get());
  const bool modular = EVP_PKEY_id(key.get()) == EVP_PKEY_RSA || EVP_PKEY_id(key.get()) == EVP_PKEY_DSA;
  if (bits < (modular ? 2048 : 224)) return "a key of " + std::to_string(bits) + " bits is too weak";
  // A root is trusted for being there, not for what it says of itself.
  if (X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0) return "";
  switch (X509_get_signature_nid(certificate)) {
    case NID_md5WithRSAEncryption:
    case NID_sha1WithRSAEncryption:
    case NID_dsaWithSHA1:
    case NID_ecdsa_with_SHA1:
      return "its signature is over SHA-1 or MD5";
    default:
      return "";
  }
}

std::string subjectText(X509* certificate) {
  return nameText(X509_get_subject_name(certificate));
}

std::string issuerText(X509* certificate) {
  return nameText(X509_get_issuer_name(certificate));
}

std::string verificationText(X509_STORE_CTX* store, const std::vector<std::string>& names,
                             const std::vector<std::string>& expected, bool peerIsServer) {
  const int error = X509_STORE_CTX_get_error(store);
  const int depth = X509_STORE_CTX_get_error_depth(store);
  X509* at = X509_STORE_CTX_get_current_cert(store);
  if (error == X509_V_ERR_HOSTNAME_MISMATCH) {
    return "peer certificate names " + listText(names) + ", expected one of " + listText(expected);
  }
  std::string which = "peer certificate " + listText(names);
  if (depth > 0 && at != nullptr) {
    which = "CA certificate (" + subjectText(at) + ") above peer certificate " + listText(names);
  }
  if (at != nullptr && error == X509_V_ERR_CERT_HAS_EXPIRED) {
    return which + " has expired (notAfter " + timeText(X509_get0_notAfter(at)) + ")";
  }
  if (at != nullptr && error == X509_V_ERR_CERT_NOT_YET_VALID) {
    return which + " is not valid yet (notBefore " + timeText(X509_get0_notBefore(at)) +
           "): is a clock wrong here or there?";
  }
  if (at != nullptr && isUnknownCa(error)) {
    return "peer certificate " + listText(names) + " is signed by an unknown CA (issuer " + issuerText(at) +
           ")";
  }
  if (error == X509_V_ERR_INVALID_PURPOSE) {
    return which + " may not be used by a TLS " + (peerIsServer ? "server" : "client") +
           " (extendedKeyUsage)";
  }
  return which + " was not accepted: " + X509_verify_cert_error_string(error);
}

}  // namespace tlshub::handshake
