// SPDX-License-Identifier: Apache-2.0
#include "handshake_binding.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "../domain/handshake/library.h"
#include "arguments.h"
#include "channel_driver.h"
#include "handshake_driver.h"
#include "secret_handle.h"

namespace tlshub::addon {

namespace {

// A day: what is longer is a mistake in units.
constexpr double kMaxTimeoutMs = 86400e3;
constexpr double kMostCharge = 9007199254740991;  // the largest exact number of JavaScript's

std::optional<handshake::TicketKey> ticketKeyFrom(const Napi::Object& object) {
  const Napi::Value value = object.Get("ticketKey");
  if (value.IsUndefined()) return std::nullopt;
  handshake::TicketKey key;
  std::memcpy(key.data(), bytesFrom(value, key.size(), "ticketKey"), key.size());
  return key;
}

Napi::Array toJs(Napi::Env env, const std::vector<std::string>& strings) {
  Napi::Array array = Napi::Array::New(env, strings.size());
  for (size_t i = 0; i < strings.size(); i++) {
    array.Set(static_cast<uint32_t>(i), Napi::String::New(env, strings[i]));
  }
  return array;
}

Napi::Value libraryVersion(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), handshake::library::version());
}

Napi::Value libraryFile(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), handshake::library::file());
}

Napi::Value createContext(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<HandshakeClasses>()->context.New({info[0]});
}

Napi::Value createDriver(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<HandshakeClasses>()->driver.New({info[0]});
}

Napi::Value createChannels(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<HandshakeClasses>()->channels.New({info[0], info[1]});
}

}  // namespace

std::vector<std::string> stringsFrom(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) wrongArgument(value.Env(), std::string(name) + " must be an array of strings");
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Napi::Value element = array.Get(i);
    if (!element.IsString()) wrongArgument(value.Env(), std::string(name) + " must be an array of strings");
    strings.push_back(element.As<Napi::String>().Utf8Value());
  }
  return strings;
}

std::vector<std::string> stringsFrom(const Napi::Object& object, const char* name) {
  return stringsFrom(object.Get(name), name);
}

handshake::Credentials credentialsFrom(const Napi::Value& value) {
  const Napi::Object object = objectFrom(value, "credentials");
  return {stringFrom(object, "caPem"), stringFrom(object, "certPem"), stringFrom(object, "keyPem"),
          stringsFrom(object, "ciphers"), ticketKeyFrom(object)};
}

Napi::Error credentialsToJs(Napi::Env env, const handshake::CredentialsError& problem) {
  Napi::Error error = Napi::Error::New(env, problem.what());
  error.Set("code", Napi::String::New(env, "TLSHUB_CREDENTIALS"));
  return error;
}

Napi::Object exportHandshake(Napi::Env env, Napi::Object exports) {
  const std::string foreign = handshake::library::foreign();
  if (!foreign.empty()) {
    Napi::Error error = Napi::Error::New(env, "the TLS library is not the expected one: " + foreign);
    error.Set("code", Napi::String::New(env, "TLSHUB_LIBRARY_FOREIGN"));
    throw error;
  }
  auto* classes = new HandshakeClasses{Napi::Persistent(ContextWrap::define(env)),
                                       Napi::Persistent(DriverWrap::define(env)),
                                       Napi::Persistent(ChannelsWrap::define(env))};
  env.SetInstanceData(classes);  // freed with the environment
  exports.Set("libraryVersion", Napi::Function::New(env, libraryVersion, "libraryVersion"));
  exports.Set("libraryFile", Napi::Function::New(env, libraryFile, "libraryFile"));
  exports.Set("createContext", Napi::Function::New(env, createContext, "createContext"));
  exports.Set("createDriver", Napi::Function::New(env, createDriver, "createDriver"));
  exports.Set("createChannels", Napi::Function::New(env, createChannels, "createChannels"));
  return exports;
}

Napi::Function ContextWrap::define(Napi::Env env) {
  return DefineClass(env, "HandshakeContext", {});
}

ContextWrap::ContextWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ContextWrap>(info) {
  try {
    context_ = handshake::Context::create(credentialsFrom(info[0]));
  } catch (const handshake::CredentialsError& problem) {
    throw credentialsToJs(info.Env(), problem);
  }
}

std::shared_ptr<const handshake::Context> ContextWrap::unwrap(const Napi::Value& value) {
  const Napi::Function type = value.Env().GetInstanceData<HandshakeClasses>()->context.Value();
  if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(type)) {
    wrongArgument(value.Env(), "context must come from createContext() of this thread");
  }
  return ContextWrap::Unwrap(value.As<Napi::Object>())->context_;
}

handshake::Request requestFrom(const Napi::Value& value) {
  const Napi::Object object = objectFrom(value, "request");
  handshake::Request request;
  request.fd = static_cast<int>(numberFrom(object, "fd", 0, std::numeric_limits<int>::max()));
  const std::string role = stringFrom(object, "role");
  if (role != "active" && role != "passive") {
    wrongArgument(value.Env(), "role must be 'active' or 'passive'");
  }
  request.role = role == "active" ? handshake::Role::kActive : handshake::Role::kPassive;
  request.peerNames = stringsFrom(object, "peerNames");
  request.timeout = std::chrono::milliseconds(
      static_cast<int64_t>(std::ceil(numberFrom(object, "timeoutMs", 0, kMaxTimeoutMs))));
  request.keyLog = booleanFrom(object, "keyLog");
  if (!object.Get("charge").IsUndefined())
    request.charge = static_cast<uint64_t>(wholeFrom(object, "charge", 0, kMostCharge));
  return request;
}

Napi::Object outcomeToJs(Napi::Env env, handshake::Outcome& outcome) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("ok", outcome.ok);
  if (outcome.ok) {
    object.Set("cipher", outcome.cipher);
    object.Set("tlsVersion", "TLSv1.3");  // a session of any other version is a failure
    object.Set("secrets", leaveSecret(env, outcome.secrets));
    object.Set("wiped", outcome.wiped);
    object.Set("txSequence", Napi::BigInt::New(env, outcome.txSequence));
    object.Set("rxSequence", Napi::BigInt::New(env, outcome.rxSequence));
    object.Set("resumed", outcome.resumed);
    object.Set("peerName", outcome.peerName);
    object.Set("keyLog", toJs(env, outcome.keyLog));
  } else {
    object.Set("code", handshake::failureCode(outcome.failure));
    object.Set("reason", outcome.reason);
    object.Set("peerNames", toJs(env, outcome.peerNames));
    object.Set("handshakeOnly", outcome.handshakeOnly);
  }
  object.Set("bytesSent", static_cast<double>(outcome.bytesSent));
  object.Set("bytesReceived", static_cast<double>(outcome.bytesReceived));
  object.Set("durationNs", Napi::BigInt::New(env, static_cast<int64_t>(outcome.duration.count())));
  return object;
}

}  // namespace tlshub::addon
