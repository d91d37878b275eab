// SPDX-License-Identifier: Apache-2.0
#include "loop_watch.h"

#include <memory>
#include <utility>

namespace tlshub::addon {

LoopWatch* LoopWatch::open(Napi::Env env, int fd, std::function<void()> onReadable,
                           std::function<void()> onExit) {
  uv_loop_t* loop = nullptr;
  std::unique_ptr<LoopWatch> watch(new LoopWatch);
  watch->onReadable_ = std::move(onReadable);
  watch->onExit_ = std::move(onExit);
  watch->handle_.data = watch.get();
  if (napi_get_uv_event_loop(env, &loop) != napi_ok || uv_poll_init(loop, &watch->handle_, fd) != 0) {
    throw Napi::Error::New(env, "the event loop cannot watch the driver's epoll set");
  }
  // From here on only uv_close frees it.
  LoopWatch* const opened = watch.release();
  uv_poll_start(&opened->handle_, UV_READABLE, [](uv_poll_t* handle, int, int) {
    // A copy: the callback may close the watch.
    const std::function<void()> call = static_cast<LoopWatch*>(handle->data)->onReadable_;
    try {
      if (call) call();
    } catch (const Napi::Error&) {
      // only while the environment goes down: nothing can be told to its JavaScript any more
    }
  });
  uv_unref(reinterpret_cast<uv_handle_t*>(&opened->handle_));
  napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle, void* data) {
        auto* self = static_cast<LoopWatch*>(data);
        if (const std::function<void()> call = self->onExit_) call();
      },
      opened, &opened->hook_);
  return opened;
}

void LoopWatch::keepAlive(bool alive) {
  auto* handle = reinterpret_cast<uv_handle_t*>(&handle_);
  if (alive) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
}

void LoopWatch::close() {
  auto* handle = reinterpret_cast<uv_handle_t*>(&handle_);
  if (uv_is_closing(handle)) return;
  onReadable_ = nullptr;
  onExit_ = nullptr;
  uv_close(handle, [](uv_handle_t* closed) {
    auto* self = static_cast<LoopWatch*>(closed->data);
    if (self->hook_ != nullptr) napi_remove_async_cleanup_hook(self->hook_);
    delete self;
  });
}

}  // namespace tlshub::addon
