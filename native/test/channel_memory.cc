// SPDX-License-Identifier: Apache-2.0
// What is left of an epoch's secret, and of what it is made of, in all memory of the process; and how much memory a session has.
#include <malloc.h>
#include <string.h>

#include <cstdio>
#include <fstream>

#include "../domain/secrets/hkdf.h"
#include "channel_kit.h"
#include "endpoint.h"

using namespace kit;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kWholeMemory = false;  // its shadow is terabytes, and it keeps what is freed
#else
constexpr bool kWholeMemory = true;
#endif

namespace {

constexpr char kVeil = 0x5a;

// Veiled, so that what is searched for is not found here.
std::string veil(std::string bytes) {
  for (char& c : bytes) c = static_cast<char>(c ^ kVeil);
  return bytes;
}

size_t countIn(const char* from, const char* to, const std::string& veiled) {
  size_t count = 0;
  for (const char* at = from; at + veiled.size() <= to; at++) {
    size_t same = 0;
    while (same < veiled.size() && static_cast<char>(at[same] ^ kVeil) == veiled[same]) same++;
    if (same == veiled.size()) count++;
  }
  return count;
}

// In all that the process can write.
size_t countInMemory(const std::string& veiled) {
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    unsigned long from, to;
    char rights[5];
    if (sscanf(line.c_str(), "%lx-%lx %4s", &from, &to, rights) != 3 || strncmp(rights, "rw", 2) != 0)
      continue;
    count += countIn(reinterpret_cast<const char*>(from), reinterpret_cast<const char*>(to), veiled);
  }
  return count;
}

std::vector<std::string> schedule;  // veiled, by the key log
std::string exporterSecret;         // of these the one that keys are exported from

void keepSchedule(const SSL* ssl, const char* line) {
  std::string bytes;
  for (const char* digits = strrchr(line, ' ') + 1; digits[0] != '\0' && digits[1] != '\0'; digits += 2) {
    const auto nibble = [](char digit) { return digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10; };
    bytes += static_cast<char>((nibble(digits[0]) << 4 | nibble(digits[1])) ^ kVeil);
  }
  schedule.push_back(bytes);
  if (strncmp(line, "EXPORTER_SECRET ", 16) == 0) exporterSecret = bytes;
  tlshub::handshake::Endpoint::onKeyLog(ssl, line);
}

ContextPtr watched(const std::string& node) {
  const ContextPtr context = channelContext(node);
  SSL_CTX_set_keylog_callback(context->get(), keepSchedule);
  return context;
}

std::string veiledSecret(const End& end) {
  std::string veiled;
  for (const uint8_t byte : end.secret->bytes) veiled += static_cast<char>(static_cast<char>(byte) ^ kVeil);
  return veiled;
}

// RFC 8446, 7.5: what stands between the exporter's secret and the epoch's. A library has it on its stack.
std::string veiledBetween() {
  const tlshub::Hash hash = exporterSecret.size() == 32 ? tlshub::Hash::kSha256 : tlshub::Hash::kSha384;
  const size_t length = exporterSecret.size();
  uint8_t nothing[tlshub::kLongestHash], between[tlshub::kLongestHash];
  tlshub::Sha2(hash).finish(nothing);
  tlshub::hkdfExpandLabel(hash, reinterpret_cast<const uint8_t*>(veil(exporterSecret).data()),
                          "EXPORTER-tlshub-ebpf-flow", between, length,
                          std::string(reinterpret_cast<const char*>(nothing), length));
  const std::string veiled = veil(std::string(reinterpret_cast<const char*>(between), length));
  // Or it would be what is found on the stack.
  explicit_bzero(between, sizeof(between));
  return veiled;
}

}  // namespace

TEST(
    "an epoch's secret is where it should be while it lives, and nowhere when it is over, with all that it "
    "is made of") {
  schedule.clear();
  std::string secret;
  {
    Ends ends(watched("a"), watched("b"));
    ends.settle();
    EXPECT_EQ(eventsOf(ends.opener) + eventsOf(ends.listener), "openopen");
    if (!ends.opener.secret || !ends.listener.secret) return;
    secret = veiledSecret(ends.opener);
    EXPECT(secret == veiledSecret(ends.listener));
    // One for each end, in the memory for secrets, and nowhere else: not on the stack, and not in the library's memory.
    if (kWholeMemory) EXPECT_EQ(countInMemory(secret), 2u);
    ends.opener->close(Close::kOver, End::now);
    ends.settle();
    EXPECT(ends.opener->wiped() && ends.listener->wiped());
    if (kWholeMemory) EXPECT_EQ(countInMemory(secret), 2u);
    const uint8_t* const at = ends.opener.secret->bytes;
    ends.opener.secret.reset();
    EXPECT_EQ(countIn(reinterpret_cast<const char*>(at), reinterpret_cast<const char*>(at) + 32,
                      veil(std::string(32, '\0'))),
              1u);
    ends.listener.secret.reset();
    if (kWholeMemory) EXPECT_EQ(countInMemory(secret), 0u);
  }
  // Handshake and application secrets of both directions and the exporter's, by both ends.
  EXPECT_EQ(schedule.size(), 10u);
  if (!kWholeMemory) return;
  for (const std::string& each : schedule) EXPECT_EQ(countInMemory(each), 0u);
}

