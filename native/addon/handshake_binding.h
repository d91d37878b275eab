/* SPDX-License-Identifier: Apache-2.0 */
// `HandshakeAddon` of src/shared/kernel/handshake-addon.ts: arguments in, outcomes out. Which TLS library it is, the linker decides.
#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "../domain/handshake/driver.h"

namespace tlshub::addon {

// What every copy of the addon (one per thread that loads it) has of its own.
struct HandshakeClasses {
  Napi::FunctionReference context;
  Napi::FunctionReference driver;
  Napi::FunctionReference channels;
};

// Throws an Error with code TLSHUB_LIBRARY_FOREIGN if the calls of this addon lead to another library than it was made for.
Napi::Object exportHandshake(Napi::Env env, Napi::Object exports);

// A HandshakeContext: nothing but a parsed set of credentials.
class ContextWrap : public Napi::ObjectWrap<ContextWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  // Throws a TypeError if `value` is none.
  static std::shared_ptr<const handshake::Context> unwrap(const Napi::Value& value);

  explicit ContextWrap(const Napi::CallbackInfo& info);

 private:
  std::shared_ptr<const handshake::Context> context_;
};

// Throw a TypeError that names the property.
std::vector<std::string> stringsFrom(const Napi::Value& value, const char* name);
std::vector<std::string> stringsFrom(const Napi::Object& object, const char* name);
handshake::Credentials credentialsFrom(const Napi::Value& value);
handshake::Request requestFrom(const Napi::Value& value);

// TLSHUB_CREDENTIALS
Napi::Error credentialsToJs(Napi::Env env, const handshake::CredentialsError& problem);

// A HandshakeOutcome; its secrets are left for whoever is given their handle.
Napi::Object outcomeToJs(Napi::Env env, handshake::Outcome& outcome);

}  // namespace tlshub::addon
