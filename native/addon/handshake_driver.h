// A handshake driver in a JavaScript thread: the event loop watches the driver's epoll set, nothing else.
#pragma once

#include <napi.h>
#include <uv.h>

#include <functional>
#include <memory>

#include "../domain/handshake/driver.h"

namespace tlshub::addon {

// A uv_poll_t with the life of its own that libuv asks for: it is freed when the loop has let go of it, be that after
// close() or at the end of the environment, which waits for it. The owner may go at any time after close().
class LoopWatch {
 public:
  // Throws Napi::Error. `onExit` is called when the environment ends, and must call close().
  static LoopWatch* open(Napi::Env env, int fd, std::function<void()> onReadable,
                         std::function<void()> onExit);
  // Whether the loop stays alive for it.
  void keepAlive(bool alive);
  void close();

 private:
  LoopWatch() = default;

  uv_poll_t handle_{};
  napi_async_cleanup_hook_handle hook_ = nullptr;
  std::function<void()> onReadable_;
  std::function<void()> onExit_;
};

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
