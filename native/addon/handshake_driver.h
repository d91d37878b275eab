// A handshake driver in a JavaScript thread: the event loop watches the driver's epoll set, nothing else.
#pragma once

#include <napi.h>

#include <memory>

#include "../domain/handshake/driver.h"
#include "loop_watch.h"

namespace tlshub::addon {

class DriverWrap : public Napi::ObjectWrap<DriverWrap> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit DriverWrap(const Napi::CallbackInfo& info);
  ~DriverWrap() override;

 private:
  Napi::Value start(const Napi::CallbackInfo& info);
  void cancel(const Napi::CallbackInfo& info);
  Napi::Value inFlight(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  void onReadable();
  void onExit();
  void closeWatch();
  void settle();

  std::unique_ptr<handshake::Driver> driver_;
  LoopWatch* watch_ = nullptr;
  bool held_ = false;  // a reference of our own to the JavaScript object: callbacks are due
};

}  // namespace tlshub::addon
