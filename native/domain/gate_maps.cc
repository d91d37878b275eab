// SPDX-License-Identifier: Apache-2.0
#include "gate_maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/membarrier.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstring>

#include "error.h"
#include "fd.h"
#include "undo.h"

namespace tlshub {
namespace {

tlshub_settings readSettings(int settingsFd) {
  uint32_t zero = 0;
  tlshub_settings settings = {};
  if (bpf_map_lookup_elem(settingsFd, &zero, &settings))
    throw SysError("bpf", "cannot read the gate's settings");
  return settings;
}

template <typename Change>
void changeSettings(int settingsFd, Change change) {
  uint32_t zero = 0;
  tlshub_settings settings = readSettings(settingsFd);
  change(settings);
  if (bpf_map_update_elem(settingsFd, &zero, &settings, BPF_ANY))
    throw SysError("bpf", "cannot write the gate's settings");
}

// Waits until no program runs that may have read which bank is in force before now: they run inside RCU read-side sections, and this is
// synchronize_rcu(). Where it is refused (nohz_full), the time between two reloads has to do.
void waitForPrograms() {
  syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

struct Rule {
  tlshub_rule_key key;
  tlshub_rule_value value;
};

// A policy and its rules as they lie in the maps.
struct Bank {
  tlshub_policy_bank policy = {};
  std::vector<Rule> rules;
};

std::vector<tlshub_rule_key> keysOf(int rulesFd, uint32_t bank) {
  std::vector<tlshub_rule_key> keys;
  tlshub_rule_key key, next;
  for (void* from = nullptr; !bpf_map_get_next_key(rulesFd, from, &next); from = &key) {
    key = next;
    if (key.bank == bank) keys.push_back(key);
  }
  return keys;
}

Bank bankOf(const Policy& policy, uint32_t bank) {
  Bank made;
  made.policy.policy = policy.permissive ? POLICY_PERMISSIVE : POLICY_STRICT;
  made.policy.same_node = policy.plaintextOnNode ? SAME_NODE_PLAINTEXT : SAME_NODE_SECURE;
  made.policy.rules = static_cast<uint32_t>(policy.rules.size());
  for (const PolicyRule& rule : policy.rules) {
    Rule each = {{TLSHUB_RULE_FIXED_BITS + rule.prefix, static_cast<uint16_t>(bank), rule.port, {}},
                 {rule.rank, 0}};
    std::memcpy(each.key.addr, rule.addr, sizeof(each.key.addr));
    made.rules.push_back(each);
  }
  return made;
}

Bank readBank(const SettingsMaps& maps, uint32_t bank) {
  Bank read;
  if (bpf_map_lookup_elem(maps.policy, &bank, &read.policy)) throw SysError("bpf", "cannot read the policy");
  for (const tlshub_rule_key& key : keysOf(maps.rules, bank)) {
    Rule rule = {key, {}};
    if (bpf_map_lookup_elem(maps.rules, &key, &rule.value)) throw SysError("bpf", "cannot read a rule");
    read.rules.push_back(rule);
  }
  return read;
}

// Of a bank that is not in force.
void writeBank(const SettingsMaps& maps, uint32_t bank, const Bank& contents) {
  for (const tlshub_rule_key& old : keysOf(maps.rules, bank)) bpf_map_delete_elem(maps.rules, &old);
  for (const Rule& rule : contents.rules)
    if (bpf_map_update_elem(maps.rules, &rule.key, &rule.value, BPF_ANY))
      throw SysError("bpf", "cannot add a rule to the policy");
  if (bpf_map_update_elem(maps.policy, &bank, &contents.policy, BPF_ANY))
    throw SysError("bpf", "cannot write the policy");
}

// The kernel's tick, by which it counts sockets' timeouts: the shortest one there is is as long (sock_set_timeout() rounds up).
uint64_t jiffyNs() {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  timeval shortest = {0, 1};
  socklen_t length = sizeof(shortest);
  if (!socket || setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &shortest, length) ||
      getsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &shortest, &length) || shortest.tv_usec <= 0)
    throw SysError("setsockopt", "cannot tell the kernel's tick");
  return static_cast<uint64_t>(shortest.tv_usec) * 1000;
}

}  // namespace

void writeSettings(const SettingsMaps& maps, const GateSettings& wanted, Undo* undo) {
  const tlshub_settings before = readSettings(maps.settings);
  const uint64_t jiffy = jiffyNs();
  uint32_t bank = before.policy_bank ^ 1;
  waitForPrograms();
  if (undo) undo->add([maps, bank, old = readBank(maps, bank)] { writeBank(maps, bank, old); });
  writeBank(maps, bank, bankOf(wanted.policy, bank));
  if (undo)
    undo->add([maps, before] {
      changeSettings(maps.settings, [&](tlshub_settings& settings) { settings = before; });
      waitForPrograms();
    });
  changeSettings(maps.settings, [&](tlshub_settings& settings) {
    settings.policy_bank = bank;
    settings.hold_ns = wanted.holdMs * 1000000;
    settings.silent_ns = wanted.silentPeerMs * 1000000;
    settings.nonblocking_ns = wanted.nonblockingMs * 1000000;
    settings.jiffy_ns = jiffy;
    settings.emit_connect = wanted.emitConnect;
    settings.key_netlink = wanted.keyNetlink;
    settings.abi_version = TLSHUB_ABI_VERSION;
  });
}

void writeScopes(int settingsFd, uint32_t scopes) {
  changeSettings(settingsFd, [&](tlshub_settings& settings) { settings.scopes = scopes; });
}

uint32_t readScopes(int settingsFd) {
  return readSettings(settingsFd).scopes;
}

void writeIntent(int settingsFd, uint32_t intent) {
  changeSettings(settingsFd, [&](tlshub_settings& settings) { settings.intent = intent; });
}

void writeChannel(int settingsFd, bool on) {
  changeSettings(settingsFd, [&](tlshub_settings& settings) { settings.channel = on; });
}

std::map<std::string, uint64_t> readCounters(int countersFd) {
  static const char* const names[COUNTER_MAX] = {
      "heldCalls",  "stops",         "stopRacesUndone", "refused",        "egressDrops", "plaintextFlows",
      "eventsLost", "storageFailed", "socketsRefused",  "eventsWithheld", "sleeps"};
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

}  // namespace tlshub
