// tlshub_kernel.node: src/shared/kernel/native.ts, KernelAddon. Arguments in, domain calls, results out; nothing is decided here.
#include <napi.h>

#include <cstddef>
#include <memory>

#include "../../bpf/abi.generated.h"
#include "../domain/clock.h"
#include "../domain/error.h"
#include "../domain/flow_ops.h"
#include "../domain/gate.h"
#include "../domain/lease.h"
#include "../domain/memory.h"
#include "../domain/peer.h"
#include "../domain/perf_reader.h"
#include "../domain/pins.h"
#include "../domain/probe.h"
#include "../domain/remote_socket.h"
#include "../domain/sock_diag.h"
#include "../domain/sweep.h"
#include "arguments.h"

namespace {

using Napi::CallbackInfo;
using Napi::Env;
using Napi::Object;
using Napi::Value;
using tlshub::addon::bytesFrom;
using tlshub::addon::objectFrom;
using tlshub::addon::wrongArgument;

template <Value (*Function)(const CallbackInfo&)>
Value guarded(const CallbackInfo& info) {
  try {
    return Function(info);
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw tlshub::addon::toJs(info.Env(), error);
  }
}

uint32_t toU32(const Value& value, const char* name) {
  if (!value.IsNumber()) wrongArgument(value.Env(), std::string(name) + " must be a number");
  return value.As<Napi::Number>().Uint32Value();
}

int toInt(const Value& value, const char* name) {
  if (!value.IsNumber()) wrongArgument(value.Env(), std::string(name) + " must be a number");
  return value.As<Napi::Number>().Int32Value();
}

uint64_t toU64(const Value& value, const char* name) {
  if (!value.IsBigInt()) wrongArgument(value.Env(), std::string(name) + " must be a bigint");
  bool lossless;
  return value.As<Napi::BigInt>().Uint64Value(&lossless);
}

bool toBool(const Value& value, const char* name) {
  if (!value.IsBoolean()) wrongArgument(value.Env(), std::string(name) + " must be a boolean");
  return value.As<Napi::Boolean>().Value();
}

std::string toText(const Value& value, const char* name) {
  if (!value.IsString()) wrongArgument(value.Env(), std::string(name) + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

Napi::BigInt big(Env env, uint64_t value) {
  return Napi::BigInt::New(env, value);
}

template <typename T>
Value handle(Env env, T* object) {
  return Napi::External<T>::New(env, object, [](Env, T* dead) { delete dead; });
}

// A closed handle keeps its box and loses what was in it.
template <typename T>
using Box = std::unique_ptr<T>;

template <typename T>
T& unbox(const Value& value, const char* name) {
  if (!value.IsExternal()) wrongArgument(value.Env(), std::string(name) + " must be a handle");
  Box<T>& box = *value.As<Napi::External<Box<T>>>().Data();
  if (!box) wrongArgument(value.Env(), std::string(name) + " is closed");
  return *box;
}

// The gate is one a process: its descriptors are what the other threads use.
Box<tlshub::Gate> theGate;

std::vector<tlshub::PolicyRule> readRules(const Value& value) {
  if (!value.IsArray()) wrongArgument(value.Env(), "rules must be an array");
  Napi::Array array = value.As<Napi::Array>();
  std::vector<tlshub::PolicyRule> rules(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) {
    Object rule = objectFrom(array.Get(i), "rule");
    std::memcpy(rules[i].addr, bytesFrom(rule.Get("addr"), 16, "addr"), 16);
    rules[i].prefix = toU32(rule.Get("prefix"), "prefix");
    uint32_t port = toU32(rule.Get("port"), "port");
    if (rules[i].prefix > 128 || port > 65535)
      wrongArgument(value.Env(), "a rule's prefix or port is too large");
    rules[i].port = static_cast<uint16_t>(port);
    rules[i].rank = toU32(rule.Get("rank"), "rank");
  }
  return rules;
}

tlshub::GateSettings readSettings(const Object& from) {
  tlshub::GateSettings settings = {};
  settings.holdMs = toU32(from.Get("holdMs"), "holdMs");
  settings.silentPeerMs = toU32(from.Get("silentPeerMs"), "silentPeerMs");
  settings.policy.permissive = toText(from.Get("policy"), "policy") == "permissive";
  settings.policy.plaintextOnNode = toText(from.Get("sameNode"), "sameNode") == "plaintext";
  settings.policy.rules = readRules(from.Get("rules"));
  settings.emitConnect = toBool(from.Get("emitConnect"), "emitConnect");
  return settings;
}

std::vector<tlshub::MeshEntry> readMesh(const Value& value) {
  if (!value.IsArray()) wrongArgument(value.Env(), "mesh must be an array");
  Napi::Array array = value.As<Napi::Array>();
  std::vector<tlshub::MeshEntry> mesh(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) {
    Napi::HandleScope scope(value.Env());
    Object entry = objectFrom(array.Get(i), "mesh entry");
    std::memcpy(mesh[i].addr, bytesFrom(entry.Get("addr"), 16, "addr"), 16);
    mesh[i].prefix = toU32(entry.Get("prefix"), "prefix");
    if (mesh[i].prefix > 128) wrongArgument(value.Env(), "prefix must be at most 128");
    mesh[i].local = toBool(entry.Get("local"), "local");
  }
  return mesh;
}

tlshub::FlowMaps readMaps(const Value& value) {
  Object fds = objectFrom(value, "fds");
  return {toInt(fds.Get("flows"), "flows"), toInt(fds.Get("verdicts"), "verdicts"),
          toInt(fds.Get("stops"), "stops"), toInt(fds.Get("userStops"), "userStops"),
          toInt(fds.Get("dups"), "dups"),   toInt(fds.Get("secured"), "secured")};
}

Value openGate(const CallbackInfo& info) {
  Env env = info.Env();
  if (theGate) wrongArgument(env, "this process has a gate already");
  Object from = objectFrom(info[0], "options");
  tlshub::Gate::Options options;
  options.objectPath = toText(from.Get("objectPath"), "objectPath");
  options.pinDir = toText(from.Get("pinDir"), "pinDir");
  options.settings = readSettings(objectFrom(from.Get("settings"), "settings"));
  options.mesh = readMesh(from.Get("mesh"));
  Napi::Array cgroups = from.Get("cgroups").As<Napi::Array>();
  for (uint32_t i = 0; i < cgroups.Length(); i++) options.cgroups.push_back(toText(cgroups.Get(i), "cgroup"));
  theGate = std::make_unique<tlshub::Gate>(options);

  Object fds = Object::New(env);
  const char* const names[][2] = {{"flows", "flows"},
                                  {"verdicts", "verdicts"},
                                  {"owners", "owners"},
                                  {"stops", "stops"},
                                  {"userStops", "user_stops"},
                                  {"leases", "leases"},
                                  {"settings", "settings"},
                                  {"mesh", "mesh"},
                                  {"events", "events"},
                                  {"counters", "counters"},
                                  {"agents", "agents"},
                                  {"sweepLink", "sweep"},
                                  {"policy", "policy"},
                                  {"rules", "rules"},
                                  {"dups", "dups"},
                                  {"secured", "secured"}};
  for (auto& name : names) fds.Set(name[0], Napi::Number::New(env, theGate->fd(name[1])));
  Object gate = Object::New(env);
  gate.Set("fds", fds);
  gate.Set("adopted", Napi::Boolean::New(env, theGate->adopted()));
  return gate;
}

Value updateSettings(const CallbackInfo& info) {
  Object fds = objectFrom(info[0], "fds");
  tlshub::SettingsMaps maps = {toInt(fds.Get("settings"), "settings"), toInt(fds.Get("policy"), "policy"),
                               toInt(fds.Get("rules"), "rules")};
  tlshub::writeSettings(maps, readSettings(objectFrom(info[1], "settings")));
  return info.Env().Undefined();
}

Value setWants(const CallbackInfo& info) {
  tlshub::writeWants(toInt(info[0], "settingsFd"), toU32(info[1], "wants"));
  return info.Env().Undefined();
}

Value attachCgroup(const CallbackInfo& info) {
  if (!theGate) wrongArgument(info.Env(), "there is no gate");
  theGate->attachCgroup(toText(info[0], "path"));
  return info.Env().Undefined();
}

Value detachCgroup(const CallbackInfo& info) {
  if (!theGate) wrongArgument(info.Env(), "there is no gate");
  theGate->detachCgroup(toText(info[0], "path"));
  return info.Env().Undefined();
}

Value detachGate(const CallbackInfo& info) {
  if (theGate) theGate->detach();
  theGate.reset();
  return info.Env().Undefined();
}

Value lockPins(const CallbackInfo& info) {
  return Napi::Number::New(info.Env(), tlshub::lockPins(toText(info[0], "pinDir")).release());
}

// One a process, like the gate that it is for.
tlshub::AgentLock theAgentLock;

Value lockAgent(const CallbackInfo& info) {
  theAgentLock = tlshub::lockAgent(toText(info[0], "pinDir"));
  const bool alone = static_cast<bool>(theAgentLock.alone);
  if (!alone) theAgentLock = {};
  return Napi::Boolean::New(info.Env(), alone);
}

Value openPins(const CallbackInfo& info) {
  std::string pinDir = toText(info[0], "pinDir");
  tlshub::checkPins(pinDir);
  const char* const names[][2] = {{"flows", "maps/flows"},       {"verdicts", "maps/verdicts"},
                                  {"stops", "maps/stops"},       {"userStops", "maps/user_stops"},
                                  {"dups", "maps/dups"},         {"leases", "maps/leases"},
                                  {"settings", "maps/settings"}, {"policy", "maps/policy"},
                                  {"rules", "maps/rules"},       {"mesh", "maps/mesh"},
                                  {"agents", "maps/agents"},     {"sweepLink", "sweep"},
                                  {"secured", "maps/secured"}};
  Object fds = Object::New(info.Env());
  for (auto& name : names)
    fds.Set(name[0], Napi::Number::New(info.Env(), tlshub::openPin(pinDir, name[1]).release()));
  return fds;
}

Value readLeases(const CallbackInfo& info) {
  tlshub_leases leases = tlshub::readLeases(toInt(info[0], "leasesFd"));
  Object result = Object::New(info.Env());
  result.Set("agentUntilNs", big(info.Env(), leases.agent_until_ns));
  result.Set("guardianUntilNs", big(info.Env(), leases.guardian_until_ns));
  return result;
}

Value exemptSelf(const CallbackInfo& info) {
  tlshub::exemptSelf(toInt(info[0], "agentsFd"));
  return info.Env().Undefined();
}

Value clearMesh(const CallbackInfo& info) {
  tlshub::replaceMesh(toInt(info[0], "meshFd"), {});
  return info.Env().Undefined();
}

Value releasePins(const CallbackInfo& info) {
  return Napi::Number::New(info.Env(), tlshub::releasePins(toText(info[0], "pinDir")));
}

Value putMesh(const CallbackInfo& info) {
  tlshub::putMesh(toInt(info[0], "meshFd"), readMesh(info[1]));
  return info.Env().Undefined();
}

Value dropMesh(const CallbackInfo& info) {
  tlshub::dropMesh(toInt(info[0], "meshFd"), readMesh(info[1]));
  return info.Env().Undefined();
}

Value counters(const CallbackInfo& info) {
  Object result = Object::New(info.Env());
  for (auto& [name, value] : tlshub::readCounters(toInt(info[0], "countersFd")))
    result.Set(name, Napi::Number::New(info.Env(), static_cast<double>(value)));
  return result;
}

Value startLease(const CallbackInfo& info) {
  return handle(info.Env(),
                new Box<tlshub::Lease>(std::make_unique<tlshub::Lease>(
                    toInt(info[0], "leasesFd"), toU32(info[1], "ttlMs"), toU32(info[2], "everyMs"))));
}

Value stopLease(const CallbackInfo& info) {
  unbox<tlshub::Lease>(info[0], "lease");
  info[0].As<Napi::External<Box<tlshub::Lease>>>().Data()->reset();
  return info.Env().Undefined();
}

Value openReader(const CallbackInfo& info) {
  if (!info[2].IsTypedArray()) wrongArgument(info.Env(), "delayBounds must be a Float64Array");
  auto bounds = info[2].As<Napi::Float64Array>();
  return handle(info.Env(),
                new Box<tlshub::PerfReader>(std::make_unique<tlshub::PerfReader>(
                    toInt(info[0], "eventsFd"), toU32(info[1], "pagesPerCpu"),
                    std::vector<uint64_t>(bounds.Data(), bounds.Data() + bounds.ElementLength()))));
}

// N-API knows no SharedArrayBuffer, but it does know typed arrays over one.
Napi::Int32Array viewOf(const Value& buffer) {
  if (!buffer.IsObject()) wrongArgument(buffer.Env(), "a SharedArrayBuffer is wanted");
  return buffer.Env().Global().Get("Int32Array").As<Napi::Function>().New({buffer}).As<Napi::Int32Array>();
}

Value pollReader(const CallbackInfo& info) {
  Napi::Int32Array view = viewOf(info[1]);
  tlshub::RingProducer ring(view.Data(), view.ByteLength());
  auto& reader = unbox<tlshub::PerfReader>(info[0], "reader");
  Napi::Int32Array delays = viewOf(info[2]);
  if (delays.ElementLength() != reader.delayBuckets())
    wrongArgument(info.Env(), "delays must have a word for each bound and one more");
  auto result = reader.poll(ring, reinterpret_cast<uint32_t*>(delays.Data()), toInt(info[3], "timeoutMs"));
  Object object = Object::New(info.Env());
  object.Set("records", Napi::Number::New(info.Env(), result.records));
  object.Set("lost", Napi::Number::New(info.Env(), static_cast<double>(result.lost)));
  object.Set("full", Napi::Boolean::New(info.Env(), result.full));
  return object;
}

Value wakeFd(const CallbackInfo& info) {
  return Napi::Number::New(info.Env(), unbox<tlshub::PerfReader>(info[0], "reader").wakeFd());
}

Value wake(const CallbackInfo& info) {
  uint64_t one = 1;
  if (write(toInt(info[0], "fd"), &one, sizeof(one)) < 0)
    throw tlshub::SysError("write", "cannot wake the event reader");
  return info.Env().Undefined();
}

Value closeReader(const CallbackInfo& info) {
  unbox<tlshub::PerfReader>(info[0], "reader");
  info[0].As<Napi::External<Box<tlshub::PerfReader>>>().Data()->reset();
  return info.Env().Undefined();
}

tlshub::SocketOwner toOwner(const Value& value) {
  Object from = objectFrom(value, "owner");
  return {toU32(from.Get("tgid"), "tgid"), toInt(from.Get("fd"), "fd"), toU64(from.Get("inode"), "inode"),
          toU64(from.Get("cookie"), "cookie")};
}

Value takeSocket(const CallbackInfo& info) {
  tlshub::Taken taken = tlshub::take(readMaps(info[0]), toOwner(info[1]));
  Object result = Object::New(info.Env());
  result.Set("live", Napi::Boolean::New(info.Env(), taken.live));
  result.Set("fd", Napi::Number::New(info.Env(), taken.fd));
  return result;
}

Value hasSocket(const CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), tlshub::hasSocket(toOwner(info[0])));
}

Value releaseSocket(const CallbackInfo& info) {
  int continued = tlshub::release(readMaps(info[0]), toInt(info[1], "fd"), toU64(info[2], "cookie"));
  return Napi::Number::New(info.Env(), continued);
}

Value closeFd(const CallbackInfo& info) {
  close(toInt(info[0], "fd"));
  return info.Env().Undefined();
}

Value boundMemory(const CallbackInfo& info) {
  tlshub::boundMemory();
  return info.Env().Undefined();
}

Value trimMemory(const CallbackInfo& info) {
  tlshub::trimMemory();
  return info.Env().Undefined();
}

Value readFlow(const CallbackInfo& info) {
  Env env = info.Env();
  tlshub_flow flow = tlshub::readFlow(toInt(info[0], "flowsFd"), toInt(info[1], "fd"));
  Object result = Object::New(env);
  result.Set("cookie", big(env, flow.cookie));
  result.Set("generation", Napi::Number::New(env, flow.generation));
  result.Set("role", Napi::String::New(env, flow.role == ROLE_ACTIVE ? "active" : "passive"));
  result.Set("establishedNs", big(env, flow.established_ns));
  result.Set("firstHeldNs", big(env, flow.first_held_ns));
  result.Set("refused", Napi::Number::New(env, flow.refused));
  result.Set("heldCalls", Napi::Number::New(env, flow.held_calls));
  result.Set("agentTx", Napi::Number::New(env, flow.agent_tx));
  return result;
}

tlshub::Cipher toCipher(const Value& value) {
  std::string name = toText(value, "cipher");
  if (name == "TLS_AES_128_GCM_SHA256") return tlshub::Cipher::kAes128Gcm;
  if (name == "TLS_AES_256_GCM_SHA384") return tlshub::Cipher::kAes256Gcm;
  if (name == "TLS_CHACHA20_POLY1305_SHA256") return tlshub::Cipher::kChaCha20Poly1305;
  wrongArgument(value.Env(), "no such cipher: " + name);
}

Value loopbackPair(const CallbackInfo& info) {
  tlshub::Pair pair = tlshub::loopbackPair();
  Napi::Array fds = Napi::Array::New(info.Env(), 2);
  fds.Set(0u, Napi::Number::New(info.Env(), pair.client.release()));
  fds.Set(1u, Napi::Number::New(info.Env(), pair.server.release()));
  return fds;
}

Value tryCipher(const CallbackInfo& info) {
  tlshub::tryCipher(toCipher(info[0]));
  return info.Env().Undefined();
}

Value install(const CallbackInfo& info) {
  Env env = info.Env();
  uint64_t begun = tlshub::monotonicNs();
  tlshub::FlowMaps maps = readMaps(info[0]);
  Object from = objectFrom(info[1], "request");
  int fd = toInt(from.Get("fd"), "fd");
  tlshub::Cipher cipher = toCipher(from.Get("cipher"));
  size_t length = tlshub::keyBytes(cipher);
  tlshub::Installation what = {
      toU64(from.Get("cookie"), "cookie"),
      toU32(from.Get("generation"), "generation"),
      {cipher, bytesFrom(from.Get("txKey"), length, "txKey"), bytesFrom(from.Get("txIv"), 12, "txIv"),
       toU64(from.Get("txSequence"), "txSequence")},
      {cipher, bytesFrom(from.Get("rxKey"), length, "rxKey"), bytesFrom(from.Get("rxIv"), 12, "rxIv"),
       toU64(from.Get("rxSequence"), "rxSequence")},
      toU32(from.Get("handshakeBytesSent"), "handshakeBytesSent"),
      toU32(from.Get("handshakeBytesReceived"), "handshakeBytesReceived"),
      toU32(from.Get("provider"), "provider"),
      toU64(from.Get("askedNs"), "askedNs"),
      toU64(from.Get("startedNs"), "startedNs"),
      toU64(from.Get("negotiationNs"), "negotiationNs"),
      toText(from.Get("peerNode"), "peerNode"),
  };
  tlshub::Installed done = tlshub::install(maps, fd, what);
  Object result = Object::New(env);
  result.Set("kernelUlp", Napi::String::New(env, done.ulp));
  result.Set("kernelCipher", Napi::String::New(env, done.cipher));
  result.Set("kernelVersion", Napi::String::New(env, done.version));
  result.Set("continued", Napi::Number::New(env, done.continued));
  result.Set("installNs", big(env, done.openedNs - begun));
  result.Set("openedNs", big(env, done.openedNs));
  result.Set("remembered", Napi::Boolean::New(env, done.remembered));
  return result;
}

Value claim(const CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(),
                            tlshub::claim(readMaps(info[0]), toInt(info[1], "fd"), toU64(info[2], "cookie"),
                                          toU32(info[3], "generation")));
}

