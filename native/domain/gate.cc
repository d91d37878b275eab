// SPDX-License-Identifier: Apache-2.0
#include "gate.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <set>

#include "epoch_maps.h"
#include "error.h"
#include "pins.h"
#include "probe.h"
#include "retired.h"
#include "undo.h"

namespace tlshub {
namespace {

// Not shared with an earlier agent's programs: a perf buffer belongs to its reader, hints to the calls under way, what has a dot in its name
// to the object itself.
bool isPrivate(const std::string& map) {
  return map == "events" || map == "hints" || map.find('.') != std::string::npos;
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

bool isCgroupProgram(const bpf_program* program) {
  std::string section = bpf_program__section_name(program);
  return section == "sockops" || section.rfind("cgroup", 0) == 0;
}

bool isIterator(const bpf_program* program) {
  return std::string(bpf_program__section_name(program)).rfind("iter/", 0) == 0;
}

bool writesToPrograms(const bpf_program* program) {
  return std::string(bpf_program__name(program)).rfind("answer_ioctl", 0) == 0;
}

// Looks something up for the others, and is attached to nothing.
bool isRunOnce(const bpf_program* program) {
  return bpf_program__type(program) == BPF_PROG_TYPE_SYSCALL;
}

void runOnce(bpf_object* object) {
  bpf_program* program;
  bpf_object__for_each_program(program, object) {
    if (!isRunOnce(program)) continue;
    LIBBPF_OPTS(bpf_test_run_opts, options);
    const int err = bpf_prog_test_run_opts(bpf_program__fd(program), &options);
    if (err) failed(std::string("cannot run ") + bpf_program__name(program), err);
  }
}

Link attachIterator(const bpf_program* program, int flowsFd) {
  bpf_iter_link_info target = {};
  target.map.map_fd = static_cast<uint32_t>(flowsFd);
  bpf_iter_attach_opts options = {};
  options.sz = sizeof(options);
  options.link_info = &target;
  options.link_info_len = sizeof(target);
  return Link(bpf_program__attach_iter(program, &options));
}

// The folder is of another file system, or of cgroup version 1.
[[noreturn]] void noCgroup(const std::string& path) {
  throw CodedError("TLSHUB_CGROUP", path + " is no folder of the cgroup2 hierarchy");
}

[[noreturn]] void tooManyCgroups() {
  throw CodedError("TLSHUB_CGROUP", "more than " + std::to_string(TLSHUB_MAX_SCOPES) + " cgroups");
}

// Who sleeps when the gate is taken down has been told to wake: what is longer has been stopped by somebody, and is left to the next agent.
constexpr uint64_t kRetiredMs = 5000;
constexpr useconds_t kDropEveryUs = 100'000;

// Descriptors end with their process.
void forgetDescriptors(int dupsFd) {
  for (uint64_t cookie; !bpf_map_get_next_key(dupsFd, nullptr, &cookie);)
    if (bpf_map_delete_elem(dupsFd, &cookie) && errno != ENOENT) break;
}

}  // namespace

// The inode's number is the cgroup's id, and no other cgroup will ever have it.
Gate::Scope Gate::openScope(const std::string& path) {
  Scope scope;
  scope.path = path;
  scope.cgroup = Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!scope.cgroup)
    throw CodedError("TLSHUB_CGROUP", "cgroup " + path + ": " + std::strerror(errno) +
                                          " (make it, or correct capture.cgroup)");
  struct stat status = {};
  if (fstat(scope.cgroup.get(), &status)) throw SysError("fstat", "cannot look at cgroup " + path);
  scope.id = status.st_ino;
  return scope;
}

Gate::Gate(const std::string& objectPath, const std::string& pinDir, const std::string& sleepPath)
    : pinDir_(pinDir) {
  libbpf_set_print(keepLog);
  lastLog.clear();
  load(objectPath);
  if (sleepPath.empty()) return;
  lastLog.clear();
  sleeping_.load(sleepPath, object_.get(), lastLog);
}

void Gate::open(const Options& options) {
  try {
    takeOver(options);
  } catch (...) {
    giveUp();
    throw;
  }
}

// Nothing of it is pinned.
void Gate::giveUp() {
  std::vector<int> links;
  for (const NamedLink& each : links_) links.push_back(bpf_link__fd(each.link.get()));
  try {
    retire(pinDir_, links);
  } catch (const SysError&) {
    // What is to be said is why it could not be opened.
  }
  links_.clear();
  scopes_.clear();
  sleeping_.unload();
  awaitRetired(pinDir_, kRetiredMs);
}

void Gate::takeOver(const Options& options) {
  if (options.cgroups.size() > TLSHUB_MAX_SCOPES) tooManyCgroups();
  StagedPins pins(pinDir_);
  Undo undo;
  try {
    const Retired retired = retirePinned(pinDir_);
    undo.add([retired] { takeBack(retired); });
    exemptSelf(fd("agents"));
    for (const std::string& path : options.cgroups) scopes_.push_back(openScope(path));
    // Maps of our own are full before a program of ours runs; those that an earlier agent's programs go by change when ours are there.
    if (adopted_) {
      attach();
      stage(pins);
      changeMaps(options, undo);
    } else {
      changeMaps(options, undo);
      attach();
      stage(pins);
    }
    pins.swap();
  } catch (...) {
    undo.rethrow();
  }
  pins.keep();
  dropForeign();
  sleeping_.begin();
  slots_.dropStale();
  for (Scope& scope : scopes_) {
    noteScope(scope, nullptr);  // for those for which there was no room beside the old ones
    scope.cgroup.reset();       // it would keep the kernel's memory of a cgroup that is removed
  }
  forgetDescriptors(fd("dups"));
  dropper_ = std::thread([this] {
    while (dropRetired(pinDir_) && !ending_) usleep(kDropEveryUs);
  });
}

Gate::~Gate() {
  ending_ = true;
  if (dropper_.joinable()) dropper_.join();
}

void Gate::load(const std::string& objectPath) {
  makeFolder(pinDir_);
  lock_ = sharePins(pinDir_);
  makeFolder(pinDir_ + "/maps");
  makeFolder(pinDir_ + "/links");
  adopted_ = sameLayout(pinDir_ + "/maps");

  object_.reset(bpf_object__open_file(objectPath.c_str(), nullptr));
  if (!object_) failed("cannot open " + objectPath, errno);
  bpf_map* map;
  // With a path libbpf would also pin what is not there yet: that is stage()'s.
  bpf_object__for_each_map(map, object_.get()) {
    std::string path = pinDir_ + "/maps/" + bpf_map__name(map);
    if (adopted_ && !isPrivate(bpf_map__name(map)) && !access(path.c_str(), F_OK))
      bpf_map__set_pin_path(map, path.c_str());
  }
  if (!mayWriteToPrograms()) {
    bpf_program* program;
    bpf_object__for_each_program(program, object_.get()) if (writesToPrograms(program))
        bpf_program__set_autoload(program, false);
  }
  int err = bpf_object__load(object_.get());
  if (err) failed("the kernel refused the BPF object", err);
  runOnce(object_.get());
  slots_ = ScopeSlots({fd("scopes"), fd("scope_ids"), fd("settings")});
}

// What is new comes before the rules that are new, and what is old goes after them: an address too many is held, one too few would not be.
void Gate::changeMaps(const Options& options, Undo& undo) {
  // Before the mesh has other numbers of nodes. Not to be undone: only the agent that put them there could have made keys of them.
  clearEpochs({fd("epochs"), fd("node_epochs"), fd("third_segments")});
  widenMesh(fd("mesh"), options.mesh, undo);
  writeSettings(settingsMaps(), options.settings, &undo);
  replaceMesh(fd("mesh"), options.mesh);
  for (Scope& scope : scopes_) noteScope(scope, &undo);
}

// The gate's global hooks go by it from now on. With `undo` it may have to wait for an element that is free.
void Gate::noteScope(Scope& scope, Undo* undo) {
  if (scope.slot >= 0) return;
  std::optional<uint32_t> slot;
  try {
    slot = slots_.take(scope.cgroup.get(), scope.id, undo);
  } catch (const SysError& error) {
    if (error.err() == EBADF) noCgroup(scope.path);
    throw;
  }
  if (!slot && !undo) tooManyCgroups();
  if (slot) scope.slot = static_cast<int>(*slot);
}

void Gate::attach() {
  bpf_program* program;
  bpf_object__for_each_program(program, object_.get()) {
    if (isCgroupProgram(program) || isRunOnce(program) || !bpf_program__autoload(program)) continue;
    std::string name = bpf_program__name(program);
    const bool iterator = isIterator(program);
    Link link = iterator ? attachIterator(program, fd("flows")) : Link(bpf_program__attach(program));
    if (!link) failed("cannot attach " + name, errno);
    if (iterator) sweepFd_ = bpf_link__fd(link.get());
    links_.push_back({iterator ? "sweep" : "links/" + name, std::move(link)});
  }
  for (Scope& scope : scopes_) linkScope(scope);
  // Last, so they run first.
  for (auto& [name, link] : sleeping_.attach()) links_.push_back({"links/" + name, std::move(link)});
}

void Gate::linkScope(Scope& scope) {
  bpf_program* program;
  bpf_object__for_each_program(program, object_.get()) {
    if (!isCgroupProgram(program)) continue;
    std::string name = bpf_program__name(program);
    Link link(bpf_program__attach_cgroup(program, scope.cgroup.get()));
    if (!link && errno == EBADF) noCgroup(scope.path);
    if (!link) failed("cannot attach " + name + " to " + scope.path, errno);
    scope.links.push_back({"links/" + name + "@cgroup-" + std::to_string(scope.id), std::move(link)});
  }
}

// In the order in which somebody who looks for them needs them: a gate whose maps are not there cannot be taken away in good order.
void Gate::stage(StagedPins& pins) {
  bpf_map* map;
  bpf_object__for_each_map(map, object_.get()) {
    if (!isPrivate(bpf_map__name(map)) && !bpf_map__is_pinned(map))
      pins.add(bpf_map__fd(map), std::string("maps/") + bpf_map__name(map));
  }
  auto sweepFirst = [](const NamedLink& one, const NamedLink& other) {
    return one.name == "sweep" && other.name != "sweep";
  };
  std::stable_sort(links_.begin(), links_.end(), sweepFirst);
  for (const NamedLink& each : links_) pins.add(bpf_link__fd(each.link.get()), each.name);
  for (const Scope& scope : scopes_)
    for (const NamedLink& each : scope.links) pins.add(bpf_link__fd(each.link.get()), each.name);
}

// The old agent's programs go here, and what one that was killed on its way up has left.
void Gate::dropForeign() {
  std::set<std::string> ours;
  for (const NamedLink& each : links_) ours.insert(each.name);
  for (const Scope& scope : scopes_)
    for (const NamedLink& each : scope.links) ours.insert(each.name);
  bpf_map* map;
  bpf_object__for_each_map(map, object_.get()) ours.insert(std::string("maps/") + bpf_map__name(map));
  for (const char* part : {"links/", "maps/"})
    for (const std::string& name : listFolder(pinDir_ + "/" + part))
      if (!ours.count(part + name)) unlink((pinDir_ + "/" + part + name).c_str());
}

void Gate::attachCgroup(const std::string& path) {
  auto same = [&](const Scope& scope) { return scope.path == path; };
  if (std::any_of(scopes_.begin(), scopes_.end(), same)) return;
  if (scopes_.size() >= TLSHUB_MAX_SCOPES) tooManyCgroups();
  Scope scope = openScope(path);
  StagedPins pins(pinDir_);
  Undo undo;
  try {
    scopes_.reserve(scopes_.size() + 1);
    noteScope(scope, &undo);
    if (scope.slot < 0) tooManyCgroups();
    linkScope(scope);
    for (const NamedLink& each : scope.links) pins.add(bpf_link__fd(each.link.get()), each.name);
    pins.swap();
  } catch (...) {
    undo.rethrow();
  }
  pins.keep();
  scope.cgroup.reset();
  scopes_.push_back(std::move(scope));
}

void Gate::detachCgroup(const std::string& path) {
  auto found =
      std::find_if(scopes_.begin(), scopes_.end(), [&](const Scope& scope) { return scope.path == path; });
  if (found == scopes_.end()) return;
  closeScope(*found);
  scopes_.erase(found);
}

void Gate::closeScope(Scope& scope) {
  slots_.free(static_cast<uint32_t>(scope.slot));
  for (const NamedLink& each : scope.links) unlink((pinDir_ + "/" + each.name).c_str());
  scope.links.clear();
}

void Gate::detach() {
  retirePinned(pinDir_);
  removePins(pinDir_);
  links_.clear();
  for (Scope& scope : scopes_) closeScope(scope);
  scopes_.clear();
  sleeping_.unload();
  awaitRetired(pinDir_, kRetiredMs);
  removeEmptyFolders(pinDir_);
}

int Gate::fd(const std::string& name) const {
  if (name == "sweep") return sweepFd_;
  if (name == "wakes") return sleeping_.wakes();
  if (name == "wakesRead") return sleeping_.wakesRead();
  int fd = bpf_object__find_map_fd_by_name(object_.get(), name.c_str());
  if (fd < 0)
    throw CodedError("TLSHUB_GATE", "the BPF object has no map " + name + ": it is of another build");
  return fd;
}

}  // namespace tlshub
