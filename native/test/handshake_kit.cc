// SPDX-License-Identifier: Apache-2.0
#include "handshake_kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>

namespace kit {

namespace {

void must(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "the test itself failed: %s: %s\n", what, strerror(errno));
  ERR_print_errors_fp(stderr);
  std::abort();
}

std::string pemOf(X509* certificate) {
  std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
  must(PEM_write_bio_X509(bio.get(), certificate) == 1, "PEM_write_bio_X509");
  char* data;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string pemOf(EVP_PKEY* key) {
  std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
  must(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
       "PEM_write_bio_PrivateKey");
  char* data;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

EVP_PKEY* newKey() {
  EVP_PKEY* key = nullptr;
  std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> ctx(EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nullptr),
                                                                  EVP_PKEY_CTX_free);
  must(EVP_PKEY_keygen_init(ctx.get()) == 1 &&
           EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx.get(), NID_X9_62_prime256v1) == 1 &&
           EVP_PKEY_keygen(ctx.get(), &key) == 1,
       "EVP_PKEY_keygen");
  return key;
}

EVP_PKEY* newRsaKey(int bits) {
  EVP_PKEY* key = nullptr;
  std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> ctx(EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, nullptr),
                                                                  EVP_PKEY_CTX_free);
  must(EVP_PKEY_keygen_init(ctx.get()) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx.get(), bits) == 1 &&
           EVP_PKEY_keygen(ctx.get(), &key) == 1,
       "EVP_PKEY_keygen");
  return key;
}

void addExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX ctx;
  X509V3_set_ctx_nodb(&ctx);
  X509V3_set_ctx(&ctx, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_nconf_nid(nullptr, &ctx, nid, value.c_str());
  must(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, "X509_add_ext");
  X509_EXTENSION_free(extension);
}

void setUp(X509* certificate, EVP_PKEY* key, const std::string& commonName, long notBefore, long notAfter) {
  static long serial = 1;
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), notBefore);
  X509_gmtime_adj(X509_getm_notAfter(certificate), notAfter);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(commonName.c_str()), -1, -1, 0);
  X509_set_pubkey(certificate, key);
}

}  // namespace

Ca::Ca(const std::string& commonName) : key_(newKey(), EVP_PKEY_free), certificate_(X509_new(), X509_free) {
  must(key_ && certificate_, "X509_new");
  setUp(certificate_.get(), key_.get(), commonName, -3600, 86400);
  X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
  addExtension(certificate_.get(), certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  addExtension(certificate_.get(), certificate_.get(), NID_subject_key_identifier, "hash");
  must(X509_sign(certificate_.get(), key_.get(), EVP_sha256()) > 0, "X509_sign");
  pem_ = pemOf(certificate_.get());
}

Identity Ca::issue(const CertificateSpec& spec) const {
  const std::shared_ptr<EVP_PKEY> key(spec.rsaBits > 0 ? newRsaKey(spec.rsaBits) : newKey(), EVP_PKEY_free);
  const std::shared_ptr<X509> leaf(X509_new(), X509_free);
  setUp(leaf.get(), key.get(), spec.commonName, spec.notBefore, spec.notAfter);
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(certificate_.get()));
  std::string names;
  for (const std::string& name : spec.names) names += (names.empty() ? "DNS:" : ",DNS:") + name;
  if (!names.empty()) addExtension(leaf.get(), certificate_.get(), NID_subject_alt_name, names);
  if (!spec.extendedKeyUsage.empty()) {
    addExtension(leaf.get(), certificate_.get(), NID_ext_key_usage, spec.extendedKeyUsage);
  }
  if (spec.padding > 0) {
    addExtension(leaf.get(), certificate_.get(), NID_netscape_comment, std::string(spec.padding, 'x'));
  }
  must(X509_sign(leaf.get(), key_.get(), EVP_sha256()) > 0, "X509_sign");
  return {pemOf(leaf.get()), pemOf(key.get())};
}

const Ca& labCa() {
  static const Ca ca("lab CA");
  return ca;
}

