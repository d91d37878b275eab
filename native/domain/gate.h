// The BPF object in the kernel: loaded, fed, attached, pinned; taken over from an earlier agent; taken down.
//
// A new agent of the same layout reuses the maps that are pinned (pins.h), attaches its own programs beside the old ones, and only then
// takes the old ones' pins away, so that there is no moment without a gate.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../../bpf/tlshub.h"
#include "fd.h"

struct bpf_object;
struct bpf_link;

namespace tlshub {

struct MeshEntry {
  uint8_t addr[16];
  uint32_t prefix;
  bool local;
};

// A rule of policy_exclude or policy_require (src/policy/rules.ts).
struct PolicyRule {
  uint8_t addr[16];
  uint32_t prefix;  // of the 128-bit form
  uint16_t port;    // of the server, 0: any
  uint32_t rank;
};

struct Policy {
  bool permissive = false;
  bool plaintextOnNode = false;  // policy_same_node
  std::vector<PolicyRule> rules;
};

struct GateSettings {
  uint64_t holdMs;
  uint64_t silentPeerMs;
  Policy policy;
  bool emitConnect;
};

// Of the maps that a change of settings writes.
struct SettingsMaps {
  int settings;
  int policy;
  int rules;
};

class Gate {
 public:
  struct Options {
    std::string objectPath;
    std::string pinDir;
    std::vector<std::string> cgroups;
    GateSettings settings;
    std::vector<MeshEntry> mesh;
  };

  // Loads, fills the maps, exempts this process, attaches and pins, in this order. Throws CodedError (TLSHUB_GATE, TLSHUB_CGROUP) or
  // SysError; then nothing of this gate is left, but an earlier agent's is as it was.
  explicit Gate(const Options& options);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  bool adopted() const { return adopted_; }
  // Of a map, or of the link "sweep". Throws CodedError TLSHUB_GATE.
  int fd(const std::string& name) const;

  // Also captures a cgroup that appeared later. Throws as the constructor does; then nothing has changed.
  void attachCgroup(const std::string& path);
  // Lets a cgroup go, whether it still exists or not. One that is not captured is no error.
  void detachCgroup(const std::string& path);
  // Takes links and pins away: from then on nothing is held.
  void detach();

 private:
  void load(const Options& options);
  void attachAll();
  struct Scope {
    std::string path;
    uint32_t slot;  // in the map "scopes"
    std::vector<bpf_link*> links;
    std::vector<std::string> pins;
  };
  void noteScope(const std::string& path);
  void linkScope(Scope& scope);
  void pinScope(const Scope& scope);
  void closeScope(Scope& scope);
  void writeScopeCount();
  void pin(bpf_link* link, const std::string& name);
  void dropForeignPins();
  SettingsMaps settingsMaps() const { return {fd("settings"), fd("policy"), fd("rules")}; }

  std::string pinDir_;
  Fd lock_;
  bpf_object* object_ = nullptr;
  std::vector<bpf_link*> links_;
  std::vector<std::string> pinned_;
  std::vector<Scope> scopes_;
  int sweepFd_ = -1;
  bool adopted_ = false;
};

// Puts all of them in force at once: the policy goes into the bank that is not in force, then one word changes. The number of scopes stays as
// it is in the map. Throws SysError; then the old settings are in force. One writer at a time.
void writeSettings(const SettingsMaps& maps, const GateSettings& settings);

// How many elements of "scopes" are in use.
void writeScopes(int settingsFd, uint32_t scopes);

// What the marker says of connections that are to be secured (tlshub_wants). Throws SysError.
void writeWants(int settingsFd, uint32_t wants);

// Makes the trie's contents equal to `entries`: new ones are put in before old ones go.
void replaceMesh(int meshFd, const std::vector<MeshEntry>& entries);

// Adds entries, or gives those that are there another value. An entry that is there is never missing in between: the kernel swaps one
// node for another (trie_update_elem).
void putMesh(int meshFd, const std::vector<MeshEntry>& entries);

// Takes entries out. One that is not there is no error.
void dropMesh(int meshFd, const std::vector<MeshEntry>& entries);

std::map<std::string, uint64_t> readCounters(int countersFd);

// The calls of this process pass the gate.
void exemptSelf(int agentsFd);

// An iterator over all sockets with flow state (bpf/sweep.bpf.c). Throws SysError.
Fd openSweep(int sweepLinkFd);

// What it has next, at most `size` bytes: a piece that may begin and end within a record. 0: that was all. Throws SysError.
size_t readSweep(int sweepFd, void* into, size_t size);

}  // namespace tlshub
