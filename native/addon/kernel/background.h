/* SPDX-License-Identifier: Apache-2.0 */
// Work that takes long and touches nothing of JavaScript's, on a thread of the event loop's pool.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <utility>

#include "kernel.h"

namespace tlshub::addon {

// A promise of what `finish` makes of what `work` returns. What `work` throws is what the promise is rejected with, as an error of
// JavaScript. `finish` runs on the event loop again.
template <typename Made>
class Background : public Napi::AsyncWorker {
 public:
  using Work = std::function<std::unique_ptr<Made>()>;
  using Finish = std::function<Value(Napi::Env, std::unique_ptr<Made>)>;

  static Value run(Napi::Env env, const char* name, Work work, Finish finish) {
    auto* worker = new Background(env, name, std::move(work), std::move(finish));  // it deletes itself
    const Value promise = worker->deferred_.Promise();
    worker->Queue();
    return promise;
  }

 private:
  Background(Napi::Env env, const char* name, Work work, Finish finish)
      : AsyncWorker(env, name), deferred_(env), work_(std::move(work)), finish_(std::move(finish)) {}

  void Execute() override {
    try {
      made_ = work_();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  void OnOK() override {
    const Napi::HandleScope scope(Env());
    try {
      if (failure_) std::rethrow_exception(failure_);
      deferred_.Resolve(finish_(Env(), std::move(made_)));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    } catch (const std::exception& error) {
      deferred_.Reject(toJs(Env(), error).Value());
    }
  }

  Napi::Promise::Deferred deferred_;
  Work work_;
  Finish finish_;
  std::unique_ptr<Made> made_;
  std::exception_ptr failure_;
};

}  // namespace tlshub::addon
