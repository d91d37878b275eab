/* SPDX-License-Identifier: Apache-2.0 */
// JavaScript functions that the domain calls back, from the event loop.
#pragma once

#include <napi.h>

#include <memory>

#include "arguments.h"

namespace tlshub::addon {

// Shared, since std::function wants to be able to copy what it holds.
inline std::shared_ptr<Napi::FunctionReference> functionFrom(const Napi::Value& value, const char* name) {
  if (!value.IsFunction()) wrongArgument(value.Env(), std::string(name) + " must be a function");
  return std::make_shared<Napi::FunctionReference>(Napi::Persistent(value.As<Napi::Function>()));
}

// Calls it with the ticks and microtasks that belong to it. What it throws is an uncaught exception of that thread. In a thread that is
// being terminated nothing can be called, and nothing is. `make` makes the argument.
template <typename MakeArgument>
void callJs(const Napi::FunctionReference& function, MakeArgument&& make) {
  const Napi::Env env = function.Env();
  const Napi::HandleScope scope(env);
  try {
    const napi_value argument = make(env);
    const napi_status status =
        napi_make_callback(env, nullptr, env.Global(), function.Value(), 1, &argument, nullptr);
    if (status != napi_pending_exception) return;
    napi_value thrown;
    if (napi_get_and_clear_last_exception(env, &thrown) == napi_ok) napi_fatal_exception(env, thrown);
  } catch (const Napi::Error&) {
    // only while the environment goes down: arguments are plain values
  }
}

}  // namespace tlshub::addon
