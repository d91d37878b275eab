// SPDX-License-Identifier: Apache-2.0
// Flights of a peer that were good until somebody tampered with them, by the thousand and from seeds: an outcome each, no
// success that the untouched bytes do not explain, and not one byte read behind what the record layer announced. Under the
// sanitizers (make -C native sanitized) memory as well.
#include <sys/socket.h>

#include <cstdlib>
#include <random>

#include "handshake_kit.h"

using namespace kit;

namespace {

constexpr int kDefaultRuns = 10000;
constexpr size_t kHeader = 5;
constexpr char kChangeCipherSpec = 20;

// How often in all; TLSHUB_FUZZ_RUNS asks for another number.
int runs() {
  const char* wanted = getenv("TLSHUB_FUZZ_RUNS");
  return wanted == nullptr ? kDefaultRuns : atoi(wanted);
}

std::vector<std::string> recordsOf(const std::string& bytes) {
  std::vector<std::string> records;
  for (size_t at = 0; at + kHeader <= bytes.size();) {
    const size_t length = static_cast<size_t>(static_cast<unsigned char>(bytes[at + 3])) << 8 |
                          static_cast<unsigned char>(bytes[at + 4]);
    records.push_back(bytes.substr(at, kHeader + length));
    at += kHeader + length;
  }
  return records;
}

// All but the records that mean nothing (RFC 8446 appendix D.4).
std::string essence(const std::string& bytes) {
  std::string rest;
  for (const std::string& record : recordsOf(bytes)) {
    if (record[0] != kChangeCipherSpec) rest += record;
  }
  return rest;
}

std::string tamper(std::string bytes, std::mt19937& random) {
  const auto below = [&](size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random);
  };
  for (size_t changes = 1 + below(4); changes > 0 && !bytes.empty(); changes--) {
    const size_t at = below(bytes.size());
    const std::vector<std::string> records = recordsOf(bytes);
    switch (below(8)) {
      case 0:
        bytes[at] = static_cast<char>(below(256));
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.erase(at, 1 + below(16));
        break;
      case 4:
        bytes.insert(at, std::string(1 + below(16), static_cast<char>(below(256))));
        break;
      case 5:  // a record's header
        bytes[below(std::min(kHeader, bytes.size()))] = static_cast<char>(below(256));
        break;
      case 6:  // a length field in the first message, or close to it
        bytes[below(std::min<size_t>(64, bytes.size()))] = static_cast<char>(below(2) == 0 ? 0xff : 0);
        break;
      case 7:  // a record twice, or before its time
        if (!records.empty()) bytes.insert(0, records[below(records.size())]);
        break;
    }
  }
  return bytes;
}

// One handshake with a good peer whose flight number `which` is tampered with; the peer says nothing more after it.
void meet(const ContextPtr& context, Role role, int which, std::mt19937& random) {
  RawTls peer(role == Role::kActive, identityOf("a"), {});
  Tcp tcp;
  Driver driver;
  Slot slot;
  const Socket& mine = role == Role::kActive ? *tcp.active : *tcp.passive;
  Socket& theirs = role == Role::kActive ? *tcp.passive : *tcp.active;
  begin(driver, context, request(mine.fd(), role, "a", 5000), &slot);
  std::string sent;
  std::string good;
  std::string bad;
  for (int flight = 0; flight <= which;) {
    driver.poll();
    peer.feed(theirs.receiveQueued());
    peer.step();
    std::string bytes = peer.take();
    if (bytes.empty()) continue;
    if (flight++ == which) {
      good = bytes;
      bytes = bad = tamper(bytes, random);
    }
    sent += bytes;
    theirs.sendAll(bytes);
  }
  shutdown(theirs.fd(), SHUT_WR);
  drive(driver, [&] { return slot.has_value(); });
  if (!slot) return;
  // What was not read is still there, byte for byte: it would be the application's.
  const std::string left = (role == Role::kActive ? tcp.active : tcp.passive)->receiveQueued();
  EXPECT_EQ(slot->bytesReceived + left.size(), sent.size());
  EXPECT(sent.compare(sent.size() - std::min(left.size(), sent.size()), left.size(), left) == 0);
  if (slot->ok) {
    EXPECT_EQ(essence(bad).compare(0, essence(good).size(), essence(good)), 0);
    return;
  }
  EXPECT(!slot->secrets);
  EXPECT(!slot->reason.empty());
}

void fuzz(Role role, int which) {
  const ContextPtr context = contextOf("b");
  std::mt19937 random(static_cast<unsigned>(which) + (role == Role::kActive ? 10 : 20));
  for (int i = 0; i < runs() / 4; i++) meet(context, role, which, random);
}

}  // namespace

TEST("tampered ClientHellos, to a server") {
  fuzz(Role::kPassive, 0);
}

TEST("tampered certificates and Finished of a client, to a server") {
  fuzz(Role::kPassive, 1);
}

TEST("tampered first flights of a server, to a client") {
  fuzz(Role::kActive, 0);
}

TEST("tampered tickets of a server, to a client") {
  fuzz(Role::kActive, 1);
}
