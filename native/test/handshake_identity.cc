// SPDX-License-Identifier: Apache-2.0
// Whom a handshake refuses, and what it says. Each case in both directions: a server under test, then a client.
#include "handshake_kit.h"

using namespace kit;

namespace {

// The good node "b" meets `bad`, which says it is "a".
void expectRefusal(const Identity& bad, const std::string& reason, const std::string& alert) {
  const ContextPtr badContext = contextOf(bad, labCa().pem(), kAllCiphers);
  for (const bool badIsServer : {false, true}) {
    auto [active, passive] = badIsServer ? handshake(contextOf("b"), "a", badContext, "b")
                                         : handshake(badContext, "b", contextOf("b"), "a");
    const Outcome& good = badIsServer ? active : passive;
    const Outcome& refused = badIsServer ? passive : active;
    EXPECT_EQ(codeOf(good), "TLSHUB_PEER_CERTIFICATE");
    EXPECT_HAS(good.reason, reason);
    EXPECT_EQ(codeOf(refused), "TLSHUB_PEER_REFUSED_US");
    EXPECT_HAS(refused.reason, "the peer refused our certificate: alert " + alert);
    EXPECT(!good.secrets && !refused.secrets);
  }
}

Identity labIdentity(const std::function<void(CertificateSpec&)>& change) {
  CertificateSpec spec;
  spec.names = {"a"};
  spec.commonName = "a";
  change(spec);
  return labCa().issue(spec);
}

std::shared_ptr<SSL_SESSION> ticket;

// Of SSL_CTX_sess_set_new_cb. A copy: freeing a connection that was not shut down spoils its own session.
int keepTicket(SSL*, SSL_SESSION* session) {
  std::vector<unsigned char> der(static_cast<size_t>(i2d_SSL_SESSION(session, nullptr)));
  unsigned char* out = der.data();
  i2d_SSL_SESSION(session, &out);
  const unsigned char* in = der.data();
  ticket.reset(d2i_SSL_SESSION(nullptr, &in, static_cast<long>(der.size())), SSL_SESSION_free);
  return 0;
}

}  // namespace

TEST("a certificate with another node's name") {
  expectRefusal(identityOf("x"), "peer certificate names [x], expected one of [a]", "bad_certificate");
}

TEST("a certificate of another CA, though of the same name") {
  const Ca other("lab CA");
  CertificateSpec spec;
  spec.names = {"a"};
  expectRefusal(other.issue(spec), "peer certificate [a] is signed by an unknown CA (issuer CN=lab CA)",
                "decrypt_error");
}

TEST("a certificate of an unknown CA") {
  const Ca other("somebody");
  CertificateSpec spec;
  spec.names = {"a"};
  expectRefusal(other.issue(spec), "is signed by an unknown CA (issuer CN=somebody)", "unknown_ca");
}

TEST("an expired certificate") {
  expectRefusal(labIdentity([](CertificateSpec& spec) { spec.notAfter = -60; }), "has expired (notAfter ",
                "certificate_expired");
}

TEST("a certificate of the future") {
  expectRefusal(labIdentity([](CertificateSpec& spec) { spec.notBefore = 1800; }),
                "is not valid yet (notBefore ", kBoringSsl ? "certificate_expired" : "bad_certificate");
}

TEST("the name only as the subject's common name") {
  expectRefusal(labIdentity([](CertificateSpec& spec) { spec.names.clear(); }),
                "peer certificate names [], expected one of [a]", "bad_certificate");
}

TEST("a wildcard") {
  const Identity wild = labIdentity([](CertificateSpec& spec) { spec.names = {"*.mesh"}; });
  const auto [a, b] = handshake(contextOf(wild), "b", contextOf("b"), "a.mesh");
  EXPECT_EQ(describe(b),
            "TLSHUB_PEER_CERTIFICATE: peer certificate names [*.mesh], expected one of [a.mesh]");
  EXPECT_EQ(b.peerNames.size(), 1u);
}

TEST("a certificate for the other purpose") {
  const Identity serverOnly =
      labIdentity([](CertificateSpec& spec) { spec.extendedKeyUsage = "serverAuth"; });
  const Identity clientOnly =
      labIdentity([](CertificateSpec& spec) { spec.extendedKeyUsage = "clientAuth"; });
  const auto asClient = handshake(contextOf(serverOnly), "b", contextOf("b"), "a");
  EXPECT_HAS(describe(asClient.second),
             "TLSHUB_PEER_CERTIFICATE: peer certificate [a] may not be used by a TLS client");
  const auto asServer = handshake(contextOf("b"), "a", contextOf(clientOnly), "b");
  EXPECT_HAS(describe(asServer.first),
             "TLSHUB_PEER_CERTIFICATE: peer certificate [a] may not be used by a TLS server");
}

TEST("a certificate whose key is too weak, and such a one of our own") {
  const Identity weak = labIdentity([](CertificateSpec& spec) { spec.rsaBits = 1024; });
  for (const bool badIsServer : {false, true}) {
    RawTls peer(badIsServer, weak, {});
    Tcp tcp;
    Driver driver;
    Slot slot;
    begin(driver, contextOf("b"),
          request(tcp.active->fd(), badIsServer ? Role::kActive : Role::kPassive, "a"), &slot);
    drive(
        driver, [&] { return slot.has_value(); }, [&] { exchange(peer, *tcp.passive); });
    EXPECT_EQ(codeOf(*slot), "TLSHUB_PEER_CERTIFICATE");
  }
  try {
    contextOf(weak);
    EXPECT(!"a context of a weak key");
  } catch (const tlshub::handshake::CredentialsError& error) {
    EXPECT_HAS(error.what(), "not accepted");
  }
}