Value refuse(const CallbackInfo& info) {
  Env env = info.Env();
  tlshub::Refused done = tlshub::refuse(readMaps(info[0]), toInt(info[1], "fd"), toU64(info[2], "cookie"),
                                        toU32(info[3], "generation"), toU32(info[4], "tgid"));
  static const char* const by[] = {"disconnect", "sock_destroy", "already-closed"};
  Object result = Object::New(env);
  result.Set("by", Napi::String::New(env, by[static_cast<int>(done.by)]));
  result.Set("discardedBytes", Napi::Number::New(env, done.discarded));
  result.Set("continued", Napi::Number::New(env, done.continued));
  return result;
}

Value forbid(const CallbackInfo& info) {
  return Napi::Number::New(info.Env(),
                           tlshub::forbid(readMaps(info[0]), toInt(info[1], "fd"), toU64(info[2], "cookie"),
                                          toU32(info[3], "generation")));
}

Value destroyByTuple(const CallbackInfo& info) {
  Object from = objectFrom(info[0], "tuple");
  tlshub::Tuple tuple = {};
  std::memcpy(tuple.local, bytesFrom(from.Get("local"), 16, "local"), 16);
  std::memcpy(tuple.remote, bytesFrom(from.Get("remote"), 16, "remote"), 16);
  tuple.localPort = static_cast<uint16_t>(toU32(from.Get("lport"), "lport"));
  tuple.remotePort = static_cast<uint16_t>(toU32(from.Get("rport"), "rport"));
  return Napi::Boolean::New(info.Env(),
                            tlshub::destroySocket(tuple, toU64(info[1], "cookie"), toU32(info[2], "tgid")));
}

