/* SPDX-License-Identifier: Apache-2.0 */
// What the files of tlshub_kernel.node share. Each adds the functions of its own to the exports: src/shared/kernel/native.ts has them all.
#pragma once

#include <napi.h>

#include "../arguments.h"

namespace tlshub::addon {

using Napi::CallbackInfo;
using Napi::Env;
using Napi::Object;
using Napi::Value;

// Runs it, and turns what the domain throws into errors of JavaScript.
template <typename Run>
Value guard(const CallbackInfo& info, Run run) {
  try {
    return run();
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw toJs(info.Env(), error);
  }
}

template <Value (*Function)(const CallbackInfo&)>
Value guarded(const CallbackInfo& info) {
  return guard(info, [&] { return Function(info); });
}

template <Value (*Function)(const CallbackInfo&)>
void add(Object& exports, const char* name) {
  exports.Set(name, Napi::Function::New(exports.Env(), guarded<Function>, name));
}

inline Napi::BigInt big(Env env, uint64_t value) {
  return Napi::BigInt::New(env, value);
}

void addAbi(Object& exports);
void addEpochMaps(Object& exports);
void addEpochs(Object& exports);
void addFlow(Object& exports);
void addGate(Object& exports);
void addHelpers(Object& exports);
void addLease(Object& exports);
void addMaps(Object& exports);
void addMemory(Object& exports);
void addOpenRecords(Object& exports);
void addProbe(Object& exports);
void addReader(Object& exports);
void addRelease(Object& exports);
void addSocket(Object& exports);
void addSweep(Object& exports);

}  // namespace tlshub::addon
