/* SPDX-License-Identifier: Apache-2.0 */
// The BPF object in the kernel: loaded, fed, attached, pinned; taken over from an earlier agent; taken down.
//
// A new agent of the same layout reuses the maps that are pinned (pins.h), which the old one's programs go by until they are gone. So what
// can fail comes first: its own programs are loaded, attached beside the old ones and pinned beside their pins. Then the maps change, each
// so that old and new programs find what they need at any time, then the pins change places, and only then do the old programs go. There is
// no moment without a gate; and if anything fails, all of it is taken back.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bpf_owned.h"
#include "fd.h"
#include "gate_maps.h"
#include "scope_slots.h"
#include "sleeping.h"

namespace tlshub {

class StagedPins;

class Gate {
 public:
  struct Options {
    std::vector<std::string> cgroups;
    GateSettings settings;
    std::vector<MeshEntry> mesh;
  };

  // Has the kernel check and take in the programs; they run nowhere yet, and an earlier agent's gate is as it was. It takes seconds of a slow
  // machine, in which others can get ready. Throws CodedError TLSHUB_GATE or SysError.
  // `sleepPath`: the object that puts callers to sleep in front of it, empty: callers are stopped.
  Gate(const std::string& objectPath, const std::string& pinDir, const std::string& sleepPath = {});
  // Fills the maps, exempts this process, attaches and pins. Once. Throws CodedError (TLSHUB_GATE, TLSHUB_CGROUP) or SysError; then nothing
  // of this gate is attached or pinned, and an earlier agent's is as it was: its maps' contents, its pins, its programs.
  void open(const Options& options);
  // The pins stay, and what is pinned stays attached: taking the gate down is detach()'s, never an accident's.
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  bool adopted() const { return adopted_; }
  // Are callers put to sleep? If not, the reason, which is empty if nobody asked for it.
  bool sleeps() const { return sleeping_.loaded(); }
  const std::string& whyNoSleep() const { return sleeping_.why(); }
  // Of a map, of the link "sweep", or of the pipe that wakes who sleeps ("wakes", "wakesRead"). Throws CodedError TLSHUB_GATE.
  int fd(const std::string& name) const;

  // Also captures a cgroup that appeared later. Throws as open() does; then nothing has changed.
  void attachCgroup(const std::string& path);
  // Lets a cgroup go, whether it still exists or not. One that is not captured is no error.
  void detachCgroup(const std::string& path);
  // Takes links and pins away: from then on nothing is held. Waits for who sleeps in front of the programs, and has been told to wake.
  void detach();

 private:
  struct NamedLink {
    std::string name;  // of its pin, below the folder
    Link link;
  };
  struct Scope {
    std::string path;
    Fd cgroup;
    uint64_t id = 0;
    int slot = -1;  // in the map "scopes"; -1: not yet
    std::vector<NamedLink> links;
  };

  static Scope openScope(const std::string& path);
  void load(const std::string& objectPath);
  void takeOver(const Options& options);
  void giveUp();
  void changeMaps(const Options& options, Undo& undo);
  void noteScope(Scope& scope, Undo* undo);
  void attach();
  void linkScope(Scope& scope);
  void closeScope(Scope& scope);
  void stage(StagedPins& pins);
  void dropForeign();
  SettingsMaps settingsMaps() const { return {fd("settings"), fd("policy"), fd("rules")}; }

  std::string pinDir_;
  Fd lock_;
  bool adopted_ = false;
  Object object_;
  Sleeping sleeping_;
  ScopeSlots slots_;
  std::vector<NamedLink> links_;
  std::vector<Scope> scopes_;
  int sweepFd_ = -1;  // of one of them
  // Lets the old agent's programs go when nobody sleeps in front of them any more (retired.h).
  std::thread dropper_;
  std::atomic<bool> ending_ = false;
};

}  // namespace tlshub
