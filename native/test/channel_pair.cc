// SPDX-License-Identifier: Apache-2.0
// Both ends ours: what a session gives, and what is said on it.
#include <openssl/crypto.h>
#include <string.h>

#include "../domain/secrets/hkdf.h"
#include "channel_kit.h"

using namespace kit;

namespace {

// RFC 8446, 7.5, from what the key log calls EXPORTER_SECRET.
std::string exported(tlshub::Hash hash, const std::string& exporterSecret) {
  const size_t length = tlshub::hashBytes(hash);
  uint8_t nothing[tlshub::kLongestHash], derived[tlshub::kLongestHash], out[32];
  tlshub::Sha2(hash).finish(nothing);
  const std::string empty(reinterpret_cast<const char*>(nothing), length);
  tlshub::hkdfExpandLabel(hash, reinterpret_cast<const uint8_t*>(exporterSecret.data()),
                          "EXPORTER-tlshub-ebpf-flow", derived, length, empty);
  tlshub::hkdfExpandLabel(hash, derived, "exporter", out, sizeof out, empty);
  return std::string(reinterpret_cast<const char*>(out), sizeof out);
}

std::string exporterSecret;

void keepExporterSecret(const SSL*, const char* line) {
  if (strncmp(line, "EXPORTER_SECRET ", 16) != 0) return;
  exporterSecret.clear();
  for (const char* digits = strrchr(line, ' ') + 1; digits[0] != '\0'; digits += 2) {
    exporterSecret += static_cast<char>(std::stoi(std::string(digits, 2), nullptr, 16));
  }
}

std::string groupAgreed(const std::vector<std::string>& opener, const std::vector<std::string>& listener) {
  Ends ends(channelContext(identityOf("a"), labCa().pem(), kAllCiphers, opener),
            channelContext(identityOf("b"), labCa().pem(), kAllCiphers, listener));
  ends.settle();
  if (!ends.opener->isOpen()) return describe(ends.opener);
  EXPECT_EQ(ends.opener->group(), ends.listener->group());
  EXPECT(ends.opener.secretBytes() == ends.listener.secretBytes());
  return ends.opener->group();
}

}  // namespace

TEST("both ends have the same secret, id, names, cipher and group; another session has another secret") {
  const ContextPtr a = channelContext("a"), b = channelContext("b");
  Ends first(a, b), second(a, b);
  first.settle();
  second.settle();
  for (Ends* ends : {&first, &second}) {
    for (End* end : {&ends->opener, &ends->listener}) {
      EXPECT_EQ(eventsOf(*end), "open");
      EXPECT(!end->ended && (*end)->isOpen());
      EXPECT_EQ(end->secretBytes().size(), 32u);
      EXPECT_EQ((*end)->epoch(), kEpoch);
      EXPECT_EQ((*end)->openerName(), "a");
      EXPECT_EQ((*end)->listenerName(), "b");
      EXPECT_EQ(int{(*end)->version()}, 1);
      EXPECT(!(*end)->takeSecret());  // once
    }
    EXPECT(ends->opener.secretBytes() == ends->listener.secretBytes());
    EXPECT_EQ(ends->opener->cipher(), ends->listener->cipher());
    EXPECT_EQ(ends->opener->group(), ends->listener->group());
    EXPECT_EQ(ends->listener.proposed, 1u);
  }
  EXPECT(first.opener.secretBytes() != second.opener.secretBytes());
  EXPECT(first.opener.secretBytes() != std::string(32, '\0'));
}

TEST("the secret is the one of RFC 8446, 7.5, whichever side exports it") {
  for (const Side side : {Side::kOpener, Side::kListener}) {
    Stranger stranger(side, channelContext(side == Side::kOpener ? "a" : "b"),
                      identityOf(side == Side::kOpener ? "b" : "a"));
    exporterSecret.clear();
    SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(stranger.peer.ssl()), keepExporterSecret);
    stranger.settle();
    if (side == Side::kOpener) {
      tlshub::channel::Accept accept;
      accept.epoch = kEpoch;
      stranger.say(accept);
    } else {
      stranger.say(helloOf());
    }
    stranger.settle();
    EXPECT_EQ(eventsOf(stranger.end), "open");
    const bool sha384 = stranger.end->cipher() == "TLS_AES_256_GCM_SHA384";
    EXPECT_EQ(exporterSecret.size(), sha384 ? 48u : 32u);
    if (exporterSecret.size() < 32) continue;
    EXPECT(exported(sha384 ? tlshub::Hash::kSha384 : tlshub::Hash::kSha256, exporterSecret) ==
           stranger.end.secretBytes());
  }
}

