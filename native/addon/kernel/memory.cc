// SPDX-License-Identifier: Apache-2.0
// What this process keeps of memory that it does not use, and its memory for secrets.
#include "../../domain/memory.h"

#include "../secret_handle.h"
#include "kernel.h"

namespace tlshub::addon {
namespace {

Value boundMemory(const CallbackInfo& info) {
  tlshub::boundMemory();
  return info.Env().Undefined();
}

Value trimMemory(const CallbackInfo& info) {
  tlshub::trimMemory();
  return info.Env().Undefined();
}

Value secretMemory(const CallbackInfo& info) {
  const Env env = info.Env();
  SecretMemoryState state;
  tlshub_secret_state(&state);
  Object result = Object::New(env);
  result.Set("bytes", Napi::Number::New(env, static_cast<double>(state.bytes)));
  result.Set("lockedBytes", Napi::Number::New(env, static_cast<double>(state.lockedBytes)));
  result.Set("secrets", Napi::Number::New(env, state.pieces));
  result.Set("expired", Napi::Number::New(env, static_cast<double>(state.expired)));
  result.Set("problem", Napi::String::New(env, state.lockError ? std::strerror(state.lockError) : ""));
  return result;
}

Value protectSecrets(const CallbackInfo& info) {
  tlshub::protectSecrets();
  return secretMemory(info);
}

Value discardSecret(const CallbackInfo& info) {
  SecretStore::discard(toHandle(info[0], "handle"));
  return info.Env().Undefined();
}

Value expireSecrets(const CallbackInfo& info) {
  constexpr uint64_t kNsInMs = 1000000;
  return Napi::Number::New(info.Env(), tlshub_secret_expire(toU32(info[0], "milliseconds") * kNsInMs));
}

}  // namespace

void addMemory(Object& exports) {
  add<boundMemory>(exports, "boundMemory");
  add<trimMemory>(exports, "trimMemory");
  add<protectSecrets>(exports, "protectSecrets");
  add<secretMemory>(exports, "secretMemory");
  add<discardSecret>(exports, "discardSecret");
  add<expireSecrets>(exports, "expireSecrets");
}

}  // namespace tlshub::addon
