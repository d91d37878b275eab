// SPDX-License-Identifier: Apache-2.0
#include "handshake_driver.h"

#include <system_error>
#include <utility>

#include "callback.h"
#include "handshake_binding.h"

namespace tlshub::addon {

Napi::Function DriverWrap::define(Napi::Env env) {
  return DefineClass(env, "HandshakeDriver",
                     {
                         InstanceMethod<&DriverWrap::start>("start"),
                         InstanceMethod<&DriverWrap::cancel>("cancel"),
                         InstanceMethod<&DriverWrap::inFlight>("inFlight"),
                         InstanceMethod<&DriverWrap::close>("close"),
                     });
}

DriverWrap::DriverWrap(const Napi::CallbackInfo& info) : LoopWrap(info) {
  try {
    std::unique_ptr<helper::Helpers> helpers;
    if (!info[0].IsUndefined())
      helpers = std::make_unique<helper::Helpers>(toInt(info[0], "helperParentFd"), helper::Limits{});
    watch(std::make_unique<handshake::Driver>(std::move(helpers)));
  } catch (const std::system_error& problem) {
    Napi::Error error = Napi::Error::New(info.Env(), problem.what());
    error.Set("code", Napi::String::New(info.Env(), "TLSHUB_SYS"));
    error.Set("errno", Napi::Number::New(info.Env(), problem.code().value()));
    error.Set("syscall", Napi::String::New(info.Env(), "epoll_create1"));
    throw error;
  } catch (const CodedError& problem) {
    throw toJs(info.Env(), problem);
  }
}

Napi::Value DriverWrap::start(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (isClosed()) {
    Napi::Error error = Napi::Error::New(env, "this handshake driver was closed");
    error.Set("code", Napi::String::New(env, "TLSHUB_DRIVER_CLOSED"));
    throw error;
  }
  std::shared_ptr<const handshake::Context> context = ContextWrap::unwrap(info[0]);
  handshake::Request request = requestFrom(info[1]);
  auto done = functionFrom(info[2], "done");
  const uint64_t id =
      native().start(std::move(context), std::move(request), [done](handshake::Outcome&& outcome) {
        callJs(*done, [&](Napi::Env at) { return outcomeToJs(at, outcome); });
      });
  settle();
  return Napi::Number::New(env, static_cast<double>(id));
}

void DriverWrap::cancel(const Napi::CallbackInfo& info) {
  if (const uint64_t id = idFrom(info[0])) native().cancel(id);
}

Napi::Value DriverWrap::inFlight(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(native().inFlight()));
}

void DriverWrap::close(const Napi::CallbackInfo&) {
  closeNative();
}

}  // namespace tlshub::addon
