/* SPDX-License-Identifier: Apache-2.0 */
// `Channels` of src/shared/kernel/channel-addon.ts: a channel driver in a JavaScript thread.
#pragma once

#include <napi.h>

#include "../domain/channel/driver.h"
#include "loop_wrap.h"

namespace tlshub::addon {

class ChannelsWrap : public LoopWrap<ChannelsWrap, channel::Driver> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit ChannelsWrap(const Napi::CallbackInfo& info);

 private:
  Napi::Value listen(const Napi::CallbackInfo& info);
  Napi::Value takeListener(const Napi::CallbackInfo& info);
  void setNodes(const Napi::CallbackInfo& info);
  Napi::Value open(const Napi::CallbackInfo& info);
  void accept(const Napi::CallbackInfo& info);
  void reject(const Napi::CallbackInfo& info);
  void numberTaken(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);
  void closeAll(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  void shut(const Napi::CallbackInfo& info);
};

}  // namespace tlshub::addon
