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

DriverWrap::DriverWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DriverWrap>(info) {
  try {
    driver_ = std::make_unique<handshake::Driver>();
  } catch (const std::system_error& problem) {
    Napi::Error error = Napi::Error::New(info.Env(), problem.what());
    error.Set("code", Napi::String::New(info.Env(), "TLSHUB_SYS"));
    error.Set("errno", Napi::Number::New(info.Env(), problem.code().value()));
    error.Set("syscall", Napi::String::New(info.Env(), "epoll_create1"));
    throw error;
  }
  watch_ = LoopWatch::open(
      info.Env(), driver_->pollFd(), [this] { onReadable(); }, [this] { onExit(); });
}

DriverWrap::~DriverWrap() {
  closeWatch();
}

// The loop must have forgotten the descriptor before the driver closes it.
void DriverWrap::closeWatch() {
  if (watch_ != nullptr) std::exchange(watch_, nullptr)->close();
}

// While callbacks are due, neither the loop may end nor the object be collected.
void DriverWrap::settle() {
  const bool wanted = driver_->inFlight() > 0;
  if (wanted == held_) return;
  held_ = wanted;
  if (watch_ != nullptr) watch_->keepAlive(wanted);
  if (wanted) {
    Ref();
  } else {
    Unref();
  }
}

Napi::Value DriverWrap::start(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (watch_ == nullptr) {
    Napi::Error error = Napi::Error::New(env, "this handshake driver was closed");
    error.Set("code", Napi::String::New(env, "TLSHUB_DRIVER_CLOSED"));
    throw error;
  }
  std::shared_ptr<const handshake::Context> context = ContextWrap::unwrap(info[0]);
  handshake::Request request = requestFrom(info[1]);
  auto done = functionFrom(info[2], "done");
  const uint64_t id =
      driver_->start(std::move(context), std::move(request), [done](handshake::Outcome&& outcome) {
        callJs(*done, [&](Napi::Env at) { return outcomeToJs(at, outcome); });
      });
  settle();
  return Napi::Number::New(env, static_cast<double>(id));
}

void DriverWrap::cancel(const Napi::CallbackInfo& info) {
  if (!info[0].IsNumber()) throw Napi::TypeError::New(info.Env(), "id must be a number");
  const int64_t id = info[0].As<Napi::Number>().Int64Value();
  if (id > 0) driver_->cancel(static_cast<uint64_t>(id));
}

Napi::Value DriverWrap::inFlight(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(driver_->inFlight()));
}

void DriverWrap::close(const Napi::CallbackInfo&) {
  closeWatch();
  driver_->close();
  settle();
}

void DriverWrap::onReadable() {
  const Napi::HandleScope scope(Env());
  Ref();  // a callback may close the driver and drop it, while poll() is still below it on the stack
  driver_->poll();
  settle();
  Unref();
}

void DriverWrap::onExit() {
  closeWatch();
  driver_->abandon();
}

}  // namespace tlshub::addon
