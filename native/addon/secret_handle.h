/* SPDX-License-Identifier: Apache-2.0 */
// Handles of secrets (domain/secrets) in JavaScript: numbers. It sees nothing else of them.
#pragma once

#include <napi.h>

#include "../domain/secrets/secret.h"
#include "arguments.h"

namespace tlshub::addon {

template <typename T>
Napi::Value leaveSecret(Napi::Env env, Secret<T>& secret, Left left = Left::kForSoon) {
  return Napi::Number::New(env, static_cast<double>(secret.leave(left)));
}

inline SecretHandle toHandle(const Napi::Value& value, const char* name) {
  return static_cast<SecretHandle>(toWhole(value, name, 1, (int64_t{1} << 53) - 1));
}

}  // namespace tlshub::addon
