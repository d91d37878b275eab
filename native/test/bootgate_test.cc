// SPDX-License-Identifier: Apache-2.0
// What the boot gate reads: a file as an agent writes it, and no other; and what it makes of a policy. With an argument: a file that the writer
// in TypeScript has made (test/unit/boot-state.test.ts), which is broken in every way there is.
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "../bootgate/plan.h"
#include "../bootgate/state.h"
#include "../domain/error.h"
#include "check.h"

using namespace tlshub;
using namespace tlshub::bootgate;

namespace {

class Writer {
 public:
  Writer& u32(uint32_t value) { return number(value, 4); }
  Writer& u64(uint64_t value) { return number(value, 8); }
  Writer& text(const std::string& text) {
    u32(static_cast<uint32_t>(text.size()));
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  Writer& address(uint8_t last) {
    const uint8_t address[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, 0, last};
    bytes_.insert(bytes_.end(), address, address + 16);
    return *this;
  }
  // Within the envelope: magic, version, length, checksum.
  std::vector<uint8_t> whole() const {
    Writer all;
    all.bytes_ = {'T', 'L', 'S', 'h', 'u', 'b', 'B', 'G'};
    all.u32(1).u32(static_cast<uint32_t>(20 + bytes_.size()));
    all.bytes_.insert(all.bytes_.end(), bytes_.begin(), bytes_.end());
    return seal(all.bytes_);
  }
  static std::vector<uint8_t> seal(std::vector<uint8_t> bytes) {
    Writer tail;
    tail.u32(static_cast<uint32_t>(crc32(0, bytes.data(), static_cast<unsigned>(bytes.size()))));
    bytes.insert(bytes.end(), tail.bytes_.begin(), tail.bytes_.end());
    return bytes;
  }

 private:
  Writer& number(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) bytes_.push_back(static_cast<uint8_t>(value >> (8 * i)));
    return *this;
  }
  std::vector<uint8_t> bytes_;
};

// Of everything one or two.
Writer sample() {
  Writer to;
  to.u32(1).u64(1000).u64(10000).u64(1001).u64(1002).u32(32).text("/sys/fs/bpf/tlshub");
  to.u32(2).u32(0).text("/sys/fs/cgroup/tlshub.slice").u32(1).text("/sys/fs/cgroup");
  to.u32(1).address(0).u32(120).u32(443).u32(482);
  to.u32(2).address(1).u32(128).address(2).u32(128);
  return to;
}

// Empty: it was read.
std::string whyNot(const std::vector<uint8_t>& bytes) {
  try {
    parseState(bytes);
    return {};
  } catch (const CodedError& error) {
    check(error.code() == "TLSHUB_BOOT_STATE", "refused with " + error.code());
    return error.what();
  }
}

void readsWhatWasWritten() {
  const BootState state = parseState(sample().whole());
  check(state.policy == BootPolicy::kClosed && state.writtenMs == 1000, "policy and time are others");
  check(!state.settings.policy.plaintextOnNode && state.settings.keyNetlink == 32, "settings are others");
  check(state.settings.holdMs == 10000 && state.settings.silentPeerMs == 1001 &&
            state.settings.nonblockingMs == 1002,
        "times are others");
  check(state.pinDir == "/sys/fs/bpf/tlshub", "the pins are elsewhere");
  check(state.scopes.size() == 2 && !state.scopes[0].pattern && state.scopes[1].pattern &&
            state.scopes[1].path == "/sys/fs/cgroup",
        "the cgroups are others");
  const std::vector<PolicyRule>& rules = state.settings.policy.rules;
  check(rules.size() == 1 && rules[0].prefix == 120 && rules[0].port == 443 && rules[0].rank == 482,
        "the rule is another");
  check(state.mesh.size() == 2 && !state.mesh[0].local && state.mesh[1].prefix == 128 &&
            state.mesh[1].addr[15] == 2,
        "the addresses are others");
}

// A file that was broken is refused: cut off anywhere, longer, with any byte changed.
void refusesBroken(const std::vector<uint8_t>& bytes) {
  check(whyNot(bytes).empty(), "the file itself is refused: " + whyNot(bytes));
  for (size_t length = 0; length < bytes.size(); length++)
    check(!whyNot({bytes.begin(), bytes.begin() + static_cast<long>(length)}).empty(),
          "the first " + std::to_string(length) + " bytes are read");
  std::vector<uint8_t> longer = bytes;
  longer.push_back(0);
  check(!whyNot(longer).empty(), "one byte more is read");
  std::vector<uint8_t> changed = bytes;
  for (size_t at = 0; at < bytes.size(); at++)
    for (const int bits : {0x01, 0x80, 0xff}) {
      changed[at] = static_cast<uint8_t>(bytes[at] ^ bits);
      check(!whyNot(changed).empty(), "byte " + std::to_string(at) + " may be another");
      changed[at] = bytes[at];
    }
}

// The same with a checksum and a length that fit, as nobody writes it: nothing is read beyond its end (a sanitizer sees that), and what is
// accepted is within its limits.
void bearsForged(const std::vector<uint8_t>& bytes) {
  const std::vector<uint8_t> body(bytes.begin(), bytes.end() - 4);
  const auto look = [](std::vector<uint8_t> forged) {
    const uint32_t length = static_cast<uint32_t>(forged.size() + 4);
    if (forged.size() >= 16) std::memcpy(&forged[12], &length, sizeof(length));
    const std::vector<uint8_t> whole = Writer::seal(forged);
    if (!whyNot(whole).empty()) return;
    const BootState state = parseState(whole);
    check(state.scopes.size() <= TLSHUB_MAX_SCOPES && state.settings.policy.rules.size() <= TLSHUB_MAX_RULES,
          "more than there is room for");
    for (const MeshEntry& entry : state.mesh) check(entry.prefix <= 128, "a prefix is too long");
    for (const BootScope& scope : state.scopes) check(scope.path[0] == '/', "a path is not absolute");
  };
  for (size_t length = 0; length < body.size(); length++) {
    const std::vector<uint8_t> cut(body.begin(), body.begin() + static_cast<long>(length));
    if (length >= 16) {
      std::vector<uint8_t> whole = cut;
      const uint32_t bytesNow = static_cast<uint32_t>(length + 4);
      std::memcpy(&whole[12], &bytesNow, sizeof(bytesNow));
      check(!whyNot(Writer::seal(whole)).empty(),
            "cut off after " + std::to_string(length) + " bytes it is read");
    }
    look(cut);
  }
  for (size_t at = 16; at < body.size(); at++)
    for (const int value : {0x00, 0x7f, 0x80, 0xff}) {
      std::vector<uint8_t> forged = body;
      forged[at] = static_cast<uint8_t>(value);
      look(forged);
    }
}

void saysWhatIsWrong() {
  const auto says = [](const std::vector<uint8_t>& bytes, const std::string& words) {
    check(whyNot(bytes).find(words) != std::string::npos,
          "\"" + whyNot(bytes) + "\" in place of \"" + words + "\"");
  };
  std::vector<uint8_t> other = sample().whole();
  other[8] = 2;
  says(other, "it is of version 2");
  says({'n', 'o'}, "it ends in the middle of a field");
  says(std::vector<uint8_t>(40, 'x'), "it is no file of the boot gate");
  Writer wrongPolicy;
  wrongPolicy.u32(3);
  says(wrongPolicy.whole(), "boot_policy is 3");
}

// Only who owns it may have written it.
void trustsNobody() {
  char folder[] = "/tmp/bootgate-test-XXXXXX";
  if (!mkdtemp(folder)) std::abort();
  const std::string path = std::string(folder) + "/boot.state", link = std::string(folder) + "/link";
  const std::vector<uint8_t> bytes = sample().whole();
  std::FILE* file = std::fopen(path.c_str(), "wb");
  std::fwrite(bytes.data(), 1, bytes.size(), file);
  std::fclose(file);
  const auto why = [&](const std::string& at) -> std::string {
    try {
      return readState(at) == bytes ? "" : "other bytes";
    } catch (const CodedError& error) {
      return error.what();
    }
  };
  const auto refuses = [&](const std::string& words) {
    check(why(path).find(words) != std::string::npos, "\"" + why(path) + "\" in place of \"" + words + "\"");
  };
  chmod(path.c_str(), 0600);
  check(why(path).empty(), "its own file is refused: " + why(path));
  for (const mode_t mode : {0620, 0602, 0640, 0604}) {
    chmod(path.c_str(), mode);
    refuses("by others than root");
  }
  chmod(path.c_str(), 0600);
  for (const mode_t mode : {0720, 0702}) {
    chmod(folder, mode);
    refuses("others than root can write to its folder");
  }
  chmod(folder, 0700);
  if (geteuid() == 0 && !chown(path.c_str(), 12345, 12345)) {
    refuses("by others than root");
    check(chown(path.c_str(), 0, 0) == 0, "chown");
  }
  check(symlink(path.c_str(), link.c_str()) == 0 && why(link) == "it is a symbolic link",
        "a link is followed");
  check(why(folder) == "it is no regular file", "a folder is read: " + why(folder));
  check(truncate(path.c_str(), static_cast<off_t>(kMostStateBytes) + 1) == 0, "truncate");
  refuses("larger than any");
  unlink(path.c_str());
  try {
    readState(path);
    check(false, "what is not there is read");
  } catch (const SysError& error) {
    check(error.err() == ENOENT, "not ENOENT");
  }
  unlink(link.c_str());
  rmdir(folder);
}

PolicyRule rule(uint8_t third, uint32_t prefix, uint16_t port, bool require) {
  PolicyRule made = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, third, 0}, 96 + prefix, port, 0};
  made.rank = (((96 + prefix) << 1 | (port ? 1 : 0)) << 1) | (require ? RANK_REQUIRE : 0);
  return made;
}

