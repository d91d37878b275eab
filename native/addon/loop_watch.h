/* SPDX-License-Identifier: Apache-2.0 */
// The event loop watches one descriptor of a native driver.
#pragma once

#include <napi.h>
#include <uv.h>

#include <functional>

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

}  // namespace tlshub::addon
