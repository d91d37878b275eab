// SPDX-License-Identifier: Apache-2.0
// The memory for secrets: who has a piece, what is left of it, and what the kernel knows of it.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "../domain/error.h"
#include "../domain/secrets/traffic.h"
#include "secrets_kit.h"

using namespace tlshub;

namespace {

int problems = 0;

struct Other {
  static constexpr uint32_t kKind = 99;
  uint8_t bytes[kSecretBytes];
};

std::string refusalOf(SecretHandle handle) {
  try {
    SecretStore::take<TrafficSecrets>(handle);
  } catch (const CodedError& error) {
    return error.code();
  }
  return "taken";
}

SecretMemoryState state() {
  SecretMemoryState now;
  tlshub_secret_state(&now);
  return now;
}

Secret<TrafficSecrets> filled(uint8_t with) {
  Secret<TrafficSecrets> secrets = SecretStore::make<TrafficSecrets>();
  secrets->length = 32;
  std::memset(secrets->client, with, sizeof(secrets->client));
  return secrets;
}

void passing() {
  Secret<TrafficSecrets> secrets = filled(7);
  const TrafficSecrets* const where = &*secrets;
  const SecretHandle handle = secrets.leave();
  check(!secrets && handle != 0 && handle < 1ull << 53, "a handle is no number of JavaScript's");
  const Secret<TrafficSecrets> taken = SecretStore::take<TrafficSecrets>(handle);
  check(&*taken == where && taken->client[31] == 7, "it is another piece");
  check(refusalOf(handle) == "TLSHUB_SECRETS", "it was taken twice");
  check(refusalOf(0) == "TLSHUB_SECRETS" && refusalOf(~0ull) == "TLSHUB_SECRETS",
        "what no handle is was taken");
}

void kinds() {
  Secret<Other> other = SecretStore::make<Other>();
  const SecretHandle handle = other.leave();
  check(refusalOf(handle) == "TLSHUB_SECRETS", "another kind was taken");
  SecretStore::take<Other>(handle);
}

void wiping() {
  Secret<TrafficSecrets> secrets = filled(9);
  const auto* const at = reinterpret_cast<const uint8_t*>(&*secrets);
  const auto clean = [&] {
    return std::all_of(at, at + kSecretBytes, [](uint8_t byte) { return byte == 0; });
  };
  check(!clean(), "nothing was written");
  secrets.reset();
  check(clean(), "something is left of one that went");
  SecretHandle handle = filled(9).leave();
  SecretStore::discard(handle);
  check(clean(), "something is left of one that was discarded");
  check(refusalOf(handle) == "TLSHUB_SECRETS", "one that was discarded was taken");
  SecretStore::discard(handle);
  Secret<TrafficSecrets> next = SecretStore::make<TrafficSecrets>();
  check(clean(), "a new one is not all zeros");
  next = filled(9);
}

void expiring() {
  const SecretHandle handle = filled(3).leave();
  Secret<TrafficSecrets> kept = filled(3);
  check(tlshub_secret_expire(3600ull * 1000000000) == 0, "one of now is an hour old");
  const uint64_t before = state().expired;
  check(tlshub_secret_expire(0) == 1 && state().expired == before + 1, "not the one that was left expired");
  check(refusalOf(handle) == "TLSHUB_SECRETS", "one that expired was taken");
  check(kept->client[0] == 3, "one that somebody has expired");
  const SecretHandle forGood = kept.leave(Left::kForGood);
  check(tlshub_secret_expire(0) == 0, "one that was left for good expired");
  check(SecretStore::take<TrafficSecrets>(forGood)->client[0] == 3, "it is another one");
  const SecretHandle forSoon = filled(3).leave();
  check(tlshub_secret_expire(0) == 1 && refusalOf(forSoon) == "TLSHUB_SECRETS",
        "its place never expires again");
}

// Of a mapping that an address is in.
std::string flagsAt(const void* address) {
  std::ifstream smaps("/proc/self/smaps");
  bool in = false;
  for (std::string line; std::getline(smaps, line);) {
    unsigned long from = 0, to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2)
      in = reinterpret_cast<unsigned long>(address) >= from && reinterpret_cast<unsigned long>(address) < to;
    if (in && line.rfind("VmFlags:", 0) == 0) return line + " ";
  }
  return "";
}

