// SPDX-License-Identifier: Apache-2.0
// The maps of a gate, by whoever has their descriptors.
#include <cstring>

#include "../../domain/pins.h"
#include "settings_from.h"

namespace tlshub::addon {
namespace {

uint32_t toPrefix(const Value& value) {
  return static_cast<uint32_t>(toWhole(value, "prefix", 0, 128));
}

std::vector<PolicyRule> readRules(const Value& value) {
  if (!value.IsArray()) wrongArgument(value.Env(), "rules must be an array");
  Napi::Array array = value.As<Napi::Array>();
  std::vector<PolicyRule> rules(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) {
    Object rule = objectFrom(array.Get(i), "rule");
    std::memcpy(rules[i].addr, bytesFrom(rule.Get("addr"), 16, "addr"), 16);
    rules[i].prefix = toPrefix(rule.Get("prefix"));
    rules[i].port = toPort(rule.Get("port"), "port");
    rules[i].rank = toU32(rule.Get("rank"), "rank");
  }
  return rules;
}

Value updateSettings(const CallbackInfo& info) {
  Object fds = objectFrom(info[0], "fds");
  tlshub::SettingsMaps maps = {toInt(fds.Get("settings"), "settings"), toInt(fds.Get("policy"), "policy"),
                               toInt(fds.Get("rules"), "rules")};
  tlshub::writeSettings(maps, settingsFrom(objectFrom(info[1], "settings")));
  return info.Env().Undefined();
}

Value setIntent(const CallbackInfo& info) {
  tlshub::writeIntent(toInt(info[0], "settingsFd"), toU32(info[1], "intent"));
  return info.Env().Undefined();
}

Value setChannel(const CallbackInfo& info) {
  tlshub::writeChannel(toInt(info[0], "settingsFd"), toBool(info[1], "on"));
  return info.Env().Undefined();
}

Value putMesh(const CallbackInfo& info) {
  tlshub::putMesh(toInt(info[0], "meshFd"), meshFrom(info[1]));
  return info.Env().Undefined();
}

Value dropMesh(const CallbackInfo& info) {
  tlshub::dropMesh(toInt(info[0], "meshFd"), meshFrom(info[1]));
  return info.Env().Undefined();
}

Value clearMesh(const CallbackInfo& info) {
  tlshub::replaceMesh(toInt(info[0], "meshFd"), {});
  return info.Env().Undefined();
}

Value exemptSelf(const CallbackInfo& info) {
  tlshub::exemptSelf(toInt(info[0], "agentsFd"));
  return info.Env().Undefined();
}

Value counters(const CallbackInfo& info) {
  Object result = Object::New(info.Env());
  for (auto& [name, value] : tlshub::readCounters(toInt(info[0], "countersFd")))
    result.Set(name, Napi::Number::New(info.Env(), static_cast<double>(value)));
  return result;
}

Value readLeases(const CallbackInfo& info) {
  tlshub_leases leases = tlshub::readLeases(toInt(info[0], "leasesFd"));
  Object result = Object::New(info.Env());
  result.Set("agentUntilNs", big(info.Env(), leases.agent_until_ns));
  result.Set("guardianUntilNs", big(info.Env(), leases.guardian_until_ns));
  return result;
}

}  // namespace

GateSettings settingsFrom(const Object& from) {
  GateSettings settings = {};
  settings.holdMs = toU32(from.Get("holdMs"), "holdMs");
  settings.silentPeerMs = toU32(from.Get("silentPeerMs"), "silentPeerMs");
  settings.nonblockingMs = toU32(from.Get("nonblockingMs"), "nonblockingMs");
  settings.policy.permissive = toText(from.Get("policy"), "policy") == "permissive";
  settings.policy.plaintextOnNode = toText(from.Get("sameNode"), "sameNode") == "plaintext";
  settings.policy.rules = readRules(from.Get("rules"));
  settings.emitConnect = toBool(from.Get("emitConnect"), "emitConnect");
  settings.keyNetlink = toU32(from.Get("keyNetlink"), "keyNetlink");
  return settings;
}

std::vector<MeshEntry> meshFrom(const Value& value) {
  if (!value.IsArray()) wrongArgument(value.Env(), "mesh must be an array");
  Napi::Array array = value.As<Napi::Array>();
  std::vector<MeshEntry> mesh(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) {
    Napi::HandleScope scope(value.Env());
    Object entry = objectFrom(array.Get(i), "mesh entry");
    std::memcpy(mesh[i].addr, bytesFrom(entry.Get("addr"), 16, "addr"), 16);
    mesh[i].prefix = toPrefix(entry.Get("prefix"));
    mesh[i].local = toBool(entry.Get("local"), "local");
    mesh[i].node = toU32(entry.Get("node"), "node");
  }
  return mesh;
}

void addMaps(Object& exports) {
  add<updateSettings>(exports, "updateSettings");
  add<setIntent>(exports, "setIntent");
  add<setChannel>(exports, "setChannel");
  add<putMesh>(exports, "putMesh");
  add<dropMesh>(exports, "dropMesh");
  add<clearMesh>(exports, "clearMesh");
  add<exemptSelf>(exports, "exemptSelf");
  add<counters>(exports, "counters");
  add<readLeases>(exports, "readLeases");
}

}  // namespace tlshub::addon
