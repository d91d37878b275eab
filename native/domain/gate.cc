#include "gate.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <set>

#include "error.h"
#include "fd.h"
#include "pins.h"

namespace tlshub {
namespace {

// Not shared with an earlier agent's programs: a perf buffer belongs to its reader, hints to the calls under way.
bool isPrivate(const std::string& map) {
  return map == "events" || map == "hints";
}

// The last lines libbpf said, for the error message: the verifier's own words are in them.
thread_local std::string lastLog;
int keepLog(libbpf_print_level level, const char* format, va_list args) {
  if (level == LIBBPF_DEBUG) return 0;
  char line[4096];
  int n = std::vsnprintf(line, sizeof(line), format, args);
  if (n > 0) lastLog.append(line, std::min<size_t>(static_cast<size_t>(n), sizeof(line) - 1));
  if (lastLog.size() > 2000) lastLog.erase(0, lastLog.size() - 2000);
  return 0;
}

[[noreturn]] void failed(const std::string& what, int err) {
  throw CodedError("TLSHUB_GATE", what + ": " + std::strerror(err < 0 ? -err : err) +
                                      " (run `tlshubctl check` to see what this kernel lacks)" +
                                      (lastLog.empty() ? "" : "\n" + lastLog));
}

void makeFolder(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0700) && errno != EEXIST)
      throw SysError("mkdir", "cannot make " + part + " (is bpffs mounted?)");
    if (slash == std::string::npos) break;
  }
}

bool isCgroupProgram(const bpf_program* program) {
  std::string section = bpf_program__section_name(program);
  return section == "sockops" || section.rfind("cgroup", 0) == 0;
}

bool isIterator(const bpf_program* program) {
  return std::string(bpf_program__section_name(program)).rfind("iter/", 0) == 0;
}

// The inode's number is the cgroup's id, and no other cgroup will ever have it.
std::string cgroupTag(int cgroup) {
  struct stat status = {};
  if (fstat(cgroup, &status)) throw SysError("fstat", "cannot look at a cgroup");
  return "cgroup-" + std::to_string(status.st_ino);
}

Fd openCgroup(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd)
    throw CodedError("TLSHUB_CGROUP", "cgroup " + path + ": " + std::strerror(errno) +
                                          " (make it, or correct capture.cgroup)");
  return fd;
}

}  // namespace

