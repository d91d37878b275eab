// SPDX-License-Identifier: Apache-2.0
// What the gate knows of epochs.
#include "../../domain/epoch_maps.h"

#include "../../../bpf/channel.h"
#include "kernel.h"

namespace tlshub::addon {
namespace {

uint32_t toEpoch(const Value& value) {
  return static_cast<uint32_t>(toWhole(value, "epoch", 0, CHANNEL_EPOCH_IDS - 1));
}

// 0 is no node's.
uint32_t toNode(const Value& value) {
  return static_cast<uint32_t>(toWhole(value, "node", 1, UINT32_MAX));
}

Value putEpoch(const CallbackInfo& info) {
  tlshub::putEpoch(toInt(info[0], "epochsFd"), toEpoch(info[1]), toU64(info[2], "untilNs"));
  return info.Env().Undefined();
}

Value dropEpoch(const CallbackInfo& info) {
  tlshub::dropEpoch(toInt(info[0], "epochsFd"), toEpoch(info[1]));
  return info.Env().Undefined();
}

Value numbersGiven(const CallbackInfo& info) {
  return Napi::Number::New(info.Env(), tlshub::numbersGiven(toInt(info[0], "epochsFd"), toEpoch(info[1])));
}

Value putNodeEpoch(const CallbackInfo& info) {
  tlshub::putNodeEpoch(toInt(info[0], "nodeEpochsFd"), toNode(info[1]), toEpoch(info[2]),
                       toU64(info[3], "untilNs"));
  return info.Env().Undefined();
}

Value dropNodeEpoch(const CallbackInfo& info) {
  tlshub::dropNodeEpoch(toInt(info[0], "nodeEpochsFd"), toNode(info[1]), toEpoch(info[2]));
  return info.Env().Undefined();
}

Value clearEpochs(const CallbackInfo& info) {
  const Object fds = objectFrom(info[0], "fds");
  tlshub::clearEpochs({toInt(fds.Get("epochs"), "epochs"), toInt(fds.Get("nodeEpochs"), "nodeEpochs"),
                       toInt(fds.Get("thirdSegments"), "thirdSegments")});
  return info.Env().Undefined();
}

}  // namespace

void addEpochMaps(Object& exports) {
  add<putEpoch>(exports, "putEpoch");
  add<dropEpoch>(exports, "dropEpoch");
  add<numbersGiven>(exports, "numbersGiven");
  add<putNodeEpoch>(exports, "putNodeEpoch");
  add<dropNodeEpoch>(exports, "dropNodeEpoch");
  add<clearEpochs>(exports, "clearEpochs");
}

}  // namespace tlshub::addon
