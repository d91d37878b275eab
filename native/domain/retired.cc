// SPDX-License-Identifier: Apache-2.0
#include "retired.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <set>

#include "../../bpf/standing.h"
#include "clock.h"
#include "error.h"
#include "fd.h"
#include "pins.h"

namespace tlshub {
namespace {

constexpr char kFolder[] = "/retired";
constexpr uint32_t kMostMaps = 64;
constexpr useconds_t kLookUs = 20'000;

std::string nameOfMap(uint32_t id) {
  const Fd map(bpf_map_get_fd_by_id(id));
  bpf_map_info info = {};
  uint32_t length = sizeof(info);
  return map && !bpf_obj_get_info_by_fd(map.get(), &info, &length) ? info.name : "";
}

void tell(uint32_t id, tlshub_standing standing) {
  const Fd map(bpf_map_get_fd_by_id(id));
  const uint32_t zero = 0, value = standing;
  if (!map || bpf_map_update_elem(map.get(), &zero, &value, BPF_ANY))
    throw SysError("bpf", "cannot tell programs that others take their place");
}

// Without taking hold of it, which would keep it.
bool isMap(uint32_t id) {
  uint32_t next = 0;
  return !bpf_map_get_next_id(id - 1, &next) && next == id;
}

struct Program {
  uint32_t id = 0;
  bool ofHook = false;  // of a security hook: nobody sleeps in front of any other
  uint32_t own = 0;     // the map that only its object has; 0: it puts nobody to sleep
  Fd fd;
};

// Empty `fd`: the link has none.
Program programOf(int link) {
  Program program;
  bpf_link_info about = {};
  uint32_t length = sizeof(about);
  if (bpf_obj_get_info_by_fd(link, &about, &length)) return program;
  program.fd.reset(bpf_prog_get_fd_by_id(about.prog_id));
  if (!program.fd) return program;
  uint32_t maps[kMostMaps] = {};
  bpf_prog_info info = {};
  info.nr_map_ids = kMostMaps;
  info.map_ids = reinterpret_cast<uint64_t>(maps);
  length = sizeof(info);
  if (bpf_obj_get_info_by_fd(program.fd.get(), &info, &length))
    throw SysError("bpf", "cannot look at a program that is to go");
  program.id = info.id;
  program.ofHook = info.type == BPF_PROG_TYPE_LSM;
  for (uint32_t i = 0; i < info.nr_map_ids && i < kMostMaps && !program.own; i++)
    if (nameOfMap(maps[i]) == STANDING_MAP) program.own = maps[i];
  return program;
}

}  // namespace

Retired retire(const std::string& pinDir, const std::vector<int>& links) {
  std::vector<Program> programs;
  std::set<uint32_t> sleeping;
  for (const int link : links) {
    Program program = programOf(link);
    if (!program.fd || !program.ofHook) continue;
    if (program.own)
      sleeping.insert(program.own);
    else
      programs.push_back(std::move(program));
  }
  Retired retired;
  if (sleeping.empty()) return retired;
  makeFolder(pinDir + kFolder);
  try {
    for (const uint32_t own : sleeping) {
      for (const Program& program : programs) {
        const std::string path =
            pinDir + kFolder + "/" + std::to_string(own) + "~" + std::to_string(program.id);
        if (!bpf_obj_pin(program.fd.get(), path.c_str()))
          retired.pins.push_back(path);
        else if (errno != EEXIST)
          throw SysError("bpf", "cannot pin " + path);
      }
      tell(own, STANDING_REPLACED);
      retired.told.push_back(own);
    }
  } catch (const SysError&) {
    takeBack(retired);
    throw;
  }
  return retired;
}

void takeBack(const Retired& retired) {
  for (const uint32_t own : retired.told) tell(own, STANDING_IN_FORCE);
  for (const std::string& pin : retired.pins) unlink(pin.c_str());
}

Retired retirePinned(const std::string& pinDir) {
  std::vector<Fd> open;
  std::vector<int> links;
  for (const std::string& name : listFolder(pinDir + "/links")) {
    open.emplace_back(bpf_obj_get((pinDir + "/links/" + name).c_str()));
    if (open.back()) links.push_back(open.back().get());
  }
  return retire(pinDir, links);
}

size_t dropRetired(const std::string& pinDir) {
  const std::string folder = pinDir + kFolder;
  size_t left = 0;
  for (const std::string& name : listFolder(folder)) {
    if (isMap(static_cast<uint32_t>(std::strtoul(name.c_str(), nullptr, 10))))
      left++;
    else
      unlink((folder + "/" + name).c_str());
  }
  if (!left) rmdir(folder.c_str());
  return left;
}

size_t awaitRetired(const std::string& pinDir, uint64_t ms) {
  const uint64_t until = monotonicNs() + ms * 1'000'000;
  for (;;) {
    const size_t left = dropRetired(pinDir);
    if (!left || monotonicNs() >= until) return left;
    usleep(kLookUs);
  }
}

}  // namespace tlshub
