// SPDX-License-Identifier: Apache-2.0
#include "state.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cstring>

#include "../domain/error.h"
#include "../domain/fd.h"

namespace tlshub::bootgate {
namespace {

constexpr char kMagic[8] = {'T', 'L', 'S', 'h', 'u', 'b', 'B', 'G'};
constexpr uint32_t kVersion = 1;
constexpr uint32_t kMostMesh = 1048576;  // of the trie in bpf/maps.bpf.h
constexpr uint32_t kMostPath = 4095;
constexpr size_t kHeadBytes = 16;
constexpr size_t kTailBytes = 4;

[[noreturn]] void wrong(const std::string& what) {
  throw CodedError("TLSHUB_BOOT_STATE", what);
}

// Numbers and texts one after the other, little-endian; never beyond the end.
class Reader {
 public:
  Reader(const uint8_t* at, size_t left) : at_(at), left_(left) {}

  size_t left() const { return left_; }

  void bytes(void* to, size_t n) {
    if (n > left_) wrong("it ends in the middle of a field");
    std::memcpy(to, at_, n);
    at_ += n;
    left_ -= n;
  }

  uint32_t u32() { return le32toh(number<uint32_t>()); }
  uint64_t u64() { return le64toh(number<uint64_t>()); }

  uint32_t atMost(uint32_t most, const char* what) {
    const uint32_t value = u32();
    if (value > most)
      wrong(std::string(what) + " is " + std::to_string(value) + ", more than " + std::to_string(most));
    return value;
  }

  // Of so many elements, each of so many bytes at least: what cannot be there is refused before anything is made for it.
  uint32_t count(uint32_t most, size_t eachBytes, const char* what) {
    const uint32_t n = atMost(most, what);
    if (n > left_ / eachBytes) wrong(std::string(what) + " is more than the file has");
    return n;
  }

  std::string path() {
    std::string text(atMost(kMostPath, "the length of a path"), '\0');
    bytes(&text[0], text.size());
    if (text.empty() || text[0] != '/' || text.find('\0') != std::string::npos)
      wrong("a path is not absolute");
    return text;
  }

 private:
  template <typename Number>
  Number number() {
    Number value;
    bytes(&value, sizeof(value));
    return value;
  }

  const uint8_t* at_;
  size_t left_;
};

// By version, magic and checksum: from here on it is what an agent has written, or a file that was made to look so.
Reader openEnvelope(const std::vector<uint8_t>& bytes) {
  Reader whole(bytes.data(), bytes.size());
  char magic[sizeof(kMagic)];
  whole.bytes(magic, sizeof(magic));
  if (std::memcmp(magic, kMagic, sizeof(magic)) != 0) wrong("it is no file of the boot gate");
  const uint32_t version = whole.u32();
  if (version != kVersion)
    wrong("it is of version " + std::to_string(version) + ", this program reads version " +
          std::to_string(kVersion));
  const uint32_t length = whole.u32();
  if (length != bytes.size() || length < kHeadBytes + kTailBytes)
    wrong("it has " + std::to_string(bytes.size()) + " bytes in place of " + std::to_string(length));
  Reader tail(bytes.data() + bytes.size() - kTailBytes, kTailBytes);
  const uint32_t found =
      static_cast<uint32_t>(crc32(0, bytes.data(), static_cast<unsigned>(bytes.size() - kTailBytes)));
  if (found != tail.u32()) wrong("its checksum is wrong");
  return Reader(bytes.data() + kHeadBytes, bytes.size() - kHeadBytes - kTailBytes);
}

uint32_t prefixOf(Reader& from) {
  return from.atMost(128, "a prefix");
}

}  // namespace

BootState parseState(const std::vector<uint8_t>& bytes) {
  Reader from = openEnvelope(bytes);
  BootState state;
  const uint32_t policy = from.u32();
  if (policy != static_cast<uint32_t>(BootPolicy::kClosed) &&
      policy != static_cast<uint32_t>(BootPolicy::kOpen))
    wrong("boot_policy is " + std::to_string(policy));
  state.policy = static_cast<BootPolicy>(policy);
  state.writtenMs = from.u64();
  state.settings.holdMs = from.u64();
  state.settings.silentPeerMs = from.u64();
  state.settings.nonblockingMs = from.u64();
  state.settings.keyNetlink = from.atMost(32, "the netlink protocol");
  state.pinDir = from.path();
  for (uint32_t n = from.count(TLSHUB_MAX_SCOPES, 9, "the number of cgroups"); n > 0; n--) {
    const bool pattern = from.atMost(1, "the mark of a pattern") != 0;
    state.scopes.push_back({from.path(), pattern});
  }
  for (uint32_t n = from.count(TLSHUB_MAX_RULES, 28, "the number of rules"); n > 0; n--) {
    PolicyRule rule = {};
    from.bytes(rule.addr, sizeof(rule.addr));
    rule.prefix = prefixOf(from);
    rule.port = static_cast<uint16_t>(from.atMost(65535, "a port"));
    rule.rank = from.u32();
    state.settings.policy.rules.push_back(rule);
  }
  for (uint32_t n = from.count(kMostMesh, 20, "the number of addresses"); n > 0; n--) {
    MeshEntry entry = {};
    from.bytes(entry.addr, sizeof(entry.addr));
    entry.prefix = prefixOf(from);
    state.mesh.push_back(entry);
  }
  if (from.left()) wrong("it goes on behind its end");
  return state;
}

std::vector<uint8_t> readState(const std::string& path) {
  const auto mayOthersWrite = [](const struct stat& status) {
    return status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH));
  };
  struct stat status = {};
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Fd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) {
    if (errno == ELOOP) wrong("it is a symbolic link");
    throw SysError("open", "cannot open " + path);
  }
  if (fstat(fd.get(), &status)) throw SysError("fstat", "cannot look at " + path);
  if (!S_ISREG(status.st_mode)) wrong("it is no regular file");
  if (mayOthersWrite(status) || (status.st_mode & (S_IRGRP | S_IROTH)))
    wrong("it can be read or written by others than root (an agent makes it 0600)");
  if (static_cast<uint64_t>(status.st_size) > kMostStateBytes)
    wrong("it is larger than any that an agent writes");
  std::vector<uint8_t> bytes(static_cast<size_t>(status.st_size));
  if (stat(folder.c_str(), &status)) throw SysError("stat", "cannot look at " + folder);
  if (mayOthersWrite(status)) wrong("others than root can write to its folder");
  for (size_t have = 0; have < bytes.size();) {
    const ssize_t got = read(fd.get(), bytes.data() + have, bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw SysError("read", "cannot read " + path);
    if (got == 0) wrong("it became shorter while it was read");
    have += static_cast<size_t>(got);
  }
  return bytes;
}

}  // namespace tlshub::bootgate
