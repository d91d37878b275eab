// What this kernel can do, and who asks.
#include "../../domain/probe.h"

#include "../../domain/peer.h"
#include "kernel.h"

namespace tlshub::addon {
namespace {

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

}  // namespace

void addProbe(Object& exports) {
  add<probeAll>(exports, "probe");
  add<peerOf>(exports, "peerOf");
}

}  // namespace tlshub::addon