const Identity& identityOf(const std::string& node) {
  static std::map<std::string, Identity> made;
  auto at = made.find(node);
  if (at == made.end()) {
    CertificateSpec spec;
    spec.names = {node};
    spec.commonName = node;
    at = made.emplace(node, labCa().issue(spec)).first;
  }
  return at->second;
}

const std::vector<std::string> kAllCiphers = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                              "TLS_CHACHA20_POLY1305_SHA256"};

ContextPtr contextOf(const Identity& identity, const std::string& caPem,
                     const std::vector<std::string>& ciphers,
                     const std::optional<tlshub::handshake::TicketKey>& ticketKey) {
  return tlshub::handshake::Context::create({caPem, identity.certPem, identity.keyPem, ciphers, ticketKey});
}

ContextPtr contextOf(const Identity& identity) {
  return contextOf(identity, labCa().pem(), kAllCiphers);
}

ContextPtr contextOf(const std::string& node) {
  return contextOf(identityOf(node));
}

void Socket::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Socket::reset() {
  const linger now{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void Socket::sendAll(const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t put = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put <= 0) return;  // the other end has had enough, or is not reading: the test looks at its outcome
    sent += static_cast<size_t>(put);
  }
}

std::string Socket::receiveQueued() {
  std::string all;
  char buffer[65536];
  ssize_t got;
  while ((got = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
    all.append(buffer, static_cast<size_t>(got));
  return all;
}

Tcp::Tcp() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  must(bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 && listen(listener, 1) == 0,
       "listen");
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  active = std::make_unique<Socket>(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  must(connect(active->fd(), reinterpret_cast<sockaddr*>(&address), size) == 0, "connect");
  passive = std::make_unique<Socket>(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  must(passive->fd() >= 0, "accept");
  ::close(listener);
}

Request request(int fd, Role role, const std::string& peer, int timeoutMs) {
  Request made;
  made.fd = fd;
  made.role = role;
  made.peerNames = {peer};
  made.timeout = std::chrono::milliseconds(timeoutMs);
  return made;
}

uint64_t begin(Driver& driver, const ContextPtr& context, Request wanted, Slot* slot) {
  return driver.start(context, std::move(wanted), [slot](Outcome&& outcome) {
    if (slot->has_value()) report(__FILE__, __LINE__, "done was called twice");
    slot->emplace(std::move(outcome));
  });
}

void drive(Driver& driver, const std::function<bool()>& done, const std::function<void()>& meanwhile) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!done()) {
    if (std::chrono::steady_clock::now() > until)
      return report(__FILE__, __LINE__, "nothing happened for 10 s");
    pollfd waiting{driver.pollFd(), POLLIN, 0};
    ::poll(&waiting, 1, meanwhile ? 1 : 100);
    driver.poll();
    if (meanwhile) meanwhile();
  }
}

std::pair<Outcome, Outcome> handshake(const ContextPtr& active, const std::string& activeExpects,
                                      const ContextPtr& passive, const std::string& passiveExpects) {
  Tcp tcp;
  Driver driver;
  Slot a, b;
  begin(driver, active, request(tcp.active->fd(), Role::kActive, activeExpects), &a);
  begin(driver, passive, request(tcp.passive->fd(), Role::kPassive, passiveExpects), &b);
  drive(driver, [&] { return a && b; });
  must(a && b, "handshake without outcome");
  return {std::move(*a), std::move(*b)};
}

std::string codeOf(const Outcome& outcome) {
  return outcome.ok ? "ok" : tlshub::handshake::failureCode(outcome.failure);
}

std::string clientSecret(const Outcome& outcome) {
  return std::string(reinterpret_cast<const char*>(outcome.secrets->client), outcome.secrets->length);
}

std::string serverSecret(const Outcome& outcome) {
  return std::string(reinterpret_cast<const char*>(outcome.secrets->server), outcome.secrets->length);
}

std::string describe(const Outcome& outcome) {
  return codeOf(outcome) + ": " + outcome.reason;
}

RawTls::RawTls(bool server, const Identity& identity, const Options& options)
    : ctx_(SSL_CTX_new(TLS_method()), SSL_CTX_free) {
#ifndef OPENSSL_IS_BORINGSSL
  SSL_CTX_set_security_level(ctx_.get(), 0);  // BoringSSL has no levels
#endif
  SSL_CTX_set_min_proto_version(ctx_.get(), TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(ctx_.get(), options.maxVersion);
  SSL_CTX_set_num_tickets(ctx_.get(), options.tickets);
  SSL_CTX_set_mode(ctx_.get(), SSL_MODE_NO_AUTO_CHAIN);
  if (options.sendCertificate) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> cert(BIO_new_mem_buf(identity.certPem.data(), -1),
                                                         BIO_free);
    const std::unique_ptr<BIO, decltype(&BIO_free)> key(BIO_new_mem_buf(identity.keyPem.data(), -1),
                                                        BIO_free);
    bool leaf = true;
    while (X509* certificate = PEM_read_bio_X509(cert.get(), nullptr, nullptr, nullptr)) {
      if (leaf) {
        must(SSL_CTX_use_certificate(ctx_.get(), certificate) == 1, "SSL_CTX_use_certificate");
      } else {
        SSL_CTX_add1_chain_cert(ctx_.get(), certificate);
      }
      leaf = false;
      X509_free(certificate);
    }
    EVP_PKEY* parsed = PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr);
    must(SSL_CTX_use_PrivateKey(ctx_.get(), parsed) == 1, "SSL_CTX_use_PrivateKey");
    EVP_PKEY_free(parsed);
    ERR_clear_error();
  }
  // Asks for the other's certificate and takes any: the peer under test is the one that must be strict.
  SSL_CTX_set_verify(ctx_.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
  const unsigned char id[] = "raw";
  SSL_CTX_set_session_id_context(ctx_.get(), id, sizeof id);
  ssl_.reset(SSL_new(ctx_.get()), SSL_free);
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  BIO_set_mem_eof_return(SSL_get_rbio(ssl_.get()), -1);
  if (options.resume != nullptr) SSL_set_session(ssl_.get(), options.resume);
  if (server) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
  }
}

