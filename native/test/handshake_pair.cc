// SPDX-License-Identifier: Apache-2.0
// Both ends ours: what an outcome holds.
#include "handshake_kit.h"

using namespace kit;

TEST("each cipher: both ends hold the same secrets, of the hash's length") {
  size_t succeeded = 0;
  for (const std::string& cipher : kAllCiphers) {
    const auto [a, b] =
        handshake(contextOf(identityOf("a"), labCa().pem(), {cipher}), "b", contextOf("b"), "a");
    if (kBoringSsl && !a.ok) {  // it chose another one
      EXPECT_HAS(describe(a), "TLSHUB_PEER_PROTOCOL: the two TLS libraries agreed on ");
      EXPECT_HAS(describe(b),
                 "TLSHUB_PEER_REFUSED_US: the peer refused the handshake: alert handshake_failure");
      EXPECT(!a.secrets && !b.secrets);
      continue;
    }
    succeeded++;
    EXPECT_EQ(describe(a), "ok: ");
    EXPECT_EQ(describe(b), "ok: ");
    EXPECT_EQ(a.cipher, cipher);
    EXPECT_EQ(b.cipher, cipher);
    EXPECT_EQ(a.secrets->length, cipher == "TLS_AES_256_GCM_SHA384" ? 48u : 32u);
    EXPECT(clientSecret(a) == clientSecret(b));
    EXPECT(serverSecret(a) == serverSecret(b));
    EXPECT(clientSecret(a) != serverSecret(a));
  }
  EXPECT_EQ(succeeded, kBoringSsl ? size_t{1} : kAllCiphers.size());
}

TEST("sequence numbers: only the server's ticket is counted, on both ends") {
  const auto [a, b] = handshake(contextOf("a"), "b", contextOf("b"), "a");
  EXPECT_EQ(a.txSequence, 0u);
  EXPECT_EQ(a.rxSequence, 1u);
  EXPECT_EQ(b.txSequence, 1u);
  EXPECT_EQ(b.rxSequence, 0u);
  EXPECT_EQ(a.bytesSent, b.bytesReceived);
  EXPECT_EQ(a.bytesReceived, b.bytesSent);
  EXPECT(a.bytesSent > 500 && a.bytesReceived > 500);
}

TEST("the name that matched is reported, of several expected ones, whatever its case") {
  Tcp tcp;
  Driver driver;
  Slot a, b;
  Request wanted = request(tcp.active->fd(), Role::kActive, "x");
  wanted.peerNames = {"x", "NODE-B", "y"};
  wanted.keyLog = true;
  begin(driver, contextOf("a"), wanted, &a);
  begin(driver, contextOf("node-b"), request(tcp.passive->fd(), Role::kPassive, "a"), &b);
  drive(driver, [&] { return a && b; });
  EXPECT_EQ(describe(*a), "ok: ");
  EXPECT_EQ(a->peerName, "NODE-B");
  EXPECT_EQ(b->peerName, "a");
  EXPECT(a->keyLog.size() >= 4);
  EXPECT(b->keyLog.empty());
}

TEST("a mesh of ciphers without a common one is refused by both") {
  const auto [a, b] =
      handshake(contextOf(identityOf("a"), labCa().pem(), {"TLS_AES_128_GCM_SHA256"}), "b",
                contextOf(identityOf("b"), labCa().pem(), {"TLS_CHACHA20_POLY1305_SHA256"}), "a");
  if (kBoringSsl) {  // one of them refuses what both libraries have agreed on
    const Outcome& refuser = a.failure == Failure::kPeerProtocol ? a : b;
    const Outcome& refused = &refuser == &a ? b : a;
    EXPECT_HAS(describe(refuser), "TLSHUB_PEER_PROTOCOL: the two TLS libraries agreed on ");
    EXPECT_HAS(describe(refused),
               "TLSHUB_PEER_REFUSED_US: the peer refused the handshake: alert handshake_failure");
    return;
  }
  EXPECT_EQ(describe(b), "TLSHUB_PEER_PROTOCOL: the peer offers none of the configured ciphers");
  EXPECT_EQ(codeOf(a), "TLSHUB_PEER_REFUSED_US");
  EXPECT_HAS(a.reason, "handshake_failure");
}

TEST("hundred handshakes at once, through one driver") {
  const ContextPtr active = contextOf("a");
  const ContextPtr passive = contextOf("b");
  constexpr int kCount = 100;
  std::vector<Tcp> tcp(kCount);
  std::vector<Slot> slots(2 * kCount);
  Driver driver;
  // The last ones wait for all the others, which takes seconds with sanitizers.
  constexpr int kPatientMs = 60000;
  const auto started = std::chrono::steady_clock::now();
  for (int i = 0; i < kCount; i++) {
    begin(driver, active, request(tcp[i].active->fd(), Role::kActive, "b", kPatientMs), &slots[2 * i]);
    begin(driver, passive, request(tcp[i].passive->fd(), Role::kPassive, "a", kPatientMs), &slots[2 * i + 1]);
  }
  EXPECT_EQ(driver.inFlight(), 2u * kCount);
  drive(driver, [&] { return driver.inFlight() == 0; });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  for (const Slot& slot : slots) EXPECT(slot && slot->ok);
  std::printf("     %.0f connections/s, both ends on one thread\n", kCount / took.count());
}