TEST("each cipher that tls.ciphers allows") {
  size_t opened = 0;
  for (const std::string& cipher : kAllCiphers) {
    Ends ends(channelContext(identityOf("a"), labCa().pem(), {cipher}), channelContext("b"));
    ends.settle();
    if (kBoringSsl && !ends.opener->isOpen()) {  // it chose another one
      EXPECT_HAS(describe(ends.opener), "TLSHUB_PEER_PROTOCOL: the two TLS libraries agreed on ");
      EXPECT_EQ(eventsOf(ends.listener), "");
      continue;
    }
    opened++;
    EXPECT_EQ(ends.opener->cipher(), cipher);
    EXPECT_EQ(ends.listener->cipher(), cipher);
    EXPECT(ends.opener.secretBytes() == ends.listener.secretBytes());
  }
  EXPECT_EQ(opened, kBoringSsl ? size_t{1} : kAllCiphers.size());
}

// What a library does by default is pinned here, so that an upgrade that changes it is seen. OpenSSL has the hybrid from 3.5 on (as Node.js 24
// carries), BoringSSL as Debian has it (of 2022) not yet.
TEST("groups: the hybrid first where the library has it, by default, else X25519") {
#ifdef OPENSSL_IS_BORINGSSL
  const bool hybrid = false;
#else
  const bool hybrid = OpenSSL_version_num() >= 0x30500000L;
#endif
  EXPECT_EQ(groupAgreed(tlshub::channel::kDefaultGroups, tlshub::channel::kDefaultGroups),
            hybrid ? "X25519MLKEM768" : "X25519");
  EXPECT_EQ(channelContext("a")->groups().size(), hybrid ? 2u : 1u);
  EXPECT_EQ(groupAgreed(tlshub::channel::kDefaultGroups, {"X25519"}), "X25519");
  EXPECT_EQ(groupAgreed({"X25519"}, tlshub::channel::kDefaultGroups), "X25519");
}

TEST("groups: what is configured counts, and a retry where the first is not the peer's") {
  EXPECT_EQ(groupAgreed({"P-256"}, {"P-256"}), "P-256");
  EXPECT_EQ(groupAgreed({"P-384", "X25519"}, {"X25519"}), "X25519");
  EXPECT_EQ(groupAgreed({"P-384"}, {"X25519", "P-384"}), "P-384");
  EXPECT_HAS(groupAgreed({"P-384"}, {"X25519"}), "TLSHUB_PEER_REFUSED_US: ");
  try {
    channelContext(identityOf("a"), labCa().pem(), kAllCiphers, {"X448", "nonsense", "X25519:P-256"});
    EXPECT(!"a context without a group");
  } catch (const tlshub::handshake::CredentialsError& error) {
    EXPECT_EQ(std::string(error.what()), "groups: the list is empty or names none that the TLS library has");
  }
}

TEST("a node of several names: it is the one that it says") {
  CertificateSpec spec;
  spec.names = {"elsewhere", "a", "NODE-C"};
  for (const std::string& name : {std::string("a"), std::string("Node-C"), std::string("elsewhere")}) {
    Ends ends(channelContext(labCa().issue(spec), labCa().pem()), channelContext("b"), {},
              [&](ChannelTerms& opener, ChannelTerms&) { opener.ownName = name; });
    ends.settle();
    if (name == "elsewhere") {  // in the certificate, and not in the mapping
      EXPECT_HAS(describe(ends.opener),
                 "TLSHUB_CHANNEL_REJECTED: the peer does not take the epoch: the names");
      EXPECT_EQ(codeOf(ends.listener), "TLSHUB_CHANNEL_REJECTED");
      continue;
    }
    // As it is written there, at both ends.
    EXPECT_EQ(ends.listener->openerName(), name);
    EXPECT_EQ(ends.opener->openerName(), name);
  }
}

TEST("a number that was taken is said in both directions, and no more than sixteen of them") {
  Ends ends(channelContext("a"), channelContext("b"));
  ends.settle();
  ends.listener->numberTaken(513);
  ends.opener->numberTaken(65535);
  ends.settle();
  EXPECT_EQ(eventsOf(ends.opener), "open numberTaken(513)");
  EXPECT_EQ(eventsOf(ends.listener), "open numberTaken(65535)");
  for (uint16_t i = 0; i < 1000; i++) ends.listener->numberTaken(i);
  ends.settle();
  EXPECT_EQ(ends.opener.events.size(), 1u + 16u);
  EXPECT(ends.opener->isOpen() && ends.listener->isOpen());
}

TEST("either side closes the epoch, and the other hears why") {
  for (const bool byOpener : {true, false}) {
    Ends ends(channelContext("a"), channelContext("b"));
    ends.settle();
    End& closer = byOpener ? ends.opener : ends.listener;
    End& other = byOpener ? ends.listener : ends.opener;
    closer->close(Close::kCredentials, End::now);
    EXPECT(!closer->takeSecret());
    ends.settle();
    EXPECT_EQ(eventsOf(other), "open closing(3)");
    EXPECT_EQ(describe(other),
              "in order: the peer closed the epoch: certificates or the mapping have changed");
    EXPECT_EQ(describe(closer),
              "in order: this agent closed the epoch: certificates or the mapping have changed");
    EXPECT(closer->wiped() && other->wiped());
  }
}

