// SPDX-License-Identifier: Apache-2.0
#include "sleeping.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "../../bpf/standing.h"
#include "error.h"
#include "pid_namespace.h"

namespace tlshub {
namespace {

bool kernelCan() {
  btf* kernel = btf__load_vmlinux_btf();
  const auto has = [&](const char* name) { return btf__find_by_name_kind(kernel, name, BTF_KIND_FUNC) >= 0; };
  const bool can = kernel && has("bpf_get_file_xattr") && has("bpf_iter_num_new");
  btf__free(kernel);
  return can;
}

}  // namespace

std::string whyNoSleep() {
  if (!kernelCan()) return "the kernel has no bpf_get_file_xattr() (Linux 6.8 and later do)";
  if (!inHostPidNamespace())
    return "the agent is not in the host's PID namespace (hostPID: true, or --pid=host)";
  if (access("/dev/fuse", R_OK | W_OK))
    return std::string("/dev/fuse: ") + std::strerror(errno) + " (modprobe fuse)";
  return {};
}

void Sleeping::load(const std::string& path, bpf_object* gate, const std::string& log) {
  why_ = whyNoSleep();
  if (!why_.empty()) return;
  Object object(bpf_object__open_file(path.c_str(), nullptr));
  if (!object) {
    why_ = "cannot open " + path + ": " + std::strerror(errno);
    return;
  }
  bpf_map* map;
  bpf_object__for_each_map(map, object.get()) {
    // Constants and strings: of the same name in both, and others in each.
    if (bpf_map__is_internal(map)) continue;
    const bpf_map* shared = bpf_object__find_map_by_name(gate, bpf_map__name(map));
    if (shared && bpf_map__reuse_fd(map, bpf_map__fd(shared)))
      throw SysError("bpf", "cannot share the gate's maps");
  }
  if (const int err = bpf_object__load(object.get())) {
    why_ = std::string("the kernel refused the programs that put callers to sleep: ") + std::strerror(-err) +
           "\n" + log;
    return;
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK)) throw SysError("pipe2", "cannot reach the holder");
  readEnd_.reset(ends[0]);
  writeEnd_.reset(ends[1]);
  object_ = std::move(object);
}

std::vector<std::pair<std::string, Link>> Sleeping::attach() {
  std::vector<std::pair<std::string, Link>> links;
  if (!object_) return links;
  bpf_program* program;
  bpf_object__for_each_program(program, object_.get()) {
    Link link(bpf_program__attach(program));
    if (!link)
      throw CodedError("TLSHUB_GATE", std::string("cannot attach ") + bpf_program__name(program) + ": " +
                                          std::strerror(errno));
    links.emplace_back(bpf_program__name(program), std::move(link));
  }
  return links;
}

void Sleeping::begin() {
  if (!object_) return;
  const uint32_t zero = 0, standing = STANDING_IN_FORCE;
  if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(object_.get(), STANDING_MAP), &zero, &standing,
                          BPF_ANY))
    throw SysError("bpf", "cannot let callers sleep");
}

}  // namespace tlshub
