/* SPDX-License-Identifier: Apache-2.0 */
// A JavaScript object around a native part that the thread's event loop watches, by one descriptor, while callbacks are due.
#pragma once

#include <napi.h>

#include <memory>
#include <utility>

#include "arguments.h"
#include "loop_watch.h"

namespace tlshub::addon {

// `Native` has pollFd(), poll(), inFlight(), close() and abandon().
template <typename Wrap, typename Native>
class LoopWrap : public Napi::ObjectWrap<Wrap> {
 public:
  explicit LoopWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Wrap>(info) {}
  ~LoopWrap() override { closeWatch(); }

 protected:
  // Throws Napi::Error.
  void watch(std::unique_ptr<Native> native) {
    native_ = std::move(native);
    watch_ = LoopWatch::open(
        this->Env(), native_->pollFd(), [this] { onReadable(); }, [this] { onExit(); });
  }

  Native& native() { return *native_; }
  bool isClosed() const { return watch_ == nullptr; }

  void closeNative() {
    closeWatch();
    native_->close();
    settle();
  }

  // While callbacks are due, neither the loop may end nor the object be collected.
  void settle() {
    const bool wanted = native_->inFlight() > 0;
    if (wanted == held_) return;
    held_ = wanted;
    if (watch_ != nullptr) watch_->keepAlive(wanted);
    if (wanted) {
      this->Ref();
    } else {
      this->Unref();
    }
  }

 private:
  // The loop must have forgotten the descriptor before the native part closes it.
  void closeWatch() {
    if (watch_ != nullptr) std::exchange(watch_, nullptr)->close();
  }

  void onReadable() {
    const Napi::HandleScope scope(this->Env());
    this->Ref();  // a callback may close it and drop it, while poll() is still below it on the stack
    native_->poll();
    settle();
    this->Unref();
  }

  void onExit() {
    closeWatch();
    native_->abandon();
  }

  std::unique_ptr<Native> native_;
  LoopWatch* watch_ = nullptr;
  bool held_ = false;  // a reference of our own to the JavaScript object: callbacks are due
};

// The number by which JavaScript names what is under way; 0: none.
inline uint64_t idFrom(const Napi::Value& value) {
  if (!value.IsNumber()) wrongArgument(value.Env(), "id must be a number");
  const int64_t id = value.As<Napi::Number>().Int64Value();
  return id > 0 ? static_cast<uint64_t>(id) : 0;
}

}  // namespace tlshub::addon