TEST("no expected name at all: fails, whoever the peer is") {
  for (const Role role : {Role::kActive, Role::kPassive}) {
    Tcp tcp;
    Driver driver;
    Slot slot;
    Request wanted = request(tcp.active->fd(), role, "b");
    wanted.peerNames.clear();
    begin(driver, contextOf("a"), wanted, &slot);
    EXPECT(!slot.has_value());
    drive(driver, [&] { return slot.has_value(); });
    EXPECT_EQ(codeOf(*slot), "TLSHUB_HANDSHAKE_FAILED");
    EXPECT_HAS(slot->reason, "no node name is expected");
    EXPECT_EQ(slot->bytesSent, 0u);
  }
}

TEST("expected names that the library would not compare as they are") {
  for (const std::string& name :
       {std::string(""), std::string(".b"), std::string("*.b"), std::string("b\0c", 3)}) {
    Tcp tcp;
    Driver driver;
    Slot slot;
    Request wanted = request(tcp.active->fd(), Role::kActive, "b");
    wanted.peerNames.push_back(name);
    begin(driver, contextOf("a"), wanted, &slot);
    drive(driver, [&] { return slot.has_value(); });
    EXPECT_EQ(codeOf(*slot), "TLSHUB_HANDSHAKE_FAILED");
    EXPECT_EQ(slot->bytesSent, 0u);
  }
}

TEST("a client without a certificate") {
  Tcp tcp;
  Driver driver;
  Slot slot;
  RawTls::Options options;
  options.sendCertificate = false;
  RawTls peer(false, {}, options);
  begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &slot);
  drive(
      driver, [&] { return slot.has_value(); }, [&] { exchange(peer, *tcp.active); });
  EXPECT_EQ(describe(*slot), "TLSHUB_PEER_CERTIFICATE: the peer sent no certificate");
}

TEST("a client that resumes is made to show its certificate again") {
  std::shared_ptr<SSL_SESSION> session;
  const ContextPtr server = contextOf("b");
  uint64_t first = 0;  // bytes of the first client
  for (int round = 0; round < 2; round++) {
    Tcp tcp;
    Driver driver;
    Slot slot;
    RawTls::Options options;
    options.resume = session.get();
    RawTls peer(false, identityOf("a"), options);
    ticket.reset();
    SSL_CTX_set_session_cache_mode(SSL_get_SSL_CTX(peer.ssl()),
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(SSL_get_SSL_CTX(peer.ssl()), keepTicket);
    begin(driver, server, request(tcp.passive->fd(), Role::kPassive, "a"), &slot);
    drive(
        driver, [&] { return slot.has_value(); }, [&] { exchange(peer, *tcp.active); });
    exchange(peer, *tcp.active);
    peer.readAll();
    EXPECT_EQ(describe(*slot), "ok: ");
    EXPECT_EQ(slot->peerName, "a");
    EXPECT_EQ(slot->txSequence, 1u);
    EXPECT_EQ(SSL_session_reused(peer.ssl()), 0);
    EXPECT(ticket && SSL_SESSION_is_resumable(ticket.get()) == 1);
    // The second client must really have offered it: 32 bytes of identity, as many of binder, and their framing.
    if (round == 1) EXPECT(slot->bytesReceived > first + 64);
    first = slot->bytesReceived;
    session = ticket;
  }
}

TEST("credentials that cannot work are refused when they are loaded, with the reason") {
  const auto problem = [](const std::string& ca, const std::string& cert, const std::string& key,
                          const std::vector<std::string>& ciphers) -> std::string {
    try {
      tlshub::handshake::Context::create({ca, cert, key, ciphers, {}});
      return "none";
    } catch (const tlshub::handshake::CredentialsError& error) {
      return error.what();
    }
  };
  const Identity a = identityOf("a");
  const std::string& ca = labCa().pem();
  EXPECT_EQ(problem(ca, a.certPem, a.keyPem, kAllCiphers), "none");
  EXPECT_EQ(problem("", a.certPem, a.keyPem, kAllCiphers), "CA: there is no PEM certificate in it");
  EXPECT_HAS(problem(a.certPem, a.certPem, a.keyPem, kAllCiphers), "CN=a is not that of a CA");
  EXPECT_HAS(problem(ca + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", a.certPem,
                     a.keyPem, kAllCiphers),
             "CA: certificate 2 cannot be parsed");
  EXPECT_EQ(problem(ca, "text", a.keyPem, kAllCiphers), "certificate: there is no PEM certificate in it");
  EXPECT_HAS(problem(ca, a.certPem, "text", kAllCiphers), "private key: cannot be parsed");
  EXPECT_EQ(problem(ca, a.certPem, identityOf("b").keyPem, kAllCiphers),
            "private key: does not belong to the certificate of CN=a");
  EXPECT_HAS(problem(ca, a.certPem, a.keyPem, {}), "ciphers:");
  EXPECT_HAS(problem(ca, a.certPem, a.keyPem, {"TLS_NULL"}), "ciphers:");
}
