// SPDX-License-Identifier: Apache-2.0
// What happens to one flow.
#include "flow_from.h"

namespace tlshub::addon {

FlowMaps mapsFrom(const Value& value) {
  Object fds = objectFrom(value, "fds");
  return {toInt(fds.Get("flows"), "flows"),
          toInt(fds.Get("verdicts"), "verdicts"),
          toInt(fds.Get("stops"), "stops"),
          toInt(fds.Get("userStops"), "userStops"),
          toInt(fds.Get("dups"), "dups"),
          toInt(fds.Get("secured"), "secured"),
          fds.Has("openRecords") ? toInt(fds.Get("openRecords"), "openRecords") : -1,
          fds.Has("wakes") ? toInt(fds.Get("wakes"), "wakes") : -1};
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
  add<refuse>(exports, "refuse");
  add<continueStopped>(exports, "continueStopped");
  add<stoppedFlows>(exports, "stoppedFlows");
}

}  // namespace tlshub::addon
