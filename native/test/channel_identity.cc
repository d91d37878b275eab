// SPDX-License-Identifier: Apache-2.0
// Peers that are not who they should be, and what is no agent's channel at all.
#include "channel_kit.h"

using namespace kit;

namespace {

Identity labIdentity(const std::string& name, const std::function<void(CertificateSpec&)>& change) {
  CertificateSpec spec;
  spec.names = {name};
  spec.commonName = name;
  change(spec);
  return labCa().issue(spec);
}

// A good session meets one with this certificate (else as good), on either side.
void expectRefusal(const std::function<Identity(const std::string& name)>& bad, const std::string& reason,
                   const std::string& alert) {
  for (const Side side : {Side::kOpener, Side::kListener}) {  // of the bad one
    const ContextPtr badContext = channelContext(bad(nodeOf(side)), labCa().pem());
    Ends ends(side == Side::kOpener ? badContext : channelContext("a"),
              side == Side::kOpener ? channelContext("b") : badContext);
    ends.settle();
    End& good = side == Side::kOpener ? ends.listener : ends.opener;
    End& refused = side == Side::kOpener ? ends.opener : ends.listener;
    EXPECT_EQ(codeOf(good), "TLSHUB_PEER_CERTIFICATE");
    EXPECT_HAS(good->ending().reason, reason);
    EXPECT_EQ(codeOf(refused), "TLSHUB_PEER_REFUSED_US");
    EXPECT_HAS(refused->ending().reason, "alert " + alert);
    EXPECT_EQ(ends.listener.proposed, 0u);
    EXPECT_EQ(eventsOf(good) + eventsOf(refused), "");
    EXPECT(!good->takeSecret() && !refused->takeSecret());
    EXPECT(good->wiped() && refused->wiped());
  }
}

}  // namespace

TEST("a certificate with the name of no node, or of another one") {
  const Identity stranger = identityOf("stranger");
  for (const Side side : {Side::kOpener, Side::kListener}) {
    const ContextPtr bad = channelContext(stranger, labCa().pem());
    Ends ends(side == Side::kOpener ? bad : channelContext("a"),
              side == Side::kOpener ? channelContext("b") : bad);
    ends.settle();
    EXPECT_EQ(describe(side == Side::kOpener ? ends.listener : ends.opener),
              side == Side::kOpener
                  ? "TLSHUB_PEER_CERTIFICATE: peer certificate names [stranger], of which the mapping has "
                    "none as a node"
                  : "TLSHUB_PEER_CERTIFICATE: peer certificate names [stranger], expected one of [b]");
    EXPECT_HAS(describe(side == Side::kOpener ? ends.opener : ends.listener),
               "TLSHUB_PEER_REFUSED_US: the peer refused our certificate: alert bad_certificate");
    EXPECT_EQ(ends.listener.proposed, 0u);
  }
}

TEST("a node cannot open an epoch for another node") {
  // Both are in the mapping; the certificate is one's, the HELLO the other's.
  Stranger stranger(Side::kListener, channelContext("b"), identityOf("node-c"));
  stranger.settle();
  stranger.say(helloOf("a"));
  stranger.settle();
  const std::string answer = stranger.heard();
  stranger.socket.close();
  stranger.end.step();
  EXPECT_EQ(stranger.end.proposed, 0u);
  EXPECT_HAS(describe(stranger.end),
             "TLSHUB_CHANNEL_REJECTED: this agent did not take the epoch of [a]: the opener's");
  EXPECT_EQ(answer.substr(0, 1) + answer.substr(3, 1), bytesOf({3, 2}));  // REJECT, kName
  Stranger lost(Side::kListener, channelContext("b"), identityOf("a"));
  lost.settle();
  lost.say(helloOf("a", "node-c"));
  lost.settle();
  lost.socket.close();
  lost.end.step();
  EXPECT_EQ(describe(lost.end),
            "TLSHUB_CHANNEL_REJECTED: this agent did not take the epoch of [a]: this is another node");
}

