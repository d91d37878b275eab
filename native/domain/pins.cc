// SPDX-License-Identifier: Apache-2.0
#include "pins.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "../../bpf/tlshub.h"
#include "error.h"
#include "retired.h"
#include "streams.h"

namespace tlshub {
namespace {

// The folder, locked; empty if somebody has a lock that does not go with it.
Fd lockFolder(const std::string& path, int how) {
  Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw SysError("open", "cannot open " + path);
  if (!flock(fd.get(), how | LOCK_NB)) return fd;
  if (errno == EWOULDBLOCK) return Fd();
  throw SysError("flock", "cannot lock " + path);
}

// Between opening and locking it may have been removed, and made anew.
bool isAt(const Fd& fd, const std::string& path) {
  struct stat own = {}, there = {};
  return !fstat(fd.get(), &own) && !stat(path.c_str(), &there) && own.st_dev == there.st_dev &&
         own.st_ino == there.st_ino;
}

bool exists(const std::string& path) {
  struct stat there = {};
  return !lstat(path.c_str(), &there);
}

// What libbpf never gives a program or a map, so that it can be told from them.
constexpr char kWaiting[] = "waiting~";

// Everybody has been told to wake.
constexpr uint64_t kRetiredMs = 5000;

void exchange(const std::string& one, const std::string& other) {
  if (renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE))
    throw SysError("renameat2", "cannot put a pin in the place of " + other);
}

}  // namespace

void makeFolder(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0700) && errno != EEXIST)
      throw SysError("mkdir", "cannot make " + part + " (is bpffs mounted?)");
    if (slash == std::string::npos) break;
  }
}

StagedPins::~StagedPins() {
  while (swapped_ > 0) {
    const Pin& pin = pins_[--swapped_];
    if (!pin.waiting.empty())
      renameat2(AT_FDCWD, pin.waiting.c_str(), AT_FDCWD, pin.path.c_str(), RENAME_EXCHANGE);
  }
  for (const Pin& pin : pins_) unlink((pin.waiting.empty() ? pin.path : pin.waiting).c_str());
}

void StagedPins::add(int fd, const std::string& path) {
  Pin pin = {pinDir_ + "/" + path, {}};
  if (exists(pin.path)) {
    pin.waiting = path;
    std::replace(pin.waiting.begin(), pin.waiting.end(), '/', '~');
    pin.waiting = pinDir_ + "/links/" + kWaiting + pin.waiting;
    // Of somebody who was killed at this point: what it was to replace is still there.
    unlink(pin.waiting.c_str());
  }
  const std::string& at = pin.waiting.empty() ? pin.path : pin.waiting;
  if (bpf_obj_pin(fd, at.c_str())) throw SysError("bpf", "cannot pin " + at);
  pins_.push_back(std::move(pin));
}

void StagedPins::swap() {
  for (; swapped_ < pins_.size(); swapped_++) {
    const Pin& pin = pins_[swapped_];
    if (!pin.waiting.empty()) exchange(pin.waiting, pin.path);
  }
}

void StagedPins::keep() {
  for (const Pin& pin : pins_)
    if (!pin.waiting.empty()) unlink(pin.waiting.c_str());
  pins_.clear();
  swapped_ = 0;
}

std::vector<std::string> listFolder(const std::string& path) {
  std::vector<std::string> names;
  const Folder folder = openFolder(path);
  if (!folder) return names;
  while (dirent* entry = readdir(folder.get())) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  return names;
}

bool sameLayout(const std::string& maps) {
  Fd fd(bpf_obj_get((maps + "/settings").c_str()));
  uint32_t zero = 0;
  tlshub_settings settings = {};
  bpf_map_info info = {};
  uint32_t length = sizeof(info);
  return fd && !bpf_obj_get_info_by_fd(fd.get(), &info, &length) && info.value_size == sizeof(settings) &&
         !bpf_map_lookup_elem(fd.get(), &zero, &settings) && settings.abi_version == TLSHUB_ABI_VERSION;
}

Fd sharePins(const std::string& pinDir) {
  Fd fd = lockFolder(pinDir, LOCK_SH);
  if (!fd || !isAt(fd, pinDir))
    throw CodedError("TLSHUB_GATE",
                     pinDir + " is being taken away (tlshubctl release): start the agent again after that");
  return fd;
}

AgentLock lockAgent(const std::string& pinDir) {
  const std::string links = pinDir + "/links";
  makeFolder(pinDir);
  AgentLock lock = {sharePins(pinDir), {}};
  makeFolder(links);
  lock.alone = lockFolder(links, LOCK_EX);
  // The agent that goes removes its folders: then this is not the one that the next agent finds.
  if (lock.alone && !isAt(lock.alone, links)) lock.alone.reset();
  return lock;
}

void removeEmptyFolders(const std::string& pinDir) {
  // The first two are the boot gate's (native/bootgate).
  for (const char* part : {"/boot", "/boot-unfinished", "/links", "/maps", ""})
    rmdir((pinDir + part).c_str());
}

Fd lockPins(const std::string& pinDir) {
  return lockFolder(pinDir, LOCK_EX);
}

void checkPins(const std::string& pinDir) {
  if (!sameLayout(pinDir + "/maps"))
    throw CodedError("TLSHUB_RELEASE_LAYOUT", "what is pinned in " + pinDir + " is of another version");
}

Fd openPin(const std::string& pinDir, const std::string& name) {
  Fd fd(bpf_obj_get((pinDir + "/" + name).c_str()));
  if (!fd) throw SysError("bpf", "cannot open the pin " + pinDir + "/" + name);
  return fd;
}

tlshub_leases readLeases(int leasesFd) {
  uint32_t zero = 0;
  tlshub_leases leases = {};
  if (bpf_map_lookup_elem(leasesFd, &zero, &leases)) throw SysError("bpf", "cannot read the leases");
  return leases;
}

int removePins(const std::string& pinDir) {
  int n = 0;
  for (const char* part : {"/links", "/maps"}) {
    for (const std::string& name : listFolder(pinDir + part))
      n += unlink((pinDir + part + "/" + name).c_str()) == 0;
  }
  n += unlink((pinDir + "/sweep").c_str()) == 0;
  return n;
}

int releasePins(const std::string& pinDir) {
  retirePinned(pinDir);
  const int n = removePins(pinDir);
  awaitRetired(pinDir, kRetiredMs);
  removeEmptyFolders(pinDir);
  return n;
}

}  // namespace tlshub