void shutsTheMeshOnly() {
  Policy kept;
  kept.rules = {rule(0, 16, 0, false), rule(1, 24, 0, true),  rule(1, 24, 22, false),
                rule(2, 24, 0, false), rule(3, 24, 80, true), rule(3, 24, 22, false)};
  const Policy exact = bootPolicy(kept, false);
  check(exact.permissive && exact.rules.size() == kept.rules.size(),
        "rules go where nothing more is captured than asked for");
  const Policy wide = bootPolicy(kept, true);
  // 10.77.0.0/16 is limited by what is required of 10.77.1.0/24 and of port 80; port 22 there is decided by its own rule.
  check(wide.permissive && wide.rules.size() == 3,
        "there are " + std::to_string(wide.rules.size()) + " rules");
  for (const PolicyRule& left : wide.rules)
    check(!(left.rank & RANK_REQUIRE) && left.prefix == 120, "a rule is left that should have gone");
}

void capturesNoFolderOfAnother() {
  BootState state;
  state.scopes = {{"/tmp", false}, {"/tmp/bootgate-test-none", true}};
  const Plan plan = makePlan(state);
  check(plan.options.cgroups.empty() && plan.missed.size() == 2, "a folder that is no cgroup is captured");
  check(access("/tmp/bootgate-test-none", F_OK) != 0, "a folder was made outside the cgroups");
}

std::vector<uint8_t> contentsOf(const char* path) {
  return readState(path);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<uint8_t> own = sample().whole();
  const std::pair<const char*, std::function<void()>> tests[] = {
      {"reads what was written", readsWhatWasWritten},
      {"refuses a file that is cut off, longer or changed", [&] { refusesBroken(own); }},
      {"stays within a file whose checksum is right and whose contents are not", [&] { bearsForged(own); }},
      {"says what is wrong", saysWhatIsWrong},
      {"trusts no file that others can have written", trustsNobody},
      {"shuts addresses of the mesh only", shutsTheMeshOnly},
      {"captures cgroups and nothing else", capturesNoFolderOfAnother},
      {"does the same with the file that it was given",
       [&] {
         if (argc < 2) return;
         refusesBroken(contentsOf(argv[1]));
         bearsForged(contentsOf(argv[1]));
       }},
  };
  int failed = 0;
  for (const auto& [name, run] : tests) {
    problems = 0;
    run();
    std::printf("%s %s\n", problems ? "FAIL" : "ok  ", name);
    failed += problems != 0;
  }
  std::printf("%zu passed, %d failed\n", sizeof(tests) / sizeof(tests[0]) - static_cast<size_t>(failed),
              failed);
  return failed != 0;
}