// Documentation/filesystems/proc.rst: lo = pages are locked, dd = do not include in core dump, dc = do not copy on fork.
void kernelsView() {
  const Secret<TrafficSecrets> secrets = filled(1);
  const std::string flags = flagsAt(&*secrets);
  for (const char* flag : {" lo ", " dd ", " dc "})
    check(flags.find(flag) != std::string::npos, std::string("without") + flag + ": " + flags);
  check(state().lockError == 0 && state().lockedBytes == state().bytes, "it does not know that it is locked");
  const pid_t child = fork();
  if (child == 0) {
    // Not a read of it, which would end the child: is it mapped at all?
    unsigned char resident;
    const auto page = reinterpret_cast<uintptr_t>(&*secrets) & ~static_cast<uintptr_t>(4095);
    _exit(mincore(reinterpret_cast<void*>(page), 4096, &resident) == 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child has it too");
}

// What is given up does not come back, and a child that is not a new program has none of this memory: so it is one. Without CAP_IPC_LOCK a
// limit counts.
constexpr char kUnlocked[] = "--unlocked";

int unlocked() {
  const rlimit none = {0, 0};
  if (setrlimit(RLIMIT_MEMLOCK, &none) || (geteuid() == 0 && setuid(65534))) return 2;
  const Secret<TrafficSecrets> secrets = filled(1);
  return state().lockError != 0 && state().lockedBytes == 0 && secrets->client[0] == 1 ? 0 : 1;
}

void withoutLocking() {
  const pid_t child = fork();
  if (child == 0) {
    execl("/proc/self/exe", "secrets_test", kUnlocked, nullptr);
    _exit(3);
  }
  int status = 0;
  waitpid(child, &status, 0);
  check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it says nothing of memory that cannot be locked");
}

void exhausting() {
  std::vector<Secret<TrafficSecrets>> all;
  while (Secret<TrafficSecrets> one = SecretStore::tryMake<TrafficSecrets>()) {
    all.push_back(std::move(one));
    if (all.size() > 65536) break;
  }
  check(all.size() <= 65536 && all.size() > 65000, "room for " + std::to_string(all.size()));
  std::string text;
  try {
    SecretStore::make<TrafficSecrets>();
  } catch (const CodedError& error) {
    text = error.code();
  }
  check(text == "TLSHUB_SECRETS", "it does not say that it is full");
  all.clear();
  check(static_cast<bool>(SecretStore::tryMake<TrafficSecrets>()), "it stays full");
}

// Two that leave, two that take, one that looks for what is old: every secret arrives once and whole.
void threads() {
  constexpr int kEach = 20000;
  std::array<std::atomic<SecretHandle>, 64> box{};
  std::atomic<int> wrong{0}, taken{0};
  std::vector<std::thread> all;
  for (int producer = 0; producer < 2; producer++)
    all.emplace_back([&, producer] {
      for (int i = 0; i < kEach; i++) {
        const SecretHandle handle = filled(static_cast<uint8_t>(1 + i % 200)).leave();
        std::atomic<SecretHandle>& place = box[static_cast<size_t>(i * 2 + producer) % box.size()];
        for (SecretHandle none = 0; !place.compare_exchange_weak(none, handle); none = 0)
          std::this_thread::yield();
      }
    });
  for (int consumer = 0; consumer < 2; consumer++)
    all.emplace_back([&] {
      for (size_t i = 0; taken < 2 * kEach; i++) {
        const SecretHandle handle = box[i % box.size()].exchange(0);
        if (!handle) continue;
        taken++;
        const Secret<TrafficSecrets> one = SecretStore::take<TrafficSecrets>(handle);
        for (uint8_t byte : one->client) wrong += byte == 0 || byte != one->client[0];
      }
    });
  all.emplace_back([&] {
    while (taken < 2 * kEach) {
      tlshub_secret_expire(3600ull * 1000000000);
      state();
      std::this_thread::yield();
    }
  });
  for (std::thread& thread : all) thread.join();
  check(wrong == 0 && taken == 2 * kEach, std::to_string(wrong) + " bytes are wrong");
}

}  // namespace

void check(bool right, const std::string& what) {
  if (right) return;
  std::printf("     %s\n", what.c_str());
  problems++;
}

std::string hexOf(const void* data, size_t size) {
  std::string text;
  char two[3];
  for (size_t i = 0; i < size; i++) {
    std::snprintf(two, sizeof(two), "%02x", static_cast<const uint8_t*>(data)[i]);
    text += two;
  }
  return text;
}

std::string fromHex(const std::string& digits) {
  std::string bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return bytes;
}

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == kUnlocked) return unlocked();
  const std::pair<const char*, void (*)()> cases[] = {
      {"SHA-256 and SHA-384", hashes},
      {"HMAC", macs},
      {"HKDF", extractAndExpand},
      {"keys of TLS 1.3 (RFC 8448)", keysOfRfc8448},
      {"keys of TLSHub, as its document has them", keysOfTlshub},
      {"keys by name, as their document has them", keysOfTheChannel},
      {"each name of a flow makes other keys", namesOfTheChannel},
      {"nothing of a key schedule is left on the stack", forgottenByTheChannel},
      {"the marker of keys by name", markersOfTheChannel},
      {"each number of an epoch is taken once", numbersOfAnEpoch},
      {"epochs make the keys that their document has, at both ends", epochsOfVectors},
      {"a number of an epoch is refused the second time", numbersTakenTwice},
      {"an epoch that is forgotten is wiped", epochsForgotten},
      {"epochs within a node", epochsWithinANode},
      {"a secret is passed on by its handle, once", passing},
      {"a secret is not taken for another kind", kinds},
      {"what goes is wiped", wiping},
      {"what nobody takes is wiped in the end", expiring},
      {"it is locked, not dumped, and no child has it", kernelsView},
      {"memory that cannot be locked is used, and said", withoutLocking},
      {"threads pass secrets on", threads},
      {"a full memory refuses, and is not full for ever", exhausting},
  };
  int passed = 0, failed = 0;
  for (const auto& [name, run] : cases) {
    problems = 0;
    run();
    check(state().pieces == 0, std::to_string(state().pieces) + " pieces are still in use");
    std::printf("%s %s\n", problems == 0 ? "ok  " : "FAIL", name);
    (problems == 0 ? passed : failed)++;
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