void RawTls::feed(const std::string& bytes) {
  if (!bytes.empty()) BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
}

bool RawTls::step() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (kBoringSsl && result == 1) SSL_write(ssl_.get(), "", 0);  // tickets and KeyUpdates wait for a write
  ERR_clear_error();
  return result == 1;
}

std::string RawTls::take() {
  std::string all;
  char buffer[16384];
  int got;
  while ((got = BIO_read(SSL_get_wbio(ssl_.get()), buffer, sizeof buffer)) > 0) all.append(buffer, got);
  return all;
}

void RawTls::write(const std::string& applicationData) {
  must(SSL_write(ssl_.get(), applicationData.data(), static_cast<int>(applicationData.size())) > 0,
       "SSL_write");
}

std::string RawTls::readAll() {
  std::string all;
  char buffer[16384];
  int got;
  while ((got = SSL_read(ssl_.get(), buffer, sizeof buffer)) > 0) all.append(buffer, got);
  ERR_clear_error();
  return all;
}

void exchange(RawTls& peer, Socket& socket) {
  peer.feed(socket.receiveQueued());
  peer.step();
  socket.sendAll(peer.take());
}

void speakInPieces(Driver& driver, Tcp& tcp, const Slot& slot) {
  RawTls server(true, identityOf("b"), {});
  std::string queue;
  bool said = false;
  drive(
      driver, [&] { return slot.has_value(); },
      [&] {
        server.feed(tcp.passive->receiveQueued());
        if (server.step() && !said) {
          said = true;
          server.write("first words");
        }
        queue += server.take();
        if (queue.empty()) return;
        tcp.passive->sendAll(queue.substr(0, 300));
        queue.erase(0, 300);
        usleep(2000);
      });
}

}  // namespace kit
