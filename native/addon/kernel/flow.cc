// SPDX-License-Identifier: Apache-2.0
// What happens to one flow.
#include "../../domain/clock.h"
#include "../../domain/secrets/traffic.h"
#include "../secret_handle.h"
#include "flow_from.h"

namespace tlshub::addon {

FlowMaps mapsFrom(const Value& value) {
  Object fds = objectFrom(value, "fds");
  return {toInt(fds.Get("flows"), "flows"), toInt(fds.Get("verdicts"), "verdicts"),
          toInt(fds.Get("stops"), "stops"), toInt(fds.Get("userStops"), "userStops"),
          toInt(fds.Get("dups"), "dups"),   toInt(fds.Get("secured"), "secured")};
}

Cipher cipherFrom(const Value& value) {
  const std::string name = toText(value, "cipher");
  const std::optional<Cipher> cipher = cipherNamed(name);
  if (!cipher) wrongArgument(value.Env(), "no such cipher: " + name);
  return *cipher;
}

namespace {

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

Value claim(const CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(),
                            tlshub::claim(mapsFrom(info[0]), toInt(info[1], "fd"), toU64(info[2], "cookie"),
                                          toU32(info[3], "generation")));
}

Value install(const CallbackInfo& info) {
  Env env = info.Env();
  uint64_t begun = tlshub::monotonicNs();
  tlshub::FlowMaps maps = mapsFrom(info[0]);
  Object from = objectFrom(info[1], "request");
  int fd = toInt(from.Get("fd"), "fd");
  tlshub::Cipher cipher = cipherFrom(from.Get("cipher"));
  const bool active = toText(from.Get("role"), "role") == "active";
  const auto secrets = SecretStore::take<TrafficSecrets>(toHandle(from.Get("secrets"), "secrets"));
  const Secret<TrafficKeys> keys = trafficKeys(cipher, *secrets);
  const uint8_t* const key[] = {keys->clientKey, keys->serverKey};
  const uint8_t* const iv[] = {keys->clientIv, keys->serverIv};
  tlshub::Installation what = {
      toU64(from.Get("cookie"), "cookie"),
      toU32(from.Get("generation"), "generation"),
      {cipher, key[!active], iv[!active], toU64(from.Get("txSequence"), "txSequence")},
      {cipher, key[active], iv[active], toU64(from.Get("rxSequence"), "rxSequence")},
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

Value refuse(const CallbackInfo& info) {
  Env env = info.Env();
  tlshub::Refused done = tlshub::refuse(mapsFrom(info[0]), toInt(info[1], "fd"), toU64(info[2], "cookie"),
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
                           tlshub::forbid(mapsFrom(info[0]), toInt(info[1], "fd"), toU64(info[2], "cookie"),
                                          toU32(info[3], "generation")));
}

Value continueStopped(const CallbackInfo& info) {
  return Napi::Number::New(info.Env(), tlshub::continueStopped(mapsFrom(info[0]), toU64(info[1], "cookie")));
}

Value stoppedFlows(const CallbackInfo& info) {
  Napi::Array cookies = Napi::Array::New(info.Env());
  for (uint64_t cookie : tlshub::stoppedFlows(toInt(info[0], "stopsFd")))
    cookies.Set(cookies.Length(), big(info.Env(), cookie));
  return cookies;
}

}  // namespace

void addFlow(Object& exports) {
  add<readFlow>(exports, "readFlow");
  add<claim>(exports, "claim");
  add<install>(exports, "install");
  add<refuse>(exports, "refuse");
  add<forbid>(exports, "forbid");
  add<continueStopped>(exports, "continueStopped");
  add<stoppedFlows>(exports, "stoppedFlows");
}

}  // namespace tlshub::addon