Value continueStopped(const CallbackInfo& info) {
  return Napi::Number::New(info.Env(), tlshub::continueStopped(readMaps(info[0]), toU64(info[1], "cookie")));
}

Value stoppedFlows(const CallbackInfo& info) {
  Napi::Array cookies = Napi::Array::New(info.Env());
  for (uint64_t cookie : tlshub::stoppedFlows(toInt(info[0], "stopsFd")))
    cookies.Set(cookies.Length(), big(info.Env(), cookie));
  return cookies;
}

Value openSweep(const CallbackInfo& info) {
  return Napi::Number::New(info.Env(), tlshub::openSweep(toInt(info[0], "sweepLinkFd")).release());
}

Value readSweep(const CallbackInfo& info) {
  if (!info[1].IsTypedArray()) wrongArgument(info.Env(), "into must be a Uint8Array");
  Napi::TypedArray into = info[1].As<Napi::TypedArray>();
  size_t from = toU32(info[2], "from");
  if (from > into.ByteLength()) wrongArgument(info.Env(), "from lies behind the end");
  char* start = static_cast<char*>(into.ArrayBuffer().Data()) + into.ByteOffset();
  size_t n = tlshub::readSweep(toInt(info[0], "sweepFd"), start + from, into.ByteLength() - from);
  return Napi::Number::New(info.Env(), static_cast<double>(n));
}