TEST("a certificate of an unknown CA, one that has expired, a wildcard, a weak key") {
  const Ca other("somebody");
  expectRefusal(
      [&](const std::string& name) {
        CertificateSpec spec;
        spec.names = {name};
        return other.issue(spec);
      },
      "is signed by an unknown CA (issuer CN=somebody)", "unknown_ca");
  expectRefusal(
      [](const std::string& name) {
        return labIdentity(name, [](CertificateSpec& spec) { spec.notAfter = -60; });
      },
      "has expired (notAfter ", "certificate_expired");
  expectRefusal(
      [](const std::string& name) {
        return labIdentity(name, [](CertificateSpec& spec) { spec.names = {"*"}; });
      },
      "peer certificate names [*]", "bad_certificate");
  for (const Side side : {Side::kOpener, Side::kListener}) {
    const Identity weak =
        labIdentity(nodeOf(otherOf(side)), [](CertificateSpec& spec) { spec.rsaBits = 1024; });
    Stranger stranger(side, contextOfSide(side), weak);
    stranger.settle();
    EXPECT_EQ(codeOf(stranger.end), "TLSHUB_PEER_CERTIFICATE");
  }
}

TEST("an opener without a certificate: what it says at once is not read") {
  RawTls::Options options = withoutTickets();
  options.sendCertificate = false;
  Stranger stranger(Side::kListener, channelContext("b"), {}, options);
  stranger.end.decides = false;
  bool said = false;
  for (int i = 0; i < 20; i++) {
    stranger.peer.feed(stranger.socket.receiveQueued());
    if (stranger.peer.step() && !said) {
      said = true;
      stranger.peer.write(tlshub::channel::encode(helloOf()));
    }
    stranger.socket.sendAll(stranger.peer.take());
    stranger.end.step();
  }
  EXPECT(said);
  EXPECT_EQ(describe(stranger.end), "TLSHUB_PEER_CERTIFICATE: the peer sent no certificate");
  EXPECT_EQ(stranger.end.proposed, 0u);
}

TEST("a channel: TLS 1.2, and no TLS") {
  RawTls::Options options;
  options.maxVersion = TLS1_2_VERSION;
  for (const Side side : {Side::kOpener, Side::kListener}) {
    Stranger old(side, contextOfSide(side), identityOf(nodeOf(otherOf(side))), options);
    old.settle();
    EXPECT_EQ(codeOf(old.end), "TLSHUB_PEER_PROTOCOL");
    Stranger plain(side, contextOfSide(side), identityOf("a"));
    plain.socket.sendAll("GET / HTTP/1.1\r\nHost: b\r\n\r\n");
    plain.end.step();
    EXPECT_HAS(describe(plain.end), "TLSHUB_PEER_PROTOCOL: the peer does not speak TLS");
    EXPECT_EQ(plain.end->bytes().bytesReceived(), 5u);
  }
}

TEST("an end that speaks TLS 1.3 with a good certificate, and nothing of the channel's protocol") {
  for (const Side side : {Side::kOpener, Side::kListener}) {
    Stranger stranger(side, contextOfSide(side), identityOf(nodeOf(otherOf(side))), withoutTickets(), {},
                      false);
    stranger.settle();
    EXPECT_EQ(describe(stranger.end),
              "TLSHUB_PEER_PROTOCOL: the peer speaks TLS 1.3, but not tlshub-channel: another program has "
              "its port");
    EXPECT_EQ(stranger.heard(), "");
  }
}

TEST("terms that cannot work") {
  SocketPair sockets;
  const auto problem = [&](Side side, const std::function<void(ChannelTerms&)>& change) {
    ChannelTerms terms = side == Side::kOpener ? openerTerms(sockets.fd[0]) : listenerTerms(sockets.fd[0]);
    change(terms);
    End end(channelContext("a"), terms);
    end.step();
    EXPECT_EQ(end->bytes().bytesSent(), 0u);
    return describe(end);
  };
  EXPECT_EQ(problem(Side::kOpener, [](ChannelTerms& it) { it.epoch = 0; }),
            "TLSHUB_HANDSHAKE_FAILED: no epoch has the id 0");
  EXPECT_HAS(problem(Side::kOpener, [](ChannelTerms& it) { it.peerName = "*.b"; }),
             "is not a plain DNS name");
  EXPECT_HAS(problem(Side::kOpener, [](ChannelTerms& it) { it.ownName = ""; }), "is not a plain DNS name");
  EXPECT_HAS(problem(Side::kListener, [](ChannelTerms& it) { it.nodes = nullptr; }),
             "no node name is expected");
}
