// SPDX-License-Identifier: Apache-2.0
#include "earlier.h"

#include <bpf/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>

#include "../../bpf/tlshub.h"
#include "error.h"
#include "map_keys.h"
#include "pins.h"

namespace tlshub {
namespace {

uint32_t programOf(int link) {
  bpf_link_info info = {};
  uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(link, &info, &length)) throw SysError("bpf", "cannot look at a pinned link");
  return info.prog_id;
}

bool anybodySleeps(int sleepersFd) {
  uint32_t thread;
  return !bpf_map_get_next_key(sleepersFd, nullptr, &thread);
}

// Which flow a thread sleeps for; 0: it does not.
uint64_t flowOf(int sleepersFd, uint32_t thread) {
  tlshub_sleeper sleeper = {};
  return bpf_map_lookup_elem(sleepersFd, &thread, &sleeper) ? 0 : sleeper.cookie;
}

std::map<uint32_t, uint64_t> sleepersOf(int sleepersFd) {
  std::map<uint32_t, uint64_t> sleepers;
  const auto next = [&](const uint32_t* from, uint32_t* to) {
    return bpf_map_get_next_key(sleepersFd, from, to);
  };
  for (uint32_t thread : keysOfMap<uint32_t>(next, 2 * TLSHUB_MAX_HELD))
    if (const uint64_t cookie = flowOf(sleepersFd, thread)) sleepers[thread] = cookie;
  return sleepers;
}

}  // namespace

void Earlier::hold(const std::string& pinDir, const std::vector<std::string>& links) {
  folder_ = pinDir + kEarlier;
  for (const std::string& name : links) {
    Fd link(bpf_obj_get((pinDir + "/" + name).c_str()));
    if (!link) continue;
    Fd program(bpf_prog_get_fd_by_id(programOf(link.get())));
    if (!program) throw SysError("bpf", "cannot take hold of the program of " + name);
    programs_.push_back(std::move(program));
  }
}

void Earlier::pin(int sleepersFd) {
  if (programs_.empty() || !anybodySleeps(sleepersFd)) return;
  makeFolder(folder_);
  for (const Fd& program : programs_) {
    bpf_prog_info info = {};
    uint32_t length = sizeof(info);
    if (bpf_obj_get_info_by_fd(program.get(), &info, &length))
      throw SysError("bpf", "cannot look at a program of the earlier gate");
    const std::string path = folder_ + "/" + std::to_string(info.id);
    if (bpf_obj_pin(program.get(), path.c_str()) && errno != EEXIST)
      throw SysError("bpf", "cannot pin " + path);
  }
}

void Earlier::look(int sleepersFd) {
  if (folder_.empty()) return;
  if (!counted_) asleep_ = sleepersOf(sleepersFd);
  counted_ = true;
  for (auto each = asleep_.begin(); each != asleep_.end();)
    each = flowOf(sleepersFd, each->first) == each->second ? std::next(each) : asleep_.erase(each);
  if (!asleep_.empty()) return;
  programs_.clear();
  for (const std::string& name : listFolder(folder_)) unlink((folder_ + "/" + name).c_str());
  rmdir(folder_.c_str());
  folder_.clear();
}

}  // namespace tlshub
