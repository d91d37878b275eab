// SPDX-License-Identifier: Apache-2.0
#include "host.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "../domain/error.h"
#include "../domain/pid_namespace.h"
#include "file_system.h"

namespace tlshub::holder {
namespace {

// What it says is of no use to anybody: opening the device again tells.
void loadFuse() {
  const pid_t child = fork();
  if (child == 0) {
    const int nowhere = open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= 2; fd++)
      if (dup2(nowhere, fd) < 0) close(fd);
    char* const command[] = {const_cast<char*>("modprobe"), const_cast<char*>("fuse"), nullptr};
    execvp(command[0], command);
    _exit(127);
  }
  while (child > 0 && waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
}

Fd tryFuse() {
  return Fd(open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK));
}

void configure(int context, unsigned command, const char* key, const char* value) {
  if (syscall(SYS_fsconfig, context, command, key, value, 0))
    throw SysError("fsconfig", std::string("cannot mount the file system: ") + (key ? key : "create"));
}

}  // namespace

void requireHostPids() {
  if (access("/proc/self/ns/pid", F_OK)) throw NotHere("/proc is not mounted");
  if (!inHostPidNamespace())
    throw NotHere(
        "this is not the host's PID namespace: run the agent with hostPID: true, or not in a container");
}

Fd openFuse() {
  Fd device = tryFuse();
  if (device) return device;
  loadFuse();
  device = tryFuse();
  if (device) return device;
  const std::string problem = std::string("/dev/fuse: ") + std::strerror(errno);
  if (errno == ENOENT)
    throw NotHere(problem + ": make the host's /dev/fuse visible here, or mknod /dev/fuse c 10 229");
  throw NotHere(problem +
                ": the kernel needs its module fuse (CONFIG_FUSE_FS), and we permission to open the device");
}

Fd mountFuse(int device) {
  const Fd context(static_cast<int>(syscall(SYS_fsopen, "fuse", FSOPEN_CLOEXEC)));
  if (!context) throw SysError("fsopen", "cannot mount the file system");
  configure(context.get(), FSCONFIG_SET_STRING, "source", "tlshub");
  configure(context.get(), FSCONFIG_SET_STRING, "fd", std::to_string(device).c_str());
  configure(context.get(), FSCONFIG_SET_STRING, "rootmode", kRootMode);
  configure(context.get(), FSCONFIG_SET_STRING, "user_id", "0");
  configure(context.get(), FSCONFIG_SET_STRING, "group_id", "0");
  // Threads of all users sleep on it.
  configure(context.get(), FSCONFIG_SET_FLAG, "allow_other", nullptr);
  configure(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr);
  constexpr unsigned kAttributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  Fd root(static_cast<int>(syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, kAttributes)));
  if (!root) throw SysError("fsmount", "cannot mount the file system");
  return root;
}

// Field 22 of proc(5). The name may hold spaces and brackets, so count from behind the last one.
uint64_t ownStartBoottime() {
  char line[1024];
  const Fd file(open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
  const ssize_t bytes = read(file.get(), line, sizeof(line) - 1);
  if (bytes <= 0) throw SysError("read", "/proc/self/stat");
  line[bytes] = 0;
  const char* at = std::strrchr(line, ')');
  for (int field = 2; at && field < 22; field++) at = std::strchr(at + 1, ' ');
  if (!at) throw SysError("read", "/proc/self/stat", EINVAL);
  return std::strtoull(at + 1, nullptr, 10) * (1000000000ull / static_cast<uint64_t>(sysconf(_SC_CLK_TCK)));
}

void keepOwnMemory() {
  mlockall(MCL_CURRENT | MCL_FUTURE);
  const Fd file(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  (void)!write(file.get(), "-1000", 5);
}

}  // namespace tlshub::holder