TEST("nothing that the secret was exported from is left on the stack") {
  if (!kWholeMemory) return;
  Ends ends(watched("a"), watched("b"));
  constexpr size_t kBelow = 60 * 1024;
  std::vector<std::string> stacks, veiled;
  for (int step = 0; step < 6; step++) {
    for (End* end : {&ends.opener, &ends.listener}) {
      stacks.emplace_back(kBelow, '\0');
      char* const copy = stacks.back().data();
      exporterSecret.clear();
      end->session.advance(End::now);
      // Before anything else is called: what lies below this frame is what that call has left.
      const volatile char* const below = static_cast<const char*>(__builtin_frame_address(0)) - kBelow;
      for (size_t i = 0; i < kBelow - 512; i++) copy[i] = below[i];
      if (!exporterSecret.empty()) veiled.push_back(veiledBetween());
    }
  }
  EXPECT_EQ(veiled.size(), 2u);
  for (const std::string& stack : stacks) {
    for (const std::string& each : veiled)
      EXPECT_EQ(countIn(stack.data(), stack.data() + stack.size(), each), 0u);
  }
}

TEST("a secret that nobody took goes with its session, and with one that fails") {
  for (const bool closes : {true, false}) {
    tlshub::SecretMemoryState before, after;
    tlshub_secret_state(&before);
    {
      Ends ends(channelContext("a"), channelContext("b"));
      ends.listener.decides = false;
      ends.settle();
      if (closes) ends.listener->reject(Refusal::kNotWanted, "", End::now);
      if (!closes) End::now += std::chrono::seconds(6);
      ends.settle();
      EXPECT(ends.opener.ended && ends.listener.ended);
      EXPECT(ends.opener->wiped() && ends.listener->wiped());
      tlshub_secret_state(&after);
      EXPECT_EQ(after.pieces, before.pieces);
    }
    Ends abandoned(channelContext("a"), channelContext("b"));
    abandoned.listener.decides = false;
    abandoned.settle();
  }
  tlshub::SecretMemoryState state;
  tlshub_secret_state(&state);
  EXPECT_EQ(state.pieces, 0u);
}

TEST("the secret is passed on by a handle, as a thread would pass it to the one that derives keys") {
  Ends ends(channelContext("a"), channelContext("b"));
  ends.settle();
  const std::string bytes = ends.opener.secretBytes();
  const tlshub::SecretHandle handle = ends.opener.secret.leave();
  EXPECT(!ends.opener.secret);
  const tlshub::Secret<EpochSecret> taken = tlshub::SecretStore::tryTake<EpochSecret>(handle);
  EXPECT(taken && std::string(reinterpret_cast<const char*>(taken->bytes), 32) == bytes);
  EXPECT(!tlshub::SecretStore::tryTake<EpochSecret>(handle));
}

TEST("an open session needs less than 64 KiB at each end") {
  const ContextPtr a = channelContext("a"), b = channelContext("b");
  const auto used = [] { return mallinfo2().uordblks; };
  constexpr size_t kCount = 50;
  {
    Ends first(a, b);  // what is made once
    first.settle();
  }
  const size_t before = used();
  std::vector<std::unique_ptr<Ends>> all;
  for (size_t i = 0; i < kCount; i++) {
    all.push_back(std::make_unique<Ends>(a, b));
    all.back()->settle();
  }
  const size_t each = (used() - before) / kCount / 2;
  if (kWholeMemory) {
    EXPECT(each > 1024 && each < 64 * 1024);
    const Ends& one = *all.front();
    std::printf("     %zu bytes for an open session; its opener has sent %zu, its listener %zu\n", each,
                size_t{one.opener.session.bytes().bytesSent()},
                size_t{one.listener.session.bytes().bytesSent()});
  }
  for (const auto& ends : all) EXPECT(ends->opener->isOpen() && ends->listener->isOpen());
}