namespace {

template <typename Change>
void changeSettings(int settingsFd, Change change) {
  uint32_t zero = 0;
  tlshub_settings settings = {};
  if (bpf_map_lookup_elem(settingsFd, &zero, &settings))
    throw SysError("bpf", "cannot read the gate's settings");
  change(settings);
  if (bpf_map_update_elem(settingsFd, &zero, &settings, BPF_ANY))
    throw SysError("bpf", "cannot write the gate's settings");
}

// Waits until no program runs that may have read which bank is in force before now: they run inside RCU read-side sections, and this is
// synchronize_rcu(). Where it is refused (nohz_full), the time between two reloads has to do.
void waitForPrograms() {
  syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

void fillBank(const SettingsMaps& maps, uint32_t bank, const Policy& policy) {
  std::vector<tlshub_rule_key> stale;
  tlshub_rule_key key, next;
  for (void* from = nullptr; !bpf_map_get_next_key(maps.rules, from, &next); from = &key) {
    key = next;
    if (key.bank == bank) stale.push_back(key);
  }
  for (tlshub_rule_key& old : stale) bpf_map_delete_elem(maps.rules, &old);
  for (const PolicyRule& rule : policy.rules) {
    key = {TLSHUB_RULE_FIXED_BITS + rule.prefix, static_cast<uint16_t>(bank), rule.port, {}};
    std::memcpy(key.addr, rule.addr, sizeof(key.addr));
    tlshub_rule_value value = {rule.rank, 0};
    if (bpf_map_update_elem(maps.rules, &key, &value, BPF_ANY))
      throw SysError("bpf", "cannot add a rule to the policy");
  }
  tlshub_policy_bank element = {};
  element.policy = policy.permissive ? POLICY_PERMISSIVE : POLICY_STRICT;
  element.same_node = policy.plaintextOnNode ? SAME_NODE_PLAINTEXT : SAME_NODE_SECURE;
  element.rules = static_cast<uint32_t>(policy.rules.size());
  if (bpf_map_update_elem(maps.policy, &bank, &element, BPF_ANY))
    throw SysError("bpf", "cannot write the policy");
}

tlshub_mesh_key meshKey(const MeshEntry& entry) {
  tlshub_mesh_key key = {entry.prefix, {}};
  std::memcpy(key.addr, entry.addr, sizeof(key.addr));
  return key;
}

std::string keyText(const tlshub_mesh_key& key) {
  return std::string(reinterpret_cast<const char*>(&key), sizeof(key));
}

}  // namespace

void writeSettings(const SettingsMaps& maps, const GateSettings& wanted) {
  uint32_t zero = 0;
  tlshub_settings before = {};
  bpf_map_lookup_elem(maps.settings, &zero, &before);
  uint32_t bank = before.policy_bank ^ 1;
  waitForPrograms();
  fillBank(maps, bank, wanted.policy);
  changeSettings(maps.settings, [&](tlshub_settings& settings) {
    settings.policy_bank = bank;
    settings.hold_ns = wanted.holdMs * 1000000;
    settings.silent_ns = wanted.silentPeerMs * 1000000;
    settings.emit_connect = wanted.emitConnect;
    settings.abi_version = TLSHUB_ABI_VERSION;
  });
}

void writeScopes(int settingsFd, uint32_t scopes) {
  changeSettings(settingsFd, [&](tlshub_settings& settings) { settings.scopes = scopes; });
}

void writeWants(int settingsFd, uint32_t wants) {
  changeSettings(settingsFd, [&](tlshub_settings& settings) { settings.wants = wants; });
}

void putMesh(int meshFd, const std::vector<MeshEntry>& entries) {
  for (const MeshEntry& entry : entries) {
    tlshub_mesh_key key = meshKey(entry);
    tlshub_mesh_value value = {entry.local, 0};
    if (bpf_map_update_elem(meshFd, &key, &value, BPF_ANY))
      throw SysError("bpf", "cannot add an address to the mesh");
  }
}

void dropMesh(int meshFd, const std::vector<MeshEntry>& entries) {
  for (const MeshEntry& entry : entries) {
    tlshub_mesh_key key = meshKey(entry);
    if (bpf_map_delete_elem(meshFd, &key) && errno != ENOENT)
      throw SysError("bpf", "cannot take an address out of the mesh");
  }
}

void replaceMesh(int meshFd, const std::vector<MeshEntry>& entries) {
  putMesh(meshFd, entries);
  std::set<std::string> wanted;
  for (const MeshEntry& entry : entries) wanted.insert(keyText(meshKey(entry)));
  std::vector<tlshub_mesh_key> stale;
  tlshub_mesh_key key, next;
  for (void* from = nullptr; !bpf_map_get_next_key(meshFd, from, &next); from = &key) {
    key = next;
    if (!wanted.count(keyText(key))) stale.push_back(key);
  }
  for (tlshub_mesh_key& old : stale) bpf_map_delete_elem(meshFd, &old);
}

std::map<std::string, uint64_t> readCounters(int countersFd) {
  static const char* const names[COUNTER_MAX] = {"heldCalls",  "stops",        "stopRacesUndone",
                                                 "refused",    "egressDrops",  "plaintextFlows",
                                                 "eventsLost", "storageFailed"};
  std::map<std::string, uint64_t> totals;
  std::vector<uint64_t> perCpu(static_cast<size_t>(libbpf_num_possible_cpus()));
  for (uint32_t i = 0; i < COUNTER_MAX; i++) {
    uint64_t sum = 0;
    if (!bpf_map_lookup_elem(countersFd, &i, perCpu.data()))
      for (uint64_t n : perCpu) sum += n;
    totals[names[i]] = sum;
  }
  return totals;
}

void exemptSelf(int agentsFd) {
  Fd self(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  if (!self) throw SysError("pidfd_open", "cannot exempt the agent from the gate");
  int key = self.get();
  uint32_t one = 1;
  if (bpf_map_update_elem(agentsFd, &key, &one, BPF_ANY))
    throw SysError("bpf", "cannot exempt the agent from the gate");
}

Fd openSweep(int sweepLinkFd) {
  Fd iterator(bpf_iter_create(sweepLinkFd));
  if (!iterator) throw SysError("bpf", "cannot start the sweep");
  return iterator;
}

size_t readSweep(int sweepFd, void* into, size_t size) {
  for (;;) {
    ssize_t n = read(sweepFd, into, size);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EAGAIN && errno != EINTR) throw SysError("read", "cannot read the sweep");
  }
}

Gate::Gate(const Options& options) : pinDir_(options.pinDir) {
  libbpf_set_print(keepLog);
  lastLog.clear();
  try {
    load(options);
    attachAll();
  } catch (...) {
    for (bpf_link* link : links_) bpf_link__destroy(link);
    for (Scope& scope : scopes_)
      for (bpf_link* link : scope.links) bpf_link__destroy(link);
    if (sweepFd_ >= 0) close(sweepFd_);
    bpf_object__close(object_);
    throw;
  }
}

Gate::~Gate() {
  // The pins stay: taking the gate down is detach()'s, never an accident's.
  auto leave = [](std::vector<bpf_link*>& links) {
    for (bpf_link* link : links) {
      bpf_link__disconnect(link);
      bpf_link__destroy(link);
    }
  };
  leave(links_);
  for (Scope& scope : scopes_) leave(scope.links);
  if (sweepFd_ >= 0) close(sweepFd_);
  bpf_object__close(object_);
}

void Gate::load(const Options& options) {
  std::string maps = pinDir_ + "/maps";
  makeFolder(pinDir_);
  lock_ = sharePins(pinDir_);
  makeFolder(maps);
  makeFolder(pinDir_ + "/links");
  adopted_ = sameLayout(maps);
  // Another layout's maps go on serving the programs that hold them until those are replaced; only their names are needed.
  if (!adopted_)
    for (const std::string& name : listFolder(maps)) unlink((maps + "/" + name).c_str());

  object_ = bpf_object__open_file(options.objectPath.c_str(), nullptr);
  if (!object_) failed("cannot open " + options.objectPath, errno);
  bpf_map* map;
  bpf_object__for_each_map(map, object_) {
    std::string name = bpf_map__name(map);
    if (!isPrivate(name) && name.find('.') == std::string::npos)
      bpf_map__set_pin_path(map, (maps + "/" + name).c_str());
  }
  int err = bpf_object__load(object_);
  if (err) failed("the kernel refused the BPF object", err);

  // Descriptors end with their process.
  for (uint64_t cookie; !bpf_map_get_next_key(fd("dups"), nullptr, &cookie);)
    bpf_map_delete_elem(fd("dups"), &cookie);
  replaceMesh(fd("mesh"), options.mesh);
  exemptSelf(fd("agents"));
  writeSettings(settingsMaps(), options.settings);
  writeScopeCount();
  for (const std::string& path : options.cgroups) noteScope(path);
}

void Gate::pin(bpf_link* link, const std::string& name) {
  std::string path = pinDir_ + "/links/" + name;
  unlink(path.c_str());  // the old agent's program goes here, with ours attached already
  if (bpf_link__pin(link, path.c_str())) failed("cannot pin " + path, errno);
  pinned_.push_back(name);
}

void Gate::attachAll() {
  std::vector<std::pair<bpf_link*, std::string>> fresh;
  bpf_program* program;
  bpf_object__for_each_program(program, object_) {
    if (isCgroupProgram(program)) continue;
    std::string name = bpf_program__name(program);
    bpf_link* link;
    if (isIterator(program)) {
      bpf_iter_link_info target = {};
      target.map.map_fd = static_cast<uint32_t>(fd("flows"));
      bpf_iter_attach_opts attach = {};
      attach.sz = sizeof(attach);
      attach.link_info = &target;
      attach.link_info_len = sizeof(target);
      link = bpf_program__attach_iter(program, &attach);
    } else {
      link = bpf_program__attach(program);
    }
    if (!link) failed("cannot attach " + name, errno);
    links_.push_back(link);
    if (isIterator(program)) {
      sweepFd_ = bpf_link__fd(link);
      sweepFd_ = fcntl(sweepFd_, F_DUPFD_CLOEXEC, 0);
      std::string path = pinDir_ + "/sweep";
      unlink(path.c_str());
      if (bpf_link__pin(link, path.c_str())) failed("cannot pin " + path, errno);
    } else {
      fresh.emplace_back(link, name);
    }
  }
  for (Scope& scope : scopes_) linkScope(scope);
  for (auto& [link, name] : fresh) pin(link, name);
  for (const Scope& scope : scopes_) pinScope(scope);
  dropForeignPins();
}

// Takes the lowest slot that is free; those beyond the count may be an earlier agent's rest. The gate's global hooks go by it from now on.
void Gate::noteScope(const std::string& path) {
  Scope scope = {path, 0, {}, {}};
  auto taken = [&](uint32_t slot) {
    return std::any_of(scopes_.begin(), scopes_.end(),
                       [&](const Scope& other) { return other.slot == slot; });
  };
  while (taken(scope.slot)) scope.slot++;
  if (scope.slot >= TLSHUB_MAX_SCOPES)
    throw CodedError("TLSHUB_CGROUP", "more than " + std::to_string(TLSHUB_MAX_SCOPES) + " cgroups");
  Fd cgroup = openCgroup(path);
  int value = cgroup.get();
  if (bpf_map_update_elem(fd("scopes"), &scope.slot, &value, BPF_ANY)) {
    // The folder is of another file system, or of cgroup version 1.
    if (errno == EBADF) throw CodedError("TLSHUB_CGROUP", path + " is no folder of the cgroup2 hierarchy");
    throw SysError("bpf", "cannot note cgroup " + path);
  }
  scopes_.push_back(scope);
  writeScopeCount();
}

void Gate::linkScope(Scope& scope) {
  Fd cgroup = openCgroup(scope.path);
  bpf_program* program;
  bpf_object__for_each_program(program, object_) {
    if (!isCgroupProgram(program)) continue;
    std::string name = bpf_program__name(program);
    bpf_link* link = bpf_program__attach_cgroup(program, cgroup.get());
    if (!link) failed("cannot attach " + name + " to " + scope.path, errno);
    scope.links.push_back(link);
    scope.pins.push_back(name + "@" + cgroupTag(cgroup.get()));
  }
}

void Gate::pinScope(const Scope& scope) {
  for (size_t i = 0; i < scope.links.size(); i++) pin(scope.links[i], scope.pins[i]);
}

void Gate::closeScope(Scope& scope) {
  bpf_map_delete_elem(fd("scopes"), &scope.slot);
  for (const std::string& name : scope.pins) {
    unlink((pinDir_ + "/links/" + name).c_str());
    pinned_.erase(std::remove(pinned_.begin(), pinned_.end(), name), pinned_.end());
  }
  for (bpf_link* link : scope.links) bpf_link__destroy(link);
}

// How far the slots are to be looked through; holes among them are empty and match nobody.
void Gate::writeScopeCount() {
  uint32_t count = 0;
  for (const Scope& scope : scopes_) count = std::max(count, scope.slot + 1);
  writeScopes(fd("settings"), count);
}

void Gate::dropForeignPins() {
  for (const std::string& name : listFolder(pinDir_ + "/links"))
    if (std::find(pinned_.begin(), pinned_.end(), name) == pinned_.end())
      unlink((pinDir_ + "/links/" + name).c_str());
}

void Gate::attachCgroup(const std::string& path) {
  auto same = [&](const Scope& scope) { return scope.path == path; };
  if (std::any_of(scopes_.begin(), scopes_.end(), same)) return;
  noteScope(path);
  try {
    linkScope(scopes_.back());
    pinScope(scopes_.back());
  } catch (...) {
    closeScope(scopes_.back());
    scopes_.pop_back();
    writeScopeCount();
    throw;
  }
}

void Gate::detachCgroup(const std::string& path) {
  auto found =
      std::find_if(scopes_.begin(), scopes_.end(), [&](const Scope& scope) { return scope.path == path; });
  if (found == scopes_.end()) return;
  closeScope(*found);
  scopes_.erase(found);
  writeScopeCount();
}

void Gate::detach() {
  releasePins(pinDir_);
  for (bpf_link* link : links_) bpf_link__destroy(link);
  links_.clear();
  for (Scope& scope : scopes_) closeScope(scope);
  scopes_.clear();
}

int Gate::fd(const std::string& name) const {
  if (name == "sweep") return sweepFd_;
  int fd = bpf_object__find_map_fd_by_name(object_, name.c_str());
  if (fd < 0)
    throw CodedError("TLSHUB_GATE", "the BPF object has no map " + name + ": it is of another build");
  return fd;
}

}  // namespace tlshub