Value peerOf(const CallbackInfo& info) {
  Env env = info.Env();
  tlshub::Peer peer = tlshub::peerOf(toInt(info[0], "fd"));
  Object result = Object::New(env);
  result.Set("uid", Napi::Number::New(env, peer.uid));
  result.Set("gid", Napi::Number::New(env, peer.gid));
  result.Set("pid", Napi::Number::New(env, peer.pid));
  result.Set("cgroup", Napi::String::New(env, peer.cgroup));
  return result;
}

Value probeAll(const CallbackInfo& info) {
  Env env = info.Env();
  Napi::Array list = Napi::Array::New(env);
  for (const tlshub::ProbeResult& each : tlshub::probe()) {
    Object result = Object::New(env);
    result.Set("name", Napi::String::New(env, each.name));
    result.Set("ok", Napi::Boolean::New(env, each.ok));
    result.Set("detail", Napi::String::New(env, each.detail));
    result.Set("remedy", Napi::String::New(env, each.remedy));
    list.Set(list.Length(), result);
  }
  return list;
}

// Which bpf/tlshub.h this addon was compiled with.
Value abi(const CallbackInfo& info) {
  return Napi::String::New(info.Env(), TLSHUB_ABI_HASH);
}

Object initialise(Env env, Object exports) {
  auto add = [&](const char* name, Value (*function)(const CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("abi", guarded<abi>);
  add("probe", guarded<probeAll>);
  add("peerOf", guarded<peerOf>);
  add("openGate", guarded<openGate>);
  add("updateSettings", guarded<updateSettings>);
  add("setWants", guarded<setWants>);
  add("attachCgroup", guarded<attachCgroup>);
  add("detachCgroup", guarded<detachCgroup>);
  add("putMesh", guarded<putMesh>);
  add("dropMesh", guarded<dropMesh>);
  add("counters", guarded<counters>);
  add("detachGate", guarded<detachGate>);
  add("lockAgent", guarded<lockAgent>);
  add("lockPins", guarded<lockPins>);
  add("openPins", guarded<openPins>);
  add("readLeases", guarded<readLeases>);
  add("exemptSelf", guarded<exemptSelf>);
  add("clearMesh", guarded<clearMesh>);
  add("releasePins", guarded<releasePins>);
  add("startLease", guarded<startLease>);
  add("stopLease", guarded<stopLease>);
  add("openReader", guarded<openReader>);
  add("pollReader", guarded<pollReader>);
  add("wakeFd", guarded<wakeFd>);
  add("wake", guarded<wake>);
  add("closeReader", guarded<closeReader>);
  add("takeSocket", guarded<takeSocket>);
  add("hasSocket", guarded<hasSocket>);
  add("releaseSocket", guarded<releaseSocket>);
  add("closeFd", guarded<closeFd>);
  add("boundMemory", guarded<boundMemory>);
  add("trimMemory", guarded<trimMemory>);
  add("loopbackPair", guarded<loopbackPair>);
  add("tryCipher", guarded<tryCipher>);
  add("readFlow", guarded<readFlow>);
  add("claim", guarded<claim>);
  add("install", guarded<install>);
  add("refuse", guarded<refuse>);
  add("forbid", guarded<forbid>);
  add("destroyByTuple", guarded<destroyByTuple>);
  add("continueStopped", guarded<continueStopped>);
  add("stoppedFlows", guarded<stoppedFlows>);
  add("openSweep", guarded<openSweep>);
  add("readSweep", guarded<readSweep>);
  return exports;
}

}  // namespace

NODE_API_MODULE(tlshub_kernel, initialise)
