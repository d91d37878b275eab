/* SPDX-License-Identifier: Apache-2.0 */
// A handshake driver in a JavaScript thread: the event loop watches the driver's epoll set, nothing else.
#pragma once

#include <napi.h>

#include "../domain/handshake/driver.h"
#include "loop_wrap.h"

namespace tlshub::addon {

class DriverWrap : public LoopWrap<DriverWrap, handshake::Driver> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit DriverWrap(const Napi::CallbackInfo& info);

 private:
  Napi::Value start(const Napi::CallbackInfo& info);
  void cancel(const Napi::CallbackInfo& info);
  Napi::Value inFlight(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);
};

}  // namespace tlshub::addon
