// SPDX-License-Identifier: Apache-2.0
#include "remote_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "clock.h"
#include "error.h"
#include "ktls.h"
#include "streams.h"

namespace tlshub {
namespace {

// Looked at in search of a socket: the one wanted is among the last that were born, and each costs a reading of its folder.
constexpr size_t kMostChildren = 16;
// For the whole search, of this thread's processor time. A program may have as many descriptors as it likes: this is some thousands.
constexpr uint64_t kSearchNs = 100 * 1000000ull;

[[noreturn]] void gone(const SocketOwner& owner, const char* what) {
  throw CodedError("TLSHUB_SOCKET_GONE", "process " + std::to_string(owner.tgid) + ": " + what);
}

Fd getFd(int pidfd, int remote) {
  return Fd(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, remote, 0)));
}

bool matches(const Fd& fd, uint64_t cookie) {
  uint64_t own = 0;
  socklen_t length = sizeof(own);
  return !getsockopt(fd.get(), SOL_SOCKET, SO_COOKIE, &own, &length) && own == cookie;
}

Fd openPid(uint32_t tgid) {
  return Fd(static_cast<int>(syscall(SYS_pidfd_open, tgid, 0)));
}

Fd findByInode(const SocketOwner& owner, uint32_t tgid, int pidfd, uint64_t untilNs) {
  std::string wanted = "socket:[" + std::to_string(owner.inode) + "]";
  const Folder folder = openFolder("/proc/" + std::to_string(tgid) + "/fd");
  if (!folder) return Fd();
  while (dirent* entry = threadCpuNs() < untilNs ? readdir(folder.get()) : nullptr) {
    char target[64];
    ssize_t n = readlinkat(dirfd(folder.get()), entry->d_name, target, sizeof(target));
    if (n <= 0 || std::string(target, static_cast<size_t>(n)) != wanted) continue;
    Fd candidate = getFd(pidfd, std::atoi(entry->d_name));
    if (candidate && matches(candidate, owner.cookie)) return candidate;
  }
  return Fd();
}

// The kernel lists children in the order of their birth, and takes the longer for each the more came before it.
std::vector<uint32_t> youngestChildren(uint32_t tgid, uint64_t untilNs) {
  std::string pid = std::to_string(tgid);
  std::vector<uint32_t> children;
  const File file = openFile("/proc/" + pid + "/task/" + pid + "/children");
  if (!file) return children;
  uint32_t child = 0;
  while (threadCpuNs() < untilNs && std::fscanf(file.get(), "%u", &child) == 1) children.push_back(child);
  std::reverse(children.begin(), children.end());
  if (children.size() > kMostChildren) children.resize(kMostChildren);
  return children;
}

// A number of /proc/PID/stat, numbered as in proc(5), from 4 on; nothing when there is no such process.
std::optional<uint64_t> statField(uint32_t tgid, int wanted) {
  const File file = openFile("/proc/" + std::to_string(tgid) + "/stat");
  if (!file) return std::nullopt;
  char line[1024];
  size_t n = std::fread(line, 1, sizeof(line) - 1, file.get());
  line[n] = 0;
  // The name may hold spaces and brackets: fields count from behind the last one.
  char* at = std::strrchr(line, ')');
  for (int field = 2; at && field < wanted; field++) at = std::strchr(at + 1, ' ');
  if (!at) return std::nullopt;
  return std::strtoull(at + 1, nullptr, 10);
}

// Has it ended, or is it on its way out (PF_EXITING of include/linux/sched.h)?
bool isEnding(uint32_t tgid) {
  const auto flags = statField(tgid, 9);
  return !flags || (*flags & 0x4);
}

Fd findInChildren(const SocketOwner& owner, uint64_t untilNs) {
  for (uint32_t child : youngestChildren(owner.tgid, untilNs)) {
    Fd pidfd = openPid(child);
    if (!pidfd) continue;
    Fd found = findByInode(owner, child, pidfd.get(), untilNs);
    if (found) return found;
  }
  return Fd();
}

}  // namespace

uint64_t cookieOf(int fd) {
  uint64_t cookie = 0;
  socklen_t length = sizeof(cookie);
  if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length))
    throw SysError("getsockopt", "cannot read SO_COOKIE");
  return cookie;
}

Fd duplicate(const SocketOwner& owner) {
  Fd pidfd = openPid(owner.tgid);
  if (!pidfd) {
    if (errno == ESRCH || errno == EINVAL) gone(owner, "has ended");
    throw SysError("pidfd_open", "process " + std::to_string(owner.tgid));
  }
  if (owner.fd >= 0) {
    Fd fd = getFd(pidfd.get(), owner.fd);
    if (fd && matches(fd, owner.cookie)) return fd;
    // EPERM and ENOSYS would only come back for every other number.
    if (!fd && errno != EBADF && errno != ESRCH)
      throw SysError(
          "pidfd_getfd",
          "process " + std::to_string(owner.tgid) +
              ": cannot duplicate its socket (needs CAP_SYS_PTRACE, and kernel.yama.ptrace_scope below 3)");
  }
  if (!owner.search) gone(owner, "has no descriptor of the socket at that number; it was searched enough");
  const uint64_t untilNs = threadCpuNs() + kSearchNs;
  Fd fd = findByInode(owner, owner.tgid, pidfd.get(), untilNs);
  if (!fd) fd = findInChildren(owner, untilNs);
  if (!fd) gone(owner, "has no descriptor of the socket (any more)");
  return fd;
}

bool hasSocket(const SocketOwner& owner) {
  if (!owner.search) return true;
  try {
    return static_cast<bool>(duplicate(owner));
  } catch (const CodedError& error) {
    // The children of a process that ends are another's from then on: whether one of them has it is not to be told.
    return error.code() != "TLSHUB_SOCKET_GONE" || isEnding(owner.tgid);
  }
}

bool attachTlsUlp(int fd) {
  std::string present = ulpOf(fd);
  if (present.empty()) {
    if (!setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3)) return true;
    if (errno == ENOTCONN) return false;
    throw SysError("setsockopt", errno == ENOENT
                                     ? "cannot attach the tls ULP (is the module loaded? modprobe tls)"
                                     : "cannot attach the tls ULP");
  }
  if (present != "tls")
    throw CodedError("TLSHUB_SOCKET_FOREIGN_TLS", "the socket has the ULP \"" + present + "\" already");
  if (hasKeys(fd))
    throw CodedError("TLSHUB_SOCKET_FOREIGN_TLS",
                     "the socket has kTLS keys already: a second key would reuse nonces");
  return true;
}

bool isProcess(uint32_t tgid, uint64_t startBoottimeNs) {
  const auto ticks = statField(tgid, 22);  // starttime
  uint64_t perTick = 1000000000ull / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  return ticks && *ticks == startBoottimeNs / perTick;
}

}  // namespace tlshub