TEST("last words arrive although there are bytes that nobody reads any more") {
  Ends ends(channelContext("a"), channelContext("b"));
  ends.settle();
  ends.opener->numberTaken(1);
  ends.opener->advance(End::now);
  ends.listener->close(Close::kLeaving, End::now);
  EXPECT(ends.listener->advance(End::now) != Channel::Step::kEnded);
  ends.settle();
  EXPECT_EQ(eventsOf(ends.opener), "open closing(5)");
}

TEST("a listener that does not take the epoch says so, and why") {
  Ends ends(channelContext("a"), channelContext("b"));
  ends.listener.decides = false;
  ends.settle();
  EXPECT_EQ(ends.listener.proposed, 1u);
  EXPECT_EQ(ends.listener->epoch(), kEpoch);
  EXPECT_EQ(ends.listener->openerName(), "a");
  EXPECT(!ends.listener->takeSecret());
  ends.listener->reject(Refusal::kTooMany, "64 of a", End::now);
  ends.settle();
  EXPECT_EQ(
      describe(ends.opener),
      "TLSHUB_CHANNEL_REJECTED: the peer does not take the epoch: it has as many epochs of this node as it "
      "takes (\"64 of a\")");
  EXPECT_EQ(describe(ends.listener),
            "TLSHUB_CHANNEL_REJECTED: this agent did not take the epoch of [a]: 64 of a");
  EXPECT_EQ(eventsOf(ends.opener) + eventsOf(ends.listener), "");
  EXPECT(ends.opener->wiped() && ends.listener->wiped());
}

TEST("silence: the peer is asked for a word, answers, and the session lives on") {
  Ends ends(channelContext("a"), channelContext("b"));
  ends.settle();
  for (int minutes = 0; minutes < 3; minutes++) {
    for (int i = 0; i < 12; i++) {
      End::now += std::chrono::seconds(5);
      ends.settle();
    }
    EXPECT(ends.opener->isOpen() && ends.listener->isOpen());
  }
  // Four pings a minute at most, with their answers.
  EXPECT(ends.opener->bytes().bytesReceived() < 8000);
}

TEST("a peer that has gone without a word, and one that stands still") {
  Ends gone(channelContext("a"), channelContext("b"));
  gone.settle();
  gone.listener.closeSocket();
  gone.opener.step();
  EXPECT_EQ(describe(gone.opener),
            "TLSHUB_CHANNEL_LOST: the peer closed the connection without a word: did its agent die?");
  EXPECT(gone.opener->wiped());

  Ends still(channelContext("a"), channelContext("b"));
  still.settle();
  const Channel::Time since = End::now;
  while (!still.opener.ended && End::now < since + std::chrono::minutes(2)) {
    End::now = still.opener->deadline();
    still.opener.step();
  }
  EXPECT_EQ(describe(still.opener), "TLSHUB_CHANNEL_LOST: the peer has not been heard of for 40000 ms");
  EXPECT(End::now == since + std::chrono::seconds(40));
}

TEST("a session without a channel's protocol: in-band handshakes and channels are not taken for each other") {
  // An opener that was led to a program's port, where a passive handshake waits: not a byte for the program.
  {
    Tcp tcp;
    Driver driver;
    Slot slot;
    begin(driver, contextOf("b"), request(tcp.passive->fd(), Role::kPassive, "a"), &slot);
    End opener(channelContext("a"), openerTerms(tcp.active->fd()));
    drive(
        driver, [&] { return opener.ended; }, [&] { opener.step(); });
    EXPECT_HAS(describe(opener), "TLSHUB_PEER_PROTOCOL: the peer speaks TLS 1.3, but not tlshub-channel");
    tcp.active->close();
    drive(driver, [&] { return slot.has_value(); });
    EXPECT_EQ(tcp.passive->receiveQueued(), "");
  }
  // An active handshake at the channel's port.
  {
    Tcp tcp;
    Driver driver;
    Slot slot;
    begin(driver, contextOf("a"), request(tcp.active->fd(), Role::kActive, "b"), &slot);
    End listener(channelContext("b"), listenerTerms(tcp.passive->fd()));
    drive(
        driver, [&] { return listener.ended && slot.has_value(); }, [&] { listener.step(); });
    EXPECT(!slot->ok);
    EXPECT_HAS(describe(listener), "TLSHUB_PEER_PROTOCOL: the peer speaks TLS 1.3, but not tlshub-channel");
    EXPECT_EQ(listener.proposed, 0u);
  }
}
