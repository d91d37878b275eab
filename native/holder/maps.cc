// SPDX-License-Identifier: Apache-2.0
#include "maps.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stdexcept>

#include "../../bpf/abi.generated.h"
#include "../domain/error.h"

namespace tlshub::holder {
namespace {

uint64_t address(const void* at) {
  return reinterpret_cast<uintptr_t>(at);
}

long bpf(int command, bpf_attr* attr) {
  return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

Fd openMap(const std::string& pinDir, const char* name, size_t valueBytes) {
  const std::string path = pinDir + "/maps/" + name;
  bpf_attr attr{};
  attr.pathname = address(path.c_str());
  Fd map(static_cast<int>(bpf(BPF_OBJ_GET, &attr)));
  if (!map) throw SysError("bpf", path);
  // The kernel copies as many bytes as its map says.
  bpf_map_info info{};
  attr = {};
  attr.info.bpf_fd = static_cast<uint32_t>(map.get());
  attr.info.info_len = sizeof(info);
  attr.info.info = address(&info);
  if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr)) throw SysError("bpf", path);
  if (info.key_size != sizeof(uint32_t) || info.value_size != valueBytes)
    throw std::runtime_error(path + " is of another version of the gate");
  return map;
}

}  // namespace

Maps::Maps(const std::string& pinDir) : sleepers_(openMap(pinDir, "sleepers", sizeof(tlshub_sleeper))) {
  const Fd map = openMap(pinDir, "leases", sizeof(tlshub_leases));
  void* memory = mmap(nullptr, static_cast<size_t>(sysconf(_SC_PAGESIZE)), PROT_READ | PROT_WRITE, MAP_SHARED,
                      map.get(), 0);
  if (memory == MAP_FAILED) throw SysError("mmap", "cannot map the leases");
  leases_ = static_cast<tlshub_leases*>(memory);
}

std::optional<tlshub_sleeper> Maps::sleeper(uint32_t tid) const {
  tlshub_sleeper sleeper;
  bpf_attr attr{};
  attr.map_fd = static_cast<uint32_t>(sleepers_.get());
  attr.key = address(&tid);
  attr.value = address(&sleeper);
  if (bpf(BPF_MAP_LOOKUP_ELEM, &attr)) return std::nullopt;
  return sleeper;
}

}  // namespace tlshub::holder
