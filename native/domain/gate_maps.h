/* SPDX-License-Identifier: Apache-2.0 */
// What user space writes into the gate's maps and reads out of them, whoever has them open.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "../../bpf/tlshub.h"

namespace tlshub {

class Undo;

struct MeshEntry {
  uint8_t addr[16];
  uint32_t prefix;
  bool local;
  uint32_t node;  // the agent's number for the one that has it, 0: several have
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
  uint64_t nonblockingMs;  // what a flow's callers that do not want to block may sleep in all
  Policy policy;
  bool emitConnect;
  uint32_t keyNetlink;  // 1 + the netlink protocol of TLSHub's module; 0: none
};

// Of the maps that a change of settings writes.
struct SettingsMaps {
  int settings;
  int policy;
  int rules;
};

// Puts all of them in force at once: the policy goes into the bank that is not in force, then one word changes. The number of scopes stays as
// it is in the map. Throws SysError; then the old settings are in force. One writer at a time. `undo`: learns how to put all of it back as it
// was, the bank included.
void writeSettings(const SettingsMaps& maps, const GateSettings& settings, Undo* undo = nullptr);

// How many elements of "scopes" are in use.
void writeScopes(int settingsFd, uint32_t scopes);
uint32_t readScopes(int settingsFd);

// What the marker says of connections that are to be secured (tlshub_intent). Throws SysError.
void writeIntent(int settingsFd, uint32_t intent);

// Are keys by name offered and agreed to? Throws SysError.
void writeChannel(int settingsFd, bool on);

// Makes the trie's contents equal to `entries`: new ones are put in before old ones go.
void replaceMesh(int meshFd, const std::vector<MeshEntry>& entries);

// Adds what `entries` has and the trie has not, for who then changes the rules and makes them equal by replaceMesh(). Until then none is `local`
// that was not before, or is not in `entries`: no address is let go in plaintext that is not by the old rules and mesh, or by the new ones.
// `undo`: learns how to put the trie back as it was.
void widenMesh(int meshFd, const std::vector<MeshEntry>& entries, Undo& undo);

// Adds entries, or gives those that are there another value. An entry that is there is never missing in between: the kernel swaps one
// node for another (trie_update_elem).
void putMesh(int meshFd, const std::vector<MeshEntry>& entries);

// Takes entries out. One that is not there is no error.
void dropMesh(int meshFd, const std::vector<MeshEntry>& entries);

std::map<std::string, uint64_t> readCounters(int countersFd);

// The calls of this process pass the gate.
void exemptSelf(int agentsFd);

}  // namespace tlshub
